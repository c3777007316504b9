"""Data sets kept as one `.npy` file for each part and modality."""

import functools

import numpy as np

from keras_fusion.datasets import _reading, _rows

PARTS = ("train", "validation", "test")


def read(name, data_dir, inner, modalities, num_classes, several=False, lazy=False):
    """Reads `{part}_{modality}.npy` and `{part}_labels.npy` of the three parts.

    Args:
        name: Name of the data set, for messages.
        data_dir: Path or None, as in `_files.data_folder`.
        inner: Name of the data set's own folder.
        modalities: Dict, for each modality the shape of one sample and the allowed types.
        num_classes: Integer, how many labels there are.
        several: Whether a sample has several labels (one row of 0 and 1 for each sample)
            instead of one.
        lazy: Whether arrays stay on disk, as `_rows.Rows`. Values are then checked as read.

    Returns:
        Dict `{part: (x, y)}`. Float arrays come as float32, integer ones as they are; labels as
        int32.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is truncated, has another shape or type or values that are not
            finite, or labels are missing or out of range.
    """
    files = [f"{part}_{key}.npy" for part in PARTS for key in (*modalities, "labels")]
    folder = _reading.find(name, data_dir, inner, files)
    data = {}
    for part in PARTS:
        path = folder / f"{part}_labels.npy"
        labels = _reading.read_npy(path)
        if several:
            _reading.check_array(path, "labels", labels, (None, num_classes), ("int", "uint"))
            if not np.isin(labels, (0, 1)).all():
                raise ValueError(f"{path}: expected labels of 0 and 1. Received: others")
        else:
            # A part for evaluation may lack a class; the one for training may not.
            _reading.check_labels(path, "labels", labels, num_classes, part == "train")
        x = {}
        for key, (shape, kinds) in modalities.items():
            path = folder / f"{part}_{key}.npy"
            array = _reading.read_npy(path, mmap=True)
            _reading.check_array(path, key, array, (None, *shape), kinds)
            counts = {f"{part}_labels.npy": len(labels), path.name: len(array)}
            _reading.check_counts(folder, counts)
            x[key] = rows_of(path, array, range(len(array)))
            if not lazy:
                x[key] = np.asarray(x[key])
        data[part] = x, labels.astype("int32")
    return data


def rows_of(path, array, numbers, shape=None, scale=None):
    """`_rows.Rows` of an `.npy` file that was read with `mmap`.

    Args:
        path: `pathlib.Path` of the file; it is opened anew for every reading.
        array: The array, for its shape and type.
        numbers: The row numbers that belong to it.
        shape: Shape that a row is given. Defaults to that in the file.
        scale: None, or a pair of floats: values become float32 `(value - first) / second`.

    Returns:
        `_rows.Rows`.
    """
    shape = array.shape[1:] if shape is None else shape
    dtype = array.dtype if array.dtype.kind in "iu" and scale is None else "float32"
    read_rows = functools.partial(_read_rows, path, shape, np.dtype(dtype), scale)
    return _rows.Rows(read_rows, numbers, shape, dtype)


def _read_rows(path, shape, dtype, scale, numbers):
    array = _reading.read_npy(path, mmap=True)
    with _reading.complete(path, ".npy"):
        values = array[numbers]
    if values.dtype.kind == "f":
        _reading.check_finite(path, "values", values, numbers)
    values = values.astype(dtype).reshape(len(numbers), *shape)
    if scale is not None:
        values -= np.float32(scale[0])
        values /= np.float32(scale[1])
    return values
