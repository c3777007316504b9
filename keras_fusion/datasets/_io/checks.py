"""Checks of numbers that may be NumPy's, and of what files hold; the latter name the file."""

import numbers

import numpy as np


def check_count(name, value, optional=False):
    """An error unless `value` is an integer from 1 on, or None where it is optional."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not (optional and value is None) and (not whole or value < 1):
        wanted = "an integer >= 1 or None" if optional else "an integer >= 1"
        raise ValueError(f"{name}: expected {wanted}. Received: {value!r}")


def is_finite(value):
    """Whether `value` is a finite number, and no bool."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and np.isfinite(value)


def check_hash(path, key, received, expected):
    """An error unless the hash is the pinned one; `key` says of what in the file."""
    if received != expected:
        raise ValueError(
            f"{path}: expected {key} with SHA-256 {expected}. Received: {received}. It is not "
            "the published file: get it again"
        )


def check_array(path, key, array, shape, kinds):
    """An error unless an array has the shape (None: any length) and a type from `kinds`.

    `kinds` are beginnings of names of types, as `"float"` for float32 and float64.
    """
    fits = len(array.shape) == len(shape) and all(
        length in (None, received) for length, received in zip(shape, array.shape, strict=True)
    )
    if not fits or not array.dtype.name.startswith(tuple(kinds)):
        wanted = tuple("any" if length is None else length for length in shape)
        raise ValueError(
            f"{path}: expected `{key}` of shape {wanted} and type {' or '.join(kinds)}. "
            f"Received: {array.dtype.name} of shape {tuple(array.shape)}"
        )


def check_finite(path, key, array, numbers=None):
    """An error if an array holds NaN or infinity; it names the first row.

    `numbers` are the numbers that its rows have in the file, where these are not all.
    """
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        first = bad.argmax() if numbers is None else numbers[bad.argmax()]
        raise ValueError(
            f"{path}: expected finite `{key}`. Received: NaN or infinity in {bad.sum()} of "
            f"{len(array)} rows, first in row {first}"
        )


def check_labels(path, key, labels, num_classes, every=True):
    """An error unless the labels are integers from 0 to `num_classes - 1`, `every` one there."""
    check_array(path, key, labels, (None,), ("int", "uint"))
    received = set(np.unique(labels).tolist())
    absent = sorted(set(range(num_classes)) - received)
    other = sorted(received - set(range(num_classes)))
    if other or (every and absent):
        raise ValueError(
            f"{path}: expected `{key}` with {'every class' if every else 'classes'} from 0 to "
            f"{num_classes - 1}. Received: absent {absent}, others {other[:10]}"
        )


def check_counts(name, counts):
    """An error unless all parts of a data set have equally many rows.

    Args:
        name: What the parts belong to, for the message.
        counts: Dict, the number of rows of each file or array.
    """
    if len(set(counts.values())) > 1:
        raise ValueError(f"{name}: expected equally many rows. Received: {counts}")
