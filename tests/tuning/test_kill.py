"""A search that is killed for real goes on to the same trials."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import tiny_search

import keras_fusion as kf

HELPERS = Path(tiny_search.__file__)
ROOT = HELPERS.parents[2]


@pytest.mark.slow
def test_killed_in_the_middle_of_a_trial(tmp_path):
    whole = tiny_search.search(tiny_search.tuner(tmp_path / "whole"), epochs=3)
    folder = tmp_path / "killed"
    command = [sys.executable, str(HELPERS), str(folder), "3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line == "RUNNING\n":
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    before = kf.tuning.read_trials(folder / "search")
    assert [row["status"] for row in before] == ["COMPLETED", "COMPLETED", "RUNNING"]
    stamps = [(folder / f"search/trial_{i}/trial.json").stat().st_mtime_ns for i in range(2)]

    after = tiny_search.search(tiny_search.tuner(folder), epochs=3)

    assert [row["values"] for row in after] == [row["values"] for row in whole]
    assert [row["score"] for row in after] == pytest.approx([row["score"] for row in whole])
    assert all(row["status"] == "COMPLETED" for row in after)
    # What was done is not trained again.
    assert stamps == [(folder / f"search/trial_{i}/trial.json").stat().st_mtime_ns for i in (0, 1)]
