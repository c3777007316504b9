"""CrossConnection2D1D and CrossConnection1D2D against their equations in NumPy."""

import keras
import numpy as np
import pytest
from conformance import gradients
from keras import ops
from layer_cases import Case, floats

from keras_fusion.layers import CrossConnection1D2D, CrossConnection2D1D

CASES = [
    Case(
        CrossConnection1D2D,
        "vector to maps",
        # To several channels PyTorch has no float16 gradient on a CPU.
        {"target_shape": (4, 3, 1), "kernel_size": 2},
        (floats(3, 5),),
        (3, 4, 3, 1),
        partly_still=("dense_prelu/alpha", "deconv_prelu/alpha"),
    ),
    Case(
        CrossConnection2D1D,
        "maps to vector",
        {"units": 4, "filters": 2},
        (floats(3, 4, 3, 2),),
        (3, 4),
        partly_still=("conv_prelu/alpha", "dense_prelu/alpha"),
    ),
    Case(
        CrossConnection2D1D,
        "residual",
        {"units": 4, "pool_size": 2, "strides": (2, 1)},
        (floats(3, 4, 3, 2),),
        (3, 4),
        partly_still=("dense_prelu/alpha",),
    ),
]


def with_values(layer, x, seed=0):
    """Builds a layer and gives every weight values of its own."""
    layer(x)
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        low = 0.2 if weight.name == "moving_variance" else -1.0
        if "seed" not in weight.name:
            weight.assign(rng.uniform(low, 1, weight.shape))
    return {w.path.removeprefix("layer/"): np.array(ops.convert_to_numpy(w)) for w in layer.weights}


def prelu(x, alpha):
    return np.where(x > 0, x, alpha * x)


def norm(x, w, name):
    scale = w[f"{name}/gamma"] / np.sqrt(w[f"{name}/moving_variance"] + 1e-3)
    return scale * (x - w[f"{name}/moving_mean"]) + w[f"{name}/beta"]


def dense(x, w, name="dense"):
    return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]


def max_pool(x, window, strides):
    rows = range(0, x.shape[1] - window[0] + 1, strides[0])
    columns = range(0, x.shape[2] - window[1] + 1, strides[1])
    found = [
        [x[:, i : i + window[0], j : j + window[1]].max((1, 2)) for j in columns] for i in rows
    ]
    return np.array(found).transpose(2, 0, 1, 3)


def transposed_convolution(x, kernel, bias):
    """Every input pixel puts its kernel onto the output; kernel: rows, columns, out, in."""
    (n, h, w, _), k = x.shape, kernel.shape[0]
    out = np.zeros((n, h + k - 1, w + k - 1, kernel.shape[2]))
    for i in range(h):
        for j in range(w):
            out[:, i : i + k, j : j + k] += np.einsum("nc,abdc->nabd", x[:, i, j], kernel)
    return out + bias


def to_vector(x, w, layer):
    if layer.pool_size is not None:
        x = max_pool(x, layer.pool_size, layer.strides or layer.pool_size)
    if layer.filters is not None:
        x = x @ w["conv/kernel"][0, 0] + w["conv/bias"]
        x = prelu(x, w["conv_prelu/alpha"])
    if layer.batch_norm:
        x = norm(x, w, "conv_bn")
    return prelu(dense(x.reshape(len(x), -1), w), w["dense_prelu/alpha"])


def to_maps(x, w, layer, kernel_size):
    height, width, _ = layer.target_shape
    x = prelu(dense(x, w), w["dense_prelu/alpha"])
    if layer.batch_norm:
        x = norm(x, w, "dense_bn")
    x = x.reshape(-1, height - kernel_size + 1, width - kernel_size + 1, 1)
    x = transposed_convolution(x, w["deconv/kernel"], w["deconv/bias"])
    x = prelu(x, w["deconv_prelu/alpha"])
    return norm(x, w, "output_bn") if layer.output_batch_norm else x


