"""AverageAxes: the mean over the chosen axes, against NumPy."""

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import Case, floats, integers

from keras_fusion.layers import AverageAxes

CASES = [
    Case(AverageAxes, "video to map", {"axes": [1]}, (floats(3, 4, 5, 6, 2),), (3, 5, 6, 2)),
    Case(
        AverageAxes,
        "integer video to sequence",
        {"axes": (3, 2)},
        (integers(256, 3, 4, 5, 6, 2, dtype="uint8"),),
        (3, 4, 2),
    ),
]


@pytest.mark.parametrize("axes", [[1], [3], [2, 3], [3, 1], (1, 2, 3), [1, 2, 3, 4]])
def test_mean(axes):
    inputs = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6)).astype("float32")
    found = to_numpy(AverageAxes(axes)(inputs))
    np.testing.assert_allclose(found, inputs.mean(axis=tuple(axes)), rtol=1e-5, atol=1e-6)


def test_mean_of_integers():
    inputs = np.random.default_rng(0).integers(256, size=(2, 30, 3)).astype("uint8")
    found = to_numpy(AverageAxes([1])(inputs))
    np.testing.assert_allclose(found, inputs.astype("float64").mean(axis=1), rtol=1e-6)


def test_gradient_is_shared_out():
    inputs = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    _, (by_inputs,) = gradients(AverageAxes([1]), inputs)
    factors = np.random.default_rng(2).normal(size=(2, 3))  # as in `gradients`
    np.testing.assert_allclose(by_inputs, np.repeat(factors[:, None] / 4, 4, axis=1), rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_of_a_large_volume(policy):
    # The sum, 602112, is no float16.
    inputs = np.full((1, 16, 112, 112, 1), 3.0, dtype="float32")
    assert to_numpy(AverageAxes([1, 2, 3], dtype=policy)(inputs)).tolist() == [[3.0]]


def test_unknown_sizes():
    x = keras.Input((None, None, 5, 2))
    model = keras.Model(x, AverageAxes([1])(x))
    assert model.output_shape == (None, None, 5, 2)
    inputs = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 2)).astype("float32")
    np.testing.assert_allclose(to_numpy(model(inputs)), inputs.mean(axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "axes", [[], 1, None, "12", [0], [-1], [1, 1], [1.0], [True], [None], [[1]], np.array([1])]
)
def test_axes_are_different_ints(axes):
    with pytest.raises(ValueError, match="axes: expected one or more different ints >= 1"):
        AverageAxes(axes)


def test_input_has_the_axes():
    with pytest.raises(ValueError, match=r"rank 4 or more. Received shape: \(2, 3, 4\)"):
        AverageAxes([1, 3])(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match="rank 4 or more"):
        AverageAxes([1, 3]).compute_output_shape((2, 3, 4))
