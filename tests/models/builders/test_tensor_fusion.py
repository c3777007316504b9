"""build_tensor_fusion: the network by hand, widths by default, and what is refused."""

import keras
import numpy as np
import pytest
from helpers.tiny import batch, labels, map_net, outputs, randomize, untrained_weights, vector_net

from keras_fusion.models import build_tensor_fusion


def nets():
    return {"b": vector_net("one"), "a": map_net("two")}


@pytest.mark.parametrize("head_units", [(), (6, 5)])
def test_is_the_network_by_hand(head_units):
    given = nets()
    model = build_tensor_fusion(given, fusion_units={"a": 3, "b": 2}, head_units=head_units)
    randomize(model)
    x = batch(model)
    hidden = {"a": "pool1", "b": "dense0"}
    rows = []
    for name in ("b", "a"):
        features = keras.Model(given[name].input, given[name].get_layer(hidden[name]).output)
        h = keras.ops.convert_to_numpy(features(x[name]))
        kernel, bias = model.get_layer(f"{name}_project").get_weights()
        h = h.mean((1, 2)) if h.ndim == 4 else h
        rows.append(np.hstack([np.ones((len(h), 1)), np.maximum(h @ kernel + bias, 0)]))
    assert any(np.any(row[:, 1:] > 0) for row in rows)
    h = np.einsum("ni,nj->nij", *rows).reshape(len(rows[0]), -1)
    assert h.shape[1] == 3 * 4
    for i in range(len(head_units)):
        (kernel,) = model.get_layer(f"central_dense{i}").get_weights()
        norm = model.get_layer(f"central_dense{i}_bn")
        gamma, beta, mean, variance = norm.get_weights()
        h = np.maximum((h @ kernel - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta, 0)
    kernel, bias = model.get_layer("central_logits").get_weights()
    scores = np.exp(h @ kernel + bias)
    expected = scores / scores.sum(1, keepdims=True)
    np.testing.assert_allclose(outputs(model, x)["central"], expected, rtol=1e-4, atol=1e-6)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.5] and model.fusion_weights() == {}


@pytest.mark.parametrize(("n", "width"), [(2, 32), (3, 32), (4, 15), (5, 8), (16, 1)])
def test_widths_by_default(n, width):
    with keras.StatelessScope(initialize_variables=False):
        model = build_tensor_fusion([vector_net(f"net{i}") for i in range(n)], head_units=())
        shape = model.get_layer("fusion_0").output.shape
    assert shape == (None, (width + 1) ** n) and shape[1] <= 2**16


def test_every_weight_is_trained():
    model = build_tensor_fusion(nets(), fusion_units=3, head_units=(4,), dropout=0.0)
    randomize(model)
    for name in nets():
        model.get_layer(f"{name}_project").bias.assign([3.0] * 3)  # no ReLU is closed
    assert untrained_weights(model, batch(model), labels()) == []


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"fusion_units": 300}, r"max_size=65536 products. Received: 301 \* 301 = 90601"),
        ({"fusion_units": 2, "max_size": 8}, r"max_size=8 products. Received: 3 \* 3 = 9"),
        ({"fusion_units": 0}, "fusion_units: expected an int >= 1. Received: 0"),
        ({"fusion_units": {"a": 3}}, r"fusion_units: expected the modalities \['a', 'b'\]"),
        ({"fusion_units": {"a": 3, "b": 0.5}}, r'fusion_units\["b"\]: expected an int'),
    ],
)
def test_errors(arguments, match):
    with pytest.raises(ValueError, match=match):
        build_tensor_fusion(nets(), **arguments)
