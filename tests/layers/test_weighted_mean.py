"""WeightedMean against its equation, with distinct weights."""

import layer_cases
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import Case, floats, probabilities

from keras_fusion.layers import WeightedMean

CASES = [
    Case(
        WeightedMean,
        "three with present",
        {"activation": "softmax"},
        ([probabilities(3, 4), probabilities(3, 4), probabilities(3, 4)],),
        (3, 4),
        keywords={"present": layer_cases.PRESENT},
    ),
    Case(
        WeightedMean,
        "sequences with central",
        {},
        ([floats(3, 5, 2), floats(3, 5, 2)], floats(3, 5, 2)),
        (3, 5, 2),
    ),
]

ALPHAS = np.array([0.3, -1.2, 2.0])
CENTRAL = 0.9
PRESENT = np.array([[k >> 2 & 1, k >> 1 & 1, k & 1] for k in range(8)], bool)


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def scores(shape=(4,), seed=0):
    made = np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), (4, 8, *shape[:-1]))
    return list(made[:3].astype("float32")), made[3].astype("float32")


def make(activation="softmax", central=False, shape=(4,), **kwargs):
    layer = WeightedMean(activation, **kwargs)
    modalities, tensor = scores(shape)
    layer(modalities, tensor if central else None)
    layer.alpha.assign([*ALPHAS, *[CENTRAL] * central])
    return layer


@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 3, 2, 4)])
@pytest.mark.parametrize("has_central", [False, True])
def test_equation(shape, has_central):
    modalities, central = scores(shape)
    weights = softmax(np.array([*ALPHAS, *[CENTRAL] * has_central]))
    expected = sum(w * p for w, p in zip(weights, [*modalities, central], strict=False))
    found = to_numpy(
        make(central=has_central, shape=shape)(modalities, central if has_central else None)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(np.sum(found, -1), 1, rtol=1e-5)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "linear"])
@pytest.mark.parametrize("has_central", [False, True])
def test_present(activation, has_central):
    modalities, central = scores()
    layer = make(activation, has_central)
    found = to_numpy(layer(modalities, central if has_central else None, present=PRESENT))
    none = {"softmax": 0.25, "sigmoid": 0.5, "linear": 0.0}[activation]
    for sample, row in enumerate(PRESENT):
        here = [k for k in range(3) if row[k]]
        p = [modalities[k][sample] for k in here] + [central[sample]] * has_central
        alphas = [ALPHAS[k] for k in here] + [CENTRAL] * has_central
        expected = softmax(np.array(alphas)) @ np.array(p) if p else np.full(4, none)
        np.testing.assert_allclose(found[sample], expected, rtol=1e-5, atol=1e-7)


def test_all_present_is_no_argument():
    modalities, _ = scores()
    everywhere = np.ones_like(PRESENT)
    found = to_numpy(make()(modalities, present=everywhere))
    np.testing.assert_allclose(found, to_numpy(make()(modalities)), rtol=1e-6)


@pytest.mark.parametrize("rubbish", [np.nan, np.inf])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_absent_entries_reach_nothing(rubbish, policy):
    modalities, _ = scores()
    layer = make(dtype=policy)
    broken = [np.where(PRESENT[:, k, None], p, rubbish) for k, p in enumerate(modalities)]
    broken = [p.astype("float32") for p in broken]
    found, clean = (to_numpy(layer(p, present=PRESENT)) for p in (broken, modalities))
    np.testing.assert_array_equal(found, clean)
    by_weights, by_tensors = gradients(layer, broken, present=PRESENT)
    assert np.all(by_weights[0] != 0) and np.isfinite(by_weights[0]).all()
    for k, gradient in enumerate(by_tensors):
        assert np.isfinite(gradient).all() and not gradient[~PRESENT[:, k]].any()


def test_far_apart_weights():
    """One weight is nearly 1; without it the others still have the sum 1."""
    modalities, _ = scores()
    layer = make()
    layer.alpha.assign([200.0, 0.0, -1.0])
    found = to_numpy(layer(modalities, present=PRESENT))
    np.testing.assert_allclose(np.sum(found, -1), 1, rtol=1e-5)
    weights = softmax(np.array([0.0, -1.0]))
    sample = [list(row) for row in PRESENT].index([False, True, True])
    expected = weights[0] * modalities[1][sample] + weights[1] * modalities[2][sample]
    np.testing.assert_allclose(found[sample], expected, rtol=1e-5)
    by_weights, _ = gradients(layer, modalities, present=PRESENT)
    assert np.isfinite(by_weights[0]).all()


def test_fusion_weights():
    np.testing.assert_allclose(make().fusion_weights(), softmax(ALPHAS), rtol=1e-6)
    shares = make(central=True).fusion_weights()
    np.testing.assert_allclose(shares, softmax(np.array([*ALPHAS, CENTRAL])), rtol=1e-6)
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    with pytest.raises(ValueError, match="fusion_weights: expected a layer that has been built"):
        WeightedMean().fusion_weights()


def test_wrong_arguments():
    with pytest.raises(ValueError, match="activation: expected one of .*Received: 'relu'"):
        WeightedMean("relu")
