"""Predictions of all kinds: what backbones end in, what is asked for, what becomes of it."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    BATCH,
    assert_close,
    batch,
    labels,
    map_net,
    outputs,
    reloaded,
    untrained_weights,
)
from keras import layers

from keras_fusion import build_centralnet


def ends_in(*last, units=4):
    """A network of one hidden layer and these."""
    inputs = keras.Input((5,))
    x = layers.Dense(units, activation="tanh", name="hidden")(inputs)
    for layer in last:
        x = layer(x)
    return keras.Model(inputs, x)


def dense(units, activation=None):
    return layers.Dense(units, activation=activation, name="last")


SPARSE = ("sparse_categorical_crossentropy", labels())
BINARY = ("binary_crossentropy", np.eye(BATCH, 3, dtype="float32"))
ONE = ("binary_crossentropy", np.array([[0], [1], [1], [0]], "float32"))
SQUARES = ("mse", np.linspace(-1, 1, BATCH * 3).reshape(BATCH, 3).astype("float32"))
# What the backbones end in, arguments, activation of the heads, units, loss and target; whether
# the last layer is taken as logits or the builder adds heads of its own.
HEADS = {
    "softmax": (lambda: dense(3, "softmax"), {}, "softmax", 3, SPARSE, "own"),
    "softmax named": (lambda: dense(3, "softmax"), {"num_classes": 3}, "softmax", 3, SPARSE, "own"),
    "softmax apart": (lambda: layers.Softmax(), {"taps": None}, "softmax", 4, SPARSE, "own"),
    "sigmoid": (lambda: dense(3, "sigmoid"), {}, "sigmoid", 3, BINARY, "own"),
    "binary": (lambda: dense(1, "sigmoid"), {}, "sigmoid", 1, ONE, "own"),
    "softmax logits": (lambda: dense(3), {"head": "softmax"}, "softmax", 3, SPARSE, "logits"),
    "sigmoid logits": (lambda: dense(3), {"head": "sigmoid"}, "sigmoid", 3, BINARY, "logits"),
    "logits by number": (lambda: dense(3), {"num_classes": 3}, "softmax", 3, SPARSE, "logits"),
    "linear head": (lambda: dense(3), {"head": "linear"}, "linear", 3, SQUARES, "logits"),
    "regression": (lambda: dense(3), {"units": 3}, "linear", 3, SQUARES, "logits"),
    "features": (
        lambda: layers.Activation("tanh"),
        {"num_classes": 3},
        "softmax",
        3,
        SPARSE,
        "new",
    ),
    "linear features": (lambda: dense(5), {"num_classes": 3}, "softmax", 3, SPARSE, "new"),
    "features, binary": (lambda: dense(5, "relu"), {"num_classes": 1}, "sigmoid", 1, ONE, "new"),
    "features, regression": (lambda: dense(5, "tanh"), {"units": 3}, "linear", 3, SQUARES, "new"),
    "features, multi-label": (
        lambda: dense(5, "tanh"),
        {"num_classes": 3, "head": "sigmoid"},
        "sigmoid",
        3,
        BINARY,
        "new",
    ),
}


@pytest.mark.parametrize("case", HEADS)
def test_head(case, tmp_path):
    last, arguments, activation, units, (loss, y), made_by = HEADS[case]
    arguments = {k: v for k, v in arguments.items() if v is not None}
    nets = {"a": ends_in(last()), "b": ends_in(last())}
    model = build_centralnet(nets, **arguments)
    assert {head: tuple(t.shape) for head, t in model.output.items()} == dict.fromkeys(
        ["central", "a", "b"], (None, units)
    )
    assert model.get_layer("central_head").activation is getattr(keras.activations, activation)
    added = [f"{n}_logits" for n in nets if f"{n}_logits" in [la.name for la in model.layers]]
    kinds = {type(model.get_layer(name)).__name__ for name in added}
    assert kinds == {"own": {"ProbabilitiesToLogits"}, "logits": set(), "new": {"Dense"}}[made_by]

    x = batch(model)
    predicted = outputs(model, x)
    if activation == "softmax":
        assert_close({h: p.sum(-1) for h, p in predicted.items()}, dict.fromkeys(predicted, 1.0))
    if activation == "sigmoid":
        assert all((p > 0).all() and (p < 1).all() for p in predicted.values())
    for name, net in nets.items():
        alone = keras.ops.convert_to_numpy(net(x[name]))
        if made_by == "new":
            alone = keras.ops.convert_to_numpy(model.get_layer(f"{name}_logits")(alone))
        if made_by != "own":
            alone = keras.ops.convert_to_numpy(getattr(keras.activations, activation)(alone))
        np.testing.assert_allclose(predicted[name], alone, rtol=1e-5, atol=1e-6)

    assert untrained_weights(model, x, y, loss) == []
    assert_close(outputs(reloaded(model, tmp_path), x), outputs(model, x))


def test_heads_of_maps_are_pooled():
    nets = {"a": map_net(classes=None), "b": map_net("other", classes=None)}
    nets = {name: keras.Model(n.input, n.get_layer("pool1").output) for name, n in nets.items()}
    model = build_centralnet(nets, num_classes=3)
    assert list(model.fusion_levels.values()) == ["8x8x1", "4x4x2", "2x2x3", "prediction"]
    x = batch(model)
    features = keras.ops.convert_to_numpy(nets["a"](x["a"])).mean(axis=(1, 2))
    logits = keras.ops.convert_to_numpy(model.get_layer("a_logits")(features))
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(outputs(model, x)["a"], expected, rtol=1e-5, atol=1e-6)


def test_backbones_may_end_in_different_ways():
    nets = {
        "own": ends_in(dense(3, "softmax")),
        "logits": ends_in(dense(3)),
        "features": ends_in(dense(6, "tanh")),
    }
    model = build_centralnet(nets, num_classes=3)
    predicted = outputs(model, batch(model))
    assert_close({h: p.sum(-1) for h, p in predicted.items()}, dict.fromkeys(predicted, 1.0))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_fusing_probabilities(activation):
    """The last sum is that of the probabilities, by hand, normalized again."""
    nets = {"a": ends_in(dense(3, activation)), "b": ends_in(dense(3, activation))}
    model = build_centralnet(nets, fuse="probabilities")
    alpha = np.array([0.5, -0.3, 0.9, 0.7], "float32")  # a, b, central, common factor
    model.get_layer("fusion_2").weights[0].assign(alpha)
    x = batch(model)
    found = outputs(model, x)
    inner = keras.Model(model.input, model.get_layer("central_probabilities").output)
    central = keras.ops.convert_to_numpy(inner(x))
    total = alpha[3] * (alpha[0] * found["a"] + alpha[1] * found["b"]) + alpha[2] * central
    if activation == "softmax":
        total = np.maximum(total, 1e-7)
        expected = total / total.sum(-1, keepdims=True)
        np.testing.assert_allclose(found["central"].sum(-1), 1, rtol=1e-6)
    else:
        expected = np.clip(total, 0, 1)
    np.testing.assert_allclose(found["central"], expected, rtol=1e-5, atol=1e-6)


def test_fusing_probabilities_of_a_regression_is_fusing_its_values():
    nets = {"a": ends_in(dense(3)), "b": ends_in(dense(3))}
    model = build_centralnet(nets, units=3, fuse="probabilities")
    assert "central_probabilities" not in [layer.name for layer in model.layers]


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_central_prediction_is_the_average_of_equal_logits(activation):
    """Probabilities come back as logits: with weight on one source only, it is that source's."""
    nets = {"a": ends_in(dense(3, activation)), "b": ends_in(dense(3, activation))}
    model = build_centralnet(nets)
    model.get_layer("fusion_2").weights[0].assign([1.0, 0.0, 0.0, 1.0])
    found = outputs(model, batch(model))
    np.testing.assert_allclose(found["central"], found["a"], rtol=1e-5, atol=1e-6)
    assert np.abs(found["central"] - found["b"]).max() > 1e-3
