"""A result is a cell: found again where nothing has changed, and nowhere else."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.runs import Fused, part, parts

from keras_fusion import evaluation as ev
from keras_fusion.evaluation import _plan

pytest.importorskip("scipy")


OTHER = "sparse_categorical_crossentropy"


class Note(keras.callbacks.Callback):
    def __init__(self, often=1):
        super().__init__()
        self.often = often


def notes():
    return [Note()]


def other_notes():
    return [Note(2)]


def standardised(train, validation, test):
    mean = train[0]["a"].mean()
    return train, validation, ({**test[0], "a": test[0]["a"] - mean}, test[1])


def halved(epoch):
    return 0.5**epoch


def trains(seen):
    """Instead of `run_seeds`: scores that are numbers of the order of the runs."""

    def run_seeds(build, parts, seeds, arguments, *_):
        for seed in seeds:
            seen.append(seed)
            yield seed, {"scores": {"central_accuracy": len(seen) / 100, "loss": 1.0}}, None

    return run_seeds


@pytest.fixture
def trained(monkeypatch):
    """The seeds that are trained."""
    seen = []
    monkeypatch.setattr(_plan, "run_seeds", trains(seen))
    return seen


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A folder with the results of the protocol."""
    folder = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_plan, "run_seeds", trains([]))
        compare(protocol(), folder)
    return folder


def protocol():
    return {
        "methods": {"gmu": Fused(momentum=0.5)},
        "data": {**parts(), "validation": part(2)},
        "seeds": [0, 1],
        "epochs": 2,
        "batch_size": 6,
        "early_stopping": keras.callbacks.EarlyStopping(patience=3),
        "learning_rate": halved,
        "callbacks": notes,
        "class_weight": {0: 2.0},
        "sample_weight": np.ones(12, "float32"),
        "name": "toy",
    }


def changed(place, *path, value):
    """A change of one thing in the protocol, given by its place."""

    def change(options):
        thing = options
        for step in (place, *path[:-1]) if path else ():
            thing = thing[step] if isinstance(thing, (dict, tuple, list)) else getattr(thing, step)
        last = path[-1] if path else place
        if isinstance(thing, (dict, np.ndarray)):
            thing[last] = value
        else:
            setattr(thing, last, value)

    return change


def without_validation(options):
    del options["data"]["validation"]


def other_type(options):
    x, y = options["data"]["test"]
    options["data"]["test"] = x, y.astype("int16")


def other_shape(options):
    """The same bytes."""
    x, y = options["data"]["test"]
    options["data"]["test"] = x, y[:, None]


def fold(options):
    options["data"] = part(0, 24)
    options["folds"] = [(range(12), range(12, 24))]
    del options["sample_weight"]


CHANGES = {
    "another method": changed("methods", "gmu", "method", value="concat_features"),
    "a unit more": changed("methods", "gmu", "units", value=5),
    "learning rate of compile": changed("methods", "gmu", "learning_rate", value=0.2),
    "momentum": changed("methods", "gmu", "momentum", value=0.6),
    "metrics": changed("methods", "gmu", "metrics", value=("accuracy", OTHER)),
    "loss": changed("methods", "gmu", "loss", value=keras.losses.SparseCategoricalCrossentropy(
        ignore_class=7)),
    "a training label": changed("data", "train", 1, 0, value=1),
    "a training value": changed("data", "train", 0, "a", 3, value=0.5),
    "a validation row": changed("data", "validation", 0, "b", 0, value=0.5),
    "a test row": changed("data", "test", 0, "b", 0, value=0.5),
    "a test label": changed("data", "test", 1, 5, value=0),
    "type of the test labels": other_type,
    "shape of the test labels": other_shape,
    "no validation part": without_validation,
    "epochs": changed("epochs", value=3),
    "batch size": changed("batch_size", value=4),
    "shuffle": changed("shuffle", value=False),
    "early stopping": changed("early_stopping", "patience", value=4),
    "learning rates": changed("learning_rate", value=0.25),
    "callbacks": changed("callbacks", value=other_notes),
    "class weights": changed("class_weight", 0, value=3.0),
    "a sample weight": changed("sample_weight", 0, value=0.5),
    "prepare": changed("prepare", value=standardised),
    "folds": fold,
    "name of the data": changed("name", value="other"),
    "version": changed("version", value="2"),
    "refresh": changed("refresh", value=True),
    "predictions that are not there": changed("keep_predictions", value=True),
}  # fmt: skip


def compare(options, folder):
    return ev.compare(**options, results=folder)


def test_no_change_is_found_again(known, trained):
    found = compare(protocol(), known)
    assert trained == [] and found.scores["gmu"].tolist() == [0.01, 0.02]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_trained_anew(known, tmp_path, trained, change):
    folder = shutil.copytree(known, tmp_path / "cells")
    options = protocol()
    change(options)
    compare(options, folder)
    assert trained == [0, 1]


