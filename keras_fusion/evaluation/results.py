"""Results in files: one row a run, with versions and hardware, and nothing that names a machine."""

import contextlib
import csv
import importlib.metadata
import io
import json
import os
import platform

import keras
import numpy as np

from keras_fusion._files import whole_file

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


def append_results(path, rows):
    """Appends rows to a file, all of them or none.

    The file is written anew under another name, which then replaces it, so that it is whole
    whenever the process is killed; processes that append at the same time wait for each other
    (on Windows they must not).

    Args:
        path: Path of a file in an existing folder: `.csv`, or `.jsonl` with a JSON object in each
            line.
        rows: List of dictionaries of plain values: strings, numbers, booleans, `None`, lists and
            dictionaries. Rows may have different names; a CSV file gets a column for each.

    Raises:
        ValueError: another suffix, or a value that is a path of this machine or its name.
        TypeError: a value that is not plain.

    Example:

    >>> import tempfile
    >>> import keras_fusion as kf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/runs.csv"
    ...     for seed in range(2):
    ...         kf.evaluation.append_results(path, [{"seed": seed, "method": "gmu"}])
    ...     kf.evaluation.read_results(path)
    [{'seed': 0, 'method': 'gmu'}, {'seed': 1, 'method': 'gmu'}]
    """
    path = check_path(path)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"path: expected a file in an existing folder. Received: {path!r}")
    if not isinstance(rows, (list, tuple)) or not all(isinstance(row, dict) for row in rows):
        raise TypeError(f"rows: expected a list of dicts. Received: {rows!r}")
    rows = [_plain(row) for row in rows]
    with _lock(path):
        table = [*(read_results(path) if os.path.exists(path) else ()), *rows]
        text = _csv(table) if path.endswith(".csv") else _json_lines(table)
        with (
            whole_file(path) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as file,
        ):
            file.write(text)


def read_results(path):
    """The rows that `append_results` wrote.

    Args:
        path: Path of a file, `.csv` or `.jsonl`.

    Returns:
        List of dictionaries. A column that a row has not is left out.

    Raises:
        ValueError: a file that is broken; says the line.
        FileNotFoundError: no such file.

    Example:

    >>> import os, tempfile
    >>> import keras_fusion as kf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "runs.jsonl")
    ...     kf.evaluation.append_results(path, [{"seed": 0, "scores": {"accuracy": 0.9}}])
    ...     kf.evaluation.read_results(path)
    [{'seed': 0, 'scores': {'accuracy': 0.9}}]
    """
    path = check_path(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"path: expected a file that exists. Received: {path!r}")
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file)) if path.endswith(".csv") else file.read().splitlines()
    if path.endswith(".csv"):
        names, *cells = lines or [[]]
        for number, row in enumerate(cells, start=2):
            if len(row) != len(names):
                raise ValueError(
                    f"{path}, row {number}: expected {len(names)} cells. Received: {len(row)}"
                )
        return [{name: _value(c) for name, c in zip(names, row, strict=True) if c} for row in cells]
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: expected JSON. Received: {error}") from error
    return rows


def check_path(path, label="path"):
    """The path as a string; an error unless it ends as a file of results does."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{label}: expected a file .csv or .jsonl. Received: {path!r}")
    path = os.fspath(path)
    if not path.endswith((".csv", ".jsonl")):
        raise ValueError(f"{label}: expected a file .csv or .jsonl. Received: {path!r}")
    return path


def _plain(row):
    """The row with NumPy's numbers as Python's; an error for what belongs in no results file."""

    def check(value):
        if isinstance(value, np.ndarray | np.generic):
            value = value.tolist()
        if isinstance(value, dict):
            return {str(name): check(part) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [check(part) for part in value]
        if isinstance(value, os.PathLike) or (isinstance(value, str) and _is_private(value)):
            raise ValueError(
                "rows: expected no path of a machine and not its name, as others read the file. "
                f"Received: {str(value)!r}"
            )
        if not (value is None or isinstance(value, (str, bool, int, float))):
            raise TypeError(f"rows: expected plain values. Received: {value!r}")
        return value

    return check(dict(row))


def _is_private(text):
    return os.path.isabs(os.path.expanduser(text)) or text in (platform.node(), os.getcwd())


def _json_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def _csv(rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row[name]) if name in row else "" for name in names])
    return file.getvalue()


def _cell(value):
    """Strings as they are, unless they would be read as something else."""
    if isinstance(value, str) and value and _value(value) == value and value[0] != '"':
        return value
    return json.dumps(value)


def _value(cell):
    try:
        return json.loads(cell)
    except json.JSONDecodeError:
        return cell


@contextlib.contextmanager
def _lock(path):
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    # Of the folder, so that no file is left behind; a killed process holds no lock.
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


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
