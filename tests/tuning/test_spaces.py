"""The spaces are literal and complete, and their defaults are those of the builders."""

import json

import pytest

import keras_fusion as kf
from keras_fusion.tuning._arguments import builder_arguments, check_names, searchable
from keras_fusion.tuning._entries import check_entry
from keras_fusion.tuning.spaces import spaces_of

METHODS = [m.name for m in kf.methods()]
TRAINING = {"learning_rate": 1e-3, "backbone_dropout": 0.5, "fusion_levels": "auto"}


def default(entry):
    if isinstance(entry, dict):
        return entry.get("default", entry["values"][0] if "values" in entry else entry["min"])
    return entry[0] if isinstance(entry, list) else entry


def test_every_method_has_a_space():
    json.dumps([kf.tuning.default_space(method) for method in METHODS])


@pytest.mark.parametrize("method", METHODS)
def test_space_is_valid_and_starts_from_the_builder(method):
    space = kf.tuning.default_space(method)
    check_names(method, method, space, [])
    expected = {**builder_arguments(method), **TRAINING}
    for name, entry in space.items():
        check_entry(name, entry)
        found, wanted = default(entry), expected[name]
        wanted = list(wanted) if isinstance(wanted, tuple) else wanted
        wanted = 1.0 if wanted == "auto" and name == "unimodal_loss_weights" else wanted
        assert found == wanted, name


def test_the_literal_spaces():
    assert kf.tuning.default_space("moddrop") == {
        "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log", "default": 1e-3},
        "backbone_dropout": {"min": 0.0, "max": 0.7, "step": 0.05, "default": 0.5},
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05, "default": 0.5},
        "rate": {"min": 0.0, "max": 0.8, "step": 0.02, "default": 0.5},
        "head_units": [None, [128], [512]],
    }
    names = {method: sorted(kf.tuning.default_space(method)) for method in METHODS}
    training = ["backbone_dropout", "learning_rate"]
    beta = "unimodal_loss_weights"
    assert (
        names["sum"]
        == names["product"]
        == names["subtract"]
        == sorted([*training, "dropout", "level"])
    )
    assert names["late_mean"] == names["ensemble"] == sorted([*training, beta])
    assert names["weighted_mean"] == training
    assert names["centralnet"] == sorted(
        [*training, "dropout", beta, "fusion_levels", "fuse", "modality_scale"]
    )
    assert names["hybrid"] == sorted([*training, "dropout", beta, "level", "operation", "rule"])


def test_presets_hold_what_the_papers_found():
    paper = kf.tuning.PRESETS["centralnet-paper"]
    assert {0.05, 0.005} <= set(paper["moddrop"]["learning_rate"]["values"])
    assert {0.2, 0.32, 0.5, 0.25} <= set(paper["moddrop"]["rate"])
    assert {0.25, 0.35} <= set(paper["gmu"]["backbone_dropout"]["values"])
    gmu = kf.tuning.PRESETS["gmu-paper"]["gmu"]
    assert gmu["fusion_units"] == [64, 128, 256, 512]
    assert (gmu["dropout"]["min"], gmu["dropout"]["max"]) == (0.3, 0.7)
    rate = gmu["learning_rate"]
    assert (rate["min"], rate["max"], rate["sampling"]) == (1e-3, 1e-1, "log")
    for methods in kf.tuning.PRESETS.values():
        for method, space in methods.items():
            check_names(method, method, space, [])
            for name, entry in space.items():
                check_entry(name, entry)


@pytest.mark.parametrize("method", kf.tuning.PRESETS["centralnet-depth"])
def test_every_depth_of_the_paper_is_one_of_lenet5(method):
    """Of the preset the deepest and no deeper: the levels end at the prediction, or before it."""
    space = kf.tuning.PRESETS["centralnet-depth"][method]
    nets = [kf.backbones.lenet5((8, 8, 1)) for _ in range(2)]
    stages = [point for point in kf.fusion_points(nets[0]) if point.role == "stage"]
    if method == "centralnet":
        assert space["fusion_levels"] == ["auto", *range(1, len(stages) + 1)]
        return
    deepest = 1 + len(stages) - (method == "fusion_ensemble")
    assert space["level"] == list(range(deepest + 1))
    kf.build(method, nets, level=deepest)
    with pytest.raises(ValueError, match="level: expected"):
        kf.build(method, nets, level=deepest + 1)


