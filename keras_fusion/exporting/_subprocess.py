"""The export of a model on JAX or PyTorch: by a process on TensorFlow, from a .keras file."""

import builtins
import dataclasses
import importlib
import json
import os
import subprocess
import sys
import tempfile

import keras
import numpy as np

from keras_fusion._keras import flat_layers
from keras_fusion.exporting import _signatures
from keras_fusion.exporting._verification import difference, write

_LIMIT = 3600  # seconds; only to end a process that hangs


def export_on_tensorflow(model, path, format, samples, expected, **options):
    """Exports in another process, which compares with `expected` too.

    Args:
        model: `FusionModel`.
        path: Absolute.
        samples, expected: `{input: array}`, and the predictions `{head: array}` on them.
        **options: Of `export`.

    Returns:
        The report as a dict; an error there is the same error here.
    """
    with tempfile.TemporaryDirectory() as folder:
        model.save(os.path.join(folder, "model.keras"))
        np.savez(os.path.join(folder, "samples.npz"), **samples)
        np.savez(os.path.join(folder, "expected.npz"), **expected)
        job = {"path": path, "format": format, "modules": _modules(model), **options}
        with open(os.path.join(folder, "job.json"), "w", encoding="utf-8") as file:
            json.dump(job, file)
        done = subprocess.run(
            [sys.executable, "-m", __name__, folder],
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": _search_path()},
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT,
        )
        try:
            with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
                report = json.load(file)
        except (OSError, ValueError):
            raise RuntimeError(
                "export: expected a report from the process on TensorFlow. Received: exit status "
                f"{done.returncode}, {done.stderr[-2000:]}"
            ) from None
    if "error" in report:
        raise getattr(builtins, report["error"], RuntimeError)(report["message"])
    return report


def _modules(model):
    """The modules that the classes of the model's layers, other people's too, come from."""
    layers = [model, *flat_layers(model)]
    modules = {type(layer).__module__ for layer in layers}
    modules = {m for m in modules if m.partition(".")[0] not in ("keras", "keras_fusion")}
    if "__main__" in modules:
        own = sorted({type(x).__name__ for x in layers if type(x).__module__ == "__main__"})
        raise ValueError(
            "model: expected layers whose classes another process can import: put them into a "
            f"module. Received: {', '.join(own)} of the running script"
        )
    return sorted(modules)


def _search_path():
    """What is importable here is importable there."""
    return os.pathsep.join(dict.fromkeys(os.path.abspath(entry or ".") for entry in sys.path))


def _serve(folder):
    """What the other process does."""
    with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    for module in job.pop("modules"):
        importlib.import_module(module)
    model = keras.models.load_model(os.path.join(folder, "model.keras"))
    samples, expected = (
        dict(np.load(os.path.join(folder, f"{name}.npz"))) for name in ("samples", "expected")
    )
    found = _signatures.all_inputs_to_all_heads(model).expected(samples)
    between = difference(found, expected, "Keras on TensorFlow")
    return write(model, samples=samples, between=between, **job)


def _main(folder):
    try:
        report = dataclasses.asdict(_serve(folder))
    except Exception as error:
        report = {"error": type(error).__name__, "message": str(error)}
    with open(os.path.join(folder, "report.json"), "w", encoding="utf-8") as file:
        json.dump(report, file)


if __name__ == "__main__":
    _main(sys.argv[1])
