"""A training of replicas in a file, replaced as a whole."""

import os
from dataclasses import dataclass

import numpy as np

from keras_fusion.training._state import GROUPS, numbered, read_arrays, write_arrays

_FORMAT = 2  # from 0.2.0 on: with the digests of data and model


@dataclass(frozen=True)
class SavedReplicas:
    """The contents of a file: `values` and `kept` are lists of arrays, `kept` may be None."""

    epochs: int
    history: dict
    stopping: list
    values: list
    kept: list | None


def _identity(plan, seeds):
    """The properties in which a training and a file have to agree."""
    return {
        "seeds": [int(seed) for seed in seeds],
        "batch_size": plan.batch_size,
        "samples": plan.samples,
        "shuffle": plan.shuffle,
        **plan.identity,
    }


def write(path, plan, seeds, epochs, history, stopping, values, kept):
    """Writes the state after `epochs` epochs, under another name first."""
    about = {
        "format": _FORMAT,
        **_identity(plan, seeds),
        "epochs": epochs,
        "history": list(history),
        "stopping": stopping,
        "kept": kept is not None,
    }
    arrays = {f"history_{i}": np.stack(rows) for i, rows in enumerate(history.values())}
    for prefix, state in (("", values), ("kept_", kept or [[]] * len(GROUPS))):
        for group, found in zip(GROUPS, state, strict=True):
            arrays.update({f"{prefix}{group}_{i}": value for i, value in enumerate(found)})
    write_arrays(path, about, arrays)


def read(path, plan, seeds):
    """Reads a file of `write` as `SavedReplicas`; None if there is no file.

    Raises:
        ValueError: a file of another training, or one that is no such file.
    """
    if not os.path.exists(path):
        return None
    about, arrays = read_arrays(path, "fit_replicas")
    for name, expected in {"format": _FORMAT, **_identity(plan, seeds)}.items():
        if about.get(name) != expected:
            raise ValueError(
                f"backup_dir: expected {path} to be of this training, with {name}={expected!r}. "
                f"Received: {about.get(name)!r}"
            )
    rows = numbered(arrays, "history")
    return SavedReplicas(
        epochs=about["epochs"],
        history={n: list(r) for n, r in zip(about["history"], rows, strict=True)},
        stopping=about["stopping"],
        values=[numbered(arrays, group) for group in GROUPS],
        kept=[numbered(arrays, f"kept_{group}") for group in GROUPS] if about["kept"] else None,
    )
