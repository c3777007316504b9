"""ResampleTime: against repeating and pooling, what is exact, masks."""

import keras
import numpy as np
import pytest
from conformance import to_numpy
from layer_cases import Case, floats
from numpy.testing import assert_allclose

from keras_fusion.layers import ResampleTime

CASES = [
    Case(ResampleTime, "sequence", {"steps": 3}, (floats(3, 7, 2),), (3, 3, 2)),
    Case(
        ResampleTime, "video to more steps", {"steps": 5}, (floats(3, 2, 2, 3, 2),), (3, 5, 2, 3, 2)
    ),
]
X = np.random.default_rng(0).normal(size=(3, 10, 4)).astype("float32")


@pytest.mark.parametrize("steps", [1, 3, 4, 7, 10, 15])
def test_equation(steps):
    """Every step as many times as there are of the others, then averaged in whole factors."""
    expected = np.repeat(X, steps, axis=1).reshape(3, steps, 10, 4).mean(axis=2)
    assert_allclose(to_numpy(ResampleTime(steps)(X)), expected, atol=1e-5)
    video = X.reshape(3, 10, 2, 1, 2)
    found = to_numpy(ResampleTime(steps)(video))
    assert_allclose(found, expected.reshape(3, steps, 2, 1, 2), atol=1e-5)
    assert_allclose(to_numpy(ResampleTime(steps)(np.ones_like(X))), 1, rtol=1e-6)


def test_whole_factors_are_pooling():
    assert_allclose(
        to_numpy(ResampleTime(5)(X)), to_numpy(keras.layers.AveragePooling1D(2)(X)), atol=1e-6
    )


def test_middles_of_a_line_stay_on_it():
    """Within the sequence, as times do not drift apart."""
    line = (np.arange(100, dtype="float32")[None, :, None] + 0.5) / 100
    found = to_numpy(ResampleTime(51)(line))[0, :, 0]
    assert_allclose(found, (np.arange(51) + 0.5) / 51, atol=1e-3)


def test_masked_steps():
    mask = np.arange(10) < np.array([[10], [5], [0]])
    x = np.where(mask[:, :, None], X, np.nan).astype("float32")
    layer = ResampleTime(4)
    found = to_numpy(layer(x, mask=mask))
    assert_allclose(found[0], to_numpy(layer(X))[0], atol=1e-6)
    assert_allclose(found[1, :2], to_numpy(ResampleTime(2)(X[1:2, :5]))[0], atol=1e-6)
    assert not found[1, 2:].any() and not found[2].any()
    expected = [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert to_numpy(layer.compute_mask(X, mask)).tolist() == np.array(expected, bool).tolist()


def test_open_length():
    with pytest.raises(ValueError, match=r"ResampleTime: expected .* Received: \(None, None, 4\)"):
        ResampleTime(3)(keras.Input((None, 4)))
