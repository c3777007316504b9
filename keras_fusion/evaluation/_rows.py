"""The rows of runs: their scores by name, their sizes, versions and hardware."""

import os
import sys

import numpy as np


def default_metric(scores):
    """The score that is compared unless another one is asked for."""
    found = next((n for n in ("central_accuracy", "accuracy") if n in scores), None)
    if found is None:
        raise ValueError(f"metric: expected one of {sorted(scores)}. Received: {found!r}")
    return found


def score_of(scores, metric):
    """A score by its name; a model with one output calls "central_accuracy" only "accuracy"."""
    other = metric.removeprefix("central_")
    for name in (metric, other if other != metric else f"central_{metric}"):
        if name in scores:
            return scores[name]
    raise ValueError(f"metric: expected one of {sorted(scores)}. Received: {metric!r}")


def is_finite(row, metric):
    """Whether a run's score is a number; if not, a line on stderr says so."""
    score = score_of(row["scores"], metric)
    if not np.isfinite(score):
        which = "".join(f", {n} {row[n]}" for n in ("fold", "seed") if row.get(n) is not None)
        print(f"{row['method']}{which}: {metric} is {score}, left out", file=sys.stderr)
    return np.isfinite(score)


def runs_of(scores, metric):
    """Rows for scores that were given as arrays."""
    rows = []
    for method, values in scores.items():
        for place, value in np.ndenumerate(values):
            if not np.isnan(value):
                fold = {"fold": place[0]} if values.ndim == 2 else {}
                run = {"method": method, **fold, "seed": place[-1]}
                rows.append({**run, "scores": {metric: float(value)}})
    return rows


def is_sized(row):
    """Whether a run says how many samples it was trained and scored on."""
    return bool(row.get("test_samples") and row.get("train_samples"))


def environments(rows):
    """Versions and hardware of all runs; where they differ, every one that occurs."""
    names = ("python", "backend", "keras_fusion", "keras", "numpy", "tensorflow", "jax", "torch",
             "system", "processor", "cores", "accelerators")  # fmt: skip
    found = {n: list(dict.fromkeys(str(row[n]) for row in rows if row.get(n))) for n in names}
    return {name: " or ".join(values) for name, values in found.items() if values}


def check_runs(rows, path):
    """An error that names the file or folder unless every row is one of a run."""
    for row in rows:
        scores, names = row.get("scores") or {}, [row.get(n) for n in ("data", "fold", "seed")]
        named = isinstance(row.get("method"), str) and not any(
            isinstance(value, (dict, list)) for value in names
        )
        if not (named and isinstance(scores, dict)) or any(
            isinstance(score, (str, dict)) for score in scores.values()
        ):
            raise ValueError(
                f"{os.fspath(path)}: expected rows with a method and its scores by name. "
                f"Received: {str(row)[:200]}"
            )
