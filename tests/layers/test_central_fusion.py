"""CentralFusion: Eq. (1) and (3), the shares it reports, saving, Keras masks, errors."""

import keras
import numpy as np
import pytest
from conformance import to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import CentralFusion

CASES = [
    Case(CentralFusion, "first level", {}, ([floats(3, 4), floats(3, 4)],), (3, 4)),
    Case(
        CentralFusion,
        "maps with central by equation 1",
        {"modality_scale": False},
        ([floats(3, 5, 6, 2), floats(3, 5, 6, 2)], floats(3, 5, 6, 2)),
        (3, 5, 6, 2),
    ),
    Case(
        CentralFusion,
        "three sequences with central and present",
        {"modality_scale": True},
        ([floats(3, 5, 2), floats(3, 5, 2), floats(3, 5, 2)],),
        (3, 5, 2),
        keywords={"central": floats(3, 5, 2), "present": PRESENT},
    ),
    Case(
        CentralFusion,
        "integer images",
        {},
        ([integers(9, 3, 4, 4, 1, dtype="uint8"), integers(9, 3, 4, 4, 1)],),
        (3, 4, 4, 1),
    ),
]

# Signed and all different: only so does a test see which weight meets which tensor.
ALPHAS = [0.7, -0.3, 1.9, 0.2, -1.1, 0.45]


def tensors(n, rank, seed=0):
    """`n` modalities and a central tensor."""
    shape = (3, 5, 4, 2, 6)[:rank]
    made = np.random.default_rng(seed).normal(size=(n + 1, *shape)).astype("float32")
    return list(made[:n]), made[n]


def with_alphas(layer, modalities, central=None):
    """Builds the layer and gives it ALPHAS: returns those of modalities, central, both scales."""
    layer(modalities, central)
    size = len(modalities) + (central is not None) + layer.modality_scale
    layer.alpha.assign(ALPHAS[:size])
    n = len(modalities)
    return ALPHAS[:n], ALPHAS[n], ALPHAS[size - 1] if layer.modality_scale else 1.0


