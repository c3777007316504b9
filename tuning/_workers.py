"""A chief and workers on this machine: KerasTuner's distributed mode, started and watched."""

import os
import shutil
import socket
import subprocess
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import keras_fusion as kf

RESTARTS = 3


def visible_gpus():
    """Numbers of the GPUs, without a library that would take hold of them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [number for number in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if number]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return [str(i) for i, _ in enumerate(filter(None, listed.stdout.splitlines()))]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Fleet:
    """The processes of a search, each with a log file beside the trials."""

    def __init__(self, folder, count):
        self.folder, self.gpus, self.console = folder, visible_gpus(), Console()
        self.common = {
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(free_port()),
            # Without it TensorFlow takes all of the GPU, though workers may share one.
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        }
        if count > len(self.gpus):
            self.common["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        self.count, self.processes, self.starts = count, {}, {}

    def start(self, name):
        gpus = self.gpus
        own = "" if name == "chief" or not gpus else gpus[int(name[5:]) % len(gpus)]
        environment = {**os.environ, **self.common, "KERASTUNER_TUNER_ID": name}
        environment["CUDA_VISIBLE_DEVICES"] = own
        command = [sys.executable, *sys.argv, "--no-report", "--workers", "0"]
        with open(self.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.processes[name] = process
        self.starts[name] = self.starts.get(name, 0) + 1
        where = f"GPU {own}" if own else "CPU"
        self.console.print(f"{name}: process {process.pid}, {where}")

    def run(self, total):
        """Until the chief ends; a worker that dies is started again."""
        self.console.print(f"{len(self.gpus)} GPUs, {self.count} workers")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        try:
            self.start("chief")
            for i in range(self.count):
                self.start(f"tuner{i}")
            with Progress(*columns, TimeElapsedColumn(), console=self.console) as progress:
                task = progress.add_task("trials", total=total)
                while self.processes["chief"].poll() is None:
                    time.sleep(1)
                    progress.update(task, completed=self.ended())
                    self.watch()
                progress.update(task, completed=self.ended())
        finally:
            for process in self.processes.values():
                if process.poll() is None:
                    process.terminate()
            for process in self.processes.values():
                process.wait()
        if self.processes["chief"].returncode:
            log = self.folder / "chief.log"
            raise SystemExit(f"The chief ended with an error:\n{tail(log)}\nSee {log}")

    def ended(self):
        try:
            trials = kf.tuning.read_trials(self.folder)
        except FileNotFoundError:
            return 0
        return sum(row["status"] in ("COMPLETED", "FAILED") for row in trials)

    def watch(self):
        """Starts dead workers again; ends the search when none is left."""
        for name, process in list(self.processes.items()):
            if name == "chief" or process.poll() in (None, 0):
                continue
            if self.starts[name] <= RESTARTS:
                self.console.print(f"{name}: ended with {process.returncode}, started again")
                self.start(name)
        lost = [n for n, p in self.processes.items() if p.poll() not in (None, 0)]
        alive = [n for n, p in self.processes.items() if n != "chief" and p.poll() is None]
        if lost and not alive:
            log = self.folder / f"{lost[0]}.log"
            raise SystemExit(
                f"Workers that ended {RESTARTS + 1} times: {', '.join(lost)}. The last of them "
                f"said:\n{tail(log)}\nThe same command goes on."
            )


def tail(path, lines=15):
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
