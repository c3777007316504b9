"""The ModDrop network: against NumPy at inference, and what it drops in training."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    labels,
    map_net,
    outputs,
    randomize,
    values,
    vector_net,
)
from keras import ops

from keras_fusion.models import build_moddrop

PRESENT = np.array([[1, 1], [0, 1], [1, 0], [0, 0]])


def nets(units=(4, 3)):
    """Not in the order of their names."""
    return {"text": vector_net("net_t", units=units), "sound": vector_net("net_s", units=units)}


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def features(net, x):
    return ops.convert_to_numpy(net.get_layer("dense1")(net.get_layer("dense0")(x)))


def joint(model, h, hidden):
    """The joint network on the concatenated features, with statistics that are not 0 and 1."""
    for i in range(hidden):
        (kernel,) = model.get_layer(f"central_cell_{i}").get_weights()
        norm = model.get_layer(f"central_cell_{i}_bn")
        gamma, beta, mean, variance = norm.get_weights()
        h = (h @ kernel - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta
        h = np.maximum(h, 0)
    kernel, bias = model.get_layer("central_logits").get_weights()
    return softmax(h @ kernel + bias)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("head_units", [None, (), (6, 2)])
def test_is_the_network_written_by_hand(head_units, missing):
    backbones = nets()
    model = build_moddrop(backbones, head_units=head_units, missing_modalities=missing)
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-0.5, 0.5, layer.moving_mean.shape[0]))
    x = batch(model)
    h = {name: features(net, x[name]) for name, net in backbones.items()}
    if missing:
        x["present"] = PRESENT
        for k, name in enumerate(sorted(h)):
            h[name] = h[name] * PRESENT[:, k, None]
            x[name][PRESENT[:, k] == 0] = np.nan
    hidden = 1 if head_units is None else len(head_units)
    expected = joint(model, np.concatenate([h["text"], h["sound"]], -1), hidden)
    found = outputs(model, x)
    assert list(found) == ["central"] and model.fusion_weights() == {}
    np.testing.assert_allclose(found["central"], expected, rtol=1e-4, atol=1e-6)


def test_scores():
    backbones = nets()
    model = build_moddrop(backbones, fuse="scores", unimodal_loss_weights=1.0)
    randomize(model)
    found = outputs(model, batch(model))
    expected = joint(model, np.concatenate([found["text"], found["sound"]], -1), 0)
    np.testing.assert_allclose(found["central"], expected, rtol=1e-4, atol=1e-6)


def test_width_of_the_joint_network():
    model = build_moddrop({"a": map_net("one"), "b": vector_net("two")})
    assert model.get_layer("fusion_0").output.shape == (None, 2 * 2 * 3 + 4)
    assert model.get_layer("central_cell_0").units == 12
    wide = build_moddrop([vector_net("one", units=(1100,)), vector_net("two")])
    assert wide.get_layer("central_cell_0").units == 1024


@pytest.mark.parametrize("missing", [False, True])
def test_training_drops_what_the_rates_say(missing):
    """`sound` is always dropped, so its network is never trained; `text` always stays."""
    backbones = nets()
    model = build_moddrop(backbones, rate={"sound": 1.0, "text": 0.0}, missing_modalities=missing)
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    before = {name: net.get_weights() for name, net in backbones.items()}
    model.fit(batch(model), labels(), verbose=0)
    moved = {
        name: [np.any(a != b) for a, b in zip(before[name], net.get_weights(), strict=True)][:4]
        for name, net in backbones.items()
    }
    assert moved == {"sound": [False] * 4, "text": [True] * 4}


def test_draws_repeat_with_a_seed():
    def losses(seed, rate=0.5):
        keras.utils.set_random_seed(0)
        model = build_moddrop(nets(), rate=rate, seed=seed, dropout=0.0)
        model.compile(keras.optimizers.SGD(0.0), loss="sparse_categorical_crossentropy")
        x = batch(model, 16)
        steps = [model.train_on_batch(x, labels(16), return_dict=True) for _ in range(3)]
        return [float(step["loss"]) for step in steps]

    first = losses(1)
    assert first == losses(1) != losses(2)
    assert len(set(first)) == 3 and len(set(losses(1, rate=0.0))) == 1


def test_one_generator():
    model = build_moddrop(nets(), dropout=0.0, seed=3)
    state = [v for v in model.non_trainable_variables if "seed" in v.path]
    assert len(state) == 1


def test_every_weight_is_trained_and_saved(tmp_path):
    """Nothing above the features stays in a model without unimodal heads."""
    model = build_moddrop(nets(), rate=0.3, seed=1, head_units=(8,))
    model.compile("sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = batch(model, 16), labels(16)
    before = values(model)
    model.fit(x, y, verbose=0)
    after = values(model)
    assert all(np.any(before[path] != after[path]) for path in after)
    assert len(model.get_layer("text_backbone").weights) == 4
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(outputs(loaded, x), outputs(model, x))
    loaded.fit(x, y, verbose=0)


def test_unimodal_heads_on_request():
    backbones = nets()
    model = build_moddrop(backbones, unimodal_loss_weights=1.0)
    x = batch(model)
    found = outputs(model, x)
    assert sorted(found) == ["central", "sound", "text"]
    np.testing.assert_allclose(
        found["text"], backbones["text"].predict_on_batch(x["text"]), rtol=1e-5
    )


def test_three_modalities_and_regression():
    three = {n: vector_net(n, classes=None) for n in "cab"}
    model = build_moddrop(three, units=2, rate=0.1, allow_none=True, seed=7)
    layer = model.get_layer("fusion_moddrop")
    assert (layer.rate, layer.allow_none, layer.rescale, layer.seed) == (0.1, True, False, 7)
    other = build_moddrop(three, units=2, rescale=True).get_layer("fusion_moddrop")
    assert (other.rate, other.allow_none, other.rescale, other.seed) == (0.5, False, True, None)
    assert model.output["central"].shape == (None, 2)


def test_taps():
    taps = {"text": ["dense0"], "sound": ["dense1"]}
    model = build_moddrop(nets(), taps=taps)
    assert model.get_layer("fusion_0").output.shape == (None, 4 + 3)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"fuse": "logits"}, ValueError, "fuse: expected one of .*'features', 'scores'"),
        ({"rate": 1.5}, ValueError, r"rate: expected a float in \[0, 1\]"),
        ({"rate": [0.5, 0.5]}, TypeError, "rate: expected a float or a dict"),
        ({"rate": {"text": 0.5}}, ValueError, r"rate: expected the modalities \['sound', 'text'\]"),
        ({"head_units": 8}, TypeError, "head_units: expected a sequence of ints"),
        ({"head_units": (3, 0)}, ValueError, r"head_units\[1\]: expected an int >= 1"),
        ({"dropout": 1.0}, ValueError, "dropout: expected a float"),
    ],
)
def test_errors(arguments, error, match):
    with pytest.raises(error, match=match):
        build_moddrop(nets(), **arguments)


def test_backbone_without_hidden_layers():
    with pytest.raises(ValueError, match='"flat": expected a hidden layer before the prediction'):
        build_moddrop({"deep": vector_net("one"), "flat": vector_net("two", units=())})
