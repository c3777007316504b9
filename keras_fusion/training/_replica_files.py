"""A training of replicas in a file: NumPy's npz without pickle, replaced as a whole."""

import json
import os
import zipfile
from types import SimpleNamespace

import numpy as np

from keras_fusion._whole_file import whole_file

_FORMAT = 1
GROUPS = ("trainable", "non_trainable", "optimizer")


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
    contents = {"about": np.array(json.dumps(about))}
    for i, rows in enumerate(history.values()):
        contents[f"history_{i}"] = np.stack(rows)
    for prefix, state in (("", values), ("kept_", kept or [[]] * len(GROUPS))):
        for group, found in zip(GROUPS, state, strict=True):
            for i, value in enumerate(found):
                value = np.asarray(value)
                if value.dtype.kind == "V":  # bfloat16, which NumPy's files do not know
                    value = value.astype("float32")
                contents[f"{prefix}{group}_{i}"] = value
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **contents)


def read(path, plan, seeds):
    """What `write` wrote: a namespace; None if there is no file.

    Raises:
        ValueError: a file of another training, or one that is no such file.
    """
    if not os.path.exists(path):
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            contents = {name: file[name] for name in file.files}
        about = json.loads(str(contents["about"]))
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"backup_dir: expected {path} to be a file that fit_replicas wrote. Received: {error}"
        ) from error
    for name, expected in {"format": _FORMAT, **_identity(plan, seeds)}.items():
        if about.get(name) != expected:
            raise ValueError(
                f"backup_dir: expected {path} to be of this training, with {name}={expected!r}. "
                f"Received: {about.get(name)!r}"
            )

    def numbered(prefix):
        found = []
        while f"{prefix}_{len(found)}" in contents:
            found.append(contents[f"{prefix}_{len(found)}"])
        return found

    rows = numbered("history")
    return SimpleNamespace(
        epochs=about["epochs"],
        history={n: list(r) for n, r in zip(about["history"], rows, strict=True)},
        stopping=about["stopping"],
        values=[numbered(group) for group in GROUPS],
        kept=[numbered(f"kept_{group}") for group in GROUPS] if about["kept"] else None,
    )
