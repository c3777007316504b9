"""What backbones share, or have alike, in every form in which a model is kept.

Each of these gives the same predictions back, or one of our errors: never another model.
"""

import contextlib

import keras
import numpy as np
import pytest
from helpers.tiny import BATCH, assert_close, compiled, labels, outputs, randomize
from keras import layers

import keras_fusion as kf


def net(*hidden, shape=(5,), name=None):
    """Its layers have the names that all nets here have."""
    x = inputs = keras.Input(shape, name="input")
    for layer in hidden:
        x = layer(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="out")(x), name=name)


def dense(name="hidden"):
    return layers.Dense(4, activation="tanh", name=name)


def normalized():
    return net(dense(), layers.BatchNormalization(name="norm"), layers.Dropout(0.1, name="drop"))


def one_model():
    model = normalized()
    return {"a": model, "b": model}


def sharing(*shared, own=dense, shape=(5,)):
    return {"a": net(*shared, own("one"), shape=shape), "b": net(*shared, own("two"), shape=shape)}


def shared_lookup():
    lookup = layers.IntegerLookup(name="lookup")
    lookup.adapt([3, 5])
    return sharing(lookup, layers.Embedding(9, 4, name="emb"), layers.Flatten(), shape=(6,))


def shared_stage():
    model = net(dense("low"), dense("high"))
    return {"a": model, "b": keras.Model(model.input, dense()(model.get_layer("low").output))}


@keras.saving.register_keras_serializable(package="test_sharing")
class AddsWhatIsThere(layers.Layer):
    def call(self, x, extra=None):
        return x if extra is None else x + keras.ops.sum(extra, -1, keepdims=True)

    def compute_output_shape(self, x_shape, extra_shape=None):
        return x_shape


def optional_input():
    inputs = {
        "main": keras.Input((5,), name="main"),
        "extra": keras.Input((4,), name="extra", optional=True),
    }
    x = AddsWhatIsThere(name="adds")(inputs["main"], inputs["extra"])
    x = layers.Dense(3, activation="softmax", name="out")(dense()(x))
    return {"a": keras.Model(inputs, x), "b": net(dense())}


# What is built; what the error says where that is refused.
KINDS = {
    "one model": (one_model, None),
    "one architecture": (lambda: {"a": normalized(), "b": normalized()}, None),
    "one architecture and name": (
        lambda: {"a": net(dense(), name="net"), "b": net(dense(), name="net")},
        None,
    ),
    "a layer without state": (lambda: sharing(layers.Rescaling(2.0, name="scale")), None),
    "an optional input": (optional_input, None),
    "a layer": (lambda: sharing(dense()), '"hidden", which is in "a" too'),
    "an embedding": (
        lambda: sharing(layers.Embedding(9, 4, name="emb"), layers.Flatten(), shape=(6,)),
        '"emb", which is in "a"',
    ),
    "an encoder": (
        lambda: sharing(net(dense(), name="encoder")),
        '"encoder", which is in "a"',
    ),
    "words": (shared_lookup, '"lookup", which is in "a"'),
    "dropout": (lambda: sharing(dense("x"), layers.Dropout(0.5, name="drop")), '"x", which'),
    "stages": (shared_stage, '"low", which is in "a"'),
}


def saved(model, again, folder, name):
    model.save(folder / name)
    return keras.models.load_model(folder / name, custom_objects={**vars(kf.layers), **vars(kf)})


def weights(model, again, folder):
    model.save_weights(folder / "model.weights.h5")
    again.load_weights(folder / "model.weights.h5")
    return again


def tree(model, again, folder):
    again.set_state_tree(model.get_state_tree(value_format="numpy_array"))
    found, expected = again.optimizer.variables, model.optimizer.variables
    assert len(found) == len(expected) > 10
    for variable, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(variable, other)
    return again


def cloned(model, again, folder):
    clone = type(model).from_config(model.get_config())
    clone.set_weights(model.get_weights())
    with pytest.raises(TypeError, match="clone_model does not hand them on: use FusionModel.from"):
        keras.models.clone_model(model)
    return clone


