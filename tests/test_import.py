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
{then}
"""
ASKED = """
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


def import_it(package, backend, folder=ROOT, then=""):
    """`(errors, packages)`: the last words, and what the import loads beyond `import keras`."""
    hidden = [*OPTIONAL, *(other for other in BACKENDS if other != backend)]
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(hidden=hidden, package=package, then=then)],
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
    """And a data set is loaded when it is asked for."""
    assert import_it("keras_fusion", backend, then=ASKED) == ("", set())


def test_heavy_import_is_seen(tmp_path):
    code = """
import wave, keras.layers, _pytest
try:
    import sklearn
except ModuleNotFoundError:
    import it_is_hidden
"""
    (tmp_path / "heavy.py").write_text(code)
    (tmp_path / "it_is_hidden.py").write_text("")
    errors, packages = import_it("heavy", INSTALLED[0], tmp_path)
    assert errors == "" and {"_pytest", "it_is_hidden"} <= packages
