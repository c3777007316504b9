"""Arrays that stay on disk: rows are read when they are asked for."""

import numpy as np

_CHECKED = 256  # rows read at a time when all are asked for


class Rows:
    """An array on disk that is read by rows; looks like a NumPy array with few abilities.

    `rows[3]`, `rows[10:20]`, `rows[[5, 1, 5]]` and `rows[mask]` are arrays in memory,
    `np.asarray(rows)` is all of it.

    Args:
        read: Callable, given sorted different row numbers of the source, returns an array
            `(rows, *shape)`. Picklable, so that workers in other processes can use it.
        numbers: Integer array, the row numbers of the source that belong here, in this order.
        shape: Tuple, the shape of one row.
        dtype: Type of the values.
    """

    def __init__(self, read, numbers, shape, dtype):
        self._read = read
        self._numbers = np.asarray(numbers)
        self.shape = (len(self._numbers), *shape)
        self.dtype = np.dtype(dtype)

    ndim = property(lambda self: len(self.shape))

    def __len__(self):
        return len(self._numbers)

    def __repr__(self):
        return f"<rows on disk: {self.dtype.name} {self.shape}>"

    def __getitem__(self, index):
        wanted = self._numbers[index]
        numbers, place = np.unique(wanted, return_inverse=True)
        if not len(numbers):
            return np.empty((0, *self.shape[1:]), self.dtype)
        values = self._read(numbers)
        return values[place.reshape(np.shape(wanted))]

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("Rows on disk cannot become an array without a copy")
        values = np.empty(self.shape, self.dtype)
        for start in range(0, len(self), _CHECKED):
            values[start : start + _CHECKED] = self[start : start + _CHECKED]
        return values if dtype is None else values.astype(dtype)
