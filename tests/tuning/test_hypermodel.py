"""Every method is built from hyperparameters, with the values that these say."""

from functools import partial

import keras
import keras_tuner
import numpy as np
import pytest
from helpers import tiny_search
from helpers.tiny import batch

import keras_fusion as kf
from keras_fusion.layers import ModDrop

METHODS = [m.name for m in kf.methods()]
PAIR = {"image": tiny_search.image, "b": partial(tiny_search.net, 6)}
SMALL = {
    "fusion_units": 4,
    "projection_units": 4,
    "head_units": [[4]],  # widths, of as many layers
    "landmarks": 4,
    "num_heads": 1,
    "hops": 1,
}


def hp(**values):
    found = keras_tuner.HyperParameters()
    found.values.update({name.replace("__", "/"): value for name, value in values.items()})
    return found


def small_space(method):
    """The default space, narrowed to widths that build in no time."""
    space = kf.tuning.default_space(method)
    return space | {name: value for name, value in SMALL.items() if name in space}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_a_step(method):
    backbones = tiny_search.vectors if method not in ("xflow",) else PAIR
    model = tiny_search.hypermodel(method, small_space(method), backbones).build(hp())
    assert isinstance(model, kf.FusionModel)
    x = batch(model, 3)
    logs = model.train_on_batch(x, np.arange(3), return_dict=True)
    assert logs["loss"] > 0 and "central_accuracy" in logs


def test_all_methods_are_one_space():
    model = kf.tuning.FusionHyperModel("all", PAIR)
    found = keras_tuner.HyperParameters()
    model.declare_hyperparameters(found)
    assert found.values["method"] == METHODS[0]
    names = {p.name for p in found.space}
    assert {"method", "learning_rate", "moddrop/rate", "hybrid/level", "gmu/dropout"} <= names
    assert "centralnet/unimodal_loss_weights" in found.values and "gmu/dropout" not in found.values


def test_values_reach_the_model():
    model = tiny_search.hypermodel().build(
        hp(learning_rate=0.3, backbone_dropout=0.5, rate=0.3, head_units="[4]")
    )
    assert float(model.optimizer.learning_rate) == pytest.approx(0.3)
    assert model.get_layer("fusion_moddrop").rate == 0.3
    assert model.get_layer("central_cell_0").units == 4
    rates = [la.rate for la in model._flatten_layers() if isinstance(la, keras.layers.Dropout)]
    assert rates.count(0.5) == 3  # the backbones' and the joint one, whose default it is
    assert model.compiled


def test_a_rate_for_every_modality():
    space = {"rate": {"min": 0.0, "max": 0.8, "default": 0.1, "per_modality": True}}
    model = tiny_search.hypermodel(space=space).build(hp(rate__b=0.7))
    (layer,) = [la for la in model.layers if isinstance(la, ModDrop)]
    assert layer.rate == (0.1, 0.7)


def test_the_method_is_a_hyperparameter():
    space = {
        "learning_rate": [0.1, 0.2],
        "moddrop": {"rate": [0.1, 0.2], "head_units": [[4]]},
        "gmu": {"fusion_units": [4, 8]},
    }
    hypermodel = tiny_search.hypermodel(["moddrop", "gmu"], space)
    found = hp(method="gmu", gmu__fusion_units=8, learning_rate=0.2)
    model = hypermodel.build(found)
    assert model.name == "gmu" and model.get_layer("fusion_0").units == 8
    assert float(model.optimizer.learning_rate) == pytest.approx(0.2)
    # Active are those of the method that is chosen.
    assert sorted(found.values) == ["gmu/fusion_units", "learning_rate", "method"]
    assert hypermodel.build(hp(method="moddrop", moddrop__rate=0.2)).name == "moddrop"
    declared = keras_tuner.HyperParameters()
    hypermodel.declare_hyperparameters(declared)
    assert sorted(p.name for p in declared.space) == [
        "gmu/fusion_units",
        "learning_rate",
        "method",
        "moddrop/head_units",
        "moddrop/rate",
    ]


def test_shared_hyperparameters_go_to_the_methods_that_have_them():
    space = {"sum": {}, "gmu": {"fusion_units": 4}, "level": [0, -1]}
    hypermodel = tiny_search.hypermodel(["sum", "gmu"], space)
    found = hp(method="gmu")
    hypermodel.build(found)
    assert "level" not in found.values
    assert "fusion_1" not in [la.name for la in hypermodel.build(hp(method="sum", level=0)).layers]


@pytest.mark.parametrize(("levels", "expected"), [("auto", 3), (1, 2), (2, 3), (9, 3)])
def test_fusion_levels(levels, expected):
    nets = {name: partial(kf.backbones.mlp, f, (4, 4), 3) for name, f in (("a", 4), ("b", 6))}
    space = {"fusion_levels": [levels]}
    model = tiny_search.hypermodel("centralnet", space, nets).build(hp())
    assert len(model.fusion_levels) == expected  # with the prediction


