"""A search: what is recorded, what fails, what is kept, what is freed."""

import errno
import gc
import json
import weakref

import keras
import keras_tuner
import numpy as np
import pytest
from helpers import tiny_search

import keras_fusion as kf
from keras_fusion.tuning import _files as files

TENSORFLOW = keras.backend.backend() == "tensorflow"


def values(rows):
    return [row["values"] for row in rows]


@pytest.mark.parametrize(
    ("kind", "options", "trials"),
    [
        ("random", {}, 2),
        ("bayesian", {"num_initial_points": 1}, 2),
        ("grid", {}, 2),
        ("hyperband", {"max_trials": None, "max_epochs": 2, "factor": 2}, 5),  # one goes on
    ],
)
def test_every_tuner_searches(tmp_path, kind, options, trials):
    tuner = tiny_search.tuner(tmp_path, tuner=kind, **{"max_trials": 2, **options})
    rows = tiny_search.search(tuner)
    assert len(rows) == trials and all(row["status"] == "COMPLETED" for row in rows)
    model = tuner.get_best_models()[0]
    scores = model.evaluate(*tiny_search.data(6, seed=1), return_dict=True, verbose=0)
    best = max(row["score"] for row in rows)
    assert scores["central_accuracy"] == pytest.approx(best, abs=1e-6)


def test_what_is_recorded(tmp_path):
    seen = []
    tuner = tiny_search.tuner(tmp_path, max_trials=1, executions=3, progress=seen.append)
    rows = tiny_search.search(tuner, epochs=2)
    for row, told in zip(rows, seen, strict=True):
        assert len(row["scores"]) == 3 and row["score"] == pytest.approx(np.mean(row["scores"]))
        assert row["epochs"] == [2, 2, 2] and set(row["best_epochs"]) <= {1, 2}
        assert row["seconds"] > 0 and row["reason"] is None
        assert (told["trial"], told["values"]) == (row["trial"], row["values"])
        assert told["score"] == row["score"] and told["status"] == "COMPLETED"
    assert sorted(rows[0]["values"]) == [
        "backbone_dropout",
        "head_units",
        "learning_rate",
        "rate",
    ]


def test_seeds(tmp_path):
    rows = [
        tiny_search.search(tiny_search.tuner(tmp_path / str(i), max_trials=2, seed=seed))
        for i, seed in enumerate((0, 0, 1))
    ]
    assert values(rows[0]) == values(rows[1]) != values(rows[2])
    assert [r["score"] for r in rows[0]] == [r["score"] for r in rows[1]]


