"""The examples on several devices run as a user starts them, and go on after a kill."""

import json
import os
import queue
import re
import runpy
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest

pytest.importorskip("sklearn")
EXAMPLES = Path(__file__).parents[2] / "examples"
COMPARISON = EXAMPLES / "distributed" / "comparison.py"


def start(folder, script, *arguments):
    command = [sys.executable, EXAMPLES / script, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, text=True, **pipes)


def run(folder, *arguments):
    process = start(folder, *arguments)
    printed, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors[-3000:]
    return printed


@pytest.mark.slow
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


@pytest.mark.slow
def test_data_parallel(tmp_path):
    pytest.importorskip("jax")
    printed = run(tmp_path, "distributed/data_parallel.py", "--cpus", 2, "--epochs", 1)
    assert re.search(r"2 devices, accuracy 0\.\d+", printed)


@pytest.mark.slow
def test_what_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cost.py", "--steps", "0"])
    found = runpy.run_path(str(EXAMPLES / "distributed" / "cost.py"), run_name="__main__")
    cases = sum(map(len, found["CHANGES"].values()))
    assert capsys.readouterr().out.count("\n| ") == 1 + cases  # a heading
    small = ("--seeds", 1, "--epochs", 1, "--methods", "gmu", "--results", tmp_path / "r")
    printed = run(tmp_path, "benchmarks/mixed_precision.py", *small)
    assert "mixed_float16" in printed
    assert len(next((tmp_path / "r").iterdir()).read_text().splitlines()) == 3


@pytest.mark.slow
def test_comparison_on_two_processes(tmp_path):
    pytest.importorskip("scipy")
    small = ("--methods", "image_a alone", "image_b alone", "--seeds", 1, "--epochs", 1)
    printed = run(tmp_path, COMPARISON, "--gpus", 2, *small, "--results", "r")
    cells = [json.loads(path.read_text()) for path in (tmp_path / "r").glob("*.json")]
    assert sorted(row["method"] for row in cells) == ["image_a alone", "image_b alone"]
    assert printed.startswith("method") and printed.count("alone") == 2
    assert run(tmp_path, COMPARISON, "--report", "--results", "r") == printed


@pytest.mark.parametrize("name", ["comparison.sbatch", "comparison.yaml"])
def test_every_task_of_a_cluster_has_its_shard(name):
    text = (COMPARISON.parent / name).read_text()
    (command,) = re.findall(r"python (comparison\.py --shard .*)", text)
    script, *arguments = shlex.split(command)
    options = runpy.run_path(str(COMPARISON.with_name(script)))["parser"]()
    counts = {"comparison.sbatch": r"--array=0-(\d+)", "comparison.yaml": r"completions: (\d+)"}
    count = int(re.search(counts[name], text)[1]) + name.endswith("sbatch")
    for i in range(count):
        one = [
            re.sub(r"\$(SLURM_ARRAY_TASK_ID|JOB_COMPLETION_INDEX)", str(i), a) for a in arguments
        ]
        assert options.parse_args(one).shard == [i, count]


def test_a_worker_knows_its_gpu_before_it_knows_keras(monkeypatch):
    code = f"import runpy, sys; runpy.run_path({str(COMPARISON)!r}); print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "argparse" in loaded and not {"keras", "numpy"} & set(loaded)
    for name in ("TF_FORCE_GPU_ALLOW_GROWTH", "XLA_PYTHON_CLIENT_PREALLOCATE"):
        monkeypatch.setenv(name, "")  # they are put back after the test
    script = runpy.run_path(str(COMPARISON))
    for given, expected in ((None, ["0", "1"]), ("5,6,7", ["5", "6"])):
        if given is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
        make = script["executor"](script["parser"]().parse_args(["--gpus", "2"]))
        assert make.args == (2, expected)
    numbers = queue.SimpleQueue()
    numbers.put("6")
    script["take_gpu"](numbers)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "6"
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
