"""build_cross_attention: tokens and masks of the backbones, the network by hand, absent ones."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    BATCH,
    CLASSES,
    OneBatch,
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

from keras_fusion import export_saved_model
from keras_fusion.models import build_cross_attention

TAPS = {"text": ["words"], "image": ["pool0"]}
only_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="SavedModels are TensorFlow's"
)


def text_net(name="net_text"):
    """Words from an embedding whose mask travels; 0 is padding."""
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(7, 4, mask_zero=True, name="embedding")(ids)
    x = layers.Dense(3, activation="tanh", name="words")(x)
    x = layers.GlobalAveragePooling1D(name="average")(x)
    return keras.Model(ids, layers.Dense(CLASSES, activation="softmax", name="end")(x), name=name)


def words_and_image(count=BATCH):
    rng = np.random.default_rng(5)
    ids = rng.integers(1, 7, size=(count, 5)).astype("int32")
    return {"text": ids, "image": rng.normal(size=(count, 4, 4, 1)).astype("float32")}


def build(**arguments):
    nets = {"text": text_net(), "image": map_net("net_image", size=4, filters=(2,))}
    arguments = {"fusion_units": 4, "num_heads": 2, "taps": TAPS, **arguments}
    return build_cross_attention(nets, **arguments), nets


def classified(model, fused):
    """The central prediction by hand, from what is concatenated."""
    kernel, bias = model.get_layer("central_logits").get_weights()
    scores = np.exp(ops.convert_to_numpy(fused) @ kernel + bias)
    return scores / scores.sum(1, keepdims=True)


def test_is_the_network_by_hand():
    """Means over the tokens that count, of an attention over words and places."""
    model, nets = build(dropout=0.5, attention_dropout=0.5)
    randomize(model)
    x = words_and_image()
    x["text"][1:, 3:] = 0
    layer = model.get_layer("fusion_0")
    words = keras.Model(nets["text"].input, nets["text"].get_layer("words").output)
    places = keras.Model(nets["image"].input, nets["image"].get_layer("pool0").output)
    expected = []
    for sample in range(BATCH):
        ids = x["text"][[sample]]
        tensors = [ops.convert_to_tensor(words(ids[ids > 0][None])), places(x["image"][[sample]])]
        expected.append(classified(model, ops.concatenate(layer(tensors), axis=1))[0])
    np.testing.assert_allclose(outputs(model, x)["central"], expected, rtol=1e-4, atol=1e-5)
    assert model.fusion_weights() == {} and list(model.output) == ["central"]
    assert not any("end" in weight.path for weight in model.weights)


@pytest.mark.parametrize("missing_modalities", [False, True])
def test_padding_changes_nothing(missing_modalities):
    model, _ = build(missing_modalities=missing_modalities, unimodal_loss_weights=0.5)
    randomize(model)
    x = words_and_image()
    padded = {**x, "text": np.pad(x["text"], [(0, 0), (0, 3)])}
    assert_close(outputs(model, padded), outputs(model, x), atol=1e-5)
    x["text"][:, -1] = 0
    assert np.abs(outputs(model, x)["central"] - outputs(model, padded)["central"]).max() > 1e-4


def shapes(model):
    return [tuple(t.shape[1:]) for t in keras.tree.flatten(model.get_layer("fusion_0").input)]


def recurrent_net(reader, name):
    inputs = x = keras.Input((8, 2))
    x = layers.Conv1D(3, 1, name="conv")(x)
    x = layers.Dense(4, activation="tanh", name="dense")(reader(x))
    return keras.Model(
        inputs, layers.Dense(CLASSES, activation="softmax", name="end")(x), name=name
    )


def test_tokens_are_the_last_ones_there_are():
    """Not the vector after the last map; unless a recurrent layer has read the sequence."""
    deep = map_net("deep")
    x = layers.Dense(5, activation="relu", name="dense")(deep.get_layer("flatten").output)
    deep = keras.Model(
        deep.input, layers.Dense(CLASSES, activation="softmax", name="end")(x), name="deep"
    )
    nets = {
        "map": deep,
        "read": recurrent_net(layers.GRU(3), "read"),
        "read_twice": recurrent_net(layers.Bidirectional(layers.GRU(3)), "read_twice"),
        "sequence": sequence_net(),
        "vector": vector_net(units=(6, 7)),
        "video": video_net(),
    }
    expected = [(2, 2, 3), (4,), (4,), (2, 3), (7,), (4, 2, 2, 3)]
    assert shapes(build_cross_attention(nets, fusion_units=4)) == expected
    heads = build_cross_attention(nets, fusion_units=4, unimodal_loss_weights=1.0)
    assert shapes(heads) == expected and len(heads.output) == 7
    few = build_cross_attention(nets, fusion_units=4, max_tokens=3)
    assert shapes(few) == [(1, 1, 3), (4,), (4,), (2, 3), (7,), (2, 1, 1, 3)]


def test_every_weight_learns():
    model, _ = build(unimodal_loss_weights=1.0)
    randomize(model)
    assert sorted(model.output) == ["central", "image", "text"]
    assert untrained_weights(model, words_and_image(), labels()) == []


def test_fit_and_save(tmp_path):
    nets = {
        "a": map_net("same", size=4, filters=(2,)),
        "b": map_net("same", size=6, filters=(2,)),
        "c": sequence_net(length=None, filters=(2,)),
    }
    model = build_cross_attention(
        nets, fusion_units=4, attention_dropout=0.2, dropout=0.2, unimodal_loss_weights={"a": 0.5}
    )
    compiled(model, "adam")
    x = batch(model)
    model.fit(x, labels(), verbose=0)
    loaded = reloaded(model, tmp_path)
    assert_close(outputs(loaded, x), outputs(model, x))
    loaded.fit(x, labels(), verbose=0)


@only_tensorflow
def test_export(tmp_path):
    import tensorflow as tf

    model, _ = build(missing_modalities=True)
    randomize(model)
    x = words_and_image()
    x["text"][:, 3:] = 0
    export_saved_model(model, tmp_path / "model")
    served = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    found = served(**{k: tf.constant(v) for k, v in x.items()})
    np.testing.assert_allclose(
        found["central"].numpy(), outputs(model, x)["central"], rtol=1e-4, atol=1e-6
    )


def test_absent_modalities():
    """Columns in the order of the sorted names, which is not that of the backbones."""
    nets = {
        "b": map_net("net_b", size=4, filters=(2,)),
        "a": norm_net("net_a"),
        "c": sequence_net("net_c", length=4, filters=(3,)),
    }
    model = build_cross_attention(nets, fusion_units=4, missing_modalities=True)
    randomize(model)
    x = batch(model)
    present = np.ones((BATCH, 3), "float32")
    whole = outputs(model, x)["central"]
    np.testing.assert_allclose(outputs(model, {**x, "present": present})["central"], whole)
    present[0], present[1], present[2] = [0, 1, 1], [0, 1, 0], [0, 0, 0]
    holes = dict(x, a=np.where(present[:, :1], x["a"], np.nan), present=present)
    found = outputs(model, holes)["central"]
    np.testing.assert_allclose(found[3:], whole[3:], rtol=1e-5, atol=1e-6)
    # Absent ones are no keys, and zeros in the classifier.
    layer = model.get_layer("fusion_0")
    b, a, c = keras.Model(model.input, layer.input[:3])(holes)
    zeros = np.zeros((1, 4))
    assert layer.widths == [b.shape[-1], a.shape[-1], c.shape[-1]]
    only = layer([b, a, c], present=np.array([[1, 0, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1]]))
    only = [ops.convert_to_numpy(y) for y in only]
    np.testing.assert_allclose(found, classified(model, np.concatenate(only, 1)), rtol=1e-4)
    assert np.any(only[0][1]) and np.all(only[1][:3] == zeros) and not np.any(only[2][1])
    compiled(model)
    model.fit(OneBatch(holes, labels()), verbose=0)
    assert all(np.all(np.isfinite(w)) for w in model.get_weights())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fusion_units": 6}, "units: expected a multiple of num_heads=4. Received: 6"),
        ({"attention_dropout": 1.0}, "dropout: expected a float in .0, 1.. Received: 1.0"),
        ({"dropout": 2}, "dropout: expected a float in .0, 1.. Received: 2"),
        ({"max_tokens": 0}, "max_tokens: expected an int >= 1. Received: 0"),
        (
            {"residual": False, "missing_modalities": True},
            "residual: expected True with missing_modalities=True.*Received: False",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_cross_attention([vector_net("a"), vector_net("b")], **arguments)
