"""LeNet5, the audio CNN and the MLP: layers, sizes and numbers of parameters, by formula."""

import keras
import pytest
from helpers.tiny import without_weights
from keras import layers

from keras_fusion.backbones import audio_cnn, lenet5, mlp
from keras_fusion.graph import fusion_points


@pytest.fixture(autouse=True)
def graphs_only():
    with without_weights():
        yield


def cnn_parameters(size, filters, classes, dense=1024):
    """5x5 convolutions and a dense layer without bias, batch norms (4 each), one biased Dense."""
    total, channels = 0, 1
    for width in filters:
        total += 5 * 5 * channels * width + 4 * width
        channels, size = width, size // 2
    total += size * size * channels * dense + 4 * dense
    return total + ((dense + 1) * classes if classes else 0)


def mlp_parameters(features, hidden, classes):
    total = 0
    for units in hidden:
        total, features = total + features * units + 4 * units, units
    return total + ((features + 1) * classes if classes else 0)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: lenet5(), cnn_parameters(28, (32, 64), 10)),
        (lambda: lenet5((9, 8, 1), num_classes=None), cnn_parameters(8, (32, 64), None)),
        (lambda: lenet5((8, 8, 1), num_classes=3), cnn_parameters(8, (32, 64), 3)),
        (lambda: audio_cnn(), cnn_parameters(112, (8, 16, 32, 64), 10)),
        (lambda: audio_cnn((16, 16, 1), num_classes=4), cnn_parameters(16, (8, 16, 32, 64), 4)),
        (lambda: mlp(7, (5, 3), 2), mlp_parameters(7, (5, 3), 2)),
        (lambda: mlp((2, 3), (5,), None), mlp_parameters(6, (5,), None)),
    ],
)
def test_number_of_parameters(model, expected):
    assert model().count_params() == expected


# The columns of Tables 1 and 3 of the CentralNet paper, batch norm and dropout of Sect. 3.1.
BLOCK = [layers.Conv2D, layers.BatchNormalization, layers.ReLU, layers.MaxPooling2D]
TOP = [layers.Flatten, layers.Dense, layers.BatchNormalization, layers.ReLU, layers.Dropout]


@pytest.mark.parametrize(
    ("build", "shape", "blocks"),
    [
        (lenet5, (28, 28, 1), [(14, 14, 32), (7, 7, 64)]),
        (audio_cnn, (112, 112, 1), [(56, 56, 8), (28, 28, 16), (14, 14, 32), (7, 7, 64)]),
    ],
)
def test_layers_of_the_paper(build, shape, blocks):
    model = build(shape)
    _, *rest = model.layers
    assert [type(layer) for layer in rest] == BLOCK * len(blocks) + TOP + [layers.Dense]
    for i, block in enumerate(blocks):
        convolution, _, _, pooling = rest[4 * i : 4 * i + 4]
        assert convolution.kernel_size == (5, 5) and convolution.strides == (1, 1)
        assert pooling.pool_size == (2, 2) and pooling.strides == (2, 2)
        assert pooling.output.shape[1:] == block
    dense, _, _, dropout, prediction = rest[-5:]
    assert (dense.units, dropout.rate, prediction.units) == (1024, 0.5, 10)
    assert prediction.activation is keras.activations.softmax
    assert [point.shape for point in fusion_points(model)] == [shape, *blocks, (1024,), (10,)]


@pytest.mark.parametrize("build", [lambda **k: lenet5((8, 8, 1), **k), lambda **k: mlp(6, **k)])
@pytest.mark.parametrize(
    ("arguments", "head", "last"),
    [
        ({"num_classes": 3}, "softmax", keras.activations.softmax),
        ({"num_classes": 3, "activation": "sigmoid"}, "sigmoid", keras.activations.sigmoid),
        ({"num_classes": 3, "activation": None}, "linear", keras.activations.linear),
        ({"num_classes": None}, None, None),
    ],
)
def test_ends(build, arguments, head, last):
    model = build(dropout=0.25, name="mine", **arguments)
    assert model.name == "mine"
    assert fusion_points(model).head == head
    assert getattr(model.layers[-1], "activation", None) is last
    assert model.output.shape == (None, 3) if last else len(model.output.shape) == 2
    rates = [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)]
    assert rates == [0.25]


def test_without_dropout():
    for model in (lenet5((8, 8, 1), dropout=0.0), mlp(6, dropout=0)):
        assert not [layer for layer in model.layers if isinstance(layer, layers.Dropout)]


def test_mlp_flattens_other_shapes():
    model = mlp((3, 4), (5,), 2)
    assert model.input.shape == (None, 3, 4) and model.output.shape == (None, 2)
    assert model.get_layer("dense1").kernel.shape == (12, 5)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: lenet5((28, 28)), r"input_shape: .*channels.* Received: \(28, 28\)"),
        (lambda: lenet5((3, 28, 1)), r"input_shape: .*from 4 up.* Received: \(3, 28, 1\)"),
        (lambda: audio_cnn((112, 15, 1)), r"input_shape: .*from 16 up.* Received: \(112, 15"),
        (lambda: mlp(4, ()), r"hidden_units: .*Received: \(\)"),
        (lambda: mlp(4, (8, 0)), r"hidden_units: .*Received: \(8, 0\)"),
        (lambda: mlp(4, (8, 2.0)), r"hidden_units: .*Received: \(8, 2.0\)"),
        (lambda: mlp(4, 8), "hidden_units: .*Received: 8"),
        (lambda: mlp("4"), r"input_shape: .*Received: \('4',\)"),
        (lambda: mlp(0), r"input_shape: .*Received: \(0,\)"),
        (lambda: mlp(4, num_classes=0), "num_classes: .*Received: 0"),
        (lambda: lenet5(num_classes=2.5), "num_classes: .*Received: 2.5"),
        (lambda: lenet5(28), "input_shape: .*Received: 28"),
        (lambda: lenet5((None, 28, 1)), r"input_shape: .*Received: \(None, 28, 1\)"),
        (lambda: lenet5(dropout=1.5), "dropout: .*Received: 1.5"),
        (lambda: mlp(4, dropout=1), "dropout: .*Received: 1"),
    ],
)
def test_bad_arguments(call, match):
    with pytest.raises(ValueError, match=match):
        call()
