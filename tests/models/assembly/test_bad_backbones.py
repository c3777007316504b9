"""What builders and `compile` refuse: each error names the culprit and what was received."""

import keras
import numpy as np
import pytest
from helpers.tiny import compiled, map_net, sequence_net, vector_net, without_weights
from keras import layers

from keras_fusion import build_centralnet


def net(*last, features=5):
    inputs = keras.Input((features,), name="features")
    x = layers.Dense(4, activation="tanh", name="hidden")(inputs)
    for layer in last:
        x = layer(x)
    return keras.Model(inputs, x, name="net")


def dense(units, activation=None):
    return layers.Dense(units, activation=activation)


def two_outputs():
    a = keras.Input((5,))
    return keras.Model(a, [dense(3)(a), dense(3)(a)], name="forked")


def images(channels_first=False):
    shape, order = ((1, 8, 8), "channels_first") if channels_first else ((8, 8, 1), None)
    inputs = keras.Input(shape)
    x = layers.Conv2D(2, 3, padding="same", data_format=order, name="conv")(inputs)
    x = layers.Flatten()(layers.MaxPooling2D(2, data_format=order)(x))
    return keras.Model(inputs, dense(3, "softmax")(x), name="images")


def per_step():
    x = layers.LSTM(3, return_sequences=True)(inputs := keras.Input((8, 2)))
    return keras.Model(inputs, dense(3, "softmax")(x), name="tagger")


def growing():
    """Its maps get larger towards the output."""
    inputs = keras.Input((4, 4, 1))
    x = layers.Conv2D(2, 3, strides=2, padding="same", name="down")(inputs)
    x = layers.Conv2DTranspose(2, 3, strides=2, padding="same", name="up")(x)
    return keras.Model(inputs, dense(3, "softmax")(layers.Flatten()(x)))


def strange():
    """Ends in a prediction, but passes a tensor of rank 6."""
    inputs = keras.Input((5,))
    x = layers.Reshape((2, 1, 2, 1, 2), name="box")(dense(8)(inputs))
    return keras.Model(inputs, dense(3, "softmax")(layers.Flatten()(x)))


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


