"""The audio network of AudioSet and the depth network: layers and sizes, one by one."""

from itertools import pairwise

import keras
import pytest
from helpers.tiny import without_weights
from keras import layers

from keras_fusion.backbones import audioset_cnn, depth_cnn, mlp
from keras_fusion.graph import fusion_points


@pytest.fixture(autouse=True)
def graphs_only():
    with without_weights():
        yield


def test_audioset_cnn_is_that_of_the_paper():
    """Sect. 3.4: six layers, kernel 4, stride 2, 64 filters doubled to 2048, pooling 7 by 7."""
    model = audioset_cnn()
    assert model.input_shape == (None, 512, 512, 1) and model.output_shape == (None, 211)
    found, filters = model.layers[1:], (64, 128, 256, 512, 1024, 2048)
    size, channels, total = 512, 1, 0
    for i, width in enumerate(filters):
        convolution, norm, activation = found[3 * i : 3 * i + 3]
        assert (convolution.kernel_size, convolution.strides) == ((4, 4), (2, 2))
        assert isinstance(norm, layers.BatchNormalization) and isinstance(activation, layers.ReLU)
        size //= 2
        assert activation.output.shape[1:] == (size, size, width)
        total += 16 * channels * width + 4 * width
        channels = width
    pooling, flat, prediction = found[18:]
    assert size == 8 and pooling.pool_size == (7, 7) and flat.output.shape == (None, 2048)
    assert isinstance(pooling, layers.AveragePooling2D)
    assert prediction.activation is keras.activations.sigmoid
    assert model.count_params() == total + 2049 * 211


def test_audioset_cnn_at_other_sizes():
    model = audioset_cnn((20, 16, 2), None, dropout=0.25, filters=(3, 4), name="mine")
    assert model.output_shape == (None, 4) and model.name == "mine"
    assert model.get_layer("pooled").pool_size == (5, 4)
    assert model.layers[-1].rate == 0.25
    large = audioset_cnn((128, 64, 1), None, filters=(3, 4))  # 32x16 has 4x2 windows of 7x7
    assert large.output_shape == (None, 4 * 2 * 4)


def test_depth_cnn():
    model = depth_cnn()
    assert [point.shape for point in fusion_points(model)] == [
        (112, 112, 1),
        (56, 56, 32),
        (28, 28, 64),
        (14, 14, 128),
        (7, 7, 256),
        (512,),
        (10,),
    ]
    widths = [1, 32, 64, 128, 256]
    total = sum(9 * a * b + 4 * b for a, b in pairwise(widths))
    assert model.count_params() == total + 256 * 512 + 4 * 512 + 513 * 10
    assert model.get_layer("conv1").kernel_size == (3, 3)
    assert fusion_points(model).head == "softmax"
    small = depth_cnn((16, 16, 2), None, 0, filters=(2, 3), units=4, name="mine")
    assert small.output_shape == (None, 4) and small.name == "mine"
    assert not [layer for layer in small.layers if isinstance(layer, layers.Dropout)]


def test_padded_mlp():
    model = mlp(3, (4,), 2, pad_to=5)
    assert model.get_layer("padded").output.shape == (None, 5)
    assert model.get_layer("dense1").kernel.shape == (5, 4)
    assert mlp((2, 3), (4,), 2, pad_to=6).get_layer("dense1").kernel.shape == (6, 4)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: audioset_cnn((512, 63, 1)), ValueError, r"from 64 up. Received: \(512, 63, 1\)"),
        (lambda: audioset_cnn(512), ValueError, "input_shape: .*Received: 512"),
        (lambda: audioset_cnn(filters=()), ValueError, r"filters: .*Received: \(\)"),
        (lambda: audioset_cnn(filters=64), TypeError, "filters: .*Received: 64"),
        (lambda: depth_cnn((15, 16, 1)), ValueError, r"from 16 up. Received: \(15, 16, 1\)"),
        (lambda: depth_cnn(num_classes=0), ValueError, "num_classes: .*Received: 0"),
        (lambda: depth_cnn(dropout=1), ValueError, "dropout: .*Received: 1"),
        (lambda: mlp(3, pad_to=2), ValueError, "pad_to: expected an int >= 3. Received: 2"),
    ],
)
def test_bad_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
