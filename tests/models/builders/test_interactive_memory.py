"""build_interactive_memory: memories, the modality that asks, heads, absent ones."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    BATCH,
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
from keras import ops

from keras_fusion import export_saved_model
from keras_fusion.models import build_interactive_memory

only_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="SavedModels are TensorFlow's"
)


def nets():
    return {
        "aspect": vector_net("net_aspect"),
        "image": map_net("net_image", size=4, filters=(2,)),
        "text": sequence_net("net_text", length=4, filters=(3,)),
    }


def by_hand(model, states):
    """The central prediction, from the states that the layer gives."""
    kernel, bias = model.get_layer("central_logits").get_weights()
    scores = np.exp(ops.convert_to_numpy(states) @ kernel + bias)
    return scores / scores.sum(1, keepdims=True)


def features(given, x):
    """What comes out of the backbones at their last tokens, in the order aspect, image, text."""
    ends = {"aspect": "dense0", "image": "pool0", "text": "pool0"}
    return [
        keras.Model(given[n].input, given[n].get_layer(end).output)(x[n]) for n, end in ends.items()
    ]


@pytest.mark.parametrize("query", [None, "aspect"])
def test_is_the_network_by_hand(query):
    given = nets()
    model = build_interactive_memory(given, query=query, fusion_units=4, hops=2, dropout=0.5)
    randomize(model)
    x = batch(model)
    memory = model.get_layer("fusion_0")
    aspect, image, text = features(given, x)
    states = memory([image, text], query=aspect) if query else memory([aspect, image, text])
    assert states.shape == (BATCH, 8 if query else 12) and memory.hops == 2
    np.testing.assert_allclose(
        outputs(model, x)["central"], by_hand(model, states), rtol=1e-4, atol=1e-6
    )
    assert model.fusion_weights() == {} and list(model.output) == ["central"]
    assert model.modalities == (["image", "text", "aspect"] if query else list(given))


def test_every_weight_learns():
    """The query too has a head of its own. Of a single token there is nothing to choose."""
    given = {**nets(), "film": video_net("net_film", length=2, size=4, filters=(2,))}
    model = build_interactive_memory(given, query="text", fusion_units=4, unimodal_loss_weights=1.0)
    randomize(model)
    assert sorted(model.output) == ["aspect", "central", "film", "image", "text"]
    still = untrained_weights(model, batch(model), labels())
    assert {path.removeprefix("fusion_0/") for path in still} <= {"keys_0/kernel", "keys_0/bias"}


def test_fit_and_save(tmp_path):
    given = {
        "a": map_net("same", size=4, filters=(2,)),
        "b": map_net("same", size=6, filters=(2,)),
        "c": sequence_net(length=None, filters=(2,)),
    }
    model = build_interactive_memory(
        given, query="b", fusion_units=4, max_tokens=2, dropout=0.2, unimodal_loss_weights={"a": 2}
    )
    assert model.get_layer("a_pool_level_0").output.shape == (None, 1, 1, 2)
    compiled(model, "adam")
    x = batch(model)
    model.fit(x, labels(), verbose=0)
    loaded = reloaded(model, tmp_path)
    assert_close(outputs(loaded, x), outputs(model, x))
    loaded.fit(x, labels(), verbose=0)


@only_tensorflow
def test_export(tmp_path):
    import tensorflow as tf

    model = build_interactive_memory(nets(), query="aspect", fusion_units=4)
    randomize(model)
    x = batch(model)
    export_saved_model(model, tmp_path / "model")
    served = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    found = served(**{name: tf.constant(array) for name, array in x.items()})
    np.testing.assert_allclose(
        found["central"].numpy(), outputs(model, x)["central"], rtol=1e-4, atol=1e-6
    )


def test_absent_modalities():
    """The columns of `present` are in the order of the names; the layer wants the query last."""
    given = {
        "a": norm_net("net_a"),
        "c": sequence_net("net_c", length=4, filters=(3,)),
        "b": map_net("net_b", size=4, filters=(2,)),
    }
    model = build_interactive_memory(given, query="a", fusion_units=4, missing_modalities=True)
    randomize(model)
    x = batch(model)
    present = np.ones((BATCH, 3), "float32")
    whole = outputs(model, x)["central"]
    np.testing.assert_allclose(outputs(model, {**x, "present": present})["central"], whole)
    present[:3] = [[0, 1, 1], [1, 0, 1], [0, 1, 0]]  # a, b, c
    holes = {n: x[n].copy() for n in x}
    for column, n in enumerate("abc"):
        holes[n][present[:, column] == 0] = np.nan
    holes["present"] = present
    found = outputs(model, holes)["central"]
    np.testing.assert_allclose(found[3:], whole[3:], rtol=1e-5, atol=1e-6)
    memory = model.get_layer("fusion_0")
    node = memory._inbound_nodes[0].arguments
    c, b, a = keras.Model(model.input, [*node.args[0], node.kwargs["query"]])(holes)
    assert [t.shape[-1] for t in (c, b)] == memory.widths and a.shape[-1] == memory.query_width
    states = memory([c, b], query=a, present=present[:, [2, 1, 0]])
    np.testing.assert_allclose(found, by_hand(model, states), rtol=1e-4, atol=1e-6)
    assert not np.any(ops.convert_to_numpy(states)[1, 4:])
    compiled(model)
    model.fit(holes, labels(), verbose=0)
    assert all(np.all(np.isfinite(w)) for w in model.get_weights())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": "x"}, "query: expected one of .'a', 'b'.. Received: 'x'"),
        ({"query": "a"}, "backbones: expected two or more besides the query. Received: .'b'."),
        ({"fusion_units": 0}, "units: expected an int >= 1. Received: 0"),
        ({"hops": 1.5}, "hops: expected an int >= 1. Received: 1.5"),
        ({"dropout": 2}, "dropout: expected a float in .0, 1.. Received: 2"),
        ({"max_tokens": None}, "max_tokens: expected an int >= 1. Received: None"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_interactive_memory([vector_net("a"), vector_net("b")], **arguments)