@pytest.mark.parametrize("has_central", [False, True])
@pytest.mark.parametrize("modality_scale", [False, True])
@pytest.mark.parametrize(
    ("n", "rank"), [(1, 2), (2, 2), (3, 2), (4, 2), (2, 3), (3, 4), (2, 5), (4, 5)]
)
def test_equation(n, rank, modality_scale, has_central):
    modalities, central = tensors(n, rank)
    central = central if has_central else None
    layer = CentralFusion(modality_scale=modality_scale)
    of_modalities, of_central, factor = with_alphas(layer, modalities, central)
    expected = factor * sum(a * h for a, h in zip(of_modalities, modalities, strict=True))
    if has_central:
        expected = expected + of_central * central
    np.testing.assert_allclose(to_numpy(layer(modalities, central)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("has_central", [False, True])
@pytest.mark.parametrize("modality_scale", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_starts_as_plain_average(n, modality_scale, has_central):
    modalities, central = tensors(n, rank=2)
    sources = [*modalities, central] if has_central else modalities
    layer = CentralFusion(modality_scale=modality_scale)
    fused = to_numpy(layer(modalities, central if has_central else None))
    np.testing.assert_allclose(fused, np.mean(sources, axis=0), rtol=1e-5, atol=1e-6)
    start = [1 / len(sources)] * len(sources) + [1.0] * modality_scale
    np.testing.assert_allclose(layer.get_weights()[0], start, rtol=1e-6)


def test_tuple_and_keywords():
    modalities, central = tensors(2, rank=3)
    layer = CentralFusion()
    fused = to_numpy(layer(modalities, central))
    np.testing.assert_array_equal(to_numpy(layer(tuple(modalities), central=central)), fused)


def test_any_length_of_sequences():
    inputs = [keras.Input((None, 4)), keras.Input((None, 4))]
    layer = CentralFusion()
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, 4)
    layer.alpha.assign(ALPHAS[:3])
    for length in (3, 7):
        a, b = np.random.default_rng(length).normal(size=(2, 2, length, 4)).astype("float32")
        expected = ALPHAS[2] * (ALPHAS[0] * a + ALPHAS[1] * b)
        np.testing.assert_allclose(to_numpy(model([a, b])), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("modality_scale", "has_central", "alpha", "products"),
    [
        (False, False, [0.2, -0.6], [0.2, -0.6]),
        (False, True, [0.2, -0.6, 1.2], [0.2, -0.6, 1.2]),
        (True, False, [0.2, -0.6, -2.0], [-0.4, 1.2]),
        # The common factor is not the central tensor's.
        (True, True, [0.2, -0.6, 2.4, -2.0], [-0.4, 1.2, 2.4]),
        (True, True, [0.5, 0.5, -1.0, 0.0], [0.0, 0.0, -1.0]),
    ],
)
def test_fusion_weights(modality_scale, has_central, alpha, products):
    modalities, central = tensors(2, rank=2)
    layer = CentralFusion(modality_scale=modality_scale)
    layer(modalities, central if has_central else None)
    layer.alpha.assign(alpha)
    np.testing.assert_allclose(layer.fusion_weights(normalize=False), products, atol=1e-6)
    shares = layer.fusion_weights()
    np.testing.assert_allclose(shares, np.abs(products) / np.abs(products).sum(), atol=1e-6)
    assert isinstance(shares, np.ndarray) and shares.sum() == pytest.approx(1)
    # A copy: who changes it does not change the layer.
    shares[:] = 7
    layer.fusion_weights(normalize=False)[:] = 7
    np.testing.assert_allclose(layer.get_weights()[0], alpha, rtol=1e-6)


def test_fusion_weights_that_are_all_zero():
    layer = CentralFusion()
    layer(tensors(2, rank=2)[0])
    layer.alpha.assign([0.0, 0.0, 1.0])
    assert layer.fusion_weights().tolist() == [0, 0]


def test_fusion_weights_before_build():
    with pytest.raises(ValueError, match="expected a layer that has been built. Received: early"):
        CentralFusion(name="early").fusion_weights()


@pytest.mark.parametrize("has_central", [False, True])
@pytest.mark.parametrize("modality_scale", [False, True])
def test_saving(tmp_path, modality_scale, has_central):
    modalities, central = tensors(2, rank=2)
    values = [*modalities, central][: 2 + has_central]
    inputs = [keras.Input(value.shape[1:]) for value in values]
    layer = CentralFusion(modality_scale=modality_scale, name="level")
    model = keras.Model(inputs, layer(inputs[:2], *inputs[2:]))
    with_alphas(layer, modalities, central if has_central else None)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    expected = to_numpy(model(values))

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("level").modality_scale is modality_scale
    np.testing.assert_array_equal(to_numpy(loaded(values)), expected)
    np.testing.assert_array_equal(
        loaded.get_layer("level").fusion_weights(), layer.fusion_weights()
    )
    clone = keras.models.clone_model(model)
    assert not np.allclose(to_numpy(clone(values)), expected)
    clone.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(to_numpy(clone(values)), expected)


def pooled(masked, lengths, fusion=None):
    """Mean over the steps that count, of a fusion of sequences; `masked`: which have a mask."""
    inputs = [keras.Input((4, 2)) for _ in masked]
    sequences = [
        keras.layers.Masking(mask_value=-9.0)(x) if has_mask else x
        for x, has_mask in zip(inputs, masked, strict=True)
    ]
    fused = CentralFusion()(sequences) if fusion is None else fusion(sequences)
    model = keras.Model(inputs, [fused, keras.layers.GlobalAveragePooling1D()(fused)])
    values = np.random.default_rng(0).normal(size=(len(masked), 2, 4, 2)).astype("float32")
    for value, length in zip(values, lengths, strict=True):
        value[:, length:] = -9.0
    fused, mean = model.predict_on_batch(list(values))
    return fused, mean


def test_step_counts_where_any_modality_has_it():
    fused, mean = pooled(masked=[True, True], lengths=[1, 3])
    np.testing.assert_allclose(mean, fused[:, :3].mean(axis=1), rtol=1e-5, atol=1e-6)
    assert not np.allclose(mean, fused.mean(axis=1), atol=1e-3)


@pytest.mark.parametrize("masked", [[True, False], [False, True], [False, False]])
def test_every_step_counts_where_one_modality_has_no_mask(masked):
    fused, mean = pooled(masked, lengths=[1, 3])
    np.testing.assert_allclose(mean, fused.mean(axis=1), rtol=1e-5, atol=1e-6)


def test_compute_mask():
    layer = CentralFusion()
    a, b, c = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=bool)[:, None]
    x = [None] * 3
    combined = to_numpy(layer.compute_mask(x, [a, b, c]))
    np.testing.assert_array_equal(combined, [[True, True, True, False]])
    np.testing.assert_array_equal(layer.compute_mask(x[:1], [a]), a)
    assert layer.compute_mask(x, [a, None, c]) is None
    assert layer.compute_mask(x, None) is None
    assert layer.supports_masking


@pytest.mark.parametrize("modality_scale", [1, "yes", None, [True]])
def test_modality_scale_is_a_bool(modality_scale):
    with pytest.raises(TypeError, match="modality_scale: expected True or False. Received: "):
        CentralFusion(modality_scale=modality_scale)


def test_shape_errors_without_data():
    layer = CentralFusion()
    with pytest.raises(ValueError, match="one and the same shape"):
        layer.compute_output_shape([(None, 4), (None, 5)])
    with pytest.raises(TypeError, match="expected modalities to be a list of one or more tensors"):
        layer.compute_output_shape((None, 4))
    with pytest.raises(ValueError, match=r"present: expected shape \(batch, 2\)"):
        layer.compute_output_shape([(None, 4)] * 2, present_shape=(None, 3))
    assert layer.compute_output_shape([(None, None, 4), (None, 7, 4)]) == (None, None, 4)
