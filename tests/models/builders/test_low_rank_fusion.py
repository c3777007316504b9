"""build_low_rank_fusion: the network by hand."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    labels,
    map_net,
    outputs,
    untrained_weights,
    vector_net,
)
from keras import layers

from keras_fusion.layers import LowRankFusion
from keras_fusion.models import build_low_rank_fusion


@pytest.mark.parametrize("head_units", [(), (5,)])
def test_is_the_network_by_hand(head_units):
    nets = {"b": vector_net("one", units=(4,)), "a": map_net("two")}
    model = build_low_rank_fusion(
        nets, fusion_units=6, rank=2, head_units=head_units, dropout=0.3, unimodal_loss_weights=0.5
    )
    sound = keras.Model(nets["b"].input, nets["b"].get_layer("dense0").output)
    image = keras.Model(nets["a"].input, nets["a"].get_layer("pool1").output)
    inputs = {"b": keras.Input((5,), name="b"), "a": keras.Input((8, 8, 1), name="a")}
    maps = layers.GlobalAveragePooling2D()(image(inputs["a"]))
    x = fusion = LowRankFusion(6, rank=2)([sound(inputs["b"]), maps])
    for width in head_units:
        x = layers.Dense(width, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    by_hand = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    joint = model.get_layer("fusion_0").weights
    made = fusion._keras_history.operation
    for ours, theirs in zip(joint, made.weights, strict=True):
        theirs.assign(ours)
    dense = [layer for layer in by_hand.layers if isinstance(layer, layers.Dense)]
    names = [f"central_dense{i}" for i in range(len(head_units))] + ["central_logits"]
    for layer, name in zip(dense, names, strict=True):
        layer.set_weights(model.get_layer(name).get_weights())
    x = batch(model)
    expected = keras.ops.convert_to_numpy(by_hand(x))
    np.testing.assert_allclose(outputs(model, x)["central"], expected, rtol=1e-5)
    assert_close(
        {name: outputs(model, x)[name] for name in nets},
        {name: keras.ops.convert_to_numpy(net(x[name])) for name, net in nets.items()},
    )
    rates = [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)]
    assert rates == [0.3]
    assert model.fusion_weights() == {}
    assert untrained_weights(model, x, labels()) == []