def maps(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    "options",
    [
        {"filters": 3},
        {"filters": 2, "batch_norm": True, "dropout": 0.5},
        {"pool_size": 2},
        {"pool_size": (3, 2), "strides": (2, 1), "dropout": 0.25},
        {"pool_size": 2, "filters": 4},
    ],
)
def test_maps_to_a_vector(options):
    x = maps(3, 7, 6, 2)
    layer = CrossConnection2D1D(5, **options, name="layer")
    w = with_values(layer, x)
    found = ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(found, to_vector(x, w, layer), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "kernel_size"),
    [
        ({"kernel_size": 2}, 2),
        ({"kernel_size": 4, "batch_norm": True, "dropout": 0.5}, 4),
        ({"kernel_size": 1, "batch_norm": True, "output_batch_norm": True}, 1),
        ({}, 2),  # half of the smaller side
    ],
)
def test_a_vector_to_maps(options, kernel_size):
    x = maps(3, 4)
    layer = CrossConnection1D2D((6, 4, 2), **options, name="layer")
    w = with_values(layer, x)
    found = ops.convert_to_numpy(layer(x))
    expected = to_maps(x, w, layer, kernel_size)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


# Sect. 2.1 of the paper's Tables I and II: maps, k, units of the dense layer.
@pytest.mark.parametrize(
    ("height", "width", "kernel_size", "units"),
    [
        (40, 30, 8, 759),
        (20, 15, 4, 204),
        (40, 30, 16, 375),
        (20, 15, 8, 104),
        (45, 60, 32, 406),
        (22, 30, 16, 105),
    ],
)
def test_dense_layers_of_the_paper(height, width, kernel_size, units):
    layer = CrossConnection1D2D((height, width, 2), kernel_size)
    assert layer.pipeline[0].units == units
    assert layer.compute_output_shape((None, 7)) == (None, height, width, 2)


def test_starts_as_with_relu():
    """The slopes start at 0, as in the authors' networks."""
    x = maps(3, 4)
    layer = CrossConnection1D2D((4, 4, 2))
    found = ops.convert_to_numpy(layer(x))
    assert found.min() == 0 < found.max()


def connections():
    """Both, with all that they can have inside."""
    norms = {"batch_norm": True, "momentum": 0.5, "dropout": 0.5, "seed": 1}
    return [
        (CrossConnection2D1D(5, filters=3, pool_size=2, **norms), maps(6, 6, 6, 2)),
        (CrossConnection1D2D((6, 4, 2), output_batch_norm=True, **norms), maps(6, 4)),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_training_drops_and_moves_the_averages(which):
    layer, x = connections()[which]
    still = ops.convert_to_numpy(layer(x))
    np.testing.assert_array_equal(still, ops.convert_to_numpy(layer(x, training=False)))
    moving = {w.path: np.array(ops.convert_to_numpy(w)) for w in layer.non_trainable_weights}
    first = ops.convert_to_numpy(layer(x, training=True))
    second = ops.convert_to_numpy(layer(x, training=True))
    assert np.any(first != second) and np.any(first != still)
    for weight in layer.non_trainable_weights:
        assert np.any(ops.convert_to_numpy(weight) != moving[weight.path]), weight.path
    again, _ = connections()[which]
    again(x)
    again.set_weights(layer.get_weights())
    rates = [i.rate for i in layer.pipeline if isinstance(i, keras.layers.Dropout)]
    norms = [i for i in layer.pipeline if isinstance(i, keras.layers.BatchNormalization)]
    assert rates == [0.5] and {n.momentum for n in norms} == {0.5}
    found, expected = (ops.convert_to_numpy(one(x)) for one in (again, layer))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (CrossConnection2D1D(400, dropout=0.2), (1, 20, 20, 1)),
        (CrossConnection1D2D((20, 20, 1), 1, dropout=0.2), (1, 400)),
    ],
    ids=["maps to a vector", "a vector to maps"],
)
def test_dropout_in_training(layer, shape):
    """A fifth is zero and the rest is scaled up for it, where the weights change nothing."""
    x = np.ones(shape, "float32")
    layer(x)
    for inner in layer.pipeline:
        if hasattr(inner, "kernel"):
            inner.kernel.assign(np.eye(*inner.kernel.shape[-2:]).reshape(inner.kernel.shape))
    assert np.all(ops.convert_to_numpy(layer(x)) == 1)
    found = ops.convert_to_numpy(layer(x, training=True))
    zero = found == 0
    np.testing.assert_allclose(found[~zero], 1.25, rtol=1e-6)
    assert 0.1 < zero.mean() < 0.3


