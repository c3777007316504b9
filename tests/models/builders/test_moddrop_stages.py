"""ModDrop in stages: the joint network that starts as the trained unimodal ones side by side."""

import itertools

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    labels,
    map_net,
    norm_net,
    outputs,
    reloaded,
    sequence_net,
    untrained_weights,
    vector_net,
)
from keras import layers, ops

from keras_fusion.backbones import mlp
from keras_fusion.models import build_moddrop


def trained(**nets):
    """Backbones with weights and statistics that are not those of new ones."""
    rng = np.random.default_rng(3)
    for net in nets.values():
        for weight in net.weights:
            weight.assign(rng.uniform(0.2, 0.8, weight.shape))
    return nets


def deep_mlp(name, activation="softmax"):
    return mlp(5, (6, 4), 3, dropout=0.5, activation=activation, name=name)


def headed(name):
    """Maps, flattened; a softmax of its own behind the prediction."""
    x = map_net("maps", classes=None)
    y = layers.Dense(4, use_bias=False)(x.output)
    y = layers.LeakyReLU(0.3)(layers.Dropout(0.4)(y))
    return keras.Model(x.input, layers.Softmax()(layers.Dense(3)(y)), name=name)


STARTS = {
    "vectors": lambda: trained(text=vector_net("net_t", units=(4, 6)), sound=vector_net("net_s")),
    "normalized": lambda: trained(b=norm_net("net_b", units=2), c=norm_net("net_c"), a=norm_net()),
    "dropout": lambda: trained(text=deep_mlp("net_t"), sound=deep_mlp("net_s")),
    "labels": lambda: trained(b=deep_mlp("net_b", "sigmoid"), a=deep_mlp("net_a", "sigmoid")),
    "maps": lambda: trained(image=headed("net_i"), depth=headed("net_d")),
}


def mean_logits(found, activation):
    rows = [np.log(p) - (np.log(1 - p) if activation == "sigmoid" else 0) for p in found]
    powers = np.exp(np.mean(rows, axis=0))
    return powers / (1 + powers if activation == "sigmoid" else powers.sum(-1, keepdims=True))


def connected(model, backbones):
    """Which modality (row) the joint hidden layer's kernel leads to the units of which (column)."""
    hidden = [[x for x in net.layers if isinstance(x, layers.Dense)][-2] for net in backbones]
    places = [np.cumsum([0, *(x.kernel.shape[axis] for x in hidden)]) for axis in (0, 1)]
    kernel = ops.convert_to_numpy(model.get_layer("central_cell_0").kernel)
    assert kernel.shape == (places[0][-1], places[1][-1])
    rows = (kernel[a:b] for a, b in itertools.pairwise(places[0]))
    return [[bool(r[:, a:b].any()) for a, b in itertools.pairwise(places[1])] for r in rows]


@pytest.mark.parametrize(("kind", "heads"), [*((kind, None) for kind in STARTS), ("dropout", 1.0)])
def test_starts_as_the_unimodal_networks(kind, heads, tmp_path):
    backbones = STARTS[kind]()
    model = build_moddrop(
        backbones, start="block_diagonal", unimodal_loss_weights=heads, dropout=0.0, rate=0.0
    )
    activation = "sigmoid" if kind == "labels" else "softmax"
    x = batch(model, 6)
    for training in (False, *([True] if kind in ("vectors", "normalized") else [])):
        # With the statistics of the batch, too; the dropout of the backbones draws.
        own = [net(x[name], training=training) for name, net in backbones.items()]
        own = [ops.convert_to_numpy(probabilities) for probabilities in own]
        expected = mean_logits(own, activation)
        found = outputs(model, x, training)["central"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert_close(outputs(reloaded(model, tmp_path), x), outputs(model, x))
    # Every joint unit sees one modality, until it is trained.
    assert np.array_equal(connected(model, backbones.values()), np.eye(len(backbones)))
    target = labels(6) if activation == "softmax" else np.eye(3)[labels(6)]
    loss = "sparse_categorical_crossentropy" if activation == "softmax" else "binary_crossentropy"
    assert untrained_weights(model, x, target, loss) == []
    assert np.all(connected(model, backbones.values()))


def test_units_depend_on_their_modality_alone():
    backbones = STARTS["normalized"]()
    model = build_moddrop(backbones, start="block_diagonal", missing_modalities=True)
    joint = keras.Model(model.input, model.get_layer("central_cell_0_1").output)
    x = {**batch(model), "present": np.ones((4, 3))}
    other = {**x, "c": x["c"] + 1}
    changed = (ops.convert_to_numpy(joint(x)) != ops.convert_to_numpy(joint(other))).any(0)
    assert changed.tolist() == [False] * 2 + [True] * 4 + [False] * 4  # b, c, a
    absent = {**x, "c": np.full_like(x["c"], np.nan), "present": np.array([[1, 1, 0]] * 4)}
    zeros = {**x, "c": np.zeros_like(x["c"])}
    assert_close(outputs(model, absent), outputs(model, zeros))


AND = {"start": "block_diagonal"}
TAPS = {"text": ["dense0"], "sound": ["dense0"]}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"start": "zeros"}, "start: expected one of .*'block_diagonal'"),
        ({"fuse": "scores", **AND}, "fuse: expected 'features'"),
        ({"head_units": (), **AND}, r"head_units: expected None.*Received: \(\)"),
        ({"taps": TAPS, **AND}, "taps: expected 'auto' with start"),
    ],
)
def test_arguments_that_the_start_decides(arguments, match):
    with pytest.raises(ValueError, match=match):
        build_moddrop(STARTS["vectors"](), **arguments)


OTHERS = {
    "no hidden layer": (vector_net("two", units=()), r'"two"\]: expected a network that ends in'),
    "maps": (map_net("two"), r'"two"\].*Received: "flatten" \(Flatten\)'),
    "a layer between": (
        keras.Sequential([keras.Input((5,)), layers.Dense(4), layers.LayerNormalization(name="n"),
                          layers.Dense(3, "softmax")]),
        r'"two"\].*Received: "n" \(LayerNormalization\)',
    ),
    "sequences": (sequence_net("two"), r'"two"\].*Received: "average" \(GlobalAveragePooling1D'),
    "another activation": (
        keras.Sequential([keras.Input((5,)), layers.Dense(4, "relu"), layers.Dense(3, "softmax")]),
        r"the same layers at the end.*tanh.*relu.* in \"two\"",
    ),
    "units that compete": (
        keras.Sequential([keras.Input((5,)), layers.Dense(4, "softmax"), layers.Dense(3)]),
        r'"two"\]: .*each for itself.*Received: softmax',
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_backbones_that_do_not_end_alike(kind):
    net, match = OTHERS[kind]
    with pytest.raises(ValueError, match=match):
        build_moddrop({"one": vector_net("one"), "two": net}, start="block_diagonal")


def test_backbones_without_prediction():
    nets = {n: vector_net(n, units=(4, 4), classes=None) for n in "ab"}
    with pytest.raises(ValueError, match=r'"a"\]: expected a network with its prediction'):
        build_moddrop(nets, start="block_diagonal", num_classes=3)
