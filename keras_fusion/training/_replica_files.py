"""A training of replicas in a file, replaced as a whole."""

import os
from types import SimpleNamespace

import numpy as np

from keras_fusion.training._state import GROUPS, numbered, read_arrays, write_arrays

_FORMAT = 1


def _identity(plan, seeds):
    """What has to be equal for a training to go on with a file."""
    return {
        "seeds": [int(seed) for seed in seeds],
        "batch_size": plan.batch_size,
        "samples": plan.samples,
        "shuffle": plan.shuffle,
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
    """What `write` wrote: a namespace; None if there is no file.

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
    return SimpleNamespace(
        epochs=about["epochs"],
        history={n: list(r) for n, r in zip(about["history"], rows, strict=True)},
        stopping=about["stopping"],
        values=[numbered(arrays, group) for group in GROUPS],
        kept=[numbered(arrays, f"kept_{group}") for group in GROUPS] if about["kept"] else None,
    )
