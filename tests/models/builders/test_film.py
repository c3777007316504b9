"""build_film: identity at first, the walk by hand, which levels, heads, one network for two."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    compiled,
    labels,
    map_net,
    norm_net,
    outputs,
    randomize,
    reloaded,
    sequence_net,
    untrained_weights,
    vector_net,
    video_net,
)
from keras import layers, ops

from keras_fusion.models import build_film


def nets():
    return {"text": vector_net("net_t", units=(4, 6)), "image": map_net("net_i")}


def fusions(model):
    return [layer for layer in model.layers if layer.name.startswith("fusion_")]


@pytest.mark.parametrize("make", [vector_net, norm_net, map_net, sequence_net, video_net])
@pytest.mark.parametrize("activation", ["softmax", None])
def test_starts_as_the_main_backbone(make, activation):
    options = {} if activation else {"classes": None}
    given = {"a": vector_net("one", features=6), "main": make("two", **options)}
    model = build_film(given, main="main", num_classes=3, unimodal_loss_weights=1.0)
    x = batch(model)
    if activation is None:  # its features are the backbone's; the linear layer is new
        ends = keras.Model(model.input, model.get_layer("central_logits").input)
        found, own = ops.convert_to_numpy(ends(x)), ops.convert_to_numpy(given["main"](x["main"]))
        np.testing.assert_allclose(found, own.reshape(len(own), -1), rtol=1e-6)
        return
    found, own = outputs(model, x), ops.convert_to_numpy(given["main"](x["main"]))
    np.testing.assert_allclose(found["central"], own, rtol=1e-6)
    np.testing.assert_allclose(found["main"], own, rtol=1e-6)
    randomize(model)
    found, own = outputs(model, x), ops.convert_to_numpy(given["main"](x["main"]))
    np.testing.assert_allclose(found["main"], own, rtol=1e-5)
    assert np.abs(found["central"] - own).max() > 1e-3


@pytest.mark.parametrize("levels", [None, 1])
def test_is_the_network_by_hand(levels):
    given = nets()
    model = build_film(given, main="image", levels=levels)
    randomize(model)
    x = batch(model)
    text = given["text"].get_layer("dense1")(given["text"].get_layer("dense0")(x["text"]))
    films = fusions(model)
    assert len(films) == (levels or 2) and films[-1].widths == [3, 6]
    net, h = given["image"], ops.convert_to_tensor(x["image"])
    for i in range(2):
        h = net.get_layer(f"pool{i}")(net.get_layer(f"conv{i}")(h))
        if levels is None or i == 1:
            kernel, bias = (ops.convert_to_numpy(w) for w in films.pop(0).weights)
            scale, shift = np.split(ops.convert_to_numpy(text) @ kernel + bias, 2, axis=1)
            h = ops.convert_to_numpy(h) * (1 + scale[:, None, None]) + shift[:, None, None]
    expected = ops.convert_to_numpy(net.get_layer("prediction")(net.get_layer("flatten")(h)))
    np.testing.assert_allclose(outputs(model, x)["central"], expected, rtol=1e-4, atol=1e-6)
    assert untrained_weights(model, x, labels()) == []


def test_taps_and_three_modalities(tmp_path):
    given = {**nets(), "sound": norm_net("net_s")}
    taps = {"image": ["pool0"], "text": ["dense0"], "sound": ["tanh0"]}
    model = build_film(given, main="image", taps=taps, unimodal_loss_weights=0.5)
    (film,) = fusions(model)
    assert film.widths == [2, 4, 4] and sorted(model.output) == ["central", *sorted(given)]
    assert build_film(given, main="text").get_layer("fusion_1").widths == [6, 3, 4]
    randomize(model)
    x = batch(model)
    compiled(model).fit(x, labels(), verbose=0)
    again = reloaded(model, tmp_path)
    assert_close(outputs(again, x), outputs(model, x))
    again.fit(x, labels(), verbose=0)


@pytest.mark.parametrize("heads", [None, 1.0])
def test_one_network_for_two_modalities(heads, tmp_path):
    net = vector_net("net", units=(4, 3))
    model = build_film({"a": net, "b": net, "c": vector_net()}, unimodal_loss_weights=heads)
    x = batch(model)
    assert fusions(model)[0].widths == [4, 3, 4]
    found = outputs(model, x)
    for head, name in {"central": "a", **({"a": "a", "b": "b"} if heads else {})}.items():
        np.testing.assert_allclose(found[head], ops.convert_to_numpy(net(x[name])), rtol=1e-6)
    randomize(model)
    assert_close(outputs(reloaded(model, tmp_path), x), outputs(model, x))


def test_without_hidden_layers():
    """Modulated is what it gets, and the linear prediction is new."""
    model = build_film({"a": vector_net("one", units=()), "b": vector_net("two")}, levels=1)
    (film,) = fusions(model)
    assert film.widths == [5, 4]
    assert model.get_layer("central_logits").units == 3


def test_absent_modalities():
    """Without the text it is the image's network alone; without the image the shifts are left."""
    given = nets()
    model = build_film(given, main="image", missing_modalities=True)
    randomize(model)
    x = batch(model)
    x["present"] = np.array([[1, 1], [1, 0], [0, 1], [0, 1]])  # image, text
    x["text"][1], x["image"][2:] = np.nan, np.nan
    x["text"][3] = x["text"][2]
    found = outputs(model, x)["central"]
    alone = ops.convert_to_numpy(given["image"](x["image"][:2]))
    np.testing.assert_allclose(found[1], alone[1], rtol=1e-5)
    assert np.abs(found[0] - alone[0]).max() > 1e-3
    np.testing.assert_allclose(found[2], found[3], rtol=1e-6)
    film = ops.convert_to_numpy(keras.Model(model.input, model.get_layer("fusion_1").output)(x))
    assert np.ptp(film[2], axis=(0, 1)).max() == 0 and np.all(film[2] != 0)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"levels": 3}, 'levels: expected at most 2, .* in backbone "text". Received: 3'),
        ({"levels": 0}, "levels: expected an int >= 1. Received: 0"),
        ({"main": "video"}, "main: expected one of .*Received: 'video'"),
    ],
)
def test_errors(arguments, match):
    with pytest.raises(ValueError, match=match):
        build_film(nets(), **arguments)


def test_a_tap_past_which_a_path_runs():
    inputs = keras.Input((4,))
    inner = layers.Dense(4, name="inner")(inputs)
    end = layers.Dense(3, activation="softmax")(layers.Add()([inputs, inner]))
    given = {"a": keras.Model(inputs, end, name="residual"), "b": vector_net()}
    with pytest.raises(ValueError, match="through which every path from input"):
        build_film(given, taps={"a": ["inner"], "b": ["dense0"]})