def test_the_executions_of_a_trial_have_seeds_of_their_own(tmp_path):
    weights = []

    class Keep(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            weights.append(self.model.get_weights()[0])

        def __deepcopy__(self, memo):
            return Keep()

    tuner = tiny_search.tuner(tmp_path, max_trials=2, executions=2)
    tiny_search.search(tuner, callbacks=[Keep()])
    assert len({w.tobytes() for w in weights}) == 4


# ---- trials that fail


def test_failed_trials_are_recorded_and_the_search_goes_on(tmp_path):
    space = {
        "learning_rate": {"values": [0.1, 1e38], "default": 0.1},  # the latter diverges
        "rate": {"values": [0.2, 7.0], "default": 0.2},  # the latter cannot be built
        "head_units": [[4]],
    }
    hypermodel = tiny_search.hypermodel(space=space)
    tuner = tiny_search.tuner(tmp_path, hypermodel, tuner="grid", max_trials=4)
    rows = {tuple(r["values"].values())[:2]: r for r in tiny_search.search(tuner, epochs=3)}
    assert len(rows) == 4
    assert rows[0.1, 0.2]["status"] == "COMPLETED" and rows[0.1, 0.2]["reason"] is None
    assert rows[1e38, 0.2]["status"] == "FAILED" and rows[1e38, 0.2]["score"] is None
    assert "diverged: loss is nan after epoch" in rows[1e38, 0.2]["reason"]
    assert "rate: expected" in rows[0.1, 7.0]["reason"]
    (best,) = tuner.get_best_hyperparameters()
    assert best.values["rate"] == 0.2 and best.values["learning_rate"] == 0.1


def test_out_of_memory_is_called_so(tmp_path):
    def backbones(hp):
        np.empty(hp.Choice("size", [1, 2**58]))  # 2 exabytes
        return tiny_search.vectors()

    space = {"head_units": [[4]]}
    hypermodel = tiny_search.hypermodel(space=space, backbones=backbones)
    tuner = tiny_search.tuner(tmp_path, hypermodel, tuner="grid", max_trials=None)
    rows = tiny_search.search(tuner)
    assert [row["status"] for row in rows] == ["COMPLETED", "FAILED"]
    assert rows[1]["reason"].startswith("out of memory: ")


@pytest.mark.parametrize(
    "text",
    [
        "RESOURCE_EXHAUSTED: Out of memory allocating 16 bytes",
        "OOM when allocating tensor with shape[4]",
        "CUDA out of memory. Tried to allocate 2 GiB",
        "DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_the_backends_words_for_it(text):
    from keras_fusion.tuning.trials import reason_of

    assert reason_of(RuntimeError(text)) == f"out of memory: RuntimeError: {text}"
    assert reason_of(ValueError("a\n  b" + 400 * "c")).startswith("ValueError: a b")
    assert len(reason_of(ValueError(1000 * "c"))) == 300


BROKEN = {"rate": {"min": 3.0, "max": 9.0}}


def test_a_search_without_a_score_is_an_error(tmp_path):
    tuner = tiny_search.tuner(tmp_path, tiny_search.hypermodel(space=BROKEN))
    with pytest.raises(RuntimeError, match="Received: 3 trials.*\n.*rate: expected"):
        tiny_search.search(tuner)
    assert len(kf.tuning.read_trials(tuner.project_dir)) == 3


def test_so_many_failures_in_a_row_are_an_error(tmp_path):
    hypermodel = tiny_search.hypermodel(space=BROKEN)
    tuner = tiny_search.tuner(tmp_path, hypermodel, max_consecutive_failed_trials=2)
    with pytest.raises(RuntimeError, match="fewer than 2 failed trials in a row"):
        tiny_search.search(tuner)
    rows = kf.tuning.read_trials(tuner.project_dir)
    assert [row["status"] for row in rows] == ["FAILED", "FAILED"]


def test_a_score_in_between_starts_the_count_again(tmp_path):
    space = {"rate": [7.0, 0.1, 8.0], "head_units": [[4]]}
    tuner = tiny_search.tuner(
        tmp_path, tiny_search.hypermodel(space=space), tuner="grid", max_consecutive_failed_trials=2
    )
    rows = tiny_search.search(tuner)
    assert [row["status"] for row in rows] == ["FAILED", "COMPLETED", "FAILED"]


# ---- memory and callbacks


def test_the_model_of_an_execution_is_gone_before_the_next(tmp_path):
    alive, found = weakref.WeakSet(), []

    class Counting(kf.tuning.FusionHyperModel):
        def build(self, hp):
            gc.collect()
            found.append(len(alive))
            model = super().build(hp)
            alive.add(model)
            return model

    space = {"rate": [0.1, 0.2, 7.0], "head_units": [[4]]}
    options = {"optimizer": "sgd", "compile_arguments": {"run_eagerly": True}}
    hypermodel = Counting("moddrop", tiny_search.vectors, space, **options)
    tuner = tiny_search.tuner(tmp_path, hypermodel, tuner="grid", max_trials=3, executions=2)
    tiny_search.search(tuner, callbacks=[keras.callbacks.EarlyStopping("loss")])
    assert found == [0] * 6  # one to look at, two executions of two trials, one that fails


def test_callbacks_of_this_package_can_be_copied(tmp_path):
    hypermodel = tiny_search.hypermodel("weighted_mean", {"learning_rate": [0.1]})
    tuner = tiny_search.tuner(tmp_path, hypermodel, max_trials=1)
    rows = tiny_search.search(tuner, callbacks=[kf.training.FusionWeightsHistory()])
    assert rows[0]["status"] == "COMPLETED"


def test_a_callback_that_cannot_be_copied_is_named(tmp_path):
    callback = keras.callbacks.LambdaCallback()
    callback.lines = (line for line in ())
    tuner = tiny_search.tuner(tmp_path)
    with pytest.raises(TypeError, match="Received: LambdaCallback"):
        tiny_search.search(tuner, callbacks=[callback])
    assert tuner.oracle.trials == {}


# ---- going on, and the folder


def test_going_on_and_further(tmp_path):
    whole = tiny_search.search(tiny_search.tuner(tmp_path / "whole"))
    tiny_search.search(tiny_search.tuner(tmp_path / "parts", max_trials=2))
    built = []

    class Counting(kf.tuning.FusionHyperModel):
        def build(self, hp):
            built.append(dict(hp.values))
            return super().build(hp)

    options = {"optimizer": "sgd", "compile_arguments": {"run_eagerly": True}}
    hypermodel = Counting("moddrop", tiny_search.vectors, tiny_search.SPACE, **options)
    parts = tiny_search.search(tiny_search.tuner(tmp_path / "parts", hypermodel))
    assert values(parts) == values(whole)
    assert [r["score"] for r in parts] == [r["score"] for r in whole]
    assert built[1:] == values(whole)[2:]  # the first is the check of the objective
    assert values(tiny_search.search(tiny_search.tuner(tmp_path / "parts"))) == values(whole)


class Dies(keras.callbacks.Callback):
    """Ends the search in the middle of the second trial, as a signal would."""

    def on_epoch_end(self, epoch, logs=None):
        if self.model.get_layer("fusion_moddrop").rate == 0.3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("limit", [2, None])
def test_a_trial_that_ends_its_process_again_and_again_fails(tmp_path, limit):
    space = {"rate": {"values": [0.2, 0.3, 0.4], "default": 0.2}, "head_units": [[4]]}

    def go_on():
        hypermodel = tiny_search.hypermodel(space=space)
        options = {"tuner": "grid", "max_interruptions": limit}
        tuner = tiny_search.tuner(tmp_path, hypermodel, **options)
        return tiny_search.search(tuner, callbacks=[Dies()])

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            go_on()
    if limit is None:
        with pytest.raises(KeyboardInterrupt):
            go_on()
        return
    rows = go_on()
    assert [row["status"] for row in rows] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert "the process ended 2 times in the middle of this trial" in rows[1]["reason"]


class Stop(keras.callbacks.Callback):
    """Ends the search at the beginning of its third trial, once."""

    begun = 0

    def on_train_begin(self, logs=None):
        Stop.begun += 1
        if Stop.begun == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("random", {"max_trials": 5}),
        ("bayesian", {"max_trials": 5, "num_initial_points": 2}),
        ("grid", {"max_trials": None}),
        ("hyperband", {"max_trials": None, "max_epochs": 2, "factor": 2}),
    ],
)
def test_every_tuner_goes_on_in_the_middle(tmp_path, kind, options):
    space = {"rate": [0.2, 0.3, 0.4], "head_units": [[4], [5]]}

    def go_on(name, **arguments):
        hypermodel = tiny_search.hypermodel(space=space)
        tuner = tiny_search.tuner(tmp_path / name, hypermodel, tuner=kind, **options)
        return tiny_search.search(tuner, **arguments)

    Stop.begun = 0
    with pytest.raises(KeyboardInterrupt):
        go_on("parts", callbacks=[Stop()])
    parts, whole = go_on("parts"), go_on("whole")
    assert len(whole) > 3 and all(row["status"] == "COMPLETED" for row in parts)
    assert values(parts) == values(whole)
    assert [row["score"] for row in parts] == pytest.approx([row["score"] for row in whole])


def test_a_new_trial_that_the_oracle_does_not_know_is_drawn_again(tmp_path):
    tuner = tiny_search.tuner(tmp_path, max_trials=2)
    rows = tiny_search.search(tuner)
    # What a kill between the two files of a new trial leaves.
    folder = tmp_path / "search" / "trial_2"
    folder.mkdir()
    trial = json.loads((tmp_path / "search" / "trial_1" / "trial.json").read_text())
    trial |= {"trial_id": "2", "status": "RUNNING", "score": None}
    (folder / "trial.json").write_text(json.dumps(trial))
    more = tiny_search.search(tiny_search.tuner(tmp_path, max_trials=3))
    assert values(more[:2]) == values(rows)
    assert more[2]["status"] == "COMPLETED" and more[2]["values"] != more[1]["values"]


def test_overwrite(tmp_path):
    rows = tiny_search.search(tiny_search.tuner(tmp_path, max_trials=3))
    again = tiny_search.search(tiny_search.tuner(tmp_path, max_trials=1, overwrite=True))
    assert len(again) == 1 and values(again) == values(rows[:1])


def test_no_half_written_files(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    files.write_json(path, {"a": 1})
    monkeypatch.setattr(files.json, "dump", lambda content, file: file.write("{") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        files.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1} and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="directory: expected a folder that can be written"):
        tiny_search.tuner(tmp_path / "file")


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_up_ends_the_search_and_nothing_is_lost(tmp_path, monkeypatch):
    tuner = tiny_search.tuner(
        tmp_path,
        progress=lambda row: (
            monkeypatch.setattr("os.replace", full) if row["trial"] == "1" else None
        ),
    )
    with pytest.raises(OSError, match="make room.*start the same search again"):
        tiny_search.search(tuner)
    monkeypatch.undo()
    rows = tiny_search.search(tiny_search.tuner(tmp_path))
    assert values(rows) == values(tiny_search.search(tiny_search.tuner(tmp_path / "other")))


def test_a_checkpoint_that_does_not_fit_is_no_failed_trial(tmp_path, monkeypatch):
    tuner = tiny_search.tuner(tmp_path)
    monkeypatch.setattr(kf.FusionModel, "save_weights", full)
    with pytest.raises(OSError, match="make room"):
        tiny_search.search(tuner)
    monkeypatch.undo()
    rows = kf.tuning.read_trials(tuner.project_dir)
    assert [row["status"] for row in rows] == ["RUNNING"]
    assert len(tiny_search.search(tiny_search.tuner(tmp_path))) == 3


def test_other_errors_of_files_are_failed_trials(tmp_path):
    def backbones(hp):
        if hp.Choice("file", ["", "missing"]):
            (tmp_path / "missing").read_text()
        return tiny_search.vectors()

    hypermodel = tiny_search.hypermodel(space={"head_units": [[4]]}, backbones=backbones)
    tuner = tiny_search.tuner(tmp_path, hypermodel, tuner="grid", max_trials=None)
    rows = tiny_search.search(tuner)
    assert [row["status"] for row in rows] == ["COMPLETED", "FAILED"]
    assert "FileNotFoundError" in rows[1]["reason"]


# ---- arguments


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"tuner": "best"}, "tuner: expected one of"),
        ({"executions": 0}, "executions: expected an int >= 1"),
        ({"max_trials": 0}, "max_trials: expected an int >= 1"),
        ({"max_trials": None}, "max_trials: expected an int >= 1 with random"),
        ({"tuner": "hyperband"}, "max_trials: expected None with hyperband"),
        ({"max_consecutive_failed_trials": 0}, "max_consecutive_failed_trials: expected"),
        ({"strategy": "all"}, "strategy: expected None"),
    ],
)
def test_a_wrong_argument_is_named(tmp_path, arguments, match):
    with pytest.raises(ValueError, match=match):
        tiny_search.tuner(tmp_path, **arguments)


