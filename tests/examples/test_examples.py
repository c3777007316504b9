"""The examples run as a user starts them: in a process of their own, here with little data."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("rich")
EXAMPLES = Path(__file__).parents[2] / "examples"
needs_data = pytest.mark.skipif(
    not os.environ.get("KERAS_FUSION_DATA"),
    reason="needs the data sets in the folder named by KERAS_FUSION_DATA",
)


def run(folder, script, *arguments):
    command = [sys.executable, EXAMPLES / script, *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_compare_methods_goes_on_where_it_stopped(tmp_path):
    results = tmp_path / "results"
    arguments = ("--epochs", 1, "--results", results, "--methods", "weighted_mean")
    printed = run(tmp_path, "compare_methods.py", *arguments)
    (log,) = results.iterdir()
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["method"] for row in rows] == ["alone", "weighted_mean"]
    assert set(rows[1]["heads"]) <= {"image_a", "image_b"} and "level_0: " in printed
    # What is there is not trained again.
    log.write_text(log.read_text().replace(f'"accuracy": {rows[1]["accuracy"]}', '"accuracy": 0.4'))
    printed = run(tmp_path, "compare_methods.py", *arguments, "xflow")
    assert "40.0" in printed and "xflow" in printed
    assert len(log.read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_compare_methods_on_spoken_digits(tmp_path):
    options = ("--data", "grid_digits", "--epochs", 1, "--methods", "late_mean")
    printed = run(tmp_path, "compare_methods.py", *options)
    assert "grid_digits, test split" in printed and "late_mean" in printed


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_mm_mnist_goes_on_where_it_stopped(tmp_path):
    options = ("--epochs", 1, "--limit", 128, "--results", tmp_path, "--models", "image_a")
    printed = run(tmp_path, "mm_mnist.py", *options)
    assert "230 ± 2.7" in printed
    (done,) = tmp_path.glob("*.npy")
    before = done.stat().st_mtime_ns
    run(tmp_path, "mm_mnist.py", *options)
    assert done.stat().st_mtime_ns == before
