"""build_shared_specific: the network and its loss by hand, heads, absent modalities."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    BATCH,
    assert_close,
    batch,
    compiled,
    cross_entropy,
    labels,
    map_net,
    norm_net,
    outputs,
    randomize,
    reloaded,
    sequence_net,
    untrained_weights,
    values,
    vector_net,
)
from keras import ops

from keras_fusion.models import build_shared_specific

SMALL = {"fusion_units": 4, "head_units": (5,)}


def nets():
    return {"text": vector_net("net_text"), "image": map_net("net_image")}


def features(given, x):
    """A map is averaged."""
    text = keras.Model(given["text"].input, given["text"].get_layer("dense0").output)(x["text"])
    image = keras.Model(given["image"].input, given["image"].get_layer("pool1").output)(x["image"])
    return [text, ops.mean(image, axis=(1, 2))]


@pytest.mark.parametrize("head_units", [(), (6, 5)])
def test_is_the_network_by_hand(head_units):
    given = nets()
    model = build_shared_specific(given, **{**SMALL, "head_units": head_units, "temperature": 0.3})
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-0.5, 0.5, layer.moving_mean.shape[0]))
            layer.moving_variance.assign(np.linspace(0.5, 2.0, layer.moving_variance.shape[0]))
    x, y = batch(model), labels()
    transfer = model.get_layer("fusion_0")
    assert transfer.widths == [4, 3] and transfer.temperature == 0.3
    h = ops.convert_to_numpy(transfer(features(given, x)))
    added = sum(ops.convert_to_numpy(loss) for loss in transfer.losses)
    assert len(transfer.losses) == 2
    for i in range(len(head_units)):
        (kernel,) = model.get_layer(f"central_dense{i}").get_weights()
        gamma, beta, mean, variance = model.get_layer(f"central_dense{i}_bn").get_weights()
        h = np.maximum((h @ kernel - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0)
    kernel, bias = model.get_layer("central_logits").get_weights()
    scores = np.exp(h @ kernel + bias)
    expected = scores / scores.sum(1, keepdims=True)
    assert_close(outputs(model, x), {"central": expected}, atol=1e-5)
    loss = cross_entropy(expected, y).mean()
    logs = compiled(model).evaluate(x, y, verbose=0, return_dict=True)
    assert logs["central_loss"] == pytest.approx(loss, rel=1e-4)
    assert logs["loss"] == pytest.approx(loss + added, rel=1e-4)
    assert model.fusion_weights() == {}


@pytest.mark.parametrize("heads", [None, 0.5])
def test_three_modalities_fit_and_save(heads, tmp_path):
    """In the graph: the losses that the layer adds come through fit, saving and fit again."""
    given = {"c": map_net("net"), "a": sequence_net("net"), "b": norm_net("net")}
    model = build_shared_specific(given, **SMALL, dropout=0.0, unimodal_loss_weights=heads)
    assert sorted(model.output) == (["a", "b", "c", "central"] if heads else ["central"])
    x, y = batch(model), labels()
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    logs = model.fit(x, y, verbose=0).history
    parts = logs["central_loss"][0]
    if heads:
        parts += 0.5 * sum(logs[f"{m}_loss"][0] for m in "abc")
    assert logs["loss"][0] - parts > 1e-3
    again = reloaded(model, tmp_path)
    assert_close(outputs(again, x), outputs(model, x))
    before = logs["loss"]
    assert again.fit(x, y, verbose=0).history["loss"] == pytest.approx(before, rel=1e-4)


def test_every_weight_is_trained():
    given = {"c": map_net("net"), "a": sequence_net("net"), "b": norm_net("net")}
    model = build_shared_specific(given, **SMALL, dropout=0.0)
    assert not any("prediction" in weight.path for weight in model.weights)
    randomize(model)
    assert untrained_weights(model, batch(model), labels()) == []


def test_one_model_for_two_modalities():
    net = vector_net("net")
    model = build_shared_specific({"a": net, "b": net, "c": vector_net("net")}, **SMALL)
    assert model.get_layer("fusion_0").widths == [4, 4, 4]


def test_absent_modalities():
    """Columns in the order of the names, not the backbones; holes reach nothing."""
    given = {"b": vector_net("net_b"), "a": norm_net("net_a"), "c": vector_net("net_c")}
    model = build_shared_specific(given, **SMALL, missing_modalities=True)
    randomize(model)
    x = batch(model)
    whole = outputs(model, x)["central"]
    present = np.ones((BATCH, 3), "float32")
    assert_close(outputs(model, {**x, "present": present}), {"central": whole})
    present[:2] = [[0, 1, 1], [0, 1, 0]]
    holes = dict(x, a=np.where(present[:, :1], x["a"], np.nan), present=present)
    holes["c"] = np.where(present[:, 2:], x["c"], np.nan)
    found = outputs(model, holes)["central"]
    np.testing.assert_allclose(found[2:], whole[2:], rtol=1e-5, atol=1e-6)
    assert np.all(np.abs(found[:2] - whole[:2]).max(1) > 1e-4)
    of_layer = keras.Model(model.input, model.get_layer("fusion_0").output)
    parts = ops.convert_to_numpy(of_layer(holes)).reshape(BATCH, 3, 3, 4)
    # In the order of the backbones: the specific part of "a" is its own, and it has none.
    assert not np.any(parts[:2, 1, 0]) and np.all(np.any(parts[:, 0, 0], axis=1))
    assert np.all(np.any(parts[:2, 1, 1:], axis=2)) and not np.any(parts[1, 0, 1])
    compiled(model).fit(holes, labels(), verbose=0)
    assert all(np.isfinite(value).all() for value in values(model).values())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"fusion_units": 0}, ValueError, "fusion_units: expected an int >= 1. Received: 0"),
        ({"temperature": -1}, ValueError, "temperature: expected a float > 0. Received: -1"),
        ({"variant": "residual", "temperature": 2.0}, ValueError, "temperature: expected 1.0 with"),
        ({"difference_weight": -1}, ValueError, "difference_weight: expected a float >= 0"),
        ({"head_units": 4}, TypeError, "head_units: expected a sequence of ints. Received: 4"),
        ({"dropout": 1}, ValueError, "dropout: expected a float in .0, 1.. Received: 1"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        build_shared_specific([vector_net("a"), vector_net("b")], **arguments)


@pytest.mark.parametrize("missing", [False, True])
def test_the_residual_variant(missing, tmp_path):
    given = nets()
    arguments = {**SMALL, "variant": "residual", "similarity_weight": 0.3, "difference_weight": 0.7}
    model = build_shared_specific(given, **arguments, missing_modalities=missing)
    layer = model.get_layer("fusion_0")
    assert (layer.similarity_weight, layer.domain_weight) == (0.3, 0.7)
    x = batch(model)
    if missing:
        x["present"] = np.array([[1, 0], [1, 1], [0, 1], [1, 1]])  # image, text
        x["image"][2], x["text"][0] = np.nan, np.nan
    of_layer = keras.Model(model.input, layer.output)
    parts = ops.convert_to_numpy(of_layer(x)).reshape(BATCH, 2, 4)  # text, image
    whole = np.where(np.isnan(x["text"]), 0, x["text"]), np.nan_to_num(x["image"])
    expected = features(given, {"text": whole[0], "image": whole[1]})
    mask = {"present": x["present"][:, ::-1]} if missing else {}
    found = ops.convert_to_numpy(layer(expected, **mask)).reshape(BATCH, 2, 4)
    np.testing.assert_allclose(parts, found, rtol=1e-5, atol=1e-6)
    compiled(model).fit(x, labels(), verbose=0)
    assert all(np.isfinite(value).all() for value in values(model).values())
    assert_close(outputs(reloaded(model, tmp_path), x), outputs(model, x))
