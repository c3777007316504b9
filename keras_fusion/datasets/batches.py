"""Batches of a part of a data set: tf.data, PyDataset, and equally many samples of each class."""

import itertools

import keras
import numpy as np
from keras.utils import PyDataset

from keras_fusion._arrays import check_batch
from keras_fusion._checks import check_int
from keras_fusion.datasets._order import Order, checked, each, is_text, leaves


def as_dataset(split, batch_size, shuffle=True, seed=0, drop_remainder=False, present=False):
    """A tf.data of one part of a data set (TensorFlow only).

    Use it to feed `fit`, `evaluate` and `predict` on TensorFlow. `as_pydataset` works on every
    backend, and `fit(..., shuffle=False)` gets the same batches in the same order there. Arrays
    that stay on disk are read batch after batch, in parallel; the order never depends on that.

    Args:
        split: Pair `(x, y)` as returned by `load_data`, `x` a dict of arrays keyed by modality; a
            modality of several inputs is a dict of arrays itself.
        batch_size: Positive integer.
        shuffle: Boolean, whether each epoch has an order of its own. Defaults to `True`; use False
            to evaluate and predict.
        seed: Non-negative integer: the order of an epoch is a function of the seed and of the
            epoch. Defaults to `0`. `fit` of a `FusionModel` says which epoch it is; otherwise it is
            how often the tf.data was iterated before, or what its method `set_epoch(epoch)` was
            given.
        drop_remainder: Boolean, whether a smaller last batch is left out. Defaults to `False`.
        present: Boolean, whether `x["present"]` is added where it is not there: 1, or 0 for samples
            whose floats in a modality are all NaN; columns are in the order of the sorted names, as
            models built with `missing_modalities=True` take them. Defaults to `False`.

    Returns:
        `tf.data.Dataset` of `(x, y)`, prefetched, which knows how many batches it has. Types stay
        as they are: uint8 is not cast, strings become `tf.string`.

    Raises:
        ImportError: If TensorFlow is not installed.
        TypeError: If `split` is no such pair.
        ValueError: If arrays have different lengths, or another argument is out of its range.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> x = {"image": np.zeros((10, 8, 8, 1), "uint8"), "sound": np.zeros((10, 20), "float32")}
    >>> batches = kf.datasets.as_dataset((x, np.arange(10)), batch_size=4)
    >>> [len(y) for _, y in batches]
    [4, 4, 2]
    """
    order = Order(split, batch_size, shuffle, seed, drop_remainder, present)
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            "as_dataset needs TensorFlow (pip install tensorflow); as_pydataset gives the same "
            "batches on every backend"
        ) from error
    # `fit` ends an epoch of a PyDataset before its first one; so both begin with epoch 1.
    epochs = itertools.count(1)
    chosen = []

    def set_epoch(epoch):
        chosen[:] = [epoch + 1]

    def rows_of_an_epoch():
        # Not counted once it is chosen: `fit` makes iterators that it does not use up.
        epoch = chosen[0] if chosen else next(epochs)
        for i in range(order.batches):
            yield order.rows(epoch, i)

    arrays = leaves(order.arrays)

    def read(rows):
        values = [array[rows] for array in arrays]
        found = iter(values)
        check_batch(order.pair(each(lambda _: next(found), order.arrays))[0], rows)
        return [_plain(array) for array in values]

    def batch(rows):
        types = [tf.string if is_text(array) else array.dtype for array in arrays]
        values = tf.numpy_function(read, [rows], types, stateful=False)
        for value, array in zip(values, arrays, strict=True):
            value.set_shape((rows.shape[0], *array.shape[1:]))
        values = iter(values)
        return order.pair(each(lambda _: next(values), order.arrays))

    length = order.batch_size if order.even else None
    dataset = tf.data.Dataset.from_generator(
        rows_of_an_epoch, output_signature=tf.TensorSpec((length,), "int64")
    )
    dataset = dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(order.batches))
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    dataset.set_epoch, dataset.identity = set_epoch, order.identity
    return dataset


def as_pydataset(split, batch_size, shuffle=True, seed=0, drop_remainder=False, present=False):
    """A `keras.utils.PyDataset` of one part of a data set, for every backend.

    Use it to feed `fit`, `evaluate` and `predict` with data that are large or stay on disk: arrays
    given to `fit` directly are cast to float32 and copied as a whole.

    `fit` of a `FusionModel` keeps the order of the batches, and starts with that of the epoch at
    which it starts. `fit` of another Keras model draws batches in a random order of its own unless
    it is called with `shuffle=False`, and starts with the first order.

    Args:
        split: Pair `(x, y)` as returned by `load_data`, `x` a dict of arrays keyed by modality; a
            modality of several inputs is a dict of arrays itself.
        batch_size: Positive integer.
        shuffle: Boolean, whether each epoch has an order of its own. Defaults to `True`; use False
            to evaluate and predict.
        seed: Non-negative integer: the order of an epoch is a function of the seed and of how often
            `on_epoch_end` was called before, which `fit` does, or of the epoch that the method
            `set_epoch(epoch)` was given. Defaults to `0`.
        drop_remainder: Boolean, whether a smaller last batch is left out. Defaults to `False`.
        present: Boolean, whether `x["present"]` is added where it is not there; see `as_dataset`.
            Defaults to `False`.

    Returns:
        `keras.utils.PyDataset` of `(x, y)`. Types stay as they are: uint8 is not cast; strings
        become tensors on TensorFlow, the only backend that has them.

    Raises:
        TypeError: If `split` is no such pair.
        ValueError: If arrays have different lengths, or another argument is out of its range.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> x = {"image": np.zeros((10, 8, 8, 1), "uint8"), "sound": np.zeros((10, 20), "float32")}
    >>> batches = kf.datasets.as_pydataset((x, np.arange(10)), batch_size=4)
    >>> len(batches), batches[2][0]["image"].shape
    (3, (2, 8, 8, 1))
    """
    order = Order(split, batch_size, shuffle, seed, drop_remainder, present)
    return _Batches(order)


