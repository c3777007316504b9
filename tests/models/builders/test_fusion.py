"""A layer of the user's own as a fusion method: on features, tokens and levels."""

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
    randomize,
    reloaded,
    sequence_net,
    untrained_weights,
    vector_net,
)
from keras import ops

import keras_fusion as kf


def nets():
    """Not in the order of their names."""
    return {"sound": vector_net("one", units=(4, 3)), "image": map_net("two")}


@keras.saving.register_keras_serializable("test_fusion")
class Weighted(keras.layers.Layer):
    """2 h_1 + 3 h_2 + 4 h_3 ...: takes neither `present` nor `central`."""

    def call(self, modalities):
        return sum((k + 2.0) * hidden for k, hidden in enumerate(modalities))


@keras.saving.register_keras_serializable("test_fusion")
class Counting(keras.layers.Layer):
    """The sum, and how many are there; takes `present`, but no `central`."""

    def call(self, modalities, present=None):
        total = sum(modalities)
        if present is None:
            return total
        count = ops.sum(ops.cast(present, total.dtype), axis=1)
        return total + 0.5 * ops.reshape(count, (-1,) + (1,) * (len(total.shape) - 1))


def test_is_the_method_that_has_the_layer():
    ours = kf.build_gmu(nets(), fusion_units=4, dropout=0.3, unimodal_loss_weights=0.5)
    layer = kf.layers.GatedMultimodalUnit(4, name="fusion_0")
    model = kf.build_fusion(nets(), layer, dropout=0.3, unimodal_loss_weights=0.5)
    randomize(ours)
    model.set_weights(ours.get_weights())
    x = batch(ours)
    assert_close(outputs(model, x), outputs(ours, x))
    assert model.fusion_levels == ours.fusion_levels == {"level_0": "4"}
    assert model.fusion_weights(x) == ours.fusion_weights(x)
    assert {layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)} == {
        0.3
    }


@pytest.mark.parametrize("head_units", [(), (6, 5)])
def test_hidden_layers_after_the_fusion(head_units):
    backbones = [vector_net("one", units=(4,)), vector_net("two", units=(4,))]
    model = kf.build_fusion(backbones, keras.layers.Add(), head_units=head_units, dropout=0.1)
    found = [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert found == [*head_units, 3]
    assert untrained_weights(model, batch(model), labels()) == []


@pytest.mark.parametrize("layer", [Weighted, Counting])
def test_absent_modalities_reach_nothing(layer, tmp_path):
    backbones = {"b": vector_net("one", units=(4,)), "a": vector_net("two", units=(4,))}
    model = kf.build_fusion(backbones, layer(name="mine"), missing_modalities=True)
    randomize(model)
    x = batch(model)
    x["present"] = np.array([[1, 1], [0, 1], [1, 0], [1, 1]])  # a, b
    found = outputs(model, x)["central"]
    x["a"][1], x["b"][2] = np.nan, np.nan
    np.testing.assert_array_equal(outputs(model, x)["central"], found)
    assert_close(outputs(reloaded(model, tmp_path), x), {"central": found})
    if layer is Counting:
        return  # it has the mask, and makes of an absent one's placeholder what it likes
    # The other one's features alone, times the factor of its place: b is the first.
    features = keras.Model(backbones["a"].input, backbones["a"].get_layer("dense0").output)
    hidden = 3 * ops.convert_to_numpy(features(x["a"][2:3]))
    kernel, bias = model.get_layer("central_logits").get_weights()
    expected = ops.convert_to_numpy(ops.softmax(hidden @ kernel + bias))
    np.testing.assert_allclose(found[2:3], expected, rtol=1e-5)


def test_tokens_and_a_layer_with_several_outputs():
    backbones = {"words": sequence_net("one"), "image": map_net("two", filters=(2, 2))}
    attention = kf.layers.CrossModalAttention(4, num_heads=2)
    model = kf.build_fusion(backbones, attention, on="tokens")
    shapes = [tuple(tensor.shape[1:]) for tensor in attention.input]
    assert shapes == [(2, 3), (2, 2, 2)]
    assert model.get_layer("central_concat").output.shape == (None, 8)
    assert untrained_weights(model, batch(model), labels()) == []


def test_levels_are_those_of_a_centralnet():
    backbones = [map_net("one"), map_net("two")]
    ours = kf.build_centralnet(backbones, dropout=0.0)
    model = kf.build_fusion(
        backbones, kf.layers.CentralFusion(name="fusion"), on="levels", unimodal_loss_weights=1.0
    )
    randomize(ours)
    model.set_weights(ours.get_weights())
    x = batch(ours)
    assert_close(outputs(model, x), outputs(ours, x))
    assert model.fusion_levels == ours.fusion_levels
    assert model.fusion_weights() == ours.fusion_weights()


@pytest.mark.parametrize("layer", [Weighted, Counting])
@pytest.mark.parametrize("missing", [False, True])
def test_levels_of_any_layer(layer, missing, tmp_path):
    """The inputs, two maps, the logits; the center is one more tensor, and always there."""
    backbones = [map_net("one"), map_net("two")]
    model = kf.build_fusion(
        backbones, layer(name="mine"), on="levels", missing_modalities=missing, dropout=0.2
    )
    made = [model.get_layer(f"mine_{i}") for i in range(4)]
    shapes = [tuple(layer.output.shape[1:]) for layer in made]
    assert shapes == [(8, 8, 1), (4, 4, 2), (2, 2, 3), (3,)]
    x = batch(model)
    compiled(model).train_on_batch(x, labels())
    if missing:
        x["present"] = np.array([[1, 1], [0, 1], [1, 0], [1, 1]])
        found = outputs(model, x)
        x["one"][1] = np.nan
        assert_close(outputs(model, x), found)
    assert_close(outputs(reloaded(model, tmp_path), x), outputs(model, x))


def test_levels_of_a_layer_with_a_width_of_its_own():
    backbones = [vector_net("one", units=(4,)), vector_net("two", units=(4,))]
    unit = kf.layers.GatedMultimodalUnit(6, name="unit")
    model = kf.build_fusion(
        backbones, unit, on="levels", taps={n: ["dense0"] for n in ("one", "two")}
    )
    assert model.fusion_levels == {"level_0": "6", "level_1": "prediction"}
    assert model.get_layer("central_scores").output.shape == (None, 3)
    assert untrained_weights(model, batch(model), labels()) == []


def test_the_center_counts_as_present_in_a_layer_without_central():
    model = kf.build_fusion(
        [map_net("one"), map_net("two")], Counting(name="mine"), on="levels",
        missing_modalities=True,
    )  # fmt: skip
    mask = model.get_layer("mine_1").input
    columns = [tuple(t.shape[1:]) for t in keras.tree.flatten(mask)]
    assert columns == [(4, 4, 2), (4, 4, 2), (4, 4, 2), (3,)]


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"layer": "gmu"}, TypeError, "layer: expected a Keras layer. Received: 'gmu'"),
        ({"on": "scores"}, ValueError, "on: expected one of .*'levels'.* Received: 'scores'"),
        ({"head_units": 4}, TypeError, "head_units: expected a sequence of ints. Received: 4"),
        ({"head_units": (4,), "on": "levels"}, ValueError, r"head_units: expected \(\) with"),
        ({"dropout": 1.0}, ValueError, r"dropout: expected a float in \[0, 1\)"),
    ],
)
def test_errors(arguments, error, match):
    with pytest.raises(error, match=match):
        kf.build_fusion(**{"backbones": nets(), "layer": Weighted(), **arguments})
