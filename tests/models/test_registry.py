"""The one face of all methods: what changes between them is a word."""

import inspect

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
    vector_net,
)

import keras_fusion as kf

NAMES = [method.name for method in kf.methods()]
METRICS = {"loss", "central_accuracy", "central_loss"}


def nets():
    """Not in the order of their names, of different width and kind, and good for XFlow too."""
    return {"sound": vector_net("one", units=(4, 3)), "image": map_net("two")}


@pytest.mark.parametrize("name", NAMES)
def test_contract(name, tmp_path):
    model = kf.build(name, nets())
    assert isinstance(model, kf.FusionModel)
    assert set(model.input) == {"sound", "image"}
    assert set(model.output) in ({"central"}, {"central", "sound", "image"})
    assert all(tensor.shape == (None, 3) for tensor in model.output.values())
    x, y = batch(model), labels()

    compiled(model, metrics=["accuracy"])
    scores = model.train_on_batch(x, y, return_dict=True)
    assert scores.keys() >= METRICS and np.isfinite(list(scores.values())).all()
    found = outputs(model, x)
    np.testing.assert_allclose(found["central"].sum(axis=-1), 1, rtol=1e-5)

    for level, shares in model.fusion_weights(x).items():
        assert level in model.fusion_levels
        assert set(shares) <= {"sound", "image", "central"}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)

    again = reloaded(model, tmp_path)
    assert_close(outputs(again, x), found)
    again.train_on_batch(x, y)


@pytest.mark.parametrize("name", NAMES)
def test_missing_modalities(name):
    """What stands in an absent modality's place changes no prediction but its own head's."""
    model = kf.build(name, nets(), missing_modalities=True)
    x = batch(model)
    x["present"] = np.array([[1, 1], [0, 1], [1, 0], [1, 1]])  # image, sound
    found = outputs(model, x)["central"]
    x["image"][1], x["sound"][2] = np.nan, np.nan
    changed = outputs(model, x)["central"]
    assert np.isfinite(changed).all()
    np.testing.assert_allclose(changed, found, rtol=1e-6)


def test_table():
    table = str(kf.methods()).splitlines()
    assert len(table) == len(NAMES) == len(set(NAMES)) >= 20
    for line, method in zip(table, kf.methods(), strict=True):
        assert line.startswith(method.name) and method.line in line and method.source in line


def test_every_builder_is_a_method():
    reached = {getattr(method.builder, "func", method.builder).__name__ for method in kf.methods()}
    builders = {name for name in kf.models.__all__ if name.startswith("build_")}
    assert reached == builders - {"build_fusion"}  # of a layer of the user's own


def test_arguments_reach_the_builder():
    model = kf.build("gmu", nets(), fusion_units=7, name="mine")
    assert model.name == "mine" and model.get_layer("fusion_0").units == 7
    with pytest.raises(TypeError, match=r"arguments of gmu: .*Received: \['width'\]"):
        kf.build("gmu", nets(), width=7)


def test_all_builders_share_their_arguments():
    """The method's own ones first, then the common ones, the same in the same order everywhere."""
    common = ["num_classes", "units", "head", "ends_in", "taps", "unimodal_loss_weights",
              "balance", "missing_modalities", "name"]  # fmt: skip
    builders = [getattr(kf, name) for name in kf.__all__ if name.startswith("build_")]
    for builder in builders:
        names = list(inspect.signature(builder).parameters)
        expected = [name for name in common if name != "taps" or name in names]
        assert names[0] == "backbones" and names[-len(expected) :] == expected, builder.__name__


def test_what_makes_a_method_cannot_be_given():
    with pytest.raises(TypeError, match=r"arguments of late_max: .*Received: \['rule'\]"):
        kf.build("late_max", nets(), rule="mean")
    assert "rule" not in {m.name: m for m in kf.methods()}["late_max"].arguments
    assert (
        "unimodal_loss_weights" in {m.name: m for m in kf.methods()}["concat_multitask"].arguments
    )


def test_unknown_method():
    with pytest.raises(ValueError, match="method: expected one of .*'gmu'.*Received: 'gum'"):
        kf.build("gum", nets())


# ---- methods of the user's own


def build_largest(backbones, *, power=1, dropout=0.1, num_classes=None, name="largest"):
    parts = kf.models.FusionBuilder(backbones, num_classes, name=name)
    fused = parts.fuse(keras.layers.Maximum(name="fusion_0"), parts.features())
    return parts.finish(parts.logits(fused**power, dropout))


def test_a_method_of_ones_own(tmp_path):
    space = {"dropout": [0.0, 0.1, 0.3], "power": {"min": 1, "max": 3}}
    again = kf.fusion_method("largest", "the largest feature", space=space)(build_largest)
    kf.fusion_method("squared", "its square", source="here", order=15, power=2)(build_largest)
    assert again is build_largest
    names = [m.name for m in kf.methods()]
    assert names[1] == "squared" and names[-1] == "largest"  # order=15; at the end
    assert "the largest feature" in str(kf.methods())

    backbones = {"b": vector_net("one", units=(4,)), "a": vector_net("two", units=(4,))}
    model = kf.build("squared", backbones, dropout=0.2, name="mine")
    assert model.name == "mine" and isinstance(model, kf.FusionModel)
    x = batch(model)
    assert_close(outputs(reloaded(model, tmp_path), x), outputs(model, x))
    with pytest.raises(TypeError, match=r"arguments of squared: .*Received: \['power'\]"):
        kf.build("squared", backbones, power=3)

    tuning = pytest.importorskip("keras_fusion.tuning")
    found = tuning.default_space("largest")
    assert found["dropout"] == {"values": [0.0, 0.1, 0.3], "default": 0.1}
    assert found["power"] == {"min": 1, "max": 3, "default": 1}
    functions = {name: (lambda net=net: net) for name, net in backbones.items()}
    hypermodel = tuning.FusionHyperModel(["largest", "gmu"], functions)
    assert hypermodel.methods == ["largest", "gmu"]


def test_a_cell_may_be_run_again_but_a_name_is_taken_once():
    register = kf.fusion_method("largest", "the largest feature")
    assert register(register(build_largest)) is build_largest

    def build_other(backbones, *, name="other"):
        raise AssertionError

    with pytest.raises(ValueError, match="no other builder has. Received: 'largest', which is"):
        register(build_other)
    with pytest.raises(ValueError, match="Received: 'gmu', which is that of .*build_gmu"):
        kf.fusion_method("gmu", "mine")(build_other)


@pytest.mark.parametrize(
    ("arguments", "builder", "error", "match"),
    [
        ({"name": ""}, build_largest, ValueError, "name: expected a non-empty string"),
        ({"line": 3}, build_largest, ValueError, "line: expected a non-empty string. Received: 3"),
        ({}, lambda x: x, TypeError, "whose first argument is `backbones`"),
        ({}, "largest", TypeError, "first argument is `backbones`. Received: 'largest'"),
        ({"space": {"width": [1]}}, build_largest, ValueError, r"Received: \['width'\]"),
        ({"per_modality": ["rate"]}, build_largest, ValueError, r"Received: \['rate'\]"),
        ({"defaults": {"rate": 1}}, build_largest, ValueError, r"Received: \['rate'\]"),
        ({"rule": "max"}, build_largest, ValueError, r"Received: \['rule'\]"),
    ],
)
def test_registration_errors(arguments, builder, error, match):
    with pytest.raises(error, match=match):
        kf.fusion_method(**{"name": "mine", "line": "a line", **arguments})(builder)
    assert "mine" not in {m.name for m in kf.methods()}
