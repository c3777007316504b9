"""What a worker does: a run, in its own process or (for Dask) in a child of it.

Dask draws from Python's `random` in its workers, from which Keras seeds its layers.
"""

import contextlib
import functools
import os
import pickle
import subprocess
import sys
import traceback


class ChildDied(RuntimeError):
    """The process that trained a run was killed."""


def worked(path, data, task, attempt):
    """The result of a pickled task, on pickled data: bytes, or `None` where they are in a file."""
    return pickle.loads(task)(_source(path, data))


@functools.lru_cache(maxsize=1)
def _source(path, data):
    """Loaded once for every comparison; the path stands for it."""
    if data is not None:
        return pickle.loads(data)
    try:
        with open(path, "rb") as file:
            return pickle.load(file)
    except FileNotFoundError as error:
        raise RuntimeError(
            "data: expected a function that loads the data, as this worker does not see the files "
            "of the process that compares. Received: arrays"
        ) from error


def work(path, data, task, attempt):
    """As `worked`, in a child of this process, which stays for the next task."""
    global _child
    if _child is None or _child.poll() is not None:
        _child = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    try:
        pickle.dump((path, data, task, attempt), _child.stdin)
        _child.stdin.flush()
        result, error = pickle.load(_child.stdout)
    except (EOFError, OSError, pickle.UnpicklingError) as lost:
        _child.kill()
        raise ChildDied(f"the process that trained it ended with {_child.wait()}") from lost
    if error is not None:
        raise error
    return result


_child = None


def serve():
    """The child: answers tasks until its parent is gone."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what trainings print must not be taken for an answer
    while True:
        try:
            given = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = pickle.dumps((worked(*given), None))
        except Exception as error:
            try:
                answer = pickle.dumps((None, error))
                pickle.loads(answer)
            except Exception:
                text = "".join(traceback.format_exception(error))
                answer = pickle.dumps((None, RuntimeError(text)))
        try:
            answers.write(answer)
            answers.flush()
        except BrokenPipeError:  # the parent is gone
            with contextlib.suppress(BrokenPipeError):
                answers.close()
            return
