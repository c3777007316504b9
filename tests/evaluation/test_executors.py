"""Runs in other processes: equal to those of this one, whatever becomes of a worker."""

import concurrent.futures as cf
import multiprocessing
import os
import sys

import pytest
from helpers.runs import Fused, Kills, parts

from keras_fusion import evaluation as ev
from keras_fusion.evaluation import _executors
from keras_fusion.evaluation._parts import Source
from keras_fusion.evaluation._progress import progress
from keras_fusion.evaluation._work import Task
from keras_fusion.training import Starts, model_digest

pytest.importorskip("scipy")


def pool(workers=2):
    return cf.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def scores(found):
    return {(run["method"], run["seed"]): run["scores"] for run in found.runs}


@pytest.mark.slow
def test_twelve_runs_on_two_processes_one_of_them_killed(tmp_path):
    """The first run kills its worker."""
    methods = {"once": Kills(os.getpid(), str(tmp_path / "killed")), "sum": Fused("sum")}
    options = {"seeds": range(6), "epochs": 2, "batch_size": 6, "keep_predictions": True}
    serial = ev.compare(methods, parts(), **options)
    found = ev.compare(methods, parts, **options, results=tmp_path / "cells", executor=pool)
    assert (tmp_path / "killed").exists()
    assert scores(found) == scores(serial)  # to the last bit, on one backend
    assert len(list((tmp_path / "cells").glob("*.json"))) == 12


class Inline(cf.Executor):
    """A pool of one worker in this process, which dies of a builder that says so."""

    def submit(self, function, *arguments):
        future = cf.Future()
        try:
            future.set_result(function(*arguments))
        except MemoryError as error:
            future.set_exception(cf.BrokenExecutor(f"a process was terminated ({error})"))
        return future


class Fatal(Fused):
    alive = True

    def __call__(self):
        if type(self).alive:
            return super().__call__()
        raise MemoryError("too large")


def test_a_run_that_kills_every_worker_is_recorded_as_failed(tmp_path, capsys, monkeypatch):
    methods = {"fatal": Fatal(), "sum": Fused("sum")}

    def make():  # what is checked before the first training goes well
        monkeypatch.setattr(Fatal, "alive", False)
        return Inline()

    found = ev.compare(methods, parts(), [0], results=tmp_path, executor=make)
    rows = {run["method"]: run for run in found.runs}
    assert "its worker died 2 times" in rows["fatal"]["failed"]
    assert "fatal, seed 0: its worker died 2 times" in capsys.readouterr().err
    assert list(found.scores) == ["sum"] and len(list(tmp_path.iterdir())) == 2
    # It is tried again, the other is not.
    monkeypatch.setattr(Fatal, "alive", True)
    again = ev.compare(methods, parts(), [0], results=tmp_path)
    assert list(again.scores) == ["fatal", "sum"] and len(list(tmp_path.iterdir())) == 2
    said = capsys.readouterr().err
    assert "1 of 1 runs of sum" in said and "runs of fatal" not in said


@pytest.mark.slow
def test_dask(tmp_path):
    """A worker's child is killed once; Dask's own draws from `random` change nothing."""
    distributed = pytest.importorskip("distributed")
    methods = {"once": Kills(os.getpid(), str(tmp_path / "killed")), "sum": Fused("sum")}
    serial = ev.compare(methods, parts(), range(2), epochs=2)
    options = {"processes": True, "dashboard_address": None, "memory_limit": 0}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = ev.compare(methods, parts(), range(2), epochs=2, executor=client.get_executor)
    assert (tmp_path / "killed").exists() and scores(found) == scores(serial)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, **options) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(ValueError, match=r"one thread each.*Received: \[2\] threads"),
    ):
        ev.compare(methods, parts(), [0], executor=client.get_executor)


CALLS = set()  # Dask takes equal ones for one


class Pool(cf.Executor):
    """Ends its jobs as it is told; broken for good after a death, as a pool of processes is."""

    def __init__(self, ends):
        self.ends, self.broken = ends, False

    def submit(self, function, job, attempt):
        if self.broken:
            raise cf.BrokenExecutor("broken")
        assert (job, attempt) not in CALLS
        CALLS.add((job, attempt))
        future, end = cf.Future(), self.ends[job].pop(0)
        if isinstance(end, Exception):
            self.broken = isinstance(end, cf.BrokenExecutor)
            future.set_exception(end)
        else:
            future.set_result(end)
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        pass


DEAD = cf.BrokenExecutor("a process was terminated")


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ({"a": [1], "b": [2], "c": [3]}, {"a": 1, "b": 2, "c": 3}),
        ({"a": [1], "b": [DEAD, 2], "c": [3]}, {"a": 1, "b": 2, "c": 3}),
        ({"a": [DEAD, DEAD, 1], "b": [2], "c": [3]}, {"a": 1, "b": 2, "c": 3}),
        ({"a": [1], "b": [DEAD] * 3, "c": [3]}, {"a": 1, "b": None, "c": 3}),
    ],
)
def test_deaths(ends, expected):
    CALLS.clear()
    found, pools, ends = {}, [], {name: list(how) for name, how in ends.items()}

    def make():
        pools.append(Pool(ends))
        return pools[-1]

    def finish(run, result, failed):
        assert run not in found and (failed is None) == (result is not None)
        found[run] = result

    _executors._run([(job, job) for job in ends], [make()], make, 2, None, finish)
    assert found == expected and not any(ends.values())


@pytest.mark.parametrize(
    ("argument", "value"), [("backend", "other"), ("identity", {"train": "0"}), ("model", "0")]
)
def test_a_worker_that_would_train_something_else(argument, value):
    """Another backend, other data, or other initial weights than those that the hash is of."""
    source = Source(parts(), None, None, None, None)
    build = Fused()
    model = model_digest(Starts()(build, 0))
    task = Task(None, source.identity(None), model, build, 0, {}, False, None)
    row, predictions = task(source)
    assert row["scores"]["central_accuracy"] >= 0 and predictions is None
    setattr(task, argument, value)
    with pytest.raises(RuntimeError, match="executor: expected workers with the"):
        task(source)


@pytest.mark.parametrize("rich", [True, False])
def test_progress(monkeypatch, capsys, rich):
    if rich:
        pytest.importorskip("rich")
    else:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    with progress(3, verbose=1) as advance:
        advance("gmu, seed 0")
        advance("gmu, seed 1")
    said = capsys.readouterr().err
    assert "gmu, seed 1" in said and ("2/3" if rich else "2 of 3 runs") in said
    with progress(3) as advance:  # not a terminal
        advance("gmu, seed 0")
    assert not capsys.readouterr().err


def test_an_instance_cannot_be_made_anew():
    CALLS.clear()
    finished = []
    ends = {"a": [1], "b": [DEAD]}
    with pytest.raises(RuntimeError, match="broken for good. Received: an instance"):
        _executors._run([(job, job) for job in ends], [Pool(ends)], None, 1, None,
                        lambda *done: finished.append(done))  # fmt: skip
    assert finished == [("a", 1, None)]


def test_an_error_in_a_run_is_raised():
    CALLS.clear()
    ends = {"a": [ValueError("no such layer")], "b": [1]}
    with pytest.raises(ValueError, match="no such layer"):
        _executors._run([(job, job) for job in ends], [Pool(ends)], None, 1, None, print)
