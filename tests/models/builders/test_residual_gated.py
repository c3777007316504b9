"""build_residual_gated: the network by hand on vectors and on a map, heads, absent modalities."""

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
from keras import ops

from keras_fusion.models import build_residual_gated


def nets():
    return {"text": vector_net("net_text"), "image": map_net("net_image")}


@pytest.mark.parametrize("main", ["image", "text"])
def test_is_the_network_by_hand(main):
    """The image's features are a map: they stay one as phi_x, and are averaged as phi_t."""
    given = nets()
    model = build_residual_gated(given, main=main)
    randomize(model)
    x = batch(model)
    image = keras.Model(given["image"].input, given["image"].get_layer("pool1").output)(x["image"])
    text = keras.Model(given["text"].input, given["text"].get_layer("dense0").output)(x["text"])
    layer = model.get_layer("fusion_0")
    if main == "image":
        fused = ops.mean(layer([image, text]), axis=(1, 2))
        assert layer.kernel_size == 3 and layer.is_map
    else:
        fused = layer([text, ops.mean(image, axis=(1, 2))])
    kernel, bias = model.get_layer("central_logits").get_weights()
    scores = np.exp(ops.convert_to_numpy(fused) @ kernel + bias)
    expected = scores / scores.sum(1, keepdims=True)
    np.testing.assert_allclose(outputs(model, x)["central"], expected, rtol=1e-4, atol=1e-6)
    assert model.fusion_weights() == {} and list(model.output) == ["central"]


def test_first_backbone_is_main():
    assert build_residual_gated(nets()).get_layer("fusion_0").widths == [4, 3]


def test_three_modalities_fit_and_save(tmp_path):
    model = build_residual_gated(
        {**nets(), "sound": norm_net("net_sound")},
        main="image",
        fusion_units=4,
        kernel_size=1,
        dropout=0.2,
        unimodal_loss_weights=1.0,
    )
    assert sorted(model.output) == ["central", "image", "sound", "text"]
    model.compile("adam", loss="sparse_categorical_crossentropy")
    x = batch(model)
    model.fit(x, labels(), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(outputs(loaded, x), outputs(model, x))
    loaded.run_eagerly = True  # the graph is that of `model`
    loaded.fit(x, labels(), verbose=0)


def test_absent_modalities():
    """Columns in the order of the sorted names, though the main modality comes first."""
    model = build_residual_gated(
        {"a": vector_net("net_a"), "b": vector_net("net_b")}, main="b", missing_modalities=True
    )
    randomize(model)
    x = batch(model)
    present = np.ones((BATCH, 2), "float32")
    whole = outputs(model, x)["central"]
    np.testing.assert_allclose(outputs(model, {**x, "present": present})["central"], whole)
    present[0] = [0, 1]
    holes = dict(x, a=np.where(present[:, :1], x["a"], np.nan), present=present)
    found = outputs(model, holes)["central"]
    np.testing.assert_allclose(found[1:], whole[1:], rtol=1e-5, atol=1e-6)
    # Its features count as zeros, not as what its network makes of zeros.
    backbone = keras.Model(model.input, model.get_layer("fusion_0").input[0])
    kept = ops.convert_to_numpy(backbone(holes))
    fused = ops.convert_to_numpy(model.get_layer("fusion_0")([kept[:1], np.zeros((1, 4))]))
    kernel, bias = model.get_layer("central_logits").get_weights()
    scores = np.exp(fused @ kernel + bias)
    np.testing.assert_allclose(found[:1], scores / scores.sum(), rtol=1e-4, atol=1e-6)
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    model.fit(holes, labels(), verbose=0)
    assert all(np.all(np.isfinite(w)) for w in model.get_weights())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"main": "x"}, "main: expected one of .'a', 'b'.. Received: 'x'"),
        ({"dropout": 2}, "dropout: expected a float in .0, 1.. Received: 2"),
        ({"fusion_units": 0}, "units: expected an int >= 1. Received: 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_residual_gated([vector_net("a"), vector_net("b")], **arguments)
