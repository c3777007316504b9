"""`import keras_fusion` is light: it needs no optional package and loads nothing of others.

What `import keras` loads does not count; that is a lot where it is installed (Keras 3.15 loads
matplotlib and scikit-learn). So everything optional is hidden first: an import of it then fails.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BACKENDS = ("tensorflow", "jax", "torch")
INSTALLED = [backend for backend in BACKENDS if importlib.util.find_spec(backend)]
# Without scipy and rich, which JAX and Keras require themselves.
OPTIONAL = (
    "PIL",
    "ai_edge_litert",
    "cloudpickle",
    "distributed",
    "keras_tuner",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "pandas",
    "sklearn",
    "soundfile",
    "tensorboard",
    "tensorflow_io",
    "tf2onnx",
)
SCRIPT = """
import json, sys
sys.modules.update(dict.fromkeys({hidden}))
import keras
before = set(sys.modules)
import {package}
print(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})))
"""


def import_it(package, backend, folder=ROOT):
    """`(errors, packages)`: the import's last words, and what it loads beyond `import keras`."""
    hidden = [*OPTIONAL, *(other for other in BACKENDS if other != backend)]
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(hidden=hidden, package=package)],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        return result.stderr.splitlines()[-1], set()
    added = set(json.loads(result.stdout.splitlines()[-1]))
    return "", added - set(sys.stdlib_module_names) - {package}


@pytest.mark.parametrize("backend", INSTALLED)
def test_import_is_light(backend):
    assert import_it("keras_fusion", backend) == ("", set())


def test_a_data_set_is_loaded_when_it_is_asked_for():
    script = """
import sys
import keras_fusion as kf

def loaded():
    sets = ("audio", *kf.datasets.open.__all__, *kf.datasets.licensed.__all__)
    assert set(sets) <= set(kf.datasets.__all__) & set(dir(kf.datasets))
    folders = ("audio", "open", "licensed")
    names = [n.removeprefix("keras_fusion.datasets.") for n in sys.modules]
    return [n for n in names if n.split(".")[0] in folders and n.split(".")[-1] in sets]

assert loaded() == [], loaded()
kf.datasets.mfeat
assert loaded() == ["open.mfeat"], loaded()
"""
    subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True
    )


@pytest.mark.parametrize(
    ("code", "error", "loaded"),
    [
        ("import wave\nimport keras.layers\nimport _pytest", "", "_pytest"),
        ("import sklearn", "ModuleNotFoundError: import of sklearn halted", None),
    ],
)
def test_heavy_import_is_seen(tmp_path, code, error, loaded):
    (tmp_path / "heavy.py").write_text(code)
    found, packages = import_it("heavy", INSTALLED[0], tmp_path)
    assert found.startswith(error) and (loaded is None or loaded in packages)
