"""What a search has found, read from its folder: no model, no tuner."""

import pathlib
import re

from keras_fusion._files import json_dict

_MEMORY = re.compile(
    r"RESOURCE_?EXHAUSTED|OutOfMemory|out of memory|allocate memory|MemoryError|\bOOM\b",
    re.I,
)


NOTE = "search.json"  # what KerasTuner does not keep of a trial, beside its own trial.json


def read_trials(folder):
    """Reads the trials of a search, of `make_tuner` or any other of KerasTuner.

    Use it to look at a search while it runs, after it, or on another machine.

    Args:
        folder: String or path, `directory/project_name` of the search.

    Returns:
        List of dicts, one for each trial, in order of their numbers: "trial" (string), "status"
        ("COMPLETED", "FAILED", "RUNNING"), "score" (float or None; the mean over executions),
        "scores" (of every execution), "values" (dict `{hyperparameter: value}`, the active ones),
        "reason" (why it failed, or None), "seconds", "epochs" (trained in every execution) and
        "best_epochs".

    Raises:
        FileNotFoundError: no search in `folder`.
        ValueError: a file of it cannot be read.

    Example:

    >>> import keras_fusion as kf
    >>> kf.tuning.read_trials("runs/nothing")
    Traceback (most recent call last):
        ...
    FileNotFoundError: folder: expected the folder of a search...
    """
    folder = pathlib.Path(folder)
    if not (folder / "oracle.json").is_file():
        raise FileNotFoundError(
            f"folder: expected the folder of a search, with a file oracle.json. Received: {folder}"
        )
    paths = sorted(folder.glob("trial_*/trial.json"), key=lambda path: path.parent.name)
    rows = []
    for path in paths:
        try:
            rows.append(_row(path))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path.parent}: expected a trial of KerasTuner. Received: {error!r}"
            ) from error
    return rows


def reason_of(error):
    """An exception in a line."""
    name, text = type(error).__name__, " ".join(str(error).split())
    line = f"{name}: {text}"[:300]
    return f"out of memory: {line}" if _MEMORY.search(line) else line


def read_note(folder):
    """What our tuner noted in the folder of a trial; empty for a tuner of KerasTuner itself."""
    path = pathlib.Path(folder) / NOTE
    return _read(path) if path.is_file() else {}


def _row(path):
    trial = _read(path)
    more = read_note(path.parent)
    executions = more.get("executions", [])
    failed = trial["status"] in ("FAILED", "INVALID")
    return {
        "trial": trial["trial_id"],
        "status": "FAILED" if failed else trial["status"],
        "score": None if failed else trial["score"],
        "scores": [execution["score"] for execution in executions],
        "values": trial["hyperparameters"]["values"],
        "reason": (more.get("reason") or _last_line(trial["message"])) if failed else None,
        "seconds": more.get("seconds"),
        "epochs": [execution["epochs"] for execution in executions],
        "best_epochs": [execution["best_epoch"] for execution in executions],
    }


def _last_line(message):
    lines = [line for line in (message or "").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"


def _read(path):
    return json_dict(path.read_bytes(), path)
