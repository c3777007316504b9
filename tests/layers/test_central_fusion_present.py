"""CentralFusion where modalities are missing: the call argument `present`."""

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy

from keras_fusion.layers import CentralFusion

# All subsets of three modalities, the empty one among them.
PRESENT = np.array([[k >> 2 & 1, k >> 1 & 1, k & 1] for k in range(8)])
# Their plain sums are near zero, where a division by them would explode.
ALPHAS = [1.3, -0.8, -0.5001]
CENTRAL, FACTOR = 0.6, -1.7


def tensors(shape=(4, 2), seed=0):
    """Three modalities and a central tensor, a sample for each row of PRESENT."""
    made = np.random.default_rng(seed).normal(size=(4, len(PRESENT), *shape)).astype("float32")
    return list(made[:3]), made[3]


def make(modality_scale=True, central=True, alphas=ALPHAS, shape=(4, 2), **kwargs):
    layer = CentralFusion(modality_scale=modality_scale, **kwargs)
    modalities, tensor = tensors(shape)
    layer(modalities, tensor if central else None)
    layer.alpha.assign([*alphas, *[CENTRAL] * central, *[FACTOR] * modality_scale])
    return layer


def fused(layer, *inputs, **keywords):
    return to_numpy(layer(*inputs, **keywords))


def expected(modalities, central, modality_scale, alphas=ALPHAS):
    """The definition, one sample at a time."""
    rows = []
    for sample, row in enumerate(PRESENT):
        there = [k for k in range(3) if row[k]]
        total = sum((alphas[k] * modalities[k][sample] for k in there), np.zeros_like(central[0]))
        size = sum(abs(alphas[k]) for k in there)
        total = total * (sum(map(abs, alphas)) / size if size else 0)
        rows.append((FACTOR if modality_scale else 1) * total + CENTRAL * central[sample])
    return np.array(rows)


@pytest.mark.parametrize("modality_scale", [False, True])
@pytest.mark.parametrize("has_central", [False, True])
@pytest.mark.parametrize("shape", [(4,), (4, 2), (2, 3, 1, 2)])
def test_equation(shape, has_central, modality_scale):
    modalities, central = tensors(shape)
    if not has_central:
        central = np.zeros_like(central)
    layer = make(modality_scale, has_central, shape=shape)
    found = fused(layer, modalities, central if has_central else None, present=PRESENT)
    np.testing.assert_allclose(
        found, expected(modalities, central, modality_scale), rtol=1e-5, atol=1e-5
    )


def test_all_present_is_no_argument():
    modalities, central = tensors()
    layer = make()
    np.testing.assert_allclose(
        fused(layer, modalities, central, present=np.ones_like(PRESENT)),
        fused(layer, modalities, central),
        rtol=1e-6,
        atol=1e-6,
    )


def test_central_term_stays_as_it_is():
    modalities, central = tensors()
    layer = make()
    zeros = np.zeros_like(central)
    difference = fused(layer, modalities, central, present=PRESENT)
    difference -= fused(layer, modalities, zeros, present=PRESENT)
    np.testing.assert_allclose(difference, CENTRAL * central, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
def test_dtypes_of_present(dtype):
    modalities, central = tensors()
    np.testing.assert_allclose(
        fused(make(), modalities, central, present=PRESENT.astype(dtype)),
        expected(modalities, central, modality_scale=True),
        rtol=1e-5,
        atol=1e-5,
    )


def test_sample_without_any_modality():
    modalities, central = tensors()
    none = np.zeros_like(PRESENT)
    np.testing.assert_allclose(
        fused(make(), modalities, central, present=none), CENTRAL * central, rtol=1e-6
    )
    assert not np.any(fused(make(central=False), modalities, present=none))


def test_present_weights_that_are_zero():
    """Nothing to rescale with: zeros, no division by zero, in the gradient neither."""
    modalities, central = tensors()
    alphas = [0.0, 0.7, 0.0]
    layer = make(alphas=alphas)
    np.testing.assert_allclose(
        fused(layer, modalities, central, present=PRESENT),
        expected(modalities, central, modality_scale=True, alphas=alphas),
        rtol=1e-5,
        atol=1e-5,
    )
    by_weights, by_tensors = gradients(layer, modalities, central, present=PRESENT)
    assert all(np.isfinite(gradient).all() for gradient in by_weights + by_tensors)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -np.inf])
def test_absent_entries_reach_nothing(rubbish, policy):
    modalities, central = tensors()
    layer = make(dtype=policy)
    broken = [
        np.where(PRESENT[:, k, None, None], hidden, np.float32(rubbish))
        for k, hidden in enumerate(modalities)
    ]
    assert sum(np.size(b) - np.isfinite(b).sum() for b in broken) == 3 * 4 * 4 * 2
    np.testing.assert_array_equal(
        fused(layer, broken, central, present=PRESENT),
        fused(layer, modalities, central, present=PRESENT),
    )
    clean = gradients(layer, modalities, central, present=PRESENT)
    found = gradients(layer, broken, central, present=PRESENT)
    np.testing.assert_array_equal(found[0][0], clean[0][0])
    assert np.all(found[0][0] != 0)
    for k in range(3):
        np.testing.assert_array_equal(found[1][k], clean[1][k])
        absent = PRESENT[:, k] == 0
        assert not found[1][k][absent].any() and np.all(found[1][k][~absent] != 0)


def test_gradient_of_alphas_is_that_of_the_definition():
    """Differences of the definition in float64: the rescaling has a gradient too."""
    modalities, central = tensors()
    layer = make(modality_scale=False)
    found, _ = gradients(layer, modalities, central, present=PRESENT)
    factors = np.random.default_rng(2).normal(size=central.shape)  # as in `gradients`
    double = [h.astype("float64") for h in modalities], central.astype("float64")

    def total(alphas):
        return np.sum(factors * expected(*double, modality_scale=False, alphas=alphas))

    step = 1e-6
    for k in range(3):
        up, down = list(ALPHAS), list(ALPHAS)
        up[k], down[k] = up[k] + step, down[k] - step
        np.testing.assert_allclose(
            found[0][k], (total(up) - total(down)) / (2 * step), rtol=1e-3, atol=1e-3
        )


def test_fit_with_rubbish_in_absent_entries():
    inputs = [keras.Input((4,)) for _ in range(3)]
    present = keras.Input((3,), name="present")
    layer = CentralFusion()
    model = keras.Model([*inputs, present], layer(inputs, present=present))
    compiled = {"jit_compile": True} if keras.backend.backend() == "tensorflow" else {}
    model.compile("adam", loss="mse", **compiled)
    modalities, central = tensors((4,))
    broken = [np.where(PRESENT[:, k, None], h, np.nan) for k, h in enumerate(modalities)]
    start = to_numpy(layer.alpha)
    history = model.fit([*broken, PRESENT], central, epochs=2, batch_size=8, verbose=0)
    alpha = to_numpy(layer.alpha)
    assert np.isfinite(history.history["loss"]).all()
    assert np.isfinite(alpha).all() and np.all(alpha != start)
