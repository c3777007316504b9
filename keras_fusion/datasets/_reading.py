"""Finding a data set's files, checking what they hold, and errors that name file and fix."""

import contextlib
import hashlib
import os
import pathlib

import numpy as np

from keras_fusion.datasets import _files


def find(name, data_dir, inner, files):
    """The folder of a data set that holds all its files.

    Args:
        name: Name of the data set, for messages.
        data_dir: Path or None, as in `_files.data_folder`.
        inner: Name of the data set's own folder; `data_dir` may be this or the one around it.
        files: Paths inside the folder, each of which has to exist.

    Returns:
        A `pathlib.Path`.

    Raises:
        FileNotFoundError: If no folder is named, or a file is missing (all missing are named).
    """
    around = _files.data_folder(data_dir)
    if around is None:
        raise FileNotFoundError(
            f"{name}: expected data_dir= or the environment variable {_files.DATA_VARIABLE} to "
            f"name the folder of {', '.join(map(str, files)) or 'its files'}. Received: neither"
        )
    folder = around / inner if (around / inner).is_dir() else around
    missing = [str(file) for file in files if not (folder / file).exists()]
    if missing:
        raise FileNotFoundError(
            f"{name}: expected {folder} to hold {', '.join(map(str, files))}. Missing: "
            f"{', '.join(missing)}. keras_fusion.datasets.info({name!r}) says where to get it"
        )
    return folder


@contextlib.contextmanager
def complete(path, kind):
    """Turns whatever broken bytes raise into a ValueError that names the file and the fix."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file {path}. Received: no such file")
    try:
        yield
    except Exception as error:  # parsers raise whatever they like
        if isinstance(error, ImportError):
            raise
        raise ValueError(
            f"{path} is not a complete {kind} file (a download or a copy that stopped early?); "
            f"get it again: {type(error).__name__}: {error}"
        ) from error


def array_sha256(array):
    """SHA-256 of an array's type, shape and values; an `.npz` differs with its compression."""
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(array.tobytes())
    return digest.hexdigest()


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


def read_npy(path, mmap=False):
    """An array of an `.npy` file, never from a pickle; `mmap` leaves it on disk."""
    with complete(path, ".npy"):
        # np.load would take anything that is no .npy for a zip or a pickle.
        with open(path, "rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise ValueError("it does not begin as one")
            size = os.fstat(file.fileno()).st_size
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.nbytes > size:  # an empty dimension with a huge one
            raise ValueError(f"its header promises {array.shape}")
        return array if mmap else np.array(array)


def standardized(parts, mean_of):
    """Arrays minus mean, over standard deviation, both of one of them.

    Args:
        parts: Dict of float arrays `(rows, features)`.
        mean_of: Key of the part that mean and deviation are taken from. A feature that is
            constant there is only centred.

    Returns:
        Dict of float32 arrays.
    """
    reference = parts[mean_of].astype("float64")
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    deviation[deviation == 0] = 1
    return {key: ((part - mean) / deviation).astype("float32") for key, part in parts.items()}
