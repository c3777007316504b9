"""CentralFusion learns: known weights found again, every optimizer, half precision."""

import inspect

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy
from keras import ops

from keras_fusion.layers import CentralFusion


@pytest.mark.parametrize("modality_scale", [False, True])
def test_finds_the_weights_of_a_known_sum(modality_scale):
    a, b, central = np.random.default_rng(0).normal(size=(3, 256, 4)).astype("float32")
    target = 0.9 * a - 0.4 * b + 0.2 * central
    inputs = [keras.Input((4,)) for _ in range(3)]
    layer = CentralFusion(modality_scale=modality_scale)
    model = keras.Model(inputs, layer(inputs[:2], inputs[2]))
    model.compile(keras.optimizers.Adam(0.05), loss="mse")
    model.fit([a, b, central], target, epochs=15, batch_size=32, verbose=0)
    np.testing.assert_allclose(layer.fusion_weights(normalize=False), [0.9, -0.4, 0.2], atol=0.02)
    np.testing.assert_allclose(layer.fusion_weights(), np.array([9, 4, 2]) / 15, atol=0.02)


def optimizers():
    wrappers = {"LossScaleOptimizer", "MultiOptimizer", "Optimizer"}
    return sorted(
        name
        for name, found in vars(keras.optimizers).items()
        if inspect.isclass(found)
        and issubclass(found, keras.optimizers.Optimizer)
        and name not in wrappers
    )


def test_all_optimizers_are_tried():
    assert {"Adam", "AdamW", "SGD", "RMSprop", "Lion", "Muon", "Ftrl"} <= set(optimizers())


@pytest.fixture(scope="module")
def gradient():
    """What the weights of a fusion of two modalities and a central tensor get."""
    a, b, central = np.random.default_rng(0).normal(size=(3, 8, 4)).astype("float32")
    (of_alpha,), _ = gradients(CentralFusion(), [a, b], central)
    assert np.all(of_alpha != 0)
    return of_alpha


@pytest.mark.parametrize("name", optimizers())
def test_optimizers(name, gradient):
    keras_3_12 = keras.__version__.startswith("3.12.")
    if name == "Muon" and keras_3_12 and keras.backend.backend() == "tensorflow":
        pytest.skip("fails there whatever it trains: 'ResourceVariable' has no attribute 'path'")
    layer = CentralFusion()
    layer.build([(None, 4)] * 2, (None, 4))
    start = layer.get_weights()[0].copy()
    optimizer = getattr(keras.optimizers, name)()
    for _ in range(3):
        optimizer.apply([ops.convert_to_tensor(gradient)], layer.trainable_weights)
    moved = layer.get_weights()[0] - start
    assert np.isfinite(moved).all() and np.all(moved != 0)
    if name != "Ftrl":  # which forgets the start in its first step
        np.testing.assert_array_equal(np.sign(moved), -np.sign(gradient))


def test_fit_in_mixed_float16():
    a, b = np.random.default_rng(0).normal(size=(2, 64, 4)).astype("float32")
    inputs = [keras.Input((4,)), keras.Input((4,))]
    layer = CentralFusion(dtype="mixed_float16")
    model = keras.Model(inputs, keras.layers.Rescaling(1.0, dtype="float32")(layer(inputs)))
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.05))
    model.compile(optimizer, loss="mse")
    history = model.fit([a, b], 2 * a - b, epochs=5, batch_size=16, verbose=0).history["loss"]
    assert np.isfinite(history).all() and history[-1] < 0.7 * history[0]
    assert layer.alpha.dtype == "float32"
    first, second = layer.fusion_weights(normalize=False)
    assert first > 0.6 and second < 0.4


def half(values, alpha, present=None, modality_scale=True):
    """Fuses constant tensors in float16; returns the value of each sample."""
    layer = CentralFusion(modality_scale=modality_scale, dtype="mixed_float16")
    tensors = [np.full((1, 2), value, dtype="float32") for value in values]
    keywords = {} if present is None else {"present": np.array([present])}
    layer(tensors, **keywords)
    layer.alpha.assign(alpha)
    fused = layer(tensors, **keywords)
    assert keras.backend.standardize_dtype(fused.dtype) == "float16"
    (by_alpha,), _ = gradients(layer, tensors, **keywords)
    assert by_alpha.dtype == np.float32 and np.isfinite(by_alpha).all()
    return float(to_numpy(fused)[0, 0])


def test_float16_large_and_small_values():
    assert half([60000, 50000], [0.5, 0.5, 1]) == pytest.approx(55000, rel=2e-3)
    assert half([60000, 60000], [1, -1, 1]) == 0
    # 6e-5 is about the smallest normal float16.
    assert half([1e-4, 3e-4], [0.5, 0.5, 1]) == pytest.approx(2e-4, rel=1e-2)


def test_float16_factor_that_restores_small_alphas():
    """1e-6 alone is hardly a float16, 1e6 is none: the product is."""
    assert half([3, 5], [1e-6, 2e-6, 1e6]) == pytest.approx(13, rel=2e-3)


def test_float16_rescaling_beyond_its_range():
    """A quotient of 1e6 + 1, which float16 does not have, times an alpha of 1e-6."""
    fused = half([3, 5], [1e-6, 1.0], present=[1, 0], modality_scale=False)
    assert fused == pytest.approx(3, rel=2e-3)
    fused = half([3, 5], [1e-9, -1e-9, 1.0], present=[1, 0])
    assert fused == pytest.approx(6e-9, abs=1e-7)