def test_a_default_space_is_a_copy():
    kf.tuning.default_space("sum")["level"].append(7)
    kf.tuning.default_space("hybrid")["level"]["values"].append(7)
    assert kf.tuning.default_space("sum")["level"] == [0, -1]
    assert kf.tuning.default_space("hybrid")["level"]["values"] == [0, -1]


def test_searchable_names():
    assert "operation" in searchable("fusion_ensemble") and "rule" not in searchable(
        "fusion_ensemble"
    )
    assert "operation" not in searchable("sum") and "level" in searchable("sum")
    assert "level" not in searchable("early") and "dropout" in searchable("early")
    assert "fusion_levels" not in searchable("ensemble")
    assert not {"name", "num_classes", "taps", "kwargs", "backbones"} & set(searchable("early"))


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ({"min": 0}, 'expected {"min":, "max":}'),
        ({"min": 0, "max": 1, "values": [1]}, 'or {"values":}'),
        ({"min": 1, "max": 1}, "min < max"),
        ({"min": "0", "max": 1}, "min < max"),
        ({"min": 0.0, "max": 1, "sampling": "log"}, "min > 0"),
        ({"min": 1, "max": 2, "sampling": "cubic"}, "expected sampling"),
        ({"min": 1, "max": 2, "default": 3}, "default from 1 to 2"),
        ({"min": 1, "max": 2, "step": 0}, "step > 0"),
        ({"values": [1, 2], "default": 3}, "default out of"),
        ({"values": 3}, "expected a list"),
        ([], "at least one"),
        ([1, 1], "different values"),
        ([object(), 1], "JSON"),
    ],
)
def test_a_wrong_entry_is_named(entry, match):
    with pytest.raises(ValueError, match=match) as error:
        check_entry("rate", entry)
    assert str(error.value).startswith("rate: expected")


def test_an_unknown_hyperparameter_is_named():
    with pytest.raises(ValueError, match=r"hyperparameters of 'gmu'.*'fusion_units'.*\['rate'\]"):
        check_names("space", "gmu", ["rate", "dropout"], [])
    with pytest.raises(ValueError, match=r"per_modality.*\['dropout'\]"):
        check_names("space", "moddrop", ["dropout"], ["dropout"])


def test_several_methods_share_the_training():
    own, shared = spaces_of(["moddrop", "sum"], None)
    assert sorted(shared) == ["backbone_dropout", "learning_rate"]
    assert sorted(own["sum"]) == ["dropout", "level"]
    own, shared = spaces_of(["moddrop", "sum"], {"sum": {"level": [0]}, "learning_rate": [0.1]})
    assert own == {"moddrop": {}, "sum": {"level": [0]}} and shared == {"learning_rate": [0.1]}


@pytest.mark.parametrize(
    ("methods", "space", "match"),
    [
        (["gmu"], "paper", "expected one of"),
        (["sum"], "gmu-paper", r"expected one of the methods \['gmu'\]"),
        (["sum"], [1], "expected None, the name of a preset or a dict"),
        (["sum", "gmu"], {"sum": 3}, r"space\['sum'\]: expected a dict"),
        (["sum", "gmu"], {"moddrop": {}}, "the methods that are searched"),
    ],
)
def test_a_wrong_space_is_named(methods, space, match):
    with pytest.raises((ValueError, TypeError), match=match):
        spaces_of(methods, space)


def test_default_space_names_the_methods():
    with pytest.raises(ValueError, match="method: expected one of"):
        kf.tuning.default_space("summ")
