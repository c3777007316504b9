"""What replicas are trained on where it is not arrays in memory, and weights of classes."""

import keras
import numpy as np

from keras_fusion._arrays import check_batch, on_disk
from keras_fusion._checks import is_number
from keras_fusion.training._replica_epochs import order


class Ordered(keras.utils.PyDataset):
    """Batches of arrays in the orders of a seed; what is on disk is read batch after batch.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)`, of arrays.
        seed: Integer.
        batch_size: Positive integer.
        shuffle: Boolean.
    """

    def __init__(self, data, seed, batch_size, shuffle):
        super().__init__()
        self._data, self._rows = data, (None, None)
        self._on_disk = any(map(on_disk, keras.tree.flatten(data)))
        self._epoch = 0
        self.identity = {
            "samples": len(keras.tree.flatten(data)[0]),
            "batch_size": batch_size,
            "shuffle": shuffle,
            "seed": seed,
        }

    def set_epoch(self, epoch):
        """Goes to the batches of an epoch, from 0."""
        self._epoch = epoch

    def __len__(self):
        return -(-self.identity["samples"] // self.identity["batch_size"])

    def __getitem__(self, index):
        about = self.identity
        if self._rows[0] != self._epoch:
            rows = order(about["seed"], self._epoch, about["samples"], about["shuffle"])
            self._rows = self._epoch, rows
        first = index * about["batch_size"]
        rows = self._rows[1][first : first + about["batch_size"]]
        batch = keras.tree.map_structure(lambda array: _read(array, rows), self._data)
        if self._on_disk and isinstance(batch[0], dict):  # in memory they are checked at once
            check_batch(batch[0], rows)
        return batch


def _read(array, rows):
    """Rows of an array, with floats as Keras makes them of arrays."""
    if on_disk(array) and not isinstance(array, np.ndarray):
        # HDF5 reads rows in increasing order only.
        rows, places = np.unique(rows, return_inverse=True)
        found = np.asarray(array[rows])[places]
    else:
        found = np.asarray(array[rows])
    return found.astype(keras.config.floatx()) if found.dtype.kind == "f" else found


def is_data_set(x):
    """Whether `x` is no array and no structure of arrays."""
    arrays = isinstance(x, (dict, list, tuple, str)) or hasattr(x, "shape")
    return not arrays and not hasattr(x, "__array__")


def check_data_set(label, x, y=None, sample_weight=None):
    """An error for data that cannot be read again and again, or that have targets twice."""
    if hasattr(x, "__next__"):
        raise TypeError(
            f"{label}: expected data that every replica can read from the beginning, such as a "
            f"keras.utils.PyDataset. Received: {type(x).__name__}"
        )
    if not hasattr(x, "__iter__") and not hasattr(x, "__getitem__"):
        raise TypeError(
            f"{label}: expected arrays, dicts of arrays, or a data set. "
            f"Received: {type(x).__name__}"
        )
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(
                f"{name}: expected None, as the batches of a data set have their own. "
                f"Received: {type(value).__name__}"
            )


def check_class_weight(class_weight, classes=None):
    """An error unless it is a dict of classes, below `classes` if that is known, and weights."""
    numbers = "the classes" if classes is None else f"ints from 0 to {classes - 1}"
    if not isinstance(class_weight, dict):
        raise TypeError(
            "class_weight: expected a dict {class index: weight}. "
            f"Received: {type(class_weight).__name__}"
        )
    for key, weight in class_weight.items():
        known = isinstance(key, (int, np.integer)) and not isinstance(key, bool) and key >= 0
        if not known or (classes is not None and key >= classes):
            raise ValueError(f"class_weight: expected {numbers} as keys. Received: {key!r}")
        if isinstance(weight, np.generic):
            weight = weight.item()
        if not is_number(weight) or not 0 <= weight < float("inf"):
            raise ValueError(f"class_weight: expected floats >= 0. Received: {weight!r}")


def class_weighted(class_weight, y, sample_weight, model):
    """Sample weights that are those given, if any, times the weights of the samples' classes."""
    check_class_weight(class_weight)
    if isinstance(y, (dict, list, tuple)):
        raise TypeError(
            "class_weight: expected one array of labels; with several, give sample_weight=. "
            f"Received: y is a {type(y).__name__}"
        )
    if any(len(output.shape) > 2 for output in _outputs(model)):
        raise ValueError(
            "class_weight: expected a model with one prediction a sample, as in Keras; of steps or "
            "places sample_weight= says it. Received: a prediction for each of them"
        )
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        classes, is_label = labels.shape[1], labels.sum(axis=1, keepdims=True) == 1
        labels = np.where((labels == 0) | (labels == 1), labels, np.nan)
        is_label = is_label.all() and not np.isnan(labels).any()
        labels = labels.argmax(axis=1)
    else:
        is_label = labels.dtype.kind in "biuf" and labels.size == len(labels)
        labels = labels.reshape(-1)
        classes = _classes(model)
        is_label = is_label and (labels == np.round(labels)).all()
    if not is_label:
        raise ValueError(
            "class_weight: expected y to be class indices (samples,) or (samples, 1), or one-hot. "
            f"Received: {np.asarray(y).dtype} of {np.shape(y)}"
        )
    labels = labels.astype("int64")
    check_class_weight(class_weight, classes)
    # What is no class, as the -1 of `ignore_class`, weighs 1 as in Keras.
    weights = np.ones(len(labels), "float32")
    for key, weight in class_weight.items():
        weights[labels == key] = weight
    if sample_weight is None:
        return weights

    def times(array):
        array = np.asarray(array)
        return array * weights.reshape(-1, *[1] * (array.ndim - 1))

    return keras.tree.map_structure(times, sample_weight)


def _classes(model):
    """How many classes a model tells apart; None if that is not known."""
    widths = {output.shape[-1] for output in _outputs(model)}
    if len(widths) != 1 or None in widths:
        return None
    return max(2, *widths)


def _outputs(model):
    return keras.tree.flatten(model.output) if hasattr(model, "output") else []
