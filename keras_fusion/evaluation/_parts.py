"""The parts of the data of a run: of a fold, prepared, with sizes and digest."""

import keras
import numpy as np

from keras_fusion._arrays import on_disk
from keras_fusion.evaluation.folds import check_folds
from keras_fusion.training import data_digest

PARTS = ("train", "validation", "test")


class Source:
    """The data of all runs; picklable where what it is made of is.

    Args:
        data: Dictionary of parts, or with folds one part; or a function that returns that.
        folds: List of `(train, test)` or `(train, validation, test)` row numbers, or `None`.
        prepare: Function `(train, validation, test)` that returns these, or `None`.
        data_key: String that stands for data that are not arrays, or `None`.
        sample_weight: Array for the training part, or with folds for all samples; or `None`.
    """

    def __init__(self, data, folds, prepare, data_key, sample_weight):
        self.data, self.folds, self.prepare = data, folds, prepare
        self.data_key, self.sample_weight = data_key, sample_weight
        self._forget()

    def _forget(self):
        self._loaded, self._latest, self._identities = None, (None, None), {}

    def __getstate__(self):
        names = ("data", "folds", "prepare", "data_key", "sample_weight")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._forget()

    @property
    def numbers(self):
        """Number of every fold; `[None]` without folds."""
        return [None] if self.folds is None else list(range(len(self.folds)))

    def loaded(self):
        """The data, checked; loaded once for each process."""
        if self._loaded is None:
            data = self.data() if callable(self.data) else self.data
            self._loaded = self._whole(data) if self.folds is not None else self._split(data)
        return self._loaded

    def parts(self, fold):
        """`{"train": part, "test": part}`, and "validation" where there is one; parts are
        `(x, y)`, `(x, y, sample_weight)`, or a data set."""
        if self._latest[0] == (fold,):
            return self._latest[1]
        found = self.loaded()
        if fold is not None:
            names = PARTS if len(self.folds[fold]) == 3 else ("train", "test")
            found = {
                name: keras.tree.map_structure(lambda a, rows=rows: _rows(a, rows), found)
                for name, rows in zip(names, self.folds[fold], strict=True)
            }
        if self.prepare is not None:
            prepared = self.prepare(*(found.get(name) for name in PARTS))
            if not isinstance(prepared, (tuple, list)) or len(prepared) != 3:
                raise ValueError(
                    "prepare: expected a function that returns (train, validation, test). "
                    f"Received: {type(prepared).__name__}"
                )
            found = {n: p for n, p in zip(PARTS, prepared, strict=True) if p is not None}
            found = {name: _part(f"prepare, {name}", part) for name, part in found.items()}
        self._latest = ((fold,), found)
        return found

    def identity(self, fold):
        """What stands for the data of a fold; `None` where that cannot be known."""
        if fold not in self._identities:
            self._identities[fold] = {
                name: data_digest(part) if is_arrays(part) else self.data_key
                for name, part in self.parts(fold).items()
            }
        found = self._identities[fold]
        return None if None in found.values() else found

    def _split(self, data):
        if not isinstance(data, dict) or not {"train", "test"} <= set(data):
            received = sorted(data) if isinstance(data, dict) else type(data).__name__
            raise ValueError(f'data: expected "train" and "test". Received: {received}')
        found = {name: _part(name, data[name]) for name in PARTS if name in data}
        if self.sample_weight is not None:
            found["train"] = _weighed(found["train"], self.sample_weight)
        return found

    def _whole(self, data):
        part = _part("data", data)
        if not is_arrays(part):
            raise TypeError(
                f"data: expected arrays (x, y), as folds need rows. Received: {type(data).__name__}"
            )
        if self.sample_weight is not None:
            part = _weighed(part, self.sample_weight)
        part = keras.tree.map_structure(lambda a: a if on_disk(a) else np.asarray(a), part)
        check_folds(self.folds, samples(part))
        return part


def is_arrays(part):
    """Whether a part is arrays, and not a data set."""
    return isinstance(part, tuple)


def samples(part):
    """Number of samples; `None` for a data set, which may not know."""
    return len(keras.tree.flatten(part[0])[0]) if is_arrays(part) else None


def few(part):
    """A batch of a part, as `test_on_batch` takes it: of 8 samples where they are arrays."""
    if is_arrays(part):
        return keras.tree.map_structure(lambda array: np.asarray(array[:8]), part)
    batch = part[0] if hasattr(part, "__getitem__") else next(iter(part))
    return tuple(keras.tree.map_structure(keras.ops.convert_to_numpy, batch))


class Rows:
    """Some rows of an array on disk, which are read when they are asked for."""

    def __init__(self, array, rows):
        self.array, self.rows = array, np.asarray(rows)
        self.shape, self.dtype = (len(self.rows), *array.shape[1:]), array.dtype

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        # HDF5 reads rows in increasing order only.
        rows, places = np.unique(self.rows[index], return_inverse=True)
        return np.asarray(self.array[rows])[places]


def _rows(array, rows):
    return Rows(array, rows) if on_disk(array) else array[np.asarray(rows)]


def _part(label, part):
    """A part as a tuple of arrays, or a data set as it is; an error for anything else."""
    if not isinstance(part, (tuple, list)):
        if hasattr(part, "__iter__") and not isinstance(part, (dict, str, np.ndarray)):
            return part
        if isinstance(part, keras.utils.PyDataset):
            return part
        raise TypeError(
            f"{label}: expected (x, y), (x, y, sample_weight) or a data set. Received: "
            f"{type(part).__name__}"
        )
    if len(part) not in (2, 3):
        raise ValueError(
            f"{label}: expected (x, y) or (x, y, sample_weight). Received: {len(part)} values"
        )
    part = tuple(part)
    arrays = keras.tree.map_structure(
        lambda value: value if hasattr(value, "shape") else np.asarray(value), part
    )
    counts = {array.shape[0] if len(array.shape) else None for array in keras.tree.flatten(arrays)}
    if len(counts) != 1 or None in counts or 0 in counts:
        raise ValueError(
            f"{label}: expected equally many samples in all arrays, one or more. Received: "
            f"{sorted(counts, key=str)}"
        )
    return arrays


def _weighed(part, sample_weight):
    if not is_arrays(part):
        raise TypeError(
            "sample_weight: expected None, as the training part is a data set, which has its own. "
            f"Received: {type(sample_weight).__name__}"
        )
    if len(part) == 3:
        raise ValueError("sample_weight: expected None, as the data have their own. Received: both")
    return _part("sample_weight", (*part, sample_weight))
