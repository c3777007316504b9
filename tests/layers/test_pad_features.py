"""PadFeatures: zeros behind the features, and nothing else."""

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import Case, floats, integers

from keras_fusion.layers import PadFeatures

CASES = [
    Case(PadFeatures, "vector", {"units": 7}, (floats(3, 4),), (3, 7)),
    Case(
        PadFeatures,
        "integer map",
        {"units": 3},
        (integers(256, 3, 5, 6, 1, dtype="uint8"),),
        (3, 5, 6, 3),
        output_dtype="uint8",
    ),
]


@pytest.mark.parametrize("units", [3, 4, 7])
@pytest.mark.parametrize("shape", [(2, 3), (2, 5, 3), (2, 4, 5, 3), (2, 2, 4, 5, 3)])
def test_zeros_behind_the_features(shape, units):
    inputs = np.random.default_rng(0).normal(size=shape).astype("float32")
    padded = to_numpy(PadFeatures(units)(inputs))
    assert padded.shape == (*shape[:-1], units)
    np.testing.assert_array_equal(padded[..., :3], inputs)
    assert not padded[..., 3:].any()


def test_gradient_is_that_of_the_features():
    inputs = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    _, (by_inputs,) = gradients(PadFeatures(5), inputs)
    factors = np.random.default_rng(2).normal(size=(2, 5))  # as in `gradients`
    np.testing.assert_allclose(by_inputs, factors[:, :3], rtol=1e-6)


def test_any_length_of_sequences():
    x = keras.Input((None, 3))
    model = keras.Model(x, PadFeatures(4)(x))
    assert model.output_shape == (None, None, 4)
    for length in (2, 5):
        padded = to_numpy(model(np.ones((1, length, 3))))
        np.testing.assert_array_equal(padded, [[[1, 1, 1, 0]] * length])


def test_keras_mask_goes_through():
    x = keras.Input((4, 2))
    padded = PadFeatures(3)(keras.layers.Masking(mask_value=-9.0)(x))
    model = keras.Model(x, keras.layers.GlobalAveragePooling1D()(padded))
    inputs = np.random.default_rng(0).normal(size=(2, 4, 2)).astype("float32")
    inputs[:, 3:] = -9.0
    expected = np.pad(inputs[:, :3].mean(axis=1), [(0, 0), (0, 1)])
    np.testing.assert_allclose(model.predict_on_batch(inputs), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("units", [0, -1, 2.0, True, None, "3"])
def test_units_is_an_int(units):
    with pytest.raises(ValueError, match="units: expected an int >= 1. Received: "):
        PadFeatures(units)


@pytest.mark.parametrize("shape", [(2, 4), (2,), (2, 3, 4)])
def test_input_is_not_wider(shape):
    with pytest.raises(ValueError, match=r"at most 3 features. Received: \(2"):
        PadFeatures(3)(np.ones(shape))
    with pytest.raises(ValueError, match="at most 3 features"):
        PadFeatures(3).compute_output_shape(shape)


def test_width_of_input_is_known():
    with pytest.raises(ValueError, match=r"at most 3 features. Received: \(None, 2, None\)"):
        PadFeatures(3)(keras.Input((2, None)))


def test_input_is_not_wider_in_later_calls():
    layer = PadFeatures(3)
    layer(np.ones((2, 2)))
    with pytest.raises(ValueError, match="at most 3 features"):
        layer(np.ones((2, 4)))
