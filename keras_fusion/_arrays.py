"""Arrays of any kind that a user feeds, and the numbers among them that are none."""

import numpy as np
from keras import ops, tree

_CHUNK = 2**22  # bytes at a time: fast, and what is on disk is never read as a whole


def as_array(value):
    """`value` as something like a NumPy array, or `None` where it is none of those.

    Arrays on disk stay there: NumPy's memmaps and whatever has a shape, a dtype and slices.
    """
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "to_numpy"):  # pandas
        return value.to_numpy()
    if ops.is_tensor(value):
        if type(value).__name__ in ("RaggedTensor", "SparseTensor", "BCOO"):
            return None
        return ops.convert_to_numpy(value)
    is_alike = all(hasattr(value, name) for name in ("shape", "dtype", "ndim", "__array__"))
    return value if is_alike and isinstance(value.dtype, np.dtype) else None


def on_disk(array):
    """Whether it is an array whose rows are read when they are asked for."""
    if isinstance(array, np.ndarray):
        return isinstance(array, np.memmap)
    known = type(array).__module__.partition(".")[0]
    in_memory = known in ("jax", "jaxlib", "numpy", "pandas", "scipy", "tensorflow", "torch")
    return hasattr(array, "shape") and hasattr(array, "dtype") and not in_memory


def broken_rows(values):
    """Numbers of the rows of an array in which something is not finite."""
    if values.ndim == 0 or not len(values) or not _is_float(values.dtype):
        return np.array([], int)
    bytes_of_row = values.dtype.itemsize * int(np.prod(values.shape[1:]))
    step = max(1, _CHUNK // max(1, bytes_of_row))
    found = []
    for start in range(0, len(values), step):
        part = np.asarray(values[start : start + step])
        if part.dtype.itemsize < 4:
            part = part.astype("float32")
        # A sum is faster than to look at each; it is not finite too where it is too large.
        with np.errstate(all="ignore"):
            if np.isfinite(part.sum()):
                continue
        rows = np.isfinite(part.reshape(len(part), -1)).all(axis=1)
        found.append(start + np.flatnonzero(~rows))
    return np.concatenate(found) if found else np.array([], int)


def check_finite(label, values, counted=None, hint="", numbers=None):
    """An error where something in an array is NaN or infinite.

    Args:
        label: String, for the error.
        values: Array of `as_array`.
        counted: Optional bools `(samples,)`, the samples that are looked at. Defaults to `None`,
            all of them.
        hint: String, added to the error. Defaults to `""`.
        numbers: Optional array `(samples,)`, what the samples are called in the error. Defaults
            to `None`, their places.
    """
    rows = broken_rows(values)
    if len(rows) and counted is not None:
        rows = rows[np.asarray(counted)[rows]]
    if not len(rows):
        return
    first = np.asarray(values[int(rows[0])])
    what = "NaN" if np.isnan(first).any() else "infinity"
    first = rows[0] if numbers is None else numbers[rows[0]]
    raise ValueError(
        f"{label}: expected finite numbers. Received: {what} in {len(rows)} of {len(values)} "
        f"samples, the first being number {first}{hint}"
    )


def check_batch(x, rows):
    """An error where a batch has NaN or infinity in a sample that has the modality.

    Args:
        x: Dict `{modality: array}` of a batch, or `{modality: {input: array}}`.
        rows: Numbers of its samples.
    """
    present = x.get("present")
    names = sorted(name for name in x if name != "present")
    if np.shape(present)[1:] != (len(names),):
        present = None
    for k, name in enumerate(names):
        counted = None if present is None else np.asarray(present)[:, k] != 0
        for values in tree.flatten(x[name]):
            check_finite(
                f'x["{name}"]',
                np.asarray(values),
                counted,
                " (present=True says which modalities are absent, by NaN in all of their floats)",
                rows,
            )


def _is_float(dtype):
    return dtype.kind == "f" or dtype.name == "bfloat16"
