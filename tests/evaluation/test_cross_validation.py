"""Folds of whole groups."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_fusion import evaluation as ev

pytest.importorskip("sklearn")
GROUPS = np.array([3, 3, 1, 2, 1, 0, 4, 4, 4, 2])


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_no_group_is_on_both_sides(seed):
    folds = ev.group_folds(GROUPS, folds=3, seed=seed)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(10))
    for train, test in folds:
        assert sorted([*train, *test]) == list(range(10))
        assert not set(GROUPS[train]) & set(GROUPS[test])


def test_folds_depend_on_the_seed_alone():
    def found(seed):
        return [test.tolist() for _, test in ev.group_folds(GROUPS, 5, seed)]

    assert found(None) == found(None) and found(3) == found(3)
    assert len({str(found(seed)) for seed in range(6)}) > 1


def test_groups_on_both_sides_are_seen():
    with pytest.raises(ValueError, match=r"Received: 2 in both, such as \[1, 3\]"):
        ev.check_groups(GROUPS, [0, 2, 5], [1, 4])
    with pytest.raises(ValueError, match="every group in the training or in the test part"):
        ev.cross_validate(None, np.zeros((10, 2)), np.zeros(10), GROUPS, [([0], [1])])


def test_folds_that_are_none():
    with pytest.raises(ValueError, match=r"folds\[1\]: expected row numbers .*Received: int"):
        ev.cross_validate(None, np.zeros((10, 2)), np.zeros(10), GROUPS, [([0], [9]), 3])


@pytest.mark.parametrize(
    ("groups", "folds", "seed", "match"),
    [
        ([1, 1, 2], 3, None, "of 3 or more kinds. Received: shape \\(3,\\), 2 kinds"),
        (GROUPS, 1, None, "folds: expected an int >= 2"),
        (GROUPS, 2, -1, "seed: expected an int >= 0"),
        (GROUPS[:, None], 2, None, "groups: expected one for every sample"),
    ],
)
def test_errors(groups, folds, seed, match):
    with pytest.raises(ValueError, match=match):
        ev.group_folds(groups, folds, seed)


def test_a_new_model_for_every_fold():
    made = []

    def build():
        model = keras.Sequential([keras.Input((2,)), layers.Dense(1, kernel_initializer="zeros")])
        # One step of size 1/2 from 0 along the gradient of the square: the mean target.
        model.compile(keras.optimizers.SGD(0.5), "mse", metrics=["mae"])
        made.append(model)
        return model

    x, y = np.zeros((4, 2), "float32"), np.array([1.0, 1.0, 5.0, 5.0], "float32")[:, None]
    found = ev.cross_validate(build, x, y, [0, 0, 1, 1], folds=[([0, 1], [2, 3]), ([2, 3], [0, 1])])
    assert len(made) >= 2
    np.testing.assert_allclose(found["mae"], [[4], [4]], rtol=1e-5)
    np.testing.assert_allclose(found["loss"], [[16], [16]], rtol=1e-5)