def test_the_backend_counts(tmp_path, trained, monkeypatch):
    compare(protocol(), tmp_path)
    monkeypatch.setattr(keras.backend, "backend", lambda: "another")
    monkeypatch.setattr("keras_fusion.evaluation.cells.environment", lambda: {"keras": "4"})
    compare(protocol(), tmp_path)
    assert trained == [0, 1] * 2


def test_initial_weights_count(tmp_path, trained):
    """Two runs of one builder with one seed that do not start alike, as from a file of weights."""
    options = protocol()
    build = options["methods"]["gmu"]

    def started(factor):
        def start():
            model = build()
            model.set_weights([factor * value for value in model.get_weights()])
            return model

        return {**options, "methods": {"gmu": start}}

    for factor in (1.0, 1.5):
        compare(started(factor), tmp_path)
    assert trained == [0, 1] * 2


def test_seeds_share_nothing_and_what_is_reused_is_said(tmp_path, trained, capsys):
    options = protocol()
    compare(options, tmp_path)
    assert "runs of" not in capsys.readouterr().err
    compare({**options, "seeds": [2, 1, 0]}, tmp_path)
    assert trained == [0, 1, 2]
    said = capsys.readouterr().err
    assert f"2 of 3 runs of gmu from {tmp_path}, trained 20" in said
    assert f"with Keras {keras.__version__}" in said
    rates = {**options, "learning_rate": [0.1, 0.2, 0.3], "seeds": [0, 1, 2]}
    compare(rates, tmp_path)
    compare({**rates, "learning_rate": [0.1, 0.5, 0.3]}, tmp_path)
    assert trained[3:] == [0, 1, 2, 1]  # the rate of one replica


class Batches(keras.utils.PyDataset):
    def __init__(self, seed):
        super().__init__()
        self.part = part(seed)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.part


@pytest.mark.parametrize(("key", "expected"), [(None, [0, 1, 0, 1]), ("toy-2", [0, 1])])
def test_data_that_are_not_arrays_need_a_key(tmp_path, trained, key, expected):
    for _ in range(2):
        data = {"train": Batches(0), "test": part(1)}
        ev.compare({"gmu": Fused()}, data, [0, 1], results=tmp_path, data_key=key)
    assert trained == expected
    if key is None:
        with pytest.raises(ValueError, match="data_key: expected a string that stands for"):
            ev.compare({"gmu": Fused()}, data, [0], backup_dir=tmp_path / "backup")
    else:
        ev.compare({"gmu": Fused()}, data, [0, 1], results=tmp_path, data_key="toy-3")
        assert trained == [0, 1] * 2


SCRIPT = """
import sys
from helpers.runs import Fused, parts
from keras_fusion import evaluation as ev
found = ev.compare({"gmu": Fused(), "sum": Fused("sum")}, parts(), [0, 1], results=sys.argv[1])
print(found.scores)
"""


@pytest.mark.slow
def test_a_new_process_finds_what_another_has_trained(tmp_path):
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, tmp_path], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(seed)},
        )
        for seed in (1, 2)
    ]  # fmt: skip
    assert runs[0].stdout == runs[1].stdout and "gmu" in runs[0].stdout
    assert "runs of" not in runs[0].stderr
    assert all(f"2 of 2 runs of {name} from" in runs[1].stderr for name in ("gmu", "sum"))
    assert len(list(tmp_path.iterdir())) == 4


def test_files(tmp_path, monkeypatch):
    cells = ev.Cells(tmp_path / "new" / "folder")
    made_by = {"method": "a/b", "seed": np.int64(3), "rates": (0.1, 0.2)}
    assert cells.find(made_by) is None
    cells.write(made_by, {"method": "a/b", "seed": np.int64(3), "scores": {"f1": np.float32(0.5)}})
    cells.write({**made_by, "seed": 4}, {"method": "a/b", "seed": 4}, {"y": np.arange(3)})
    row = cells.find(json.loads(json.dumps({**made_by, "seed": 3})))
    assert (row["method"], row["seed"], row["scores"]) == ("a/b", 3, {"f1": 0.5})
    assert row["keras"] == keras.__version__ and row["date"].startswith("20")
    assert [row["seed"] for row in cells.rows()] == [3, 4]
    assert cells.predictions(row) is None
    assert cells.predictions(cells.rows()[1])["y"].tolist() == [0, 1, 2]

    def fail(*_):
        raise OSError("disk full")

    before = copy.deepcopy(cells.rows())
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        cells.write({**made_by, "seed": 3}, {"method": "other"})
    assert cells.rows() == before and len(os.listdir(cells.folder)) == 3
    with pytest.raises(TypeError, match="expected plain values"):
        cells.write(made_by, {"model": object()})
    Path(cells.path(made_by)).write_text("{")
    with pytest.raises(ValueError, match="expected JSON"):
        cells.find(made_by)
