"""The objective has the right name and direction, or says so before the search."""

import keras
import keras_tuner
import pytest
from helpers import tiny_search

import keras_fusion as kf
from keras_fusion.tuning._objective import as_objective


@pytest.mark.parametrize(
    ("objective", "metrics", "name", "direction"),
    [
        (None, ["accuracy", "mse"], "val_central_accuracy", "max"),
        (None, None, "val_central_loss", "min"),
        (None, [], "val_central_loss", "min"),
        (None, "mse", "val_central_mse", "min"),
        (None, [kf.metrics.F1()], "val_central_f1_macro", "max"),
        (None, [kf.metrics.NumberOfErrors()], "val_central_number_of_errors", "min"),
        (None, [kf.metrics.BrierScore()], "val_central_brier_score", "min"),
        (None, [kf.metrics.MacroAccuracy()], "val_central_macro_accuracy", "max"),
        (None, {"central": ["accuracy"]}, "val_central_accuracy", "max"),
        (None, {"a": ["accuracy"]}, "val_central_loss", "min"),
        ("val_a_accuracy", None, "val_a_accuracy", "max"),
        ("val_central_mean_absolute_error", None, "val_central_mean_absolute_error", "min"),
    ],
)
def test_name_and_direction(objective, metrics, name, direction):
    found = as_objective(objective, metrics)
    assert (found.name, found.direction) == (name, direction)


def test_an_objective_is_taken_as_it_is():
    given = keras_tuner.Objective("val_odd", "max")
    assert as_objective(given, None) is given


def test_a_direction_that_cannot_be_told():
    with pytest.raises(ValueError, match=r'Objective\(.val_odd., "max"\)'):
        as_objective("val_odd", None)
    with pytest.raises(TypeError, match="objective: expected None, a string"):
        as_objective(3, None)


@pytest.mark.parametrize("method", ["late_mean", "sum"])  # with unimodal heads, and without
@pytest.mark.parametrize("metrics", [["accuracy"], None, ["mse"]])
def test_the_default_is_what_fit_logs(tmp_path, method, metrics):
    loss = "mse" if metrics and metrics[0] == "mse" else "sparse_categorical_crossentropy"
    metrics = ["mse"] if loss == "mse" else metrics
    hypermodel = tiny_search.hypermodel(
        method,
        {"learning_rate": [0.1, 0.2]},
        lambda: {n: kf.backbones.mlp(f, (4,), None) for n, f in (("a", 4), ("b", 6))},
        arguments={"units": 1, "head": None} if loss == "mse" else {"num_classes": 3},
        loss=loss,
        metrics=metrics,
    )
    tuner = tiny_search.tuner(tmp_path, hypermodel, max_trials=1)
    (row,) = tiny_search.search(tuner)
    assert row["score"] is not None


@pytest.mark.parametrize("name", ["val_accuracy", "val_central_f1", "central_acc"])
def test_a_wrong_name_is_an_error_before_the_search(tmp_path, name):
    tuner = tiny_search.tuner(tmp_path, objective=name)
    with pytest.raises(ValueError, match=r"\['val_central_accuracy', .*Received: '" + name):
        tiny_search.search(tuner)
    assert tuner.oracle.trials == {}


def test_a_wrong_name_that_only_training_shows(tmp_path):
    tuner = tiny_search.tuner(tmp_path, objective="val_accuracy")
    x, y = tiny_search.data()

    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return x, y

    with pytest.raises(ValueError, match="'val_central_accuracy'.*Received: 'val_accuracy'"):
        tuner.search(Data(), validation_data=Data(), epochs=1)


def test_no_validation_data_is_an_error(tmp_path):
    tuner = tiny_search.tuner(tmp_path)
    with pytest.raises(ValueError, match="expected validation_data or validation_split"):
        tuner.search(*tiny_search.data())
    assert tuner.oracle.trials == {}
    tuner = tiny_search.tuner(tmp_path / "other", objective="central_loss", max_trials=1)
    tuner.search(*tiny_search.data(), epochs=1)
