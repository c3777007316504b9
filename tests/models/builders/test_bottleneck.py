"""build_bottleneck: the network by hand in both modes, absent modalities, its errors."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    batch,
    labels,
    map_net,
    outputs,
    sequence_net,
    untrained_weights,
    vector_net,
)

from keras_fusion.models import build_bottleneck

SMALL = {"fusion_units": 4, "num_heads": 2, "feedforward_units": 8}


def nets():
    return {
        "b": map_net("net_b", size=4, filters=(2,)),
        "a": vector_net("net_a"),
        "c": sequence_net("net_c", length=4, filters=(3,)),
    }


def classified(model, fused):
    """The central prediction by hand, from what the dense layer gets."""
    kernel, bias = model.get_layer("central_logits").get_weights()
    scores = np.exp(keras.ops.convert_to_numpy(fused) @ kernel + bias)
    return scores / scores.sum(1, keepdims=True)


@pytest.mark.parametrize("mode", ["bottleneck", "latents"])
def test_is_the_network_by_hand_with_absent_modalities(mode):
    """Columns of the mask in the order of the sorted names, which is not that of the backbones."""
    model = build_bottleneck(nets(), mode=mode, missing_modalities=True, **SMALL)
    x = batch(model)
    layer = model.get_layer("fusion_0")
    tensors = keras.Model(model.input, layer.input[:3])({**x, "present": np.ones((4, 3))})
    assert [tuple(t.shape[1:]) for t in tensors] == [(2, 2, 2), (4,), (2, 3)]
    present = np.array([[1, 1, 1], [0, 1, 1], [0, 1, 0], [0, 0, 0]])
    fused = layer(tensors, present=present[:, [1, 0, 2]])
    if mode == "bottleneck":
        count = np.maximum(present.sum(1, keepdims=True), 1)
        fused = sum(keras.ops.convert_to_numpy(y) for y in fused) / count
        assert np.any(fused[:3]) and not np.any(fused[3]) and model.fusion_levels == {}
    holes = {**x, "a": np.where(present[:, :1], x["a"], np.nan), "present": present}
    found = outputs(model, holes)["central"]
    np.testing.assert_allclose(found, classified(model, fused), rtol=1e-4, atol=1e-6)
    if mode == "latents":
        some = {name: values[:3] for name, values in holes.items()}
        shares = model.fusion_weights(some, per_sample=True)["level_0"]
        assert not np.any(shares["a"][1:]) and shares["b"][2] == pytest.approx(1)


@pytest.mark.parametrize("mode", ["bottleneck", "latents"])
def test_every_weight_learns(mode):
    model = build_bottleneck(nets(), mode=mode, unimodal_loss_weights=1.0, dropout=0.2, **SMALL)
    assert untrained_weights(model, batch(model), labels()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "latent"}, "mode: expected one of .*Received: 'latent'"),
        ({"bottlenecks": 0}, "bottlenecks: expected an int >= 1. Received: 0"),
        ({"fusion_layer": 2}, "fusion_layer: expected an int <= num_layers - 2 = 1.*Received: 2"),
        ({"fusion_units": 6}, "units: expected a multiple of num_heads=4. Received: 6"),
        ({"max_tokens": 0}, "max_tokens: expected an int >= 1. Received: 0"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_bottleneck([vector_net("one"), vector_net("two")], **arguments)