V, M = vector_net, map_net
SOFTMAX = {"a": lambda: net(dense(3, "softmax")), "b": lambda: net(dense(3, "softmax"))}
# Backbones (built when the test runs), arguments, the error, and what its message must hold.
BUILDS = [
    # ---- backbones
    (None, {}, TypeError, "backbones: .*list of models. Received: NoneType"),
    (None, {"missing_modalities": True}, TypeError, "backbones: .*Received: NoneType"),
    (V, {}, TypeError, "backbones: .*Received: Functional"),
    ([], {}, ValueError, r"backbones: expected two or more.*Received: 0"),
    ({}, {"missing_modalities": True}, ValueError, r"backbones: expected two or more.*Received: 0"),
    ({"alone": V}, {}, ValueError, r"two or more.*Received: 1 \(\['alone'\]\)"),
    ([V], {}, ValueError, "two or more.*Received: 1"),
    ([V, lambda: "mlp"], {}, TypeError, r'backbones\["modality"\].*keras.Model. Received: str'),
    ({"a": V, "b": lambda: dense(3)}, {}, TypeError, r'backbones\["b"\].*Received: Dense'),
    ({"a": V, "b": two_outputs}, {}, ValueError, r'\["b"\].*"forked".*Received: .*2 outputs'),
    (
        {"a": V, "b": lambda: keras.Sequential([dense(3)], name="bare")},
        {},
        ValueError,
        r'backbones\["b"\].*"bare".*keras.Input.*Received: a Sequential',
    ),
    ({"a": V, "b": Subclassed}, {}, ValueError, r'backbones\["b"\].*Received: a Subclassed'),
    (
        {"a": images, "b": lambda: images(channels_first=True)},
        {},
        ValueError,
        r'backbones\["b"\].*channels_last.*Received: channels_first in layer "conv"',
    ),
    # ---- names
    ({"central": V, "b": V}, {}, ValueError, "central, present.*reserved. Received: 'central'"),
    ({"present": V, "b": V}, {}, ValueError, "reserved. Received: 'present'"),
    ({"fusion_0": V, "b": V}, {}, ValueError, "fusion_.*reserved. Received: 'fusion_0'"),
    ({"central_x": V, "b": V}, {}, ValueError, "central_.*reserved. Received: 'central_x'"),
    ({"take_1": V, "b": V}, {}, ValueError, "take.*reserved. Received: 'take_1'"),
    ({"": V, "b": V}, {}, ValueError, "non-empty strings.*Received: ''"),
    ({"a/b": V, "b": V}, {}, ValueError, "without '/'. Received: 'a/b'"),
    ({1: V, "b": V}, {}, ValueError, "strings.*Received: 1"),
    *(
        ({"a": V, f"a_{end}": V}, {}, ValueError, f"'a_{end}' is the name of a layer.*Received: ")
        for end in ("backbone", "mask", "head", "logits", "flat", "pool_level_0", "pad_level_12")
    ),
    # ---- what is predicted
    (SOFTMAX, {"num_classes": 3, "units": 3}, ValueError, "num_classes=.*not both. Received: "),
    (SOFTMAX, {"num_classes": 0}, ValueError, "num_classes: .*int >= 1. Received: 0"),
    (SOFTMAX, {"num_classes": "3"}, ValueError, "num_classes: .*Received: '3'"),
    (SOFTMAX, {"units": -1}, ValueError, "units: .*Received: -1"),
    (SOFTMAX, {"head": "relu"}, ValueError, "head: expected one of .*softmax.*Received: 'relu'"),
    (SOFTMAX, {"num_classes": 4}, ValueError, 'predict 4 .*Received: backbone "a" predicts 3'),
    (SOFTMAX, {"head": "sigmoid"}, ValueError, 'through sigmoid.*Received: backbone "a" .*softmax'),
    (SOFTMAX, {"units": 3}, ValueError, 'through linear.*Received: backbone "a" .*softmax'),
    (
        {"a": SOFTMAX["a"], "b": lambda: net(dense(4, "softmax"))},
        {},
        ValueError,
        'predict 3 values.*Received: backbone "b" predicts 4 through softmax',
    ),
    (
        {"a": SOFTMAX["a"], "b": lambda: net(dense(3, "sigmoid"))},
        {},
        ValueError,
        'through softmax.*Received: backbone "b" predicts 3 through sigmoid',
    ),
    (
        {"a": SOFTMAX["a"], "b": lambda: net()},
        {},
        ValueError,
        r'"b" ends in features \(4\).*num_classes= .*units= .*Received: neither$',
    ),
    (
        {"a": SOFTMAX["a"], "b": lambda: net()},
        {"head": "softmax"},
        ValueError,
        "\"b\" ends in features.*Received: neither, only head='softmax'",
    ),
    (
        {"a": SOFTMAX["a"], "b": lambda: net(dense(3))},
        {},
        ValueError,
        r'"b" ends in a layer without activation \(3\).*head=.*num_classes= .*Received: none',
    ),
    ({"a": V, "b": per_step}, {}, ValueError, r'same steps or places, as "b".*"a" ends in 3'),
    # ---- taps
    (SOFTMAX, {"taps": ["hidden"]}, TypeError, r"taps: .*dict.*Received: \['hidden'\]"),
    (SOFTMAX, {"taps": "first"}, TypeError, "taps: .*Received: 'first'"),
    (
        SOFTMAX,
        {"taps": {"a": ["hidden"]}},
        ValueError,
        r"taps: .*modalities \['a', 'b'\]. Received: \['a'\]",
    ),
    (
        SOFTMAX,
        {"taps": {"a": ["hidden"], "b": ["hidden"], "c": []}},
        ValueError,
        r"taps: .*Received: \['a', 'b', 'c'\]",
    ),
    (
        SOFTMAX,
        {"taps": {"a": ["hidden"], "b": ["hidden", "hidden"]}},
        ValueError,
        r"taps: .*one and the same length.*Received: \{'a': 1, 'b': 2\}",
    ),
    (SOFTMAX, {"taps": {"a": [], "b": []}}, ValueError, r"taps: .*Received: \{'a': 0, 'b': 0\}"),
    (
        SOFTMAX,
        {"taps": {"a": ["hidden"], "b": ["low"]}},
        ValueError,
        r'taps\["b"\]: .*"net".*such as features, hidden.*Received: "low" \(no layer',
    ),
    (
        SOFTMAX,
        {"taps": {"a": ["hidden"], "b": "hidden"}},
        TypeError,
        r"""taps\["b"\]: expected a list of layer names. Received: 'hidden'""",
    ),
    (SOFTMAX, {"taps": {"a": 2, "b": ["hidden"]}}, TypeError, r'taps\["a"\]: .*Received: 2'),
    (SOFTMAX, {"taps": {"a": ["hidden"], "b": [1]}}, TypeError, r'taps\["b"\]: .*Received: \[1\]'),
    (
        {"a": M, "b": M},
        {"taps": {"a": ["pool0", "pool1"], "b": ["pool1", "pool0"]}},
        ValueError,
        r"""taps\["b"\]: .*from input to output.*Received: \['pool1', 'pool0'\]""",
    ),
    (
        {"a": M, "b": M},
        {"taps": {"a": ["pool0", "pool1"], "b": ["pool1", "pool1"]}},
        ValueError,
        r"""taps\["b"\]: .*each once. Received: \['pool1', 'pool1'\]""",
    ),
    (
        {"a": lambda: V(units=(), features=4), "b": V},
        {},
        ValueError,
        'backbone "a": expected at least one hidden layer.*Received: none.*taps=',
    ),
    # ---- shapes
    (
        {"a": strange, "b": V},
        {"taps": {"a": ["box"], "b": ["dense0"]}},
        ValueError,
        r'level_0: .*vectors, sequences.*Received: \(batch, \(2, 1, 2, 1, 2\)\) from "a".*taps=',
    ),
    (
        {"a": lambda: sequence_net(length=None), "b": sequence_net},
        {},
        ValueError,
        r"level_0: expected fixed sizes.*Received: \{'a': \(None,\), 'b': \(4,\)\}",
    ),
    (
        {"a": growing, "b": growing},
        {"taps": {"a": ["down", "up"], "b": ["down", "up"]}},
        ValueError,
        r"central_cell_0.*not above \(2, 2\). Received: \(4, 4\).*taps=",
    ),
    # ---- the other arguments
    (SOFTMAX, {"align": "crop"}, ValueError, r"align: .*'auto'.*Received: 'crop'"),
    (SOFTMAX, {"fuse": "votes"}, ValueError, "fuse: .*'logits'.*Received: 'votes'"),
    (SOFTMAX, {"kernel_size": 0}, ValueError, "kernel_size: .*Received: 0"),
    (SOFTMAX, {"kernel_size": (3, 3)}, ValueError, r"kernel_size: .*Received: \(3, 3\)"),
    (SOFTMAX, {"max_width": 1.5}, ValueError, "max_width: .*Received: 1.5"),
    (SOFTMAX, {"dropout": 1.0}, ValueError, r"dropout: .*\[0, 1\). Received: 1.0"),
    (SOFTMAX, {"dropout": -0.1}, ValueError, "dropout: .*Received: -0.1"),
    (SOFTMAX, {"modality_scale": 1}, TypeError, "modality_scale: .*Received: 1"),
    (SOFTMAX, {"central": [None]}, ValueError, r"central: .*2 cells.*\(5, 4\).*Received: \[None\]"),
    (SOFTMAX, {"central": lambda x: x}, ValueError, "central: .*2 cells.*Received: <function"),
    (SOFTMAX, {"central": ["dense", None]}, TypeError, r"central\[0\]: .*Received: 'dense'"),
    (
        SOFTMAX,
        {"central": [lambda x: layers.Dense(7)(x), None]},
        ValueError,
        r"central\[0\]: expected a cell that makes 4.*Received: 7",
    ),
    (
        SOFTMAX,
        {"central": [None, lambda x: layers.Dense(2)(x)]},
        ValueError,
        r"central\[1\]: expected a cell that makes 3.*Received: 2",
    ),
    # ---- betas
    (
        SOFTMAX,
        {"unimodal_loss_weights": -1.0},
        ValueError,
        "unimodal_loss_weights: .*>= 0.*Received: -1.0 for 'a'",
    ),
    (
        SOFTMAX,
        {"unimodal_loss_weights": {"a": "1"}},
        ValueError,
        "unimodal_loss_weights: .*Received: '1' for 'a'",
    ),
    (
        SOFTMAX,
        {"unimodal_loss_weights": {"c": 1.0}},
        ValueError,
        r"unimodal_loss_weights: .*\['a', 'b'\]. Received: \['c'\]",
    ),
    (
        SOFTMAX,
        {"unimodal_loss_weights": float("nan")},
        ValueError,
        "unimodal_loss_weights: .*Received: nan",
    ),
]


