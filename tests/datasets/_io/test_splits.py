"""Fixed splits: stratified parts and folds of groups."""

import numpy as np
import pytest

from keras_fusion.datasets._io import splits


def test_stratified():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    parts = splits.stratified(labels, {"a": None, "b": 10, "c": 20}, seed=3)
    assert list(parts) == ["a", "b", "c"]
    assert [len(rows) for rows in parts.values()] == [70, 10, 20]
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(100))
    for rows, share in zip(parts.values(), (0.7, 0.1, 0.2), strict=True):
        np.testing.assert_allclose(
            np.bincount(labels[rows]), share * np.array([50, 30, 20]), atol=1
        )
        assert (np.diff(rows) > 0).all()
    again = splits.stratified(labels, {"a": None, "b": 10, "c": 20}, seed=3)
    other = splits.stratified(labels, {"a": None, "b": 10, "c": 20}, seed=4)
    np.testing.assert_array_equal(again["c"], parts["c"])
    assert not np.array_equal(other["c"], parts["c"])


def test_stratified_is_the_same_for_good():
    parts = splits.stratified(np.arange(12) % 3, {"train": None, "test": 4})
    assert parts["test"].tolist() == [4, 6, 10, 11]


def test_folds_keep_groups_together():
    people = np.array(list("abcdefgabcdefgab"))
    fold = splits.folds(people, 3, seed=1)
    for person in "abcdefg":
        assert len(set(fold[people == person])) == 1
    of_person = [fold[people == person][0] for person in "abcdefg"]
    assert sorted(np.bincount(of_person)) == [2, 2, 3]
    assert not np.array_equal(fold, splits.folds(people, 3, seed=2))
    with pytest.raises(ValueError, match="expected at most 7, one a group. Received: 8"):
        splits.folds(people, 8)