@pytest.mark.parametrize("which", [0, 1])
def test_gradient_reaches_every_weight(which):
    layer, x = connections()[which]
    with_values(layer, x)
    by_weights, (by_input,) = gradients(layer, x)
    for weight, gradient in zip(layer.trainable_weights, by_weights, strict=True):
        assert np.isfinite(gradient).all() and np.any(gradient), weight.path
    assert np.any(by_input)


@pytest.mark.parametrize("which", [0, 1])
def test_saving_with_all_that_is_inside(which, tmp_path):
    layer, x = connections()[which]
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    with_values(layer, x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded.predict_on_batch(x), model.predict_on_batch(x))


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (CrossConnection2D1D, {"units": 0}, "units: expected an int >= 1. Received: 0"),
        (CrossConnection2D1D, {"units": True}, "units: expected an int >= 1. Received: True"),
        (CrossConnection2D1D, {"units": 2, "filters": 1.5}, "filters: expected .*Received: 1.5"),
        (CrossConnection2D1D, {"units": 2, "pool_size": (2,)}, "pool_size: expected an int or two"),
        (CrossConnection2D1D, {"units": 2, "pool_size": 0}, "pool_size: expected an int >= 1"),
        (CrossConnection2D1D, {"units": 2, "strides": 2}, "strides: expected together with pool"),
        (CrossConnection2D1D, {"units": 2, "batch_norm": True}, "batch_norm: expected together"),
        (CrossConnection2D1D, {"units": 2, "dropout": 1}, "dropout: expected a float in .0, 1"),
        (CrossConnection2D1D, {"units": 2, "momentum": -1}, "momentum: expected a float in .0, 1"),
        (CrossConnection1D2D, {"target_shape": (4, 4)}, "target_shape: expected .height, width"),
        (CrossConnection1D2D, {"target_shape": (4, 4, 0)}, "target_shape: expected an int >= 1"),
        (
            CrossConnection1D2D,
            {"target_shape": (6, 4, 2), "kernel_size": 5},
            r"kernel_size: expected an int not above .*\(6, 4\). Received: 5",
        ),
        (
            CrossConnection1D2D,
            {"target_shape": (6, 4, 2), "batch_norm": 1},
            "batch_norm: expected True or False. Received: 1",
        ),
    ],
)
def test_arguments(layer, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        layer(**options)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (CrossConnection2D1D(2), (3, 4), "expected maps .* of fixed size. Received: .3, 4"),
        (CrossConnection2D1D(2), (3, None, 4, 1), "of fixed size. Received: .3, None, 4, 1"),
        (CrossConnection2D1D(2, pool_size=5), (3, 4, 6, 1), "not larger than the maps of 4x6"),
        (CrossConnection1D2D((4, 4, 2)), (3, 4, 5), "expected vectors .* Received: .3, 4, 5"),
    ],
)
def test_inputs(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer.build(shape)
    with pytest.raises(ValueError, match=message):
        layer.compute_output_shape(shape)


def test_another_shape_after_the_first():
    layer = CrossConnection2D1D(2)
    layer(maps(3, 4, 4, 1))
    with pytest.raises(ValueError, match="expected maps"):
        layer(maps(3, 16))


@pytest.mark.parametrize("policy", ["float16", "mixed_float16"])
def test_gradients_in_float16(policy):
    # PyTorch has none of the transposed convolution, on a CPU, from one channel to several.
    layer = CrossConnection1D2D((6, 5, 3), kernel_size=3, dtype=policy)
    x = floats(3, 5)
    expected = CrossConnection1D2D((6, 5, 3), kernel_size=3)
    assert ops.convert_to_numpy(layer(x)).dtype == "float16"
    expected(x)
    expected.set_weights(layer.get_weights())
    found, wanted = (ops.convert_to_numpy(made(x)) for made in (layer, expected))
    np.testing.assert_allclose(found, wanted, atol=5e-3)
    model = keras.Sequential([keras.Input((5,)), layer, keras.layers.GlobalAveragePooling2D()])
    model.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=True, auto_scale_loss=False)
    before = layer.get_weights()
    assert np.isfinite(model.train_on_batch(x, np.ones((3, 3))))
    for old, new in zip(before, layer.get_weights(), strict=True):
        assert np.isfinite(new).all() and old.shape == new.shape
    assert np.any(before[-3] != layer.get_weights()[-3])
