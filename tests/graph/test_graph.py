"""A network opened at inner tensors: the same numbers, the same weights, nothing made anew."""

import keras
import numpy as np
import pytest
from helpers.tiny import vector_net
from keras import Sequential, layers

from keras_fusion.graph._reading import open_at, steps


def inner(name="inner"):
    return Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, activation="tanh", name="low"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(3, activation="tanh", name="high"),
        ],
        name=name,
    )


def nested():
    """Inside and outside layers, a skip over the nested model, and a layer with keywords."""
    inputs = keras.Input((4,), name="vector")
    x = layers.Dense(4, activation="tanh", name="before")(inputs)
    middle = Sequential([keras.Input((4,)), inner()], name="middle")(x)
    x = layers.Concatenate(name="join")([middle, x])
    x = layers.Dropout(0.5, name="after")(x)
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="out")(x), name="outer")


def by_hand(model, x):
    """What every layer of `nested()` makes, layer after layer."""
    inside = model.get_layer("middle").layers[-1]
    found = {"vector": x, "before": model.get_layer("before")(x)}
    found["middle/inner/low"] = inside.get_layer("low")(found["before"])
    found["middle"] = inside.get_layer("high")(found["middle/inner/low"])
    found["join"] = keras.ops.concatenate([found["middle"], found["before"]], axis=-1)
    found["out"] = model.get_layer("out")(found["join"])
    return found


@pytest.mark.parametrize(
    "paths",
    [
        ["out"],
        ["before", "out"],
        ["middle/inner/low", "join", "out"],
        ["vector", "before", "middle/inner/low", "middle", "join", "out"],
        ["out", "middle/inner/low", "before"],  # in the order asked for
    ],
)
def test_opened_network_is_the_same_network(paths):
    model = nested()
    count = len(model.variables)
    opened = open_at(model, paths, name="opened")
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    expected = by_hand(model, x)
    for path, found in zip(paths, keras.tree.flatten(opened.predict_on_batch([x])), strict=True):
        np.testing.assert_allclose(
            found, keras.ops.convert_to_numpy(expected[path]), rtol=1e-5, atol=1e-6, err_msg=path
        )
    assert opened.name == "opened"
    assert {id(v) for v in opened.weights} <= {id(v) for v in model.weights}
    assert len(model.variables) == count, "the network itself is as it was"


def test_opened_network_survives_saving(tmp_path):
    model = nested()
    opened = open_at(model, ["middle/inner/low", "out"])
    opened.save(tmp_path / "opened.keras")
    loaded = keras.models.load_model(tmp_path / "opened.keras")
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    for found, expected in zip(
        loaded.predict_on_batch([x]), opened.predict_on_batch([x]), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_training_argument_reaches_opened_models():
    # The dropout inside acts in training only, as it did before.
    opened = open_at(nested(), ["middle/inner/low", "middle"])
    x = np.ones((64, 4), "float32")
    low, middle = (keras.ops.convert_to_numpy(t) for t in opened([x], training=True))
    assert np.ptp(low, axis=0).max() == 0
    assert np.ptp(middle, axis=0).max() > 0
    _, middle = (keras.ops.convert_to_numpy(t) for t in opened([x], training=False))
    assert np.ptp(middle, axis=0).max() < 1e-6


def test_steps_are_in_the_order_of_computation():
    seen = set()
    for step in steps(nested()):
        assert all(id(tensor) in seen for tensor in step.inputs), step.path
        seen.update(id(tensor) for tensor in step.tensors)
    assert [step.path for step in steps(vector_net())][1:] == ["dense0", "prediction"]
