"""ProbabilitiesToLogits and NormalizeProbabilities, against NumPy and against each other."""

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy
from keras import ops
from layer_cases import Case, floats, probabilities

from keras_fusion.layers import NormalizeProbabilities, ProbabilitiesToLogits

CASES = [
    Case(NormalizeProbabilities, "softmax", {}, (floats(3, 4),), (3, 4)),
    Case(
        NormalizeProbabilities,
        "sigmoid per step",
        {"activation": "sigmoid"},
        (floats(3, 5, 4),),
        (3, 5, 4),
    ),
    Case(ProbabilitiesToLogits, "softmax", {}, (probabilities(3, 4),), (3, 4)),
    Case(
        ProbabilitiesToLogits,
        "sigmoid per step",
        {"activation": "sigmoid"},
        (probabilities(3, 5, 4),),
        (3, 5, 4),
    ),
]

SMALLEST = 1e-7


def logits_of(probabilities, activation, **kwargs):
    return to_numpy(ProbabilitiesToLogits(activation, **kwargs)(np.float32(probabilities)))


@pytest.mark.parametrize("shape", [(5, 4), (5, 3, 4), (2, 3, 3, 4)])
def test_softmax_of_logits_is_the_probabilities(shape):
    p = np.random.default_rng(0).dirichlet(np.full(4, 0.3), size=shape[:-1])
    p = np.maximum(p, 1e-6) / np.maximum(p, 1e-6).sum(axis=-1, keepdims=True)
    logits = logits_of(p, "softmax")
    np.testing.assert_allclose(logits, np.log(p), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(to_numpy(ops.softmax(logits)), p, rtol=1e-5)


def test_softmax_logits_are_those_of_the_model_up_to_a_constant():
    logits = np.random.default_rng(0).normal(scale=3, size=(6, 5)).astype("float32")
    found = logits_of(to_numpy(ops.softmax(logits)), "softmax")
    difference = found - logits
    np.testing.assert_allclose(difference, np.repeat(difference[:, :1], 5, axis=1), atol=1e-4)


def test_sigmoid_of_logits_is_the_probabilities():
    p = np.array([[1e-6, 1e-3, 0.2, 0.5, 0.9, 0.999, 1 - 1e-6]], dtype="float32")
    logits = logits_of(p, "sigmoid")
    double = p.astype("float64")
    np.testing.assert_allclose(logits, np.log(double / (1 - double)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(to_numpy(ops.sigmoid(logits)), p, rtol=1e-5)


def test_ends_of_the_range():
    p = np.array([[0.0, 1.0, 0.0]])
    np.testing.assert_allclose(
        logits_of(p, "softmax"), [[np.log(SMALLEST), 0, np.log(SMALLEST)]], rtol=1e-6
    )
    # The largest float32 below 1 - 1e-7 is 1 - 1.19e-7.
    ends = logits_of(p, "sigmoid")[0]
    np.testing.assert_allclose(ends, [-16.118, 15.942, -16.118], atol=1e-2)
    # Rounding may leave a probability a little outside [0, 1].
    outside = logits_of([[-1e-6, 1 + 1e-6]], "sigmoid")[0]
    np.testing.assert_allclose(outside, ends[:2], rtol=1e-6)
    assert np.isfinite(logits_of([[-1e-6, 1 + 1e-6]], "softmax")).all()


@pytest.mark.parametrize("layer", [ProbabilitiesToLogits, NormalizeProbabilities])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_gradient_is_finite_at_the_ends(activation, layer):
    ends = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.3, 0.2, 0.5]], dtype="float32")
    _, (by_inputs,) = gradients(layer(activation), ends)
    assert np.isfinite(by_inputs).all()
    assert np.all(by_inputs[2] != 0)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_gradient_of_logits(activation):
    p = np.array([[0.3, 0.1, 0.6]], dtype="float32")
    _, (by_inputs,) = gradients(ProbabilitiesToLogits(activation), p)
    factors = np.random.default_rng(2).normal(size=(1, 3))  # as in `gradients`
    slope = 1 / p if activation == "softmax" else 1 / (p * (1 - p))
    np.testing.assert_allclose(by_inputs, factors * slope, rtol=1e-4)


@pytest.mark.parametrize(("activation", "logit"), [("softmax", -1e-4), ("sigmoid", 9.2102)])
def test_half_precision_of_a_probability_near_one(activation, logit):
    """0.9999 is 1 in float16: it must not be rounded on the way in."""
    found = logits_of([[0.9999, 1e-4]], activation, dtype="mixed_float16")[0, 0]
    assert found == pytest.approx(logit, rel=2e-3)


def test_normalized_softmax():
    weighted = np.array([[0.6, -0.2, 1.4], [0.0, 0.0, 0.0], [-1.0, -2.0, -3.0], [8.0, 0.0, 24.0]])
    expected = np.maximum(weighted, SMALLEST)
    expected = expected / expected.sum(axis=-1, keepdims=True)
    found = to_numpy(NormalizeProbabilities()(weighted))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(found[1:3], 1 / 3, rtol=1e-6)
    assert found.min() > 0, "the cross entropy of a zero is infinite"


def test_normalized_softmax_over_the_last_axis_only():
    weighted = np.random.default_rng(0).uniform(size=(2, 3, 4))
    found = to_numpy(NormalizeProbabilities()(weighted))
    np.testing.assert_allclose(found, weighted / weighted.sum(-1, keepdims=True), rtol=1e-5)


def test_normalized_sigmoid():
    weighted = np.array([[-0.5, 0.0, 0.3], [1.0, 1.7, 0.999]])
    found = to_numpy(NormalizeProbabilities("sigmoid")(weighted))
    np.testing.assert_allclose(found, [[0, 0, 0.3], [1, 1, 0.999]], rtol=1e-6)


def test_probabilities_stay_as_they_are():
    p = np.random.default_rng(0).dirichlet(np.ones(4), size=5).astype("float32")
    np.testing.assert_allclose(to_numpy(NormalizeProbabilities()(p)), p, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(to_numpy(NormalizeProbabilities("sigmoid")(p)), p)


@pytest.mark.parametrize("layer", [ProbabilitiesToLogits, NormalizeProbabilities])
def test_keras_mask_goes_through(layer):
    """A model that predicts for each step of a masked sequence."""
    x = keras.Input((4, 3))
    steps = layer("sigmoid")(keras.layers.Masking(mask_value=0.0)(x))
    model = keras.Model(x, [steps, keras.layers.GlobalAveragePooling1D()(steps)])
    p = np.random.default_rng(0).uniform(0.1, 0.9, size=(2, 4, 3)).astype("float32")
    p[:, 3:] = 0
    steps, mean = model.predict_on_batch(p)
    np.testing.assert_allclose(mean, steps[:, :3].mean(axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [ProbabilitiesToLogits, NormalizeProbabilities])
@pytest.mark.parametrize("activation", ["relu", None, "", "Softmax", 1])
def test_activation_is_one_of_two(activation, layer):
    with pytest.raises(ValueError, match='activation: expected "softmax" or "sigmoid". Received'):
        layer(activation)
