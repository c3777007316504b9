"""EnergyFusion against the paper's weights."""

import keras
import numpy as np
import pytest
from conformance import gradients
from layer_cases import PRESENT, Case, floats
from scipy.special import logsumexp

from keras_fusion.layers import EnergyFusion

CASES = [
    Case(EnergyFusion, "two vectors", {}, ([floats(3, 4), floats(3, 4)],), (3, 4)),
    Case(
        EnergyFusion,
        "three with present",
        {"scale": 0.5},
        ([floats(3, 2) for _ in range(3)],),
        (3, 2),
        keywords={"present": PRESENT},
    ),
]


def logits():
    rng = np.random.default_rng(0)
    return [rng.normal(shift, 3, (7, 5)).astype("float32") for shift in (0, 4, -9)]


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("scale", [0.1, 0.7])
def test_weighs_by_energy(scale):
    z = logits()
    weights = [scale * logsumexp(x, axis=1, keepdims=True) for x in z]
    assert min(w.min() for w in weights) < 0 < max(w.max() for w in weights)
    layer = EnergyFusion(scale)
    expected = sum(w * x for w, x in zip(weights, z, strict=True))
    np.testing.assert_allclose(array(layer(z)), expected, rtol=1e-4, atol=1e-5)
    sizes = np.abs(np.concatenate(weights, axis=1))
    shares = sizes / sizes.sum(1, keepdims=True)
    np.testing.assert_allclose(array(layer.fusion_weights(z)), shares, rtol=1e-4)


def test_equal_logits_are_their_scaled_mean():
    z = logits()[0]
    expected = 3 * 0.1 * logsumexp(z, axis=1, keepdims=True) * z
    np.testing.assert_allclose(array(EnergyFusion()([z] * 3)), expected, rtol=1e-4, atol=1e-5)


def test_depends_on_the_level_of_the_logits():
    """A constant added to all logits of a modality, which no softmax sees, changes the decision."""
    first, second = np.array([[3.0, 0.0]]), np.array([[0.0, 2.0]])
    layer = EnergyFusion()
    decided = [int(np.argmax(array(layer([first, second + c])))) for c in (0.0, 5.0)]
    assert decided == [0, 1]


def test_absent_modality_is_as_without_it():
    z = logits()
    layer, two = (EnergyFusion() for _ in range(2))
    expected, shares = array(two([z[0], z[2]])), array(two.fusion_weights([z[0], z[2]]))
    present = np.array([[1, 0, 1]] * 6 + [[0, 0, 0]])
    z[1][:], z[0][6] = np.nan, np.inf
    found, weights = (f(z, present=present) for f in (layer, layer.fusion_weights))
    np.testing.assert_allclose(array(found)[:6], expected[:6], rtol=1e-6)
    np.testing.assert_allclose(array(weights)[:6, [0, 2]], shares[:6], rtol=1e-6)
    assert np.all(array(found)[6] == 0) and np.all(array(weights)[6] == 0)
    assert np.all(array(weights)[:, 1] == 0)
    _, by_tensors = gradients(layer, z, present=present)
    assert all(np.isfinite(g).all() for g in by_tensors)


def test_errors():
    with pytest.raises(ValueError, match="scale: expected a float >= 0. Received: -1"):
        EnergyFusion(-1)
