"""What users get wrong, everywhere: our error names the argument and shows what it was given.

One row for one mistake: the public name, all arguments but one as they should be, and the wrong
one. The error has to come from this package, quickly, and leave nothing behind.
"""

import functools
import inspect
import re
import time
from pathlib import Path

import keras
import pytest
from helpers.bad_inputs import CASES, FIT, Shown

import keras_fusion as kf

PACKAGES = ("graph", "layers", "losses", "metrics", "backbones", "models", "presets", "datasets",
            "training", "evaluation", "plots", "reporting", "tuning", "exporting")  # fmt: skip
ROOT = str(Path(kf.__file__).parent)
BACKEND = keras.backend.backend()
LIMIT = 1.0  # seconds
ERRORS = (ValueError, TypeError, OSError)
# What takes no arguments that could be wrong, or is made by us and not by users.
EXCEPTIONS = {
    "methods", "evaluation.environment", "tuning.count_gpus",
    # Results: what other functions return.
    "graph.FusionPoint", "graph.FusionPoints", "datasets.DatasetInfo",
    "datasets.open.av_mnist.Sound", "evaluation.ModalitySubsets",
    "evaluation.NoiseCurves",
    "exporting.ExportReport", "layers.EvidenceFusion", "layers.FusionLayer", "layers.GradientGate",
    "layers.LinearChainCRF", "losses.CRFLoss",
    "models.Method", "models.Methods", "training.Replicas",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the calls are made, with a few things in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_FUSION_DATA", raising=False)
    (tmp_path / "full").mkdir()
    for name in ("full/mine", "a_file", "model.onnx"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "broken.jsonl").write_text('{"a": 1}\n[2]\n')
    (tmp_path / "broken.csv").write_text("epoch,b\n1,2,3\n")
    return tmp_path


def public_names():
    """What every package names in `__all__`; of the data sets the functions inside them too."""
    found, seen = [], set()
    packages = [kf, *(getattr(kf, name) for name in PACKAGES)]
    of_datasets = [getattr(kf.datasets, name) for name in kf.datasets.__all__]
    packages += [value for value in of_datasets if inspect.ismodule(value)]
    for package in packages:
        prefix = package.__name__.removeprefix("keras_fusion").lstrip(".")
        names = getattr(package, "__all__", None) or [
            name for name, value in vars(package).items()
            if name[0] != "_" and getattr(value, "__module__", None) == package.__name__
        ]  # fmt: skip
        for name in names:
            value = getattr(package, name)
            own = getattr(value, "__module__", package.__name__).startswith("keras_fusion")
            if not callable(value) or inspect.ismodule(value) or not own or id(value) in seen:
                continue
            seen.add(id(value))
            found.append(f"{prefix}.{name}".lstrip("."))
    return found


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the same everywhere")
def test_every_public_name_is_here():
    tried = [case.of for case in CASES]
    values = {
        id(functools.reduce(getattr, name.split("."), kf)) for name in tried if "__call" not in name
    }

    def is_tried(name):
        value = functools.reduce(getattr, name.split("."), kf)
        return id(value) in values or any(of.startswith(f"{name}.") for of in tried)

    names = public_names()
    assert len(names) > 150
    missing = [name for name in names if not is_tried(name)]
    assert sorted(set(missing) - EXCEPTIONS) == []
    assert sorted(EXCEPTIONS - set(names)) == []


def there(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def raised_by(case):
    """The error, and the seconds of work until it came (of the clock on a busy machine: more)."""
    start = time.process_time()
    try:
        case.run()
    except Exception as error:
        return error, time.process_time() - start
    pytest.fail(f"{case}: no error")


def is_ours(error):
    """Whether a file of the package raised it."""
    traceback = error.__traceback__
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename.startswith(ROOT)


# Only what goes through Keras' own verbs could be another's on another backend.
@pytest.mark.parametrize("case", CASES if BACKEND == "tensorflow" else FIT, ids=str)
def test_bad_input(case, folder):
    before = there(folder)
    error, seconds = raised_by(case)
    if seconds > LIMIT:  # the first call of a function may have to import or build something
        error, seconds = raised_by(case)
    assert seconds < LIMIT
    assert isinstance(error, ERRORS) and is_ours(error), repr(error)
    name, received = case.argument, repr(case.wrong)
    if isinstance(case.wrong, Shown):
        name, received = case.wrong.name or name, case.wrong.received
    said = str(error)
    assert name in said, said
    assert re.search(rf"[Ee]xpected.*Received.*{re.escape(received)}", said, re.S), said
    assert there(folder) == before
