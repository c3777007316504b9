"""2-D networks inflated to 3-D: a video that stands still gives the image's features."""

import keras
import numpy as np
import pytest
from helpers.tiny import map_net, without_weights
from keras import layers

from keras_fusion.backbones import audioset_cnn, depth_cnn, inflate, inflated_resnet50, resnet50
from keras_fusion.graph import fusion_points

RESNET_STAGES = [
    ("pool1_pool", (64, 64, 64)),
    ("conv2_block3_out", (64, 64, 256)),
    ("conv3_block4_out", (32, 32, 512)),
    ("conv4_block6_out", (16, 16, 1024)),
    ("conv5_block3_out", (8, 8, 2048)),
]


def branched(size=(9, 10)):
    """Every kind of layer: padding, strides, dilation, groups, 1x1, poolings, two branches."""
    inputs = keras.Input((*size, 4))
    x = layers.Rescaling(0.5, name="half")(inputs)
    a = layers.Conv2D(4, 3, 2, padding="same", name="strided")(x)
    a = layers.BatchNormalization(axis=3, name="norm")(a)
    b = layers.Conv2D(4, (2, 4), 2, padding="same", groups=2, name="even")(x)
    b = layers.LayerNormalization(name="layer_norm")(b)
    a = layers.Add(name="add")([a, b])
    a = layers.ReLU(name="relu")(a)
    b = layers.Conv2D(3, 1, name="pointwise", use_bias=False)(a)
    c = layers.Conv2D(3, 3, padding="same", dilation_rate=2, name="dilated", activation="tanh")(a)
    x = layers.Concatenate(axis=3, name="both")([b, c])
    x = layers.ZeroPadding2D(((1, 0), (2, 1)), name="rim")(x)
    x = layers.Conv2D(5, 3, name="valid")(x)
    x = layers.MaxPooling2D(2, 1, padding="same", name="max")(x)
    x = layers.AveragePooling2D((2, 3), name="mean")(x)
    return keras.Model(inputs, layers.Dropout(0.5, name="drop")(x), name="branched")


def filled(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        low = 0.5 if weight.path.endswith("variance") else -0.5
        weight.assign(rng.uniform(low, low + 1, size=tuple(weight.shape)))
    return model


def values(model, x, training=False):
    return keras.ops.convert_to_numpy(model(x, training=training))


def images(model, count=2, seed=0):
    shape = (count, *model.input.shape[1:])
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("kernel", [3, 5])
def test_still_video_gives_the_features_of_its_image(kernel):
    flat = filled(branched())
    deep = inflate(flat, frames=4, temporal_kernel=kernel)
    x = images(flat)
    found = values(deep, np.repeat(x[:, None], 4, axis=1))
    expected = values(flat, x)
    assert expected.std() > 0.1 and found.shape == (2, 4, *expected.shape[1:])
    np.testing.assert_allclose(found, np.repeat(expected[:, None], 4, 1), rtol=1e-4, atol=1e-5)


def test_one_convolution_averages_over_time():
    inputs = keras.Input((5, 5, 2))
    flat = filled(keras.Model(inputs, layers.Conv2D(3, 3, padding="same", name="conv")(inputs)))
    deep = inflate(flat, temporal_kernel=3)
    assert deep.output_shape == (None, None, 5, 5, 3)
    video = np.random.default_rng(0).normal(size=(1, 4, 5, 5, 2)).astype("float32")
    frames = values(flat, video[0])
    around = np.pad(frames, [(1, 1), (0, 0), (0, 0), (0, 0)], mode="edge")
    expected = (around[:-2] + around[1:-1] + around[2:]) / 3
    np.testing.assert_allclose(values(deep, video)[0], expected, rtol=1e-4, atol=1e-5)


def test_without_time_in_the_kernels_frames_are_apart():
    flat = filled(branched())
    deep = inflate(flat, temporal_kernel=1)
    video = images(flat, 3)
    np.testing.assert_allclose(values(deep, video[None])[0], values(flat, video), atol=1e-5)


def test_names_frozen_layers_and_the_original():
    flat = filled(branched())
    flat.get_layer("valid").trainable = False
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in flat.weights]
    deep = inflate(flat, 4, name="mine")
    assert deep.name == "mine" and inflate(flat, 4).name == "inflated_branched"
    names = {layer.name for layer in flat.layers[1:]}
    assert names <= {layer.name for layer in deep.layers}
    assert not deep.get_layer("valid").trainable and deep.get_layer("even").trainable
    filled(deep)
    for weight, value in zip(flat.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)
    assert type(flat.get_layer("valid")) is layers.Conv2D


