"""Rows that stay on disk: indexing as NumPy does, and reading no more than asked for."""

import functools
import pickle

import numpy as np
import pytest

from keras_fusion.datasets._io import rows as module

SOURCE = np.arange(60.0).reshape(20, 3)
asked = []


def read(numbers):
    asked.append(list(numbers))
    assert (np.diff(numbers) > 0).all()
    return SOURCE[numbers]


@pytest.fixture
def rows():
    asked.clear()
    return module.Rows(read, np.arange(5, 15), (3,), "float64")


@pytest.mark.parametrize(
    "index",
    [0, -1, slice(2, 5), slice(None, None, -3), [3, 1, 3], np.array([9, 0]), np.arange(10) > 6],
)
def test_indexing(rows, index):
    np.testing.assert_array_equal(rows[index], SOURCE[5:15][index])
    assert len(asked) == 1 and len(asked[0]) == len(set(np.atleast_1d(np.arange(10)[index])))


def test_all_of_it(rows, monkeypatch):
    monkeypatch.setattr(module, "_CHECKED", 4)
    np.testing.assert_array_equal(np.asarray(rows), SOURCE[5:15])
    assert [len(numbers) for numbers in asked] == [4, 4, 2]
    assert np.asarray(rows, "float32").dtype == "float32"
    assert len(rows) == 10 and rows.shape == (10, 3) and rows.ndim == 2
    assert repr(rows) == "<rows on disk: float64 (10, 3)>"
    with pytest.raises(IndexError):
        rows[10]
    with pytest.raises(ValueError, match="without a copy"):
        rows.__array__(copy=False)


def test_none_of_it(rows):
    assert rows[5:5].shape == rows[np.arange(0)].shape == (0, 3)
    assert not asked


def test_pickled(rows):
    again = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(again[[4, 2]], SOURCE[[9, 7]])
    assert again.shape == (10, 3)
    partial = module.Rows(functools.partial(read), [3], (3,), "float64")
    np.testing.assert_array_equal(partial[:], SOURCE[3:4])
