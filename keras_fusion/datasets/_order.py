"""Which rows of a part of a data set each batch of each epoch has."""

import numpy as np

from keras_fusion._checks import check_bool, check_int


class Order:
    """The arrays of a split, and which rows each batch of each epoch has.

    Attributes:
        arrays: Dict of the arrays of `x` under their names, and of `y` under ""; a modality of
            several inputs is a dict of arrays.
        batches: How many batches an epoch has.
        batch_size: Rows of a batch.
        even: Boolean, whether all batches have equally many rows.
        identity: Dict of plain values: what the orders of all epochs are a function of.
    """

    def __init__(self, split, batch_size, shuffle, seed, drop_remainder, present):
        check_int("batch_size", batch_size)
        check_int("seed", seed, minimum=0)
        flags = {"shuffle": shuffle, "drop_remainder": drop_remainder, "present": present}
        for name, value in flags.items():
            check_bool(name, value)
        x, y = checked(split)
        if present and "present" not in x:
            x["present"] = _present(x)
        self.arrays = {**x, "": y}
        self.batch_size = batch_size
        self.even = drop_remainder or len(y) % batch_size == 0
        self.batches = len(y) // batch_size if self.even else len(y) // batch_size + 1
        if not self.batches:
            raise ValueError(
                f"batch_size: expected at most the {len(y)} samples with drop_remainder=True. "
                f"Received: {batch_size}"
            )
        self._shuffle, self._seed = shuffle, seed
        self._orders = {}
        self.identity = {
            "samples": len(y),
            "batch_size": batch_size,
            "shuffle": shuffle,
            "seed": seed,
            "drop_remainder": drop_remainder,
        }

    def rows(self, epoch, index):
        """Row numbers of one batch."""
        samples = len(self.arrays[""])
        first = index * self.batch_size
        last = min(first + self.batch_size, samples)
        if not self._shuffle:
            return np.arange(first, last)
        if epoch not in self._orders:
            # RandomState, because NumPy keeps its stream for good.
            rng = np.random.RandomState([self._seed, epoch])
            self._orders = {epoch: rng.permutation(samples).astype("int64")}
        return self._orders[epoch][first:last]

    def pair(self, arrays):
        """`(x, y)` of a dict with the names of `arrays`."""
        return {name: array for name, array in arrays.items() if name != ""}, arrays[""]


def checked(split):
    """`(x, y)` of arrays (or rows on disk) of the same length."""
    if not isinstance(split, (list, tuple)) or len(split) != 2 or not isinstance(split[0], dict):
        raise TypeError(
            "split: expected a pair (x, y) with x a dict of arrays, as one part of load_data. "
            f"Received: {type(split).__name__}"
        )
    x, y = each(_array, split[0]), _array(split[1])
    lengths = each(lambda array: array.shape[0] if array.ndim else 0, {**x, "y": y})
    if len(set(leaves(lengths))) > 1 or not lengths["y"] or not x:
        raise ValueError(f"split: expected equally many samples, at least one. Received: {lengths}")
    return x, y


def each(function, arrays):
    """The dict with `function` of every array, in the same order."""
    return {n: each(function, a) if isinstance(a, dict) else function(a) for n, a in arrays.items()}


def leaves(arrays):
    """List of the arrays of a dict, in its order."""
    found = []
    each(found.append, arrays)
    return found


def is_text(array):
    """Whether an array holds strings."""
    return getattr(array.dtype, "kind", "f") in "USTO"


def _array(values):
    # Rows of pandas go by label, and TensorFlow takes no list of rows.
    is_foreign = type(values).__module__.split(".")[0] in ("pandas", "tensorflow")
    if is_foreign or not (hasattr(values, "shape") and hasattr(values, "dtype")):
        values = np.asarray(values)
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        odd = [text for text in values.flat if not isinstance(text, (str, bytes))]
        if odd:
            raise ValueError(
                'split: expected arrays of numbers or of strings, "" where a text is missing. '
                f"Received: {odd[0]!r} in an array of objects"
            )
    return values


def _present(x):
    """Float32 mask of which sample has which modality."""
    return np.stack([1 - _all_nan(leaves({name: x[name]})) for name in sorted(x)], axis=1)


def _all_nan(arrays):
    """Float32 of 0 and 1: samples whose floats in memory are NaN, all of them."""
    # What stays on disk is checked for NaN when it is read.
    floats = [a for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    if not floats:
        return np.zeros(arrays[0].shape[0], "float32")
    found = [np.isnan(a).reshape(len(a), -1).all(axis=1) for a in floats]
    return np.all(found, axis=0).astype("float32")