def made(backbones):
    """The same with every factory called, so that no model is built before its test runs."""
    if isinstance(backbones, dict):
        return {name: build() for name, build in backbones.items()}
    if isinstance(backbones, list):
        return [build() for build in backbones]
    return backbones() if callable(backbones) else backbones


@pytest.mark.parametrize(
    ("backbones", "arguments", "error", "match"),
    BUILDS,
    ids=[f"{i}: {match[:30]}" for i, (_, _, _, match) in enumerate(BUILDS)],
)
def test_builder(backbones, arguments, error, match):
    with without_weights(), pytest.raises(error, match=match):
        build_centralnet(made(backbones), **arguments)


COMPILES = [
    (
        {"loss_weights": {"central": 1.0}, "unimodal_loss_weights": 1.0},
        "loss_weights or unimodal_loss_weights, not both. Received: ",
    ),
    ({"unimodal_loss_weights": {"central": 1.0}}, r"\['a', 'b'\]. Received: \['central'\]"),
    ({"unimodal_loss_weights": True}, "unimodal_loss_weights: .*Received: True"),
    (
        {"loss": {"c": "mse"}},
        r"loss: expected the heads \['central', 'a', 'b'\]. Received: \['c'\]",
    ),
    ({"loss": ["mse", "mse", "mse"]}, "loss: .*dict keyed by .*Received: .*mse"),
    ({"metrics": {"audio": ["accuracy"]}}, r"metrics: expected the heads .*Received: \['audio'\]"),
    ({"weighted_metrics": {"x": ["mse"]}}, r"weighted_metrics: expected .*Received: \['x'\]"),
]


@pytest.mark.parametrize(("arguments", "match"), COMPILES)
def test_compile(arguments, match):
    with without_weights():
        model = build_centralnet(made(SOFTMAX))
    with pytest.raises(ValueError, match=match):
        compiled(model, **arguments)


def test_errors_leave_the_backbones_as_they_were():
    nets = made(SOFTMAX)
    before = {name: model.get_weights() for name, model in nets.items()}
    with pytest.raises(ValueError, match="central"):
        build_centralnet(nets, central=[None])
    model = build_centralnet(nets)
    for name, weights in before.items():
        for found, expected in zip(nets[name].get_weights(), weights, strict=True):
            np.testing.assert_array_equal(found, expected)
    assert model.modalities == ["a", "b"]