class _Epochs(PyDataset):
    """A PyDataset that counts epochs.

    Not with Keras's worker threads: what they have read of one epoch stays in their queue and
    comes first in the next one, so that samples of an epoch would be others on every run.
    """

    def __init__(self):
        super().__init__()
        self._epoch = 0

    def on_epoch_end(self):
        """Goes on to the batches of the next epoch."""
        self._epoch += 1

    def set_epoch(self, epoch):
        """Goes to the batches that `fit` draws in an epoch, from 0."""
        self._epoch = epoch + 1  # `fit` ends an epoch before its first one


class BalancedBatches(_Epochs):
    """Batches with equally many samples of each class.

    Use it where classes differ in size and each batch should have them all, as in the Montalbano
    experiment of the CentralNet paper: "the batch size is 42 containing two samples of each class".

    Each class is gone through in a random order; when it is used up, in another one. An epoch has
    as many batches as make up one pass over all samples, rounded up, so that small classes are
    seen more often than large ones.

    Args:
        split: Pair `(x, y)` as returned by `load_data`, `y` integers `(samples,)`.
        per_class: Positive integer, samples of each class in a batch. Defaults to `2`.
        seed: Non-negative integer: the batches of an epoch are a function of the seed and of how
            often `on_epoch_end` was called before, which `fit` does, or of the epoch that the
            method `set_epoch(epoch)` was given. Defaults to `0`.

    Raises:
        TypeError: If `split` is no such pair.
        ValueError: If arrays have different lengths, labels are no integers, or another argument
            is out of its range.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> x = {"sound": np.arange(9)}
    >>> batches = kf.datasets.BalancedBatches((x, np.array([0, 0, 0, 0, 0, 1, 1, 2, 2])))
    >>> sorted(batches[0][1].tolist())
    [0, 0, 1, 1, 2, 2]
    """

    def __init__(self, split, per_class=2, seed=0):
        check_int("per_class", per_class)
        check_int("seed", seed, minimum=0)
        super().__init__()
        x, y = checked(split)
        if np.ndim(y) != 1 or np.asarray(y).dtype.kind not in "iu":
            raise ValueError(
                f"split: expected integer labels (samples,). Received: {y.dtype} of {y.shape}"
            )
        self._x, self._y = x, y
        self._per_class, self._seed = per_class, seed
        self._rows_of_class = [np.flatnonzero(y == label) for label in np.unique(y)]
        self._length = -(-len(y) // (per_class * len(self._rows_of_class)))
        self._orders = {}
        self.identity = {"samples": len(y), "per_class": per_class, "seed": seed}

    def __len__(self):
        """How many batches an epoch has."""
        return self._length

    def __getitem__(self, index):
        """The batch `(x, y)` at a position of the epoch."""
        rows = self._rows(self._epoch)[index]
        x = each(lambda array: array[rows], self._x)
        check_batch(x, rows)
        return each(_for_keras, x), self._y[rows]

    def _rows(self, epoch):
        """Row numbers, `(batches, samples of a batch)`."""
        if epoch not in self._orders:
            rng = np.random.RandomState([self._seed, epoch])
            needed = self._length * self._per_class
            columns = []
            for rows in self._rows_of_class:
                passes = [rng.permutation(rows) for _ in range(-(-needed // len(rows)))]
                column = np.concatenate(passes)[:needed]
                columns.append(column.reshape(self._length, self._per_class))
            self._orders = {epoch: np.concatenate(columns, axis=1)}
        return self._orders[epoch]


class _Batches(_Epochs):
    """What `as_pydataset` returns."""

    def __init__(self, order):
        super().__init__()
        self._order = order
        self.identity = order.identity

    def __len__(self):
        return self._order.batches

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"expected an index from 0 to {len(self) - 1}. Received: {index}")
        rows = self._order.rows(self._epoch, index)
        x, y = self._order.pair(each(lambda array: array[rows], self._order.arrays))
        check_batch(x, rows)
        return each(_for_keras, x), _for_keras(y)


def _for_keras(values):
    """Strings as a tensor on TensorFlow: Keras takes no batches of them as arrays."""
    if is_text(values) and keras.backend.backend() == "tensorflow":
        return keras.ops.convert_to_tensor(values, dtype="string")
    return values


def _plain(values):
    return np.char.encode(values, "utf-8") if values.dtype.kind == "U" else values
