"""XFlow's presets against the paper's tables, layer by layer, and the LSTM by hand."""

import math
import re

import keras
import numpy as np
import pytest
from helpers import xflow_tables
from helpers.tiny import CLASSES, batch
from helpers.xflow_models import trains_and_reloads, without_values
from keras import layers, ops

from keras_fusion.models.presets import xflow_cnn_mlp, xflow_cnn_mlp_lstm
from keras_fusion.models.presets.xflow import keras1_hard_sigmoid

PRESETS = {"CNN_MLP": xflow_cnn_mlp, "CNN_MLP_LSTM": xflow_cnn_mlp_lstm}
STEPS = {"avletters": 39, "digits": 58, "cuave": 44}


def described(preset, dataset, cross=True, residual=True):
    """A preset in full size."""
    with without_values():
        return PRESETS[preset](dataset, cross, residual)


def times(sizes):
    return "x".join(map(str, sizes))


def operation(layer):
    """A layer with its settings, as the tables write it."""
    kind = type(layer).__name__
    if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose)):
        assert layer.strides == (1, 1) and layer.use_bias and layer.dilation_rate == (1, 1)
        size, activation = times(layer.kernel_size), layer.activation.__name__
        return f"{kind}({layer.filters},{size},{layer.padding},{activation})"
    if isinstance(layer, layers.Dense):
        assert layer.use_bias
        return f"{kind}({layer.units},{layer.activation.__name__})"
    if isinstance(layer, layers.MaxPooling2D):
        return f"{kind}({times(layer.pool_size)},{times(layer.strides)},{layer.padding})"
    if isinstance(layer, layers.BatchNormalization):
        assert (layer.momentum, layer.epsilon) == (0.99, 1e-3)
        return f"{kind}({layer.axis})"
    if isinstance(layer, layers.Dropout):
        return f"{kind}({layer.rate})"
    if isinstance(layer, layers.LSTM):
        assert layer.recurrent_activation is keras1_hard_sigmoid
        return f"{kind}({layer.units})"
    if isinstance(layer, layers.Concatenate):
        assert layer.axis == -1
    return kind


