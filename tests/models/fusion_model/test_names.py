"""Names of modalities, heads and models: they work everywhere, or are refused when built."""

import json
import os

import keras
import numpy as np
import pytest
from keras import layers

import keras_fusion as kf
from keras_fusion.models import FusionModel

WORKING = ["a.b", "1st-x>y", "x" * 200]
REFUSED = [
    *("left hand", "Größe", "a:b", "a\\b", "日本", "it's", "a\nb", " ", "a,b", "a(1)", "$x", "b*"),
    *("a|b", "a=b", "a@b", "a#b", "a?b", "a%b", '"', "{a}", "a;b"),
]
MESSAGE = "expected names of letters from A to Z, digits and .*Received: "


def net(**arguments):
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, "softmax")], **arguments)


def direct(modality, head, **arguments):
    """A `FusionModel` without a builder."""
    x, other = keras.Input((4,), name=modality), keras.Input((4,), name="other")
    outputs = {"central": layers.Dense(3)(layers.Add()([x, other])), head: layers.Dense(3)(x)}
    return FusionModel({modality: x, "other": other}, outputs, unimodal_loss_weights=1, **arguments)


BUILT = {
    "backbones": lambda name: kf.build_gmu({name: net(), "other": net()}),
    "list": lambda name: kf.build_gmu([net(), named_model(name)]),
    "name": lambda name: kf.build_gmu([net(), net()], name=name),
    "key of a backbone's input": lambda name: kf.build_gmu([net(), two_inputs(name)]),
    "ensemble": lambda name: kf.build_ensemble([net(), net()], inputs=name),
    "input": lambda name: direct(name, "a"),
    "head": lambda name: direct("a", name),
    "model": lambda name: direct("a", "a", name=name),
}


def named_model(name):
    return net(name=name)


def two_inputs(name):
    a, b = keras.Input((4,), name=name), keras.Input((4,), name="b")
    hidden = layers.Dense(5, "relu")(layers.Add()([a, b]))
    return keras.Model({name: a, "b": b}, layers.Dense(3, "softmax")(hidden))


@pytest.mark.parametrize("where", BUILT)
def test_refused_when_built(where):
    for name in REFUSED[: None if where == "backbones" else 5]:
        with pytest.raises(ValueError, match=MESSAGE):
            BUILT[where](name)


@pytest.mark.parametrize("name", ["_x", "-a", ">a"])
@pytest.mark.parametrize("where", ["name", "model"])
def test_models_begin_with_a_letter(where, name):
    with pytest.raises(ValueError, match="name: expected names that begin with a letter.*Received"):
        BUILT[where](name)
    kf.build_gmu({name: net(), "other": net()})  # the names of modalities need not


def test_working_names(tmp_path):
    """All of them at once: trained, saved, loaded, and exported where TensorFlow is."""
    nets = {name: net() for name in WORKING}
    model = kf.build_ensemble(nets, unimodal_loss_weights=1.0)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = {name: np.eye(4, dtype="float32") + i for i, name in enumerate(WORKING)}
    history = model.fit(x, np.arange(4) % 3, verbose=0).history
    assert {f"{name}_loss" for name in WORKING} < set(history)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected = model.predict(x, verbose=0)
    for head, values in loaded.predict(x, verbose=0).items():
        np.testing.assert_allclose(values, expected[head], 1e-5)
    model.save_weights(tmp_path / "model.weights.h5")
    model.load_weights(tmp_path / "model.weights.h5")
    if keras.backend.backend() == "tensorflow":
        report = kf.export(model, tmp_path / "served", samples=x, verbose=False)
        assert {f"{name}_only" for name in WORKING} < set(report.signatures)


def test_what_was_saved_loads(tmp_path):
    """Version 0.1.0 took every name, and on JAX and PyTorch they worked."""
    model = kf.build_gmu({"renamed": net(), "other": net()})
    config = json.loads(json.dumps(model.get_config()).replace("renamed", "left hand"))
    loaded = FusionModel.from_config(config)
    assert loaded.modalities == ["left hand", "other"]
    assert "is_loaded" not in loaded.get_config()
    loaded.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").modalities == loaded.modalities
    for suffix in ("", ".tflite"):
        with pytest.raises((ValueError, ImportError), match=f"export.*{MESSAGE}|to be installed"):
            kf.export(loaded, os.path.join(tmp_path, f"exported{suffix}"))


def test_an_export_says_no_to_inputs_that_begin_with_a_sign(tmp_path):
    pytest.importorskip("tensorflow")
    model = kf.build_gmu({"_x": net(), "other": net()})
    with pytest.raises(ValueError, match="export, inputs of saved_model: .*begin.*Received: '_x'"):
        kf.export(model, tmp_path / "exported")