# How it is kept; whether layers of one name in two backbones are refused there.
WAYS = {
    ".keras": (lambda *a: saved(*a, "model.keras"), False),
    ".h5": (lambda *a: saved(*a, "model.h5"), True),
    ".weights.h5": (weights, False),
    "get_state_tree": (tree, False),
    "config": (cloned, False),
}


def trained(nets):
    """The model after a step, and what it was fed."""
    model = kf.build_gmu(nets, fusion_units=4, unimodal_loss_weights=1.0)
    compiled(model, keras.optimizers.Adam(name="adam"))  # else every one has a number
    rng = np.random.default_rng(0)
    x = {
        "a": rng.normal(size=(BATCH, 5)).astype("float32"),
        "b": rng.normal(size=(BATCH, 5)).astype("float32"),
    }
    if isinstance(model.input["a"], dict):
        x["a"] = {"main": x["a"], "extra": rng.normal(size=(BATCH, 4)).astype("float32")}
    model.train_on_batch(x, labels())
    return model, x


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("kind", KINDS)
def test_sharing(kind, tmp_path):
    make, refused = KINDS[kind]
    if make is shared_lookup:
        pytest.importorskip("tensorflow")
    if refused:
        with pytest.raises(ValueError, match=f"layers of its own.*Received: {refused}"):
            kf.build_gmu(make())
        return
    model, x = trained(make())
    randomize(model)
    expected = outputs(model, x)
    is_twice = kind.startswith(("one architecture", "a layer", "an optional"))
    for keep, refuses_twice in WAYS.values():
        again = trained(make())[0]
        refusal = pytest.raises(ValueError, match=r'ends in ".keras".*comes twice.*Received: .*h5')
        with refusal if refuses_twice and is_twice else contextlib.nullcontext():
            assert_close(outputs(keep(model, again, tmp_path), x), expected)
    if kind == "an optional input":
        without = {**x, "a": {**x["a"], "extra": None}}
        none = outputs(model, {**x, "a": {**x["a"], "extra": np.zeros((BATCH, 4), "float32")}})
        assert_close(model.predict(without, verbose=0), none)
        masked = kf.build_gmu(make(), missing_modalities=True)
        assert np.isfinite(masked.predict(without, verbose=0)["central"]).all()


def test_one_model_twice_in_an_ensemble_on_one_input(tmp_path):
    model = kf.build_ensemble(one_model(), inputs="x")
    x = {"x": np.ones((BATCH, 5))}
    assert_close(outputs(saved(model, None, tmp_path, "model.keras"), x), outputs(model, x))
    hidden = keras.Model(inputs := keras.Input((5,)), dense()(inputs))
    with pytest.raises(ValueError, match='a model of its own for "b".*one that is there twice'):
        kf.build_ensemble({"a": hidden, "b": hidden}, inputs="x", num_classes=3)


def test_a_tree_of_other_layers_is_refused():
    model, _ = trained(KINDS["one model"][0]())
    values = model.get_state_tree()
    values["trainable_variables"]["strange"] = {"kernel": np.ones((2, 2))}
    with pytest.raises(ValueError, match='expected layers named as those of "gmu".*strange/kernel'):
        model.set_state_tree(values)
    with pytest.raises(ValueError, match="value_format: expected one of .*Received: 'list'"):
        model.get_state_tree("list")


def test_orbax(tmp_path):
    """Keras' own callback and loaders."""
    pytest.importorskip("orbax.checkpoint")
    callback = getattr(keras.callbacks, "OrbaxCheckpoint", None)
    if callback is None:
        pytest.skip("this Keras has no OrbaxCheckpoint")
    model, x = trained(KINDS["one architecture"][0]())
    model.fit(x, labels(), verbose=0, callbacks=[callback(tmp_path / "kept")])
    again, _ = trained(KINDS["one architecture"][0]())
    again.load_weights(tmp_path / "kept")
    assert_close(outputs(again, x), outputs(model, x))
    assert_close(outputs(keras.models.load_model(tmp_path / "kept"), x), outputs(model, x))
