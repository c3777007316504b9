"""The one face of all methods: what changes between them is a word."""

import inspect

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
    assert reached == {name for name in kf.models.__all__ if name.startswith("build_")}


def test_arguments_reach_the_builder():
    model = kf.build("gmu", nets(), hidden_units=7, name="mine")
    assert model.name == "mine" and model.get_layer("fusion_0").units == 7
    with pytest.raises(TypeError, match=r"arguments of gmu: .*Received: \['width'\]"):
        kf.build("gmu", nets(), width=7)


def test_all_builders_share_their_arguments():
    common = {"num_classes", "units", "head", "unimodal_loss_weights", "missing_modalities", "name"}
    for method in kf.methods():
        first, *others = inspect.signature(method.builder).parameters.values()
        assert first.name == "backbones", method.name
        hands_all_on = others[-1].kind is inspect.Parameter.VAR_KEYWORD
        assert hands_all_on or common <= {other.name for other in others}, method.name


def test_unknown_method():
    with pytest.raises(ValueError, match="method: expected one of .*'gmu'.*Received: 'gum'"):
        kf.build("gum", nets())