def count(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def parameters(layer):
    still = count(layer.non_trainable_weights)
    return str(count(layer.trainable_weights)) + (f"/{still}" if still else "")


def reads(layer):
    """Names of the layers whose outputs a layer is given; plain operations are looked through."""
    (node,) = layer._inbound_nodes
    names = []
    for tensor in keras.tree.flatten(node.arguments.args):
        maker = tensor._keras_history.operation
        while not isinstance(maker, layers.Layer):
            (before,) = maker._inbound_nodes[0].input_tensors
            maker = before._keras_history.operation
        names.append(maker.name)
    return ",".join(names) or "-"


def found_rows(model):
    """`{name: (operation, what it reads, shape, parameters)}` of a built model."""
    rows = {}
    for layer in model.layers:
        if not hasattr(layer, "pipeline"):
            row = operation(layer), reads(layer), times(layer.output.shape[1:]), parameters(layer)
            rows[layer.name] = row
            continue
        shape, source = layer.input.shape, reads(layer)
        for inner in layer.pipeline:
            shape = inner.compute_output_shape(shape)
            row = operation(inner), source, times(shape[1:]), parameters(inner)
            rows[f"{layer.name}/{inner.name}"] = row
            source = "."
    return rows


def expected_rows(table, dataset, steps=None):
    """The same from a table; `steps`: of the LSTM's networks, whose per-frame layers lack time."""
    rows, above = {}, None
    for line in table.strip().splitlines():
        line = re.sub(
            r"([^\s,()|]+)\|([^\s,()|]+)", r"\1" if dataset == "avletters" else r"\2", line
        )
        name, kind, source, shape, number = line.split()
        if name.startswith("/"):
            name = above + name
        above = name.split("/")[0]
        if steps is not None and kind == "BatchNormalization(1)":
            number = f"{2 * steps}/{2 * steps}"
        keeps_time = name in ("image", "audio", "image_bn", "central_bn", "central_dropout")
        if steps is not None and name not in ("central_lstm", "central_logits"):
            sizes = shape.split("x")[1:]  # the length stands in front
            shape = times([steps, *sizes] if keeps_time else sizes)
        rows[name] = (kind, source, shape, number)
    rows["central_head"] = ("Activation", "central_logits", rows["central_logits"][2], "0")
    return rows


@pytest.mark.parametrize("dataset", STEPS)
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", ["BASELINE", "XFLOW"])
def test_every_layer_is_that_of_the_paper(kind, preset, dataset):
    connected = kind == "XFLOW"
    model = described(preset, dataset, connected, connected)
    steps = STEPS[dataset] if preset == "CNN_MLP_LSTM" else None
    expected = expected_rows(getattr(xflow_tables, f"{kind}_{preset}"), dataset, steps)
    assert found_rows(model) == expected


# Trainable and all parameters by (cross, residual). Trainable without and with all connections:
# Table III of the paper, but for 353,650 there, which is all of the baseline's.
COUNTS = {
    ("CNN_MLP", "avletters"): [
        (2_740_512, 2_741_654),
        (8_852_962, 8_859_172),
        (3_670_838, 3_674_546),
        (7_923_244, 7_927_496),
    ],
    ("CNN_MLP", "digits"): [
        (5_664_054, 5_665_186),
        (17_764_002, 17_768_394),
        (6_587_782, 6_590_576),
        (16_840_882, 16_844_220),
    ],
    ("CNN_MLP", "cuave"): [
        (5_664_054, 5_665_186),
        (17_764_002, 17_768_394),
        (6_587_782, 6_590_576),
        (16_840_882, 16_844_220),
    ],
    ("CNN_MLP_LSTM", "avletters"): [
        (353_494, 353_650),
        (1_387_488, 1_387_644),
        (398_610, 398_766),
        (1_342_372, 1_342_528),
    ],
    ("CNN_MLP_LSTM", "digits"): [
        (721_170, 721_402),
        (2_967_388, 2_967_620),
        (811_406, 811_638),
        (2_877_152, 2_877_384),
    ],
    ("CNN_MLP_LSTM", "cuave"): [
        (721_114, 721_290),
        (2_967_332, 2_967_508),
        (811_350, 811_526),
        (2_877_096, 2_877_272),
    ],
}
CONNECTIONS = [(False, False), (True, True), (False, True), (True, False)]


@pytest.mark.parametrize(("preset", "dataset"), COUNTS)
def test_table_iii_and_the_ablations(preset, dataset):
    found = []
    for connections in CONNECTIONS:
        model = described(preset, dataset, *connections)
        found.append((count(model.trainable_weights), model.count_params()))
    assert found == COUNTS[preset, dataset]


def small(preset, **options):
    """A preset of few pixels, 4 frames and 3 classes."""
    shapes = {
        "CNN_MLP": {"image_shape": (16, 12, 2), "audio_shape": (5,)},
        "CNN_MLP_LSTM": {"image_shape": (4, 16, 12, 1), "audio_shape": (4, 5)},
    }
    arguments = {"num_classes": CLASSES, "kernel_sizes": (4, 2), **shapes[preset], **options}
    return PRESETS[preset]("digits", **arguments)


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_preset_trains_and_reloads(preset, tmp_path):
    model = small(preset)
    assert sorted(model.input) == ["audio", "image"] and list(model.output) == ["central"]
    assert model.fusion_weights() == {}
    trains_and_reloads(model, tmp_path)


@pytest.fixture(scope="module")
def of_frames():
    """A small network with the LSTM."""
    return small("CNN_MLP_LSTM")


def test_lstm_reads_the_valid_steps_as_the_old_keras_did(of_frames):
    """LSTM by hand: hard sigmoid of slope 0.2; a step counts if it has a frame and a sound."""
    model = of_frames
    lstm = model.get_layer("central_lstm")
    rng = np.random.default_rng(5)
    lstm.set_weights([rng.normal(0, 0.3, w.shape) for w in lstm.weights])
    x = batch(model, 4)
    x["image"][0, 3] = 0
    x["audio"][1, 1:] = 0
    x["image"][2] = 0
    x["image"][3, 0, 1:] = 0  # one row with values is enough
    tensors = [model.get_layer("central_dropout").output, lstm.output]
    features, found = keras.Model(model.input, tensors).predict_on_batch(x)
    kernel, recurrent, bias = (np.array(ops.convert_to_numpy(w)) for w in lstm.weights)
    valid = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], "bool")
    h, c = np.zeros((2, 4, 64))
    for t in range(4):
        i, f, g, o = np.split(features[:, t] @ kernel + h @ recurrent + bias, 4, axis=-1)
        i, f, o = (np.clip(0.2 * gate + 0.5, 0, 1) for gate in (i, f, o))
        new_c = f * c + i * np.tanh(g)
        new_h = o * np.tanh(new_c)
        step = valid[:, t : t + 1]
        h, c = np.where(step, new_h, h), np.where(step, new_c, c)
    np.testing.assert_allclose(found, h, atol=1e-5)
    assert np.abs(h[0]).max() > 0.1 and not h[2].any()


def test_a_frame_is_read_by_itself(of_frames):
    """Time inside the batch: frames in another order give the same features in that order."""
    model = of_frames
    joint = keras.Model(model.input, model.get_layer("central_bn").input)
    x = batch(model, 2)
    order = [2, 0, 3, 1]
    moved = {name: value[:, order] for name, value in x.items()}
    np.testing.assert_allclose(
        joint.predict_on_batch(moved), joint.predict_on_batch(x)[:, order], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dataset": "grid"}, ValueError, "dataset: expected one of .*Received: 'grid'"),
        ({"cross": 1}, TypeError, "cross: expected True or False. Received: 1"),
        ({"num_classes": 0}, ValueError, "num_classes: expected an int >= 1. Received: 0"),
        ({"image_shape": (80, 60)}, ValueError, "image_shape: expected 3 ints.*Received: .80, 60"),
        ({"image_shape": (7, 60, 1)}, ValueError, "from 8 up. Received: .7, 60, 1"),
        ({"audio_shape": 26}, ValueError, "audio_shape: expected 1 ints such as .156,.*: 26"),
        ({"kernel_sizes": (32, 23)}, ValueError, r"not above \[45, 22\].*Received: .32, 23"),
        ({"kernel_sizes": 8}, ValueError, "kernel_sizes: expected two ints.*Received: 8"),
    ],
)
def test_preset_arguments(options, error, message):
    with pytest.raises(error, match=message):
        xflow_cnn_mlp(**{"dataset": "digits", **options})


def test_lstm_needs_as_many_frames_as_sounds():
    with pytest.raises(ValueError, match="as many frames. Received: image .39.*audio .38, 26"):
        xflow_cnn_mlp_lstm("avletters", audio_shape=(38, 26))
