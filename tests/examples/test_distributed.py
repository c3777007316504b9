"""The examples on several devices run as a user starts them, and go on after a kill."""

import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest

pytest.importorskip("sklearn")
EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.slow


def start(folder, script, *arguments):
    command = [sys.executable, EXAMPLES / script, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, text=True, **pipes)


def run(folder, *arguments):
    process = start(folder, *arguments)
    printed, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors[-3000:]
    return printed


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="MirroredStrategy")
def test_mirrored(tmp_path):
    command = ("distributed/mirrored.py", "--cpus", 2, "--epochs", 2)
    process = start(tmp_path, *command)
    while "loss" not in process.stdout.readline():  # the first epoch has ended
        assert process.poll() is None, process.stderr.read()[-3000:]
    backup = tmp_path / "runs" / "mirrored" / "backup.npz"
    assert backup.exists()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if not backup.exists():  # it was done
        pytest.skip("the training ended before it was killed")
    printed = run(tmp_path, *command)
    assert "Epoch 2/2" in printed and re.search(r"2 devices, accuracy 0\.\d+", printed)


def test_data_parallel(tmp_path):
    pytest.importorskip("jax")
    printed = run(tmp_path, "distributed/data_parallel.py", "--cpus", 2, "--epochs", 1)
    assert re.search(r"2 devices, accuracy 0\.\d+", printed)


def test_what_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cost.py", "--steps", "0"])
    runpy.run_path(str(EXAMPLES / "distributed" / "cost.py"), run_name="__main__")
    assert capsys.readouterr().out.count("\n| ") == 12
    small = ("--seeds", 1, "--epochs", 1, "--methods", "gmu", "--results", tmp_path / "r")
    printed = run(tmp_path, "benchmarks/mixed_precision.py", *small)
    assert "mixed_float16" in printed
    assert len(next((tmp_path / "r").iterdir()).read_text().splitlines()) == 3