def test_prediction_is_made_from_all_frames():
    deep = inflate(depth_cnn((16, 16, 1), 5, filters=(2, 3), units=4), 8)
    assert deep.output_shape == (None, 5)
    found = [point.shape for point in fusion_points(deep)[1:]]
    assert found == [(8, 8, 8, 2), (8, 4, 4, 3), (4,), (5,)]
    video = np.random.default_rng(0).normal(size=(1, 8, 16, 16, 1)).astype("float32")
    for part in (video[:, :4], video[:, 4:]):  # every frame counts
        changed = video.copy()
        changed[:, :1] += part.mean() + 1
        assert not np.allclose(values(deep, video), values(deep, changed))


def test_inflated_resnet50_at_full_size():
    with without_weights():
        model = inflated_resnet50(num_classes=211, activation="sigmoid", trainable=3, dropout=0.5)
        flat = resnet50((256, 256, 3))
    found = [(p.path, p.shape) for p in fusion_points(model)[1:]]
    assert found == [
        *((path, (16, *shape)) for path, shape in RESNET_STAGES),
        ("prediction", (211,)),
    ]
    assert model.input_shape == (None, 16, 256, 256, 3)
    kernels = [layer for layer in flat.layers if getattr(layer, "kernel_size", (1, 1)) != (1, 1)]
    assert len(kernels) == 17  # the first, and one in each of 16 blocks
    more = 2 * sum(np.prod(layer.kernel.shape) for layer in kernels)
    assert model.count_params() == flat.count_params() + more + 2049 * 211
    for layer in kernels:
        assert model.get_layer(layer.name).kernel_size == (3, *layer.kernel_size)
    trained = {layer.name[:5] for layer in model.layers if layer.trainable_weights}
    assert trained == {"conv3", "conv4", "conv5", "predi"}


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="compiles for half a minute")
def test_inflated_resnet50_on_a_still_video(tmp_path):
    flat = filled_like_trained(resnet50((32, 32, 3)))
    flat.save_weights(tmp_path / "flat.weights.h5")
    deep = inflated_resnet50((2, 32, 32, 3), weights=tmp_path / "flat.weights.h5")
    end = "conv3_block2_out"  # the layers above are of the same kinds
    flat, deep = (keras.Model(m.input, m.get_layer(end).output) for m in (flat, deep))
    x = np.random.default_rng(0).uniform(0, 255, size=(1, 32, 32, 3)).astype("float32")
    found, expected = values(deep, np.repeat(x[:, None], 2, axis=1)), values(flat, x)
    assert expected.std() > 0.01 and found.shape == (1, 2, 4, 4, 512)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, np.repeat(expected[:, None], 2, 1), atol=1e-4 * scale)


def filled_like_trained(model):
    """Batch normalizations with averages of their own; the kernels stay as they were drawn."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith(("mean", "beta")):
            weight.assign(rng.normal(size=tuple(weight.shape)) / 10)
        elif weight.path.endswith(("variance", "gamma")):
            weight.assign(rng.uniform(0.5, 1.5, size=tuple(weight.shape)))
    return model


def of_layer(layer):
    inputs = keras.Input((8, 8, 2))
    return keras.Model(inputs, layer(inputs), name="odd")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: inflate(audioset_cnn((8, 8, 1), 2, filters=(2,))), 'Flatten "pooled_flat"'),
        (lambda: inflate(of_layer(layers.DepthwiseConv2D(3, name="deep"))), 'Conv2D "deep"'),
        (lambda: inflate(of_layer(layers.BatchNormalization(axis=1, name="bn"))), '"bn"'),
        (lambda: inflate(of_layer(layers.Lambda(lambda x: x, name="own"))), 'Lambda "own"'),
        (lambda: inflate(keras.Sequential([keras.Input((8, 8, 1)), map_net()])), '"map"'),
        (lambda: inflate(of_layer(layers.ReLU()), frames=0), "frames: .*Received: 0"),
        (lambda: inflate(of_layer(layers.ReLU()), temporal_kernel=2), "odd int. Received: 2"),
        (lambda: inflate(keras.Sequential([keras.Input((5,)), layers.ReLU()])), r"\(None, 5\)"),
        (lambda: inflate(branched((None, None))), 'layer "(strided|even)": .*open size'),
        (lambda: inflated_resnet50((32, 32, 3)), r"\(frames, .*Received: \(32, 32, 3\)"),
        (lambda: inflated_resnet50((2, 32, 32, 3), num_classes=0), "num_classes: .*Received: 0"),
    ],
)
def test_bad_arguments(make, match):
    with without_weights(), pytest.raises(ValueError, match=match):
        make()
