"""Runs on an executor: processes that may die, Dask, and what becomes of a run that kills them."""

import concurrent.futures as cf
import functools
import os
import pickle
import shutil
import tempfile
from collections import Counter, deque

from keras_fusion.evaluation import _child

DEATHS = 2  # of workers that trained a run alone, after which it counts as failed
SMALL = 1_000_000  # bytes of pickled data that go with every run: a function, folds


def run_tasks(tasks, executor, source, finish):
    """Trains every task once, in whatever order, as long as workers can be had.

    Args:
        tasks: List of `(task, run)`.
        executor: A `concurrent.futures.Executor`, or a function that makes one.
        source: `Source` of the data.
        finish: Function `(run, result, failed)`, called for every run: with its result, or `None`
            and the reason why there is none.

    Raises:
        TypeError, ValueError: an executor that is none, or of threads; what cannot be pickled.
        RuntimeError: the executor is broken and there is no function to make another.
    """
    make = None if isinstance(executor, cf.Executor) else executor
    if make is not None and not callable(make):
        raise TypeError(
            "executor: expected a concurrent.futures.Executor or a function that makes one. "
            f"Received: {executor!r}"
        )
    pool = executor if make is None else make()
    folder = tempfile.mkdtemp(prefix="keras_fusion-")
    try:
        width = _checked(pool)
        work = _child.work if _is_dask(pool) else _child.worked
        jobs = [(_pickled(task, pool), run) for task, run in tasks]
        path, data = os.path.join(folder, "data"), _pickled(source, pool)
        if len(data) > SMALL:
            with open(path, "wb") as file:
                file.write(data)
            data = None
        pool = _run(jobs, pool, make, width, functools.partial(work, path, data), finish)
    finally:
        if make is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(folder, ignore_errors=True)


def _run(jobs, pool, make, width, work, finish):
    waiting, suspects, deaths, running = deque(jobs), deque(), Counter(), {}
    while waiting or suspects or running:
        lost = []
        if suspects and not running:
            # Alone: whose worker dies now has only itself to blame.
            batch = [suspects.popleft()]
        else:
            batch = []
            while not suspects and waiting and len(running) + len(batch) < width:
                batch.append(waiting.popleft())
        alone = batch if len(batch) == 1 and not running else []
        for job in batch:
            try:
                running[pool.submit(work, job[0])] = job
            except cf.BrokenExecutor as error:
                lost.append((job, error))
        done, _ = cf.wait(running, return_when=cf.FIRST_COMPLETED)
        broken = bool(lost)
        for future in done:
            broken = isinstance(future.exception(), cf.BrokenExecutor) or broken
        if broken:  # the others end in the same way, or have ended well
            done, _ = cf.wait(running)
        for future in done:
            job, error = running.pop(future), future.exception()
            if error is None:
                finish(job[1], future.result(), None)
            elif _died(error):
                lost.append((job, error))
            else:
                for other in running:
                    other.cancel()
                raise error
        for job, error in lost:
            deaths[_id(job)] += job in alone
            if deaths[_id(job)] == DEATHS:
                finish(job[1], None, f"its worker died {DEATHS} times ({error})")
            else:
                suspects.append(job)
        if broken:
            if make is None:
                raise RuntimeError(
                    "executor: expected a function that makes an executor, as a worker has died "
                    "and this one is broken for good. Received: an instance. Finished runs are "
                    "kept where `results` names a folder"
                ) from (lost[0][1] if lost else None)
            pool.shutdown(wait=False)
            pool = make()
    return pool


def _id(job):
    return id(job[1])


def _died(error):
    killed = type(error).__name__ == "KilledWorker"  # Dask's
    return killed or isinstance(error, (cf.BrokenExecutor, _child.ChildDied))


def _is_dask(pool):
    return type(pool).__module__.split(".")[0] == "distributed"


def _checked(pool):
    """How many runs go at a time; an error for threads, as Keras' seed is the process'."""
    expected = "executor: expected workers that are processes of one thread each, as seeds are "
    if not isinstance(pool, cf.Executor):
        raise TypeError(f"executor: expected a function that makes an Executor. Received: {pool!r}")
    if isinstance(pool, cf.ThreadPoolExecutor):
        raise ValueError(f"{expected}global to a process. Received: {type(pool).__name__}")
    if _is_dask(pool):
        threads = pool._client.nthreads()
        if max(threads.values(), default=1) > 1:
            raise ValueError(
                f"{expected}global to a process (LocalCluster(threads_per_worker=1)). Received: "
                f"{sorted(set(threads.values()))} threads"
            )
        return max(len(threads), 1)
    context = getattr(pool, "_mp_context", None)
    if context is not None and context.get_start_method() == "fork":
        raise ValueError(
            'executor: expected the start method "spawn": ProcessPoolExecutor(mp_context='
            'multiprocessing.get_context("spawn")); copies of a process that has loaded a backend '
            'hang. Received: "fork"'
        )
    return getattr(pool, "_max_workers", None) or os.cpu_count()


def _pickled(value, pool):
    try:
        if _is_dask(pool):
            import cloudpickle  # Dask needs it; it knows functions of notebooks and scripts

            return cloudpickle.dumps(value)
        return pickle.dumps(value)
    except Exception as error:
        raise TypeError(
            "executor: expected methods, data, prepare and callbacks that can be pickled, such as "
            f"functions of a module and those of `baselines`. Received: {error}"
        ) from error
