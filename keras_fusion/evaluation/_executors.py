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
    pools = [executor if make is None else make()]  # the last one is in use
    folder = tempfile.mkdtemp(prefix="keras_fusion-")
    try:
        width = _checked(pools[0])
        work = _child.work if _is_dask(pools[0]) else _child.worked
        jobs = [(_pickled(task, pools[0]), run) for task, run in tasks]
        path, data = os.path.join(folder, "data"), _pickled(source, pools[0])
        if len(data) > SMALL:
            with open(path, "wb") as file:
                file.write(data)
            data = None
        _run(jobs, pools, make, width, functools.partial(work, path, data), finish)
    finally:
        if make is not None:
            pools[-1].shutdown(wait=False)
        shutil.rmtree(folder, ignore_errors=True)


def _run(jobs, pools, make, width, work, finish):
    waiting, suspects, running = deque(jobs), deque(), {}
    deaths, tries = Counter(), Counter()
    try:
        while waiting or suspects or running:
            # One suspect alone: if its worker dies again, it has only itself to blame.
            alone = bool(suspects) and not running
            lost, broken = [], False
            while (alone or not suspects) and (suspects or waiting) and len(running) < width:
                job = (suspects or waiting).popleft()
                try:
                    tries[id(job)] += 1  # Dask takes equal calls for one
                    running[pools[-1].submit(work, job[0], tries[id(job)])] = job
                except cf.BrokenExecutor:  # of a worker that died idle
                    waiting.appendleft(job)
                    broken = True
                if alone or broken:
                    break
            done, _ = cf.wait(running, return_when=cf.FIRST_COMPLETED)
            broken = broken or any(isinstance(f.exception(), cf.BrokenExecutor) for f in done)
            if broken:  # the others end in the same way, or have ended well
                done, _ = cf.wait(running)
            for future in done:
                job, error = running.pop(future), future.exception()
                if error is None:
                    finish(job[1], future.result(), None)
                elif not _died(error):
                    raise error
                else:
                    lost.append((job, error))
            for job, error in lost:
                deaths[id(job)] += alone
                if deaths[id(job)] < DEATHS:
                    suspects.append(job)
                else:
                    finish(job[1], None, f"its worker died {DEATHS} times ({error})")
            if broken:
                if make is None:
                    raise RuntimeError(
                        "executor: expected a function that makes an executor, as a worker has "
                        "died and this one is broken for good. Received: an instance. Finished "
                        "runs are kept where `results` names a folder"
                    )
                pools[-1].shutdown(wait=False)
                pools.append(make())
    finally:
        for future in running:
            future.cancel()


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
