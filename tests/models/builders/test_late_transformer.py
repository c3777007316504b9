"""build_late_transformer: the network by hand, tokens, masks and fusion weights."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    compiled,
    labels,
    map_net,
    outputs,
    reloaded,
    untrained_weights,
    vector_net,
)
from keras import layers

from keras_fusion.models import build_late_transformer

SMALL = {"fusion_units": 4, "num_layers": 2, "num_heads": 2, "feedforward_units": 32}


def text_net():
    """Words from an embedding whose mask travels; 0 is padding."""
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(7, 4, mask_zero=True, name="embedding")(ids)
    x = layers.Dense(3, activation="tanh", name="words")(x)
    x = layers.GlobalAveragePooling1D(name="average")(x)
    return keras.Model(ids, layers.Dense(3, activation="softmax", name="end")(x), name="net_text")


def test_is_the_network_by_hand():
    nets = {"b": vector_net("one"), "a": map_net("two")}
    model = build_late_transformer(nets, dropout=0.3, unimodal_loss_weights=0.5, **SMALL)
    x = batch(model)
    sound = keras.Model(nets["b"].input, nets["b"].get_layer("dense0").output)
    image = keras.Model(nets["a"].input, nets["a"].get_layer("pool1").output)
    layer = model.get_layer("fusion_0")
    assert (layer.dropout, layer.norm, layer.num_layers) == (0.3, "post", 2)
    fused = layer([sound(x["b"]), keras.ops.mean(image(x["a"]), axis=(1, 2))])
    scores = keras.ops.softmax(model.get_layer("central_logits")(fused))
    found = outputs(model, x)
    np.testing.assert_allclose(found["central"], keras.ops.convert_to_numpy(scores), rtol=1e-5)
    assert sorted(found) == ["a", "b", "central"]
    assert untrained_weights(model, x, labels()) == []


@pytest.mark.parametrize("missing_modalities", [False, True])
def test_all_tokens_and_their_masks(missing_modalities, tmp_path):
    """Padding changes neither predictions nor fusion weights, also after loading."""
    nets = {"text": text_net(), "image": map_net("net_image", size=4, filters=(2,))}
    model = build_late_transformer(
        nets, tokens="all", taps={"text": ["words"], "image": ["pool0"]},
        missing_modalities=missing_modalities, **SMALL,
    )  # fmt: skip
    rng = np.random.default_rng(5)
    x = {
        "text": rng.integers(1, 7, size=(4, 5)).astype("int32"),
        "image": rng.normal(size=(4, 4, 4, 1)).astype("float32"),
    }
    assert [tuple(t.shape[1:]) for t in model.get_layer("fusion_0").input[:2]] == [
        (None, 3),
        (2, 2, 2),
    ]
    padded = {**x, "text": np.pad(x["text"], [(0, 0), (0, 3)])}
    for made in (model, reloaded(model, tmp_path)):
        assert_close(outputs(made, padded), outputs(model, x), atol=1e-5)
        shares = [
            m.fusion_weights(f, per_sample=True)["level_0"] for m, f in ((made, padded), (model, x))
        ]
        assert_close(*shares, atol=1e-5)
        np.testing.assert_allclose(shares[0]["text"] + shares[0]["image"], 1, rtol=1e-5)


@pytest.mark.slow
def test_learns():
    """Post-norm from the start, at an ordinary rate: two noisy views of a class."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 96)
    x = {name: rng.normal(size=(96, 5)) + 2 * np.eye(3, 5)[y] for name in ("a", "b")}
    nets = {name: vector_net(f"net_{name}", units=(8,)) for name in x}
    model = build_late_transformer(nets, **{**SMALL, "fusion_units": 8})
    compiled(model, keras.optimizers.Adam(0.01), metrics=["accuracy"], run_eagerly=False)
    model.fit(x, y, batch_size=32, epochs=12, verbose=0)
    assert model.evaluate(x, y, verbose=0, return_dict=True)["central_accuracy"] > 0.85


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokens": "two"}, "tokens: expected one of .*Received: 'two'"),
        ({"fusion_units": 6}, "units: expected a multiple of num_heads=4. Received: 6"),
        ({"dropout": 1.0}, "dropout: expected a float in .0, 1.. Received: 1.0"),
        ({"tokens": "all", "max_tokens": 0}, "max_tokens: expected an int >= 1. Received: 0"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_late_transformer([vector_net("one"), vector_net("two")], **arguments)
