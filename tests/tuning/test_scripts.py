"""The command lines of tuning/, in this process with tiny models, and with workers of their own."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import keras
import pytest

pytest.importorskip("rich")
from helpers import tiny_scripts
from helpers.tiny import without_graphs

import keras_fusion as kf


@pytest.fixture
def scripts(monkeypatch, tmp_path):
    """The modules, which leave nothing behind."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    without_graphs(monkeypatch)
    yield tiny_scripts.load()
    for name in (*tiny_scripts.NAMES, "compare_methods"):
        sys.modules.pop(name, None)


def call(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
    module.main()


SMALL = ("--executions", 2, "--epochs", 2, "--name", "s")


@pytest.mark.slow
def test_search_results_and_confirm(scripts, monkeypatch, tmp_path, capsys):
    folder = tmp_path / "runs" / "tuning" / "s"
    call(scripts["search"], monkeypatch, "--trials", 2, *SMALL, "--confirm", 2)
    printed = capsys.readouterr().out
    assert "2 trials with a score, 0 failed" in printed and "trial 1  " in printed
    assert "read once" in printed and "Test split, 2 new seeds each" in printed
    best = json.loads((folder / "best.json").read_text())
    assert best["test_reads"] == 1 and best["objective"] == "val_central_accuracy"
    x, y = scripts["_setup"].DATA["mm_digits"][0]()["test"]
    scores = keras.models.load_model(folder / "best.keras").evaluate(x, y, verbose=0)
    assert best["test_score"] in [pytest.approx(score) for score in scores]
    assert (folder / "scores.png").exists()
    rows = [json.loads(line) for line in (folder / "confirm.jsonl").read_text().splitlines()]
    assert [(r["which"], r["seed"]) for r in rows] == [
        (which, seed) for which in ("best", "default") for seed in range(2)
    ]
    assert rows[0]["values"] == best["values"] != rows[2]["values"]
    assert rows[2]["values"]["rate"] == 0.5

    # The same command again: nothing is trained, the test split is not read again.
    call(scripts["search"], monkeypatch, "--trials", 2, *SMALL, "--confirm", 2)
    assert "trial 1  " not in (printed := capsys.readouterr().out) and "read once" in printed
    assert len((folder / "confirm.jsonl").read_text().splitlines()) == 4
    # Further, with more trials.
    call(scripts["search"], monkeypatch, "--trials", 3, *SMALL)
    assert "3 trials with a score" in capsys.readouterr().out
    call(scripts["results"], monkeypatch, folder, "--top", 1)
    printed = capsys.readouterr().out
    assert "3 trials with a score" in printed and "new seeds" in printed and "Best: " in printed

    with pytest.raises(SystemExit, match=r"holds another search \(epochs: 2, now 3\)"):
        call(scripts["search"], monkeypatch, *SMALL, "--epochs", 3)
    call(scripts["search"], monkeypatch, "--trials", 1, *SMALL, "--epochs", 1, "--overwrite")
    assert len(kf.tuning.read_trials(folder)) == 1
    assert not (folder / "confirm.json").exists()


def test_failures_are_listed(scripts, monkeypatch, capsys, tmp_path):
    space = tmp_path / "space.json"
    space.write_text('{"rate": [0.1, 7.0], "head_units": [[4]]}')
    call(scripts["search"], monkeypatch, "--tuner", "grid", *SMALL, "--space", space)
    printed = capsys.readouterr().out
    assert "1 trials with a score, 1 failed" in printed
    assert (
        " ".join(printed.split()).count("rate: expected") == 2
    )  # when it happens, and in the table


def test_a_folder_that_cannot_be_written(scripts, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="--directory: .*cannot be written"):
        call(scripts["search"], monkeypatch, "--directory", tmp_path / "file")


def test_results_of_nothing(scripts, monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match=r"no folder of tuning/search.py"):
        call(scripts["results"], monkeypatch, tmp_path)


@pytest.mark.parametrize("name", ["moddrop", "methods"])
def test_the_spaces_in_files_fit(scripts, name):
    path = tiny_scripts.ROOT / "tuning" / "spaces" / f"{name}.toml"
    named = ["sum", "product", "centralnet", "hybrid", "moddrop", "gmu", "cross_attention"]
    methods = named if name == "methods" else ["moddrop"]
    space = scripts["_setup"].read_space(path, methods)
    assert {m for m in space if m in named} == (set(methods) if len(methods) > 1 else set())
    _, backbones = scripts["_setup"].DATA["grid_digits"]
    assert kf.tuning.FusionHyperModel(methods, backbones, space).methods == methods


def test_the_difference_and_its_interval(scripts):
    found = scripts["confirm"].summary({"best": [0.9, 0.92, 0.94], "default": [0.9, 0.9, 0.96]})
    assert found["difference"] == pytest.approx(0.0)
    assert found["best"]["deviation"] == pytest.approx(0.02)
    # Welch, by scipy.stats.ttest_ind(..., equal_var=False).confidence_interval().
    assert found["interval"] == pytest.approx([-0.070964, 0.070964], abs=1e-5)


def test_gpus_of_the_workers(scripts, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert scripts["_workers"].visible_gpus() == ["3", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert scripts["_workers"].visible_gpus() == []


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="for TensorFlow and JAX")
def test_two_workers_one_of_them_killed(tmp_path):
    command = [sys.executable, tiny_scripts.__file__, "--workers", "2", "--trials", "4"]
    command += ["--executions", "1", "--epochs", "1", "--directory", str(tmp_path), "--name", "s"]
    environment = {**os.environ, "PYTHONPATH": str(tiny_scripts.ROOT), "COLUMNS": "150"}
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=environment, **pipe) as process:
        for line in process.stdout:
            if found := re.match(r"tuner1: process (\d+)", line):
                break
        deadline = time.monotonic() + 180
        while running(tmp_path / "s") < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(int(found[1]), signal.SIGKILL)
        printed = process.stdout.read()
    assert process.returncode == 0, printed
    assert "tuner1: ended with -9, started again" in printed
    rows = kf.tuning.read_trials(tmp_path / "s")
    assert [row["status"] for row in rows] == 4 * ["COMPLETED"]
    assert "4 trials with a score" in printed and "read once" in printed
    by = [json.loads(p.read_text())["tuner"] for p in (tmp_path / "s").glob("trial_*/search.json")]
    assert set(by) == {"tuner0", "tuner1"}


def running(folder):
    try:
        return sum(row["status"] == "RUNNING" for row in kf.tuning.read_trials(folder))
    except FileNotFoundError:
        return 0
