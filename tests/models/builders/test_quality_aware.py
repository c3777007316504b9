"""build_quality_aware: the network by hand."""

import keras
import numpy as np
import pytest
from helpers.tiny import batch, labels, map_net, outputs, untrained_weights, vector_net
from scipy.special import logsumexp, softmax

from keras_fusion.models import build_quality_aware


def test_is_the_network_by_hand():
    nets = {"b": vector_net("one", units=(4,)), "a": map_net("two")}
    model = build_quality_aware(nets, scale=0.3)
    x, logits = batch(model), {}
    for name, layer in (("b", "dense0"), ("a", "pool1")):
        body = keras.Model(nets[name].input, nets[name].get_layer(layer).output)
        h = keras.ops.convert_to_numpy(body(x[name]))
        kernel, bias = model.get_layer(f"{name}_own_logits").get_weights()
        logits[name] = (h.mean((1, 2)) if name == "a" else h) @ kernel + bias
    weights = {k: 0.3 * logsumexp(z, axis=1, keepdims=True) for k, z in logits.items()}
    found = outputs(model, x)
    for name, z in logits.items():
        np.testing.assert_allclose(found[name], softmax(z, axis=1), rtol=1e-4)
    fused = sum(weights[name] * logits[name] for name in logits)
    np.testing.assert_allclose(found["central"], softmax(fused, axis=1), rtol=1e-4)
    sizes = {name: np.abs(w[:, 0]) for name, w in weights.items()}
    for name, share in model.fusion_weights(x, per_sample=True)["level_0"].items():
        np.testing.assert_allclose(share, sizes[name] / sum(sizes.values()), rtol=1e-4)
    assert untrained_weights(model, x, labels()) == []


def test_without_heads_and_errors():
    nets = [vector_net("one"), vector_net("two")]
    assert list(build_quality_aware(nets, unimodal_loss_weights=None).output) == ["central"]
    with pytest.raises(ValueError, match="scale: expected a float >= 0. Received: -0.1"):
        build_quality_aware(nets, scale=-0.1)
    nets = [vector_net("one", activation="linear"), vector_net("two", activation="linear")]
    with pytest.raises(ValueError, match="build_quality_aware: .*Received: 3 values through lin"):
        build_quality_aware(nets, head="linear")
