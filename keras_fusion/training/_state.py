"""The state of a training as arrays, and arrays in a file: NumPy's npz without pickle."""

import io
import json

import keras
import numpy as np

from keras_fusion._files import json_dict, npz_arrays, whole_file

GROUPS = ("trainable", "non_trainable", "optimizer")


def groups(model):
    """The variables of a model whose values are its state, in three lists.

    The states of random layers are among those that are not trained.
    """
    return [model.trainable_variables, model.non_trainable_variables, model.optimizer.variables]


def seed_torch(seed, epoch):
    """PyTorch's dropout draws from the global generator, which is in no variable of a model."""
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed((seed * 1_000_003 + epoch) % 2**63)


def set_torch_seed(seed):
    """Seeds PyTorch's global generator, where that is the backend."""
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)


def write_arrays(path, about, arrays):
    """Writes a dict of plain values and a dict of arrays, under another name first."""
    text = json.dumps(about, default=lambda value: np.asarray(value).tolist())
    contents = {"about": np.array(text)}
    for name, value in arrays.items():
        value = np.asarray(value)
        if value.dtype.kind == "V":  # bfloat16, which NumPy's files do not know
            value = value.astype("float32")
        contents[name] = value
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        # In memory first: NumPy 1 leaves a zip file open that a full disk cuts off.
        buffer = io.BytesIO()
        np.savez(buffer, **contents)
        file.write(buffer.getbuffer())


def read_arrays(path, writer):
    """Reads a file of `write_arrays`: `(about, arrays)`.

    Args:
        path: Path of the file.
        writer: String, the function that should have written it, for the error.

    Raises:
        ValueError: no such file.
    """
    try:
        arrays = npz_arrays(path)
        return json_dict(str(arrays.pop("about")), "about"), arrays
    except Exception as error:  # parsers raise whatever they like
        raise ValueError(
            f"backup_dir: expected {path} to be a file that {writer} wrote. Received: {error}"
        ) from error


def numbered(arrays, prefix):
    """The list of the arrays `prefix_0`, `prefix_1` ..."""
    found = []
    while f"{prefix}_{len(found)}" in arrays:
        found.append(arrays[f"{prefix}_{len(found)}"])
    return found