def test_a_hypermodel_of_another_kind(tmp_path):
    with pytest.raises(TypeError, match="expected a FusionHyperModel"):
        kf.tuning.make_tuner(lambda hp: None, max_trials=1)


@pytest.mark.skipif(TENSORFLOW, reason="TensorFlow has strategies")
def test_strategies_are_tensorflows(tmp_path):
    with pytest.raises(ValueError, match="only TensorFlow has strategies"):
        tiny_search.tuner(tmp_path, strategy="mirrored")


@pytest.mark.skipif(not TENSORFLOW, reason="only TensorFlow has strategies")
def test_a_mirrored_search(tmp_path):
    hypermodel = tiny_search.hypermodel(compile_arguments={})
    tuner = tiny_search.tuner(tmp_path, hypermodel, max_trials=1, strategy="mirrored")
    assert tuner.distribution_strategy.num_replicas_in_sync == 1  # no GPU, or one
    assert tiny_search.search(tuner)[0]["status"] == "COMPLETED"


def test_gpus_are_counted_and_printed(tmp_path, capsys):
    tiny_search.search(tiny_search.tuner(tmp_path, max_trials=1))
    printed = capsys.readouterr().out
    assert f"GPUs: {kf.tuning.count_gpus()}, backend {keras.backend.backend()}" in printed


def test_a_search_of_keras_tuner_itself_can_be_read(tmp_path):
    def build(hp):
        if hp.Choice("units", [2, 3]) == 3:
            raise keras_tuner.errors.FailedTrialError("three is too many")
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    tuner = keras_tuner.GridSearch(build, "val_loss", directory=tmp_path, project_name="search")
    x = np.zeros((4, 4))
    tuner.search(x, x[:, :2], validation_data=(x, x[:, :2]), verbose=0)
    rows = kf.tuning.read_trials(tmp_path / "search")
    assert rows[0]["scores"] == [] and rows[0]["score"] == 0
    assert rows[1]["status"] == "FAILED" and "three is too many" in rows[1]["reason"]


def test_a_folder_without_a_search(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the folder of a search"):
        kf.tuning.read_trials(tmp_path)
    (tmp_path / "oracle.json").write_text("{}")
    assert kf.tuning.read_trials(tmp_path) == []
    (tmp_path / "trial_0").mkdir()
    (tmp_path / "trial_0" / "trial.json").write_text("{")
    with pytest.raises(ValueError, match="trial.json: expected JSON"):
        kf.tuning.read_trials(tmp_path)
