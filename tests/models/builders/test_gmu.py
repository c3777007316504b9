"""build_gmu: the authors' parameter counts, the network by hand, gates, heads, absence."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    BATCH,
    assert_close,
    batch,
    labels,
    map_net,
    norm_net,
    outputs,
    randomize,
    vector_net,
    without_weights,
)
from keras import layers, ops

from keras_fusion.models import build_gmu


def features(size, name):
    """A backbone that is nothing but features, computed before."""
    inputs = keras.Input((size,))
    return keras.Model(inputs, layers.Identity(name="features")(inputs), name=name)


def three():
    return {
        "picture": map_net("net_p"),
        "sound": norm_net("net_s"),
        "text": vector_net("net_t", units=(4, 6)),
    }


@pytest.mark.parametrize(
    ("fusion_units", "count"),
    [(64, 316_847), (128, 674_031), (256, 1_535_855), (512, 3_849_327)],
)
def test_parameters_on_mm_imdb(fusion_units, count):
    """The networks of the GMU's authors: 4096 image and 300 text features, 23 genres."""
    with without_weights():
        model = build_gmu(
            {"image": features(4096, "vgg"), "text": features(300, "word2vec")},
            fusion_units=fusion_units,
            gate_on="projections",
            normalize=True,
            classifier="maxout",
            dropout=0.5,
            num_classes=23,
            head="sigmoid",
        )
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == count
    assert list(model.output) == ["central"]


def values_of(model, name):
    return [np.array(w) for w in model.get_layer(name).get_weights()]


def normed(model, x, name):
    gamma, beta, mean, variance = values_of(model, name)
    return (x - mean) / np.sqrt(variance + 1e-4) * gamma + beta


def maxout(model, x, name):
    kernel, bias = values_of(model, name)
    x = x @ kernel + bias
    return x.reshape(len(x), -1, 2).max(-1)


