"""Data sets kept as `.npy` files, one for each part and modality, and one of labels for each part.

A data set of this kind is a `NpyFolder`: a few constants, and `read(data_dir)`.
"""

import dataclasses
import functools
import math

import numpy as np

from keras_fusion.datasets._io import checks, files
from keras_fusion.datasets._io.rows import Rows


@dataclasses.dataclass(frozen=True)
class Modality:
    """How one modality lies in its files.

    Attributes:
        shape: Tuple, the shape of a sample.
        kinds: Tuple of strings, beginnings of the names of the types that a file may have.
        stored: Tuple, the shape of a sample in the file, or an integer for any shape with so many
            numbers. Defaults to `None`: `shape`.
        file: String, the name of the file, with `{part}`. Defaults to `None`:
            `{part}_{modality}.npy`.
        scale: Pair of floats: values become float32 `(value - first) / second`. Defaults to
            `None`: they stay.
    """

    shape: tuple
    kinds: tuple = ("float",)
    stored: tuple | int | None = None
    file: str | None = None
    scale: tuple | None = None


@dataclasses.dataclass(frozen=True)
class NpyFolder:
    """A data set of `.npy` files.

    Attributes:
        name: String, name of the data set, for messages.
        inner: String, name of its own folder.
        modalities: Dict `{modality: Modality}`.
        num_classes: Integer, how many labels there are.
        several: Boolean, whether a sample has several labels (one row of 0 and 1 for each
            sample) instead of one.
        lazy: Boolean, whether arrays stay on disk, as `Rows`. Values are then checked as read.
        parts: Dict, for each part the `{part}` in the names of its files, its first row and its
            last one (exclusive; `None` for all).
    """

    name: str
    inner: str
    modalities: dict
    num_classes: int
    several: bool = False
    lazy: bool = False
    parts: dict = dataclasses.field(
        default_factory=lambda: {part: (part, 0, None) for part in ("train", "validation", "test")}
    )

    def read(self, data_dir=None):
        """The data set from its files.

        Args:
            data_dir: Path or `None`, as in `files.data_folder`. Defaults to `None`.

        Returns:
            Dict `{part: (x, y)}`. Float arrays come as float32, integer ones as they are; labels
            as int32.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a file is truncated, has another shape or type, too few rows or values
                that are not finite, or labels are missing or out of range.
        """
        patterns = {key: m.file or f"{{part}}_{key}.npy" for key, m in self.modalities.items()}
        patterns["labels"] = "{part}_labels.npy"
        names = {
            file: {key: pattern.format(part=file) for key, pattern in patterns.items()}
            for file, _, _ in self.parts.values()
        }
        wanted = [name for of_part in names.values() for name in of_part.values()]
        folder = files.find(self.name, data_dir, self.inner, wanted)
        data = {}
        for part, (file, first, last) in self.parts.items():
            labels = self._labels(folder / names[file]["labels"], part, first, last)
            x = {}
            for key, modality in self.modalities.items():
                array = _checked(folder / names[file][key], key, modality)
                counts = {names[file]["labels"]: len(labels), names[file][key]: len(array)}
                checks.check_counts(folder, counts)
                kept = range(len(array))[first:last]
                x[key] = _rows(folder / names[file][key], array, kept, modality)
                if not self.lazy:
                    x[key] = np.asarray(x[key])
            data[part] = x, labels[first:last].astype("int32")
        return data

    def _labels(self, path, part, first, last):
        """All labels of a file, of which those of the part are checked."""
        labels = files.read_npy(path)
        if self.several:
            shape = (None, self.num_classes)
            checks.check_array(path, "labels", labels, shape, ("int", "uint"))
            if not np.isin(labels, (0, 1)).all():
                raise ValueError(f"{path}: expected labels of 0 and 1. Received: others")
            return labels
        checks.check_array(path, "labels", labels, (None,), ("int", "uint"))
        if len(labels) < (last or 0):
            raise ValueError(f"{path}: expected at least {last} rows. Received: {len(labels)}")
        # A part for evaluation may lack a class; the one for training may not.
        every = part == "train"
        checks.check_labels(path, "labels", labels[first:last], self.num_classes, every)
        return labels


def _checked(path, key, modality):
    """The array of a file, left on disk."""
    array = files.read_npy(path, mmap=True)
    stored = modality.shape if modality.stored is None else modality.stored
    if isinstance(stored, int):
        if array.ndim < 2 or math.prod(array.shape[1:]) != stored:
            raise ValueError(
                f"{path}: expected {stored} numbers a row. Received: shape {array.shape}"
            )
        stored = array.shape[1:]
    checks.check_array(path, key, array, (None, *stored), modality.kinds)
    return array


def _rows(path, array, numbers, modality):
    dtype = "float32" if array.dtype.kind == "f" or modality.scale else array.dtype
    read = functools.partial(_read_rows, path, modality.shape, np.dtype(dtype), modality.scale)
    return Rows(read, numbers, modality.shape, dtype)


def _read_rows(path, shape, dtype, scale, numbers):
    """Rows of a file, which is opened anew for every reading."""
    array = files.read_npy(path, mmap=True)
    with files.complete(path, ".npy"):
        values = array[numbers]
    if values.dtype.kind == "f":
        checks.check_finite(path, "values", values, numbers)
    values = values.astype(dtype).reshape(len(numbers), *shape)
    if scale is not None:
        values -= np.float32(scale[0])
        values /= np.float32(scale[1])
    return values
