"""build_modality_gated: the network by hand, the main, heads, absent modalities."""

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
)
from keras import layers, ops

from keras_fusion.models import build_modality_gated


def rgb_and_depth():
    """Features of widths 3 (a map, averaged) and 4."""
    return {"rgb": map_net("net_rgb"), "depth": vector_net("net_depth")}


def hidden_of(nets, x):
    rgb = keras.Model(nets["rgb"].input, nets["rgb"].get_layer("pool1").output)
    depth = keras.Model(nets["depth"].input, nets["depth"].get_layer("dense0").output)
    return {
        "rgb": ops.convert_to_numpy(rgb(x["rgb"])).mean((1, 2)),
        "depth": ops.convert_to_numpy(depth(x["depth"])),
    }


@pytest.mark.parametrize(("main", "other"), [("rgb", "depth"), ("depth", "rgb")])
def test_is_the_network_by_hand(main, other):
    nets = rgb_and_depth()
    model = build_modality_gated(nets, main=main, head_units=(6, 5))
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-0.5, 0.5, layer.moving_mean.shape[0]))
            layer.moving_variance.assign(np.linspace(0.5, 2.0, layer.moving_variance.shape[0]))
    x = batch(model)
    hidden = hidden_of(nets, x)
    a, b = hidden[main], hidden[other]
    kernel, bias = model.get_layer("fusion_0").get_weights()
    gate = 1 / (1 + np.exp(-(b @ kernel + bias)))
    h = np.concatenate([a * (1 - gate)[:, : a.shape[1]], b * gate[:, : b.shape[1]]], axis=1)
    for i in range(2):
        (kernel,) = model.get_layer(f"central_dense{i}").get_weights()
        gamma, beta, mean, variance = model.get_layer(f"central_dense{i}_bn").get_weights()
        h = np.maximum((h @ kernel - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0)
    kernel, bias = model.get_layer("central_logits").get_weights()
    scores = np.exp(h @ kernel + bias)
    expected = scores / scores.sum(1, keepdims=True)
    np.testing.assert_allclose(outputs(model, x)["central"], expected, rtol=1e-4, atol=1e-6)
    shares = model.fusion_weights(x, per_sample=True)["level_0"]
    np.testing.assert_allclose(shares[other], gate[:, :3].mean(-1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(shares[main], 1 - shares[other], rtol=1e-4, atol=1e-6)


def test_first_backbone_is_the_reference():
    model = build_modality_gated(rgb_and_depth(), head_units=())
    assert model.get_layer("fusion_0").widths == [3, 4]
    assert list(model.output) == ["central"]
    assert not any("central_dense" in layer.name for layer in model.layers)


@pytest.mark.parametrize("main", [None, "c"])
def test_three_modalities_fit_and_save(main, tmp_path):
    nets = {"b": vector_net("net_b"), "a": norm_net("net_a"), "c": vector_net("net_c")}
    model = build_modality_gated(nets, main=main, head_units=(4,), unimodal_loss_weights={"a": 0.0})
    assert sorted(model.output) == ["a", "b", "c", "central"]
    model.compile("adam", loss="sparse_categorical_crossentropy")
    x = batch(model)
    model.fit(x, labels(), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(outputs(loaded, x), outputs(model, x))
    weights = model.fusion_weights(x)["level_0"]
    assert loaded.fusion_weights(x)["level_0"] == pytest.approx(weights)
    loaded.run_eagerly = True  # the graph is that of `model`
    loaded.fit(x, labels(), verbose=0)


def test_absent_modalities():
    """Columns in the order of the sorted names, though the main comes first."""
    nets = {"a": norm_net("net_a"), "b": vector_net("net_b"), "c": vector_net("net_c")}
    model = build_modality_gated(nets, main="c", head_units=(4,), missing_modalities=True)
    randomize(model)
    x = batch(model)
    whole = outputs(model, x)["central"]
    present = np.ones((BATCH, 3), "float32")
    present[:2] = [[0, 1, 1], [0, 0, 1]]
    holes = dict(x, a=np.where(present[:, :1], x["a"], np.nan), present=present)
    holes["b"] = np.where(present[:, 1:2], x["b"], np.nan)
    found = outputs(model, holes)["central"]
    assert np.all(np.isfinite(found))
    np.testing.assert_allclose(found[2:], whole[2:], rtol=1e-5, atol=1e-6)
    shares = model.fusion_weights(holes, per_sample=True)["level_0"]
    assert np.all(shares["a"][:2] == 0) and shares["b"][0] > 0 and shares["b"][1] == 0
    np.testing.assert_allclose(shares["c"][1], 1, atol=1e-6)
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    model.fit(holes, labels(), verbose=0)
    assert all(np.all(np.isfinite(w)) for w in model.get_weights())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"main": "x"}, ValueError, "main: expected one of .'a', 'b'.. Received: 'x'"),
        ({"head_units": 4}, TypeError, "head_units: expected a sequence of ints. Received: 4"),
        ({"head_units": (4, 0)}, ValueError, "head_units.1.: expected an int >= 1"),
        ({"dropout": -0.1}, ValueError, "dropout: expected a float in .0, 1.. Received: -0.1"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        build_modality_gated([vector_net("a"), vector_net("b")], **arguments)