@pytest.mark.parametrize("classifier", ["dense", "maxout"])
@pytest.mark.parametrize("gate_on", ["inputs", "projections"])
def test_is_the_network_by_hand(gate_on, classifier):
    model = build_gmu(
        {"image": features(5, "a"), "text": features(3, "b")},
        fusion_units=4,
        gate_on=gate_on,
        normalize=True,
        classifier=classifier,
        dropout=0.5,
        num_classes=6,
        head="sigmoid",
    )
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-0.5, 0.5, layer.moving_mean.shape[0]))
            layer.moving_variance.assign(np.linspace(0.5, 2.0, layer.moving_variance.shape[0]))
    x = batch(model)
    inputs = [normed(model, x[n], f"{n}_norm") for n in ("image", "text")]
    first, second, gate = values_of(model, "fusion_0")
    projected = [inputs[0] @ first, inputs[1] @ second]
    seen = np.concatenate(inputs if gate_on == "inputs" else projected, axis=1)
    z = 1 / (1 + np.exp(-seen @ gate))
    h = z * np.tanh(projected[0]) + (1 - z) * np.tanh(projected[1])
    if classifier == "maxout":
        for i in range(2):
            h = maxout(model, normed(model, h, f"central_norm_{i}"), f"central_maxout_{i}")
        h = normed(model, h, "central_norm_2")
    kernel, bias = values_of(model, "central_logits")
    expected = 1 / (1 + np.exp(-(h @ kernel + bias)))
    np.testing.assert_allclose(outputs(model, x)["central"], expected, rtol=1e-4, atol=1e-5)
    shares = model.fusion_weights(x, per_sample=True)["level_0"]
    np.testing.assert_allclose(shares["image"], z.mean(-1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(shares["text"], 1 - z.mean(-1), rtol=1e-4, atol=1e-6)


def test_features_are_the_last_hidden_points():
    """A map is averaged; three modalities have three gates."""
    nets = three()
    model = build_gmu(nets, fusion_units=4)
    randomize(model)
    x = batch(model)
    hidden = {
        "picture": ops.mean(
            keras.Model(nets["picture"].input, nets["picture"].layers[4].output)(x["picture"]),
            axis=(1, 2),
        ),
        "sound": keras.Model(nets["sound"].input, nets["sound"].layers[3].output)(x["sound"]),
        "text": keras.Model(nets["text"].input, nets["text"].layers[2].output)(x["text"]),
    }
    unit = model.get_layer("fusion_0")
    fused = ops.convert_to_numpy(unit(list(hidden.values())))
    kernel, bias = values_of(model, "central_logits")
    scores = np.exp(fused @ kernel + bias)
    expected = scores / scores.sum(1, keepdims=True)
    np.testing.assert_allclose(outputs(model, x)["central"], expected, rtol=1e-4, atol=1e-6)
    assert unit.widths == [3, 4, 6]
    assert not any("prediction" in weight.path for weight in model.weights)
    shares = model.fusion_weights(x)["level_0"]
    assert list(shares) == list(nets) and sum(shares.values()) == pytest.approx(1)


def test_backbones_without_hidden_layers():
    """What a backbone puts out, weights and all; what it gets, if it is a prediction only."""
    inputs = keras.Input((5,))
    norm = keras.Model(inputs, layers.BatchNormalization(name="norm")(inputs), name="a")
    model = build_gmu({"a": norm, "b": vector_net("b", units=())}, fusion_units=4, num_classes=3)
    randomize(model)
    norm.layers[1].moving_mean.assign(np.arange(5.0))
    x = batch(model)
    before = outputs(model, x)["central"]
    unit = model.get_layer("fusion_0")
    assert unit.widths == [5, 5]
    fused = ops.convert_to_numpy(unit([norm(x["a"]), x["b"]]))
    kernel, bias = values_of(model, "central_logits")
    scores = np.exp(fused @ kernel + bias)
    np.testing.assert_allclose(before, scores / scores.sum(1, keepdims=True), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("classifier", ["dense", "maxout"])
def test_fit_and_save(classifier, tmp_path):
    model = build_gmu(three(), fusion_units=4, classifier=classifier, unimodal_loss_weights=0.5)
    assert sorted(model.output) == ["central", "picture", "sound", "text"]
    model.compile("adam", loss="sparse_categorical_crossentropy")
    x = batch(model)
    before = [np.array(w) for w in model.get_weights()]
    model.fit(x, labels(), verbose=0)
    after = [np.array(w) for w in model.get_weights()]
    assert all(np.any(a != b) for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(outputs(loaded, x), outputs(model, x))
    weights = model.fusion_weights(x)["level_0"]
    assert loaded.fusion_weights(x)["level_0"] == pytest.approx(weights)
    loaded.run_eagerly = True  # the graph is that of `model`
    loaded.fit(x, labels(), verbose=0)


def test_absent_modalities():
    """Holes reach nothing; the order of the columns is that of the names, not the backbones."""
    nets = {"b": vector_net("net_b"), "a": norm_net("net_a"), "c": vector_net("net_c")}
    model = build_gmu(nets, fusion_units=4, missing_modalities=True)
    randomize(model)
    x = batch(model)
    whole = outputs(model, x)["central"]
    present = np.ones((BATCH, 3), "float32")
    np.testing.assert_allclose(outputs(model, {**x, "present": present})["central"], whole)
    present[:2] = [[0, 1, 1], [0, 1, 0]]
    other = dict(x, a=np.where(present[:, :1], x["a"], np.nan))
    found = outputs(model, {**other, "present": present})["central"]
    assert np.all(np.isfinite(found))
    np.testing.assert_allclose(found[2:], whole[2:], rtol=1e-5, atol=1e-6)
    assert np.all(np.abs(found[:2] - whole[:2]).max(1) > 1e-4)
    shares = model.fusion_weights({**other, "present": present}, per_sample=True)["level_0"]
    assert np.all(shares["a"][:2] == 0) and np.all(shares["a"][2:] > 0)
    np.testing.assert_allclose(shares["b"][1], 1, atol=1e-6)
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    model.fit({**other, "present": present}, labels(), verbose=0)
    assert all(np.all(np.isfinite(w)) for w in model.get_weights())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classifier": "mlp"}, "classifier: expected one of .*Received: 'mlp'"),
        ({"dropout": 1.0}, "dropout: expected a float in .0, 1.. Received: 1.0"),
        ({"dropout": True}, "dropout: expected a float in .0, 1.. Received: True"),
        ({"fusion_units": 0}, "fusion_units: expected an int >= 1. Received: 0"),
        ({"gate_on": "both"}, "gate_on: expected one of .*Received: 'both'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_gmu([vector_net("a"), vector_net("b")], **arguments)
