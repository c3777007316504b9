"""EvidenceFusion against Dempster's rule, two modalities at a time, as the paper has it."""

from itertools import permutations

import keras
import numpy as np
import pytest
from conformance import gradients
from layer_cases import PRESENT, Case, floats

from keras_fusion.layers import EvidenceFusion

CASES = [
    Case(EvidenceFusion, "two vectors", {}, ([floats(3, 4), floats(3, 4)],), (3, 4)),
    Case(
        EvidenceFusion,
        "three with central and present",
        {},
        ([floats(3, 2) for _ in range(3)],),
        (3, 2),
        keywords={"central": floats(3, 2), "present": PRESENT},
    ),
]


def evidence_of(z):
    return np.logaddexp(0.0, z)


def fold(first, second):
    """Dempster's rule of two: evidence in, evidence out, by beliefs and conflict."""
    classes = first.shape[-1]
    (b1, u1), (b2, u2) = (
        (e / (e.sum(-1, keepdims=True) + classes), classes / (e.sum(-1, keepdims=True) + classes))
        for e in (first, second)
    )
    conflict = b1.sum(-1, keepdims=True) * b2.sum(-1, keepdims=True)
    conflict = conflict - (b1 * b2).sum(-1, keepdims=True)
    belief = (b1 * b2 + b1 * u2 + b2 * u1) / (1 - conflict)
    return belief * classes / (u1 * u2 / (1 - conflict))


def logits(count=3, classes=5, scale=3.0):
    rng = np.random.default_rng(0)
    return [rng.normal(0, scale, (7, classes)) for _ in range(count)]


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_is_dempsters_rule_folded():
    z, central = logits(), logits(4)[-1]
    layer = EvidenceFusion()
    folded = fold(fold(fold(*map(evidence_of, z[:2])), evidence_of(z[2])), evidence_of(central))
    np.testing.assert_allclose(array(layer.evidence(z, central)), folded, rtol=1e-4)
    total = folded.sum(-1, keepdims=True) + 5
    np.testing.assert_allclose(array(layer(z, central)), (folded + 1) / total, rtol=1e-4)
    found = array(layer.uncertainty(z, central))
    alone = [5 / (evidence_of(x).sum(-1) + 5) for x in (*z, central)]
    np.testing.assert_allclose(found, np.stack([5 / total[:, 0], *alone], 1), rtol=1e-4)
    assert np.all(found[:, :1] < found[:, 1:])  # to combine only lowers it
    sure = 1 - np.stack(alone, 1)
    shares = array(layer.fusion_weights(z, central))
    np.testing.assert_allclose(shares, sure / sure.sum(1, keepdims=True), rtol=1e-4)


def test_order_does_not_matter():
    z = logits()
    layer = EvidenceFusion()
    expected = array(layer(z))
    for order in permutations(range(3)):
        np.testing.assert_allclose(array(layer([z[k] for k in order])), expected, rtol=1e-5)


def test_absent_modality_is_as_without_it():
    z = [x.astype("float32") for x in logits()]
    layer, two = (EvidenceFusion() for _ in range(2))
    expected, weights = array(two([z[0], z[2]])), array(two.fusion_weights([z[0], z[2]]))
    present = np.array([[1, 0, 1]] * 6 + [[0, 0, 0]])
    z[1][:] = np.nan
    z[0][6] = np.inf
    np.testing.assert_allclose(array(layer(z, present=present))[:6], expected[:6], rtol=1e-6)
    np.testing.assert_allclose(array(layer(z, present=present))[6], [0.2] * 5, rtol=1e-6)
    found = array(layer.uncertainty(z, present=present))
    np.testing.assert_allclose(found[:, 2], 1)
    np.testing.assert_allclose(found[6], 1)
    shares = array(layer.fusion_weights(z, present=present))
    np.testing.assert_allclose(shares[:6, [0, 2]], weights[:6], rtol=1e-5)
    assert np.all(shares[:, 1] == 0) and np.all(shares[6] == 0)
    _, by_tensors = gradients(layer, z, present=present)
    assert all(np.isfinite(g).all() for g in by_tensors)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_large_and_small_evidence(dtype):
    """Six sure modalities have 1e60 of evidence; a product of small ones stays apart from 0."""
    layer = EvidenceFusion(dtype=dtype)
    sure = np.zeros((1, 3), "float32")
    sure[:, 1] = 3e10
    assert array(layer([sure] * 6)).tolist() == [[0.0, 1.0, 0.0]]
    assert np.isfinite(array(layer.evidence([sure] * 6))).all()
    assert 0 <= array(layer.uncertainty([sure] * 6))[0, 0] < 1e-20
    _, by_tensors = gradients(layer, [sure] * 6)
    assert all(np.isfinite(g).all() for g in by_tensors)
    unsure = np.full((1, 3), -14.0, "float32")
    unsure[:, 0] = -13.0
    evidence = array(layer.evidence([unsure, unsure]))
    np.testing.assert_allclose(evidence, 2 * np.exp(unsure), rtol=1e-3)


def test_counts_steps_of_training_alone():
    layer = EvidenceFusion()
    for training in (True, False, None, True):
        layer(logits(), training=training)
    assert float(array(layer.steps.value)) == 2 and layer.trainable_weights == []


def test_errors():
    with pytest.raises(ValueError, match="EvidenceFusion: expected logits of two or more classes"):
        EvidenceFusion()([np.ones((2, 1))])
    with pytest.raises(ValueError, match="of one and the same shape"):
        EvidenceFusion()([np.ones((2, 3)), np.ones((2, 4))])
    with pytest.raises(ValueError, match="fusion_weights: expected a layer that has been built"):
        EvidenceFusion().fusion_weights([np.ones((2, 3))])
