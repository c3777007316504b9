"""Rows of results in files, and the versions and hardware that belong to them."""

import contextlib
import csv
import importlib.metadata
import json
import os
import platform

import keras
import numpy as np

from keras_fusion._files import json_dict, whole_file

LIBRARIES = ("keras_fusion", "keras", "numpy")


def environment():
    """Versions and hardware, for the rows of a results file.

    Neither the machine's name nor any of its paths is in it.

    Returns:
        Dictionary of strings and integers: "python", "backend", versions of the libraries,
        "system", "processor", "cores" and "accelerators".

    Example:

    >>> import keras
    >>> import keras_fusion as kf
    >>> kf.evaluation.environment()["keras"] == keras.__version__
    True
    """
    backend = keras.backend.backend()
    found = {"python": platform.python_version(), "backend": backend}
    for library in (*LIBRARIES, backend):
        found[library] = _version(library)
    accelerators = ", ".join(_accelerators(backend))
    return {
        **found,
        "system": platform.system(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "accelerators": accelerators,
    }


def write_results(path, rows):
    """Writes rows to a file, all of them or none.

    Args:
        path: Path of a file in an existing folder: `.jsonl` with a JSON object in each line, or
            `.csv`, in which values inside dicts have columns of their own (`scores.accuracy`).
        rows: List of dictionaries of plain values: strings, numbers, booleans, `None`, lists and
            dictionaries. Rows may have different names.

    Raises:
        ValueError: another suffix.
        TypeError: a value that is not plain.
        FileNotFoundError: no such folder.

    Example:

    >>> import tempfile
    >>> import keras_fusion as kf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/runs.jsonl"
    ...     kf.evaluation.write_results(path, [{"seed": seed, "method": "gmu"} for seed in (0, 1)])
    ...     kf.evaluation.read_results(path)
    [{'seed': 0, 'method': 'gmu'}, {'seed': 1, 'method': 'gmu'}]
    """
    path = _checked(path, (".csv", ".jsonl"))
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"path: expected a file in an existing folder. Received: {path!r}")
    if not isinstance(rows, (list, tuple)) or not all(isinstance(row, dict) for row in rows):
        raise TypeError(f"rows: expected a list of dicts. Received: {rows!r}")
    rows = [check_plain(row) for row in rows]
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        if path.endswith(".jsonl"):
            file.writelines(json.dumps(row) + "\n" for row in rows)
            return
        rows = [flat(row) for row in rows]
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_results(path):
    """The rows of a file of JSON lines, such as `write_results` makes.

    Args:
        path: Path of a file `.jsonl`.

    Returns:
        List of dictionaries.

    Raises:
        ValueError: a file that is broken; says the line.
        FileNotFoundError: no such file.

    Example:

    >>> import os, tempfile
    >>> import keras_fusion as kf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "runs.jsonl")
    ...     kf.evaluation.write_results(path, [{"seed": 0, "scores": {"accuracy": 0.9}}])
    ...     kf.evaluation.read_results(path)
    [{'seed': 0, 'scores': {'accuracy': 0.9}}]
    """
    path = _checked(path, (".jsonl",))
    if not os.path.isfile(path):
        raise FileNotFoundError(f"path: expected a file that exists. Received: {path!r}")
    with open(path, "rb") as file:
        return [json_dict(line, f"{path}, line {i}") for i, line in enumerate(file, start=1)]


def _checked(path, suffixes):
    """The path as a string; an error unless it ends as a file of results does."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path).endswith(suffixes):
        raise ValueError(f"path: expected a file {' or '.join(suffixes)}. Received: {path!r}")
    return os.fspath(path)


def check_plain(value):
    """The value with NumPy's numbers as Python's; an error where JSON has no word for it."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): check_plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [check_plain(part) for part in value]
    if not (value is None or isinstance(value, (str, bool, int, float))):
        raise TypeError(f"rows: expected plain values. Received: {value!r}")
    return value


def flat(row):
    """The row with the values inside its dicts as values of its own, `{"scores.accuracy": ...}`."""
    found = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found.update({f"{name}.{inner}": part for inner, part in flat(value).items()})
        else:
            found[name] = value
    return found


def _version(library):
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        pass
    # tensorflow-cpu and the like have another name than the module.
    module = __import__(library.replace("-", "_"))
    return str(getattr(module, "__version__", "unknown"))


def _processor():
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _accelerators(backend):
    if backend == "jax":
        import jax

        return [d.device_kind for d in jax.devices() if d.platform != "cpu"]
    if backend == "torch":
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return [torch.cuda.get_device_name(i) for i in range(count)]
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(d).get("device_name", "GPU") for d in found]