def test_what_is_fixed_is_not_searched():
    """Fixed taps fix the number of levels too."""

    def names(arguments):
        hypermodel = kf.tuning.FusionHyperModel("centralnet", PAIR, arguments=arguments)
        found = keras_tuner.HyperParameters()
        hypermodel.declare_hyperparameters(found)
        return {p.name for p in found.space}

    every = names(None)
    assert {"fusion_levels", "fuse", "dropout", "backbone_dropout"} <= every
    assert names({"fuse": "logits"}) == every - {"fuse"}
    taps = {"image": ["pool"], "b": ["dense1_dropout"]}
    assert names({"taps": taps}) == every - {"fusion_levels"}
    model = kf.tuning.FusionHyperModel("centralnet", PAIR, arguments={"taps": taps}).build(hp())
    assert list(model.fusion_levels.values()) == ["4", "prediction"]


def test_every_trial_starts_from_new_weights():
    hypermodel = tiny_search.hypermodel()
    first, second = (hypermodel.build(hp()).get_weights()[0] for _ in range(2))
    assert (first != second).any()


def test_what_a_backbone_function_gets():
    seen = {}

    def backbones(hp, method):
        seen["width"], seen["method"] = hp.Int("width", 3, 5, default=4), method
        return {"a": kf.backbones.mlp(4, (seen["width"],), 3), "b": tiny_search.net(6)}

    hypermodel = kf.tuning.FusionHyperModel("late_mean", backbones)
    found = keras_tuner.HyperParameters()
    hypermodel.declare_hyperparameters(found)
    assert seen == {"width": 4, "method": "late_mean"} and "width" in found.values
    assert "backbone_dropout" not in found.values  # which no function takes
    found.values["width"] = 5
    hypermodel.build(found)
    assert seen["width"] == 5


def test_arguments_that_are_not_searched():
    hypermodel = kf.tuning.FusionHyperModel(
        ["gmu", "late_mean"], tiny_search.vectors, arguments={"fusion_units": 4}
    )
    assert "fusion_units" not in hypermodel.spaces["gmu"]
    model = hypermodel.build(hp(method="gmu"))
    assert model.get_layer("fusion_0").units == 4
    assert hypermodel.build(hp(method="late_mean")).name == "late_fusion"


def test_optimizers():
    build = partial(tiny_search.hypermodel, "late_mean")
    made = build(space={"learning_rate": [0.2]}, optimizer=keras.optimizers.SGD).build(hp())
    assert float(made.optimizer.learning_rate) == pytest.approx(0.2)
    made = build(space={"unimodal_loss_weights": [0.2]}, optimizer="adam").build(hp())
    assert float(made.optimizer.learning_rate) == pytest.approx(0.001)
    made = build(space={"fuse": "logits"}, optimizer=lambda: keras.optimizers.SGD(0.5)).build(hp())
    assert float(made.optimizer.learning_rate) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"method": "summ"}, ValueError, "method: expected one of"),
        ({"method": []}, ValueError, "list of different names"),
        ({"method": ["gmu", "gmu"]}, ValueError, "list of different names"),
        ({"backbones": 3}, TypeError, "backbones: expected functions"),
        ({"backbones": {}}, ValueError, "expected at least two"),
        ({"optimizer": 3}, TypeError, "optimizer: expected a name, or a function"),
        ({"space": {"ratte": [1]}}, ValueError, r"'moddrop'.*'rate'.*\['ratte'\]"),
        ({"space": {"rate": [0.1, 0.1]}}, ValueError, r"space\['moddrop'\]\['rate'\]"),
        ({"arguments": {"ratte": 1}}, ValueError, r"arguments: .*\['ratte'\]"),
        ({"space": {"rate": [1]}, "arguments": {"rate": 1}}, ValueError, "nor among"),
        (
            {"space": {"backbone_dropout": [0.1]}, "backbones": lambda: None},
            ValueError,
            "argument `dropout`",
        ),
        (
            {"method": ["gmu", "sum"], "space": {"rate": [1]}},
            ValueError,
            r"\['gmu', 'sum'\] has.*\['rate'\]",
        ),
    ],
)
def test_a_wrong_argument_is_named(arguments, error, match):
    arguments = {"method": "moddrop", "backbones": tiny_search.vectors, **arguments}
    with pytest.raises(error, match=match):
        kf.tuning.FusionHyperModel(**arguments)


def test_models_instead_of_functions_are_an_error():
    with pytest.raises(TypeError, match="new model for every trial.*Received: Functional"):
        kf.tuning.FusionHyperModel("sum", tiny_search.vectors())
    with pytest.raises(TypeError, match="optimizer: expected"):
        kf.tuning.FusionHyperModel("sum", tiny_search.vectors, optimizer=keras.optimizers.SGD())
    with pytest.raises(TypeError, match="returns a dict"):
        kf.tuning.FusionHyperModel("sum", lambda: [1]).build(hp())
