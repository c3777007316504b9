"""The direction of knowledge: walks the imports and fails on an arrow that points up."""

import ast
import importlib
import inspect
import pkgutil

import pytest
from architecture import KNOWS, ROOT, modules_imported, package_faults

import keras_fusion


def user_faults(root, folder):
    """What examples and searches use of keras_fusion that is not public, one line for each."""
    faults = []
    for path in sorted((root / folder).rglob("*.py")):
        inside = path.relative_to(root)
        for line, module, _ in modules_imported(path, package=""):
            parts = module.split(".")
            # At most keras_fusion.room.name: what lies deeper may move.
            if parts[0] == "keras_fusion" and (
                len(parts) > 3 or any(part.startswith("_") for part in parts)
            ):
                faults.append(f"{inside}:{line}: {module} is not public")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                owner = node.value
                while isinstance(owner, ast.Attribute):
                    owner = owner.value
                private = isinstance(owner, ast.Name) and owner.id in ("kf", "keras_fusion")
                if private and node.attr != "__version__":
                    faults.append(f"{inside}:{node.lineno}: {ast.unparse(node)} is not public")
    return faults


def test_package():
    assert package_faults(ROOT) == []


def test_every_folder_is_a_package():
    # setup.py would leave the others out of the wheel without a word.
    folders = {path.parent for path in (ROOT / "keras_fusion").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_other_file_is_in_the_wheel():
    files = (path for path in (ROOT / "keras_fusion").rglob("*.*") if path.is_file())
    others = {path.parent for path in files if path.suffix not in (".py", ".pyc")}
    assert others == {ROOT / "keras_fusion/reporting/templates"}
    package_data = 'package_data={"keras_fusion.reporting": ["templates/*"]}'
    assert package_data in (ROOT / "setup.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["examples", "tuning"])
def test_users(folder):
    assert user_faults(ROOT, folder) == []


@pytest.mark.parametrize(
    ("file", "code", "fault"),
    [
        ("layers/bad.py", "from keras_fusion.models import x", "`layers` must not know `models`"),
        ("layers/bad.py", "from keras_fusion import models", "`layers` must not know `models`"),
        ("layers/bad.py", "from ..models import x", "`layers` must not know `models`"),
        ("layers/bad.py", "from .. import models", "`layers` must not know `models`"),
        ("layers/bad.py", "import keras_fusion", "`layers` must not know `the root`"),
        ("layers/bad.py", "from keras_fusion import Gate", "`layers` must not know `Gate`"),
        ("losses.py", "import keras_fusion.layers", "`losses` must not know `layers`"),
        (
            "models/assembly/bad.py",
            "def f():\n    import keras_fusion.plots",
            "must not know `plots`",
        ),
        ("datasets/bad.py", "from keras_fusion.models import x", "must not know `models`"),
        (
            "models/assembly/bad.py",
            "from keras_fusion.models.builders import x",
            "`models.assembly` must not know `models.builders`",
        ),
        (
            "models/fusion_model/bad.py",
            "from keras_fusion.models import x",
            "`models.fusion_model` must not know `models`",
        ),
        ("plots/a/b.py", "from keras_fusion.exporting import x", "must not know `exporting`"),
        ("new_package/__init__.py", "", "`new_package` is not in the table"),
        ("models/helper.py", "", "`models.helper` is not in the table"),
        ("helpers.py", "import keras", "`helpers` is not in the table"),
        ("plots/bad.py", "import matplotlib.pyplot as plt", "inside the function"),
        ("plots/bad.py", "class A:\n    import matplotlib", "inside the function"),
        ("__init__.py", "try:\n    import rich\nexcept ImportError:\n    pass", "inside the"),
        ("layers/bad.py", "def f():\n    import tensorflow as tf", "on every backend"),
        ("models/assembly/bad.py", "from keras.src import backend", "not public in Keras"),
        ("plots/bad.py", "def f():\n    import seaborn", "nor in an extra"),
        ("tuning/bad.py", "import tuning.spaces", "must not know `tuning`"),
        ("tuning/bad.py", "from examples import av_mnist", "must not know `examples`"),
    ],
)
def test_package_faults_are_seen(tmp_path, file, code, fault):
    bad = tmp_path / "keras_fusion" / file
    bad.parent.mkdir(parents=True)
    bad.write_text(code)
    found = package_faults(tmp_path)
    assert len(found) == 1 and fault in found[0], found


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("__init__.py", "from keras_fusion import layers, plots"),
        ("layers/good.py", "import math\nimport keras\nfrom . import other\nfrom .other import x"),
        ("plots/good.py", "from keras_fusion.layers import x\n\ndef f():\n    import matplotlib"),
        ("evaluation/good.py", "from ..backbones import x\n\ndef f():\n    import tensorflow"),
        ("tuning/good.py", "import keras_tuner\nfrom keras_fusion import models"),
    ],
)
def test_good_package_has_no_faults(tmp_path, file, code):
    good = tmp_path / "keras_fusion" / file
    good.parent.mkdir(parents=True)
    good.write_text(code)
    assert package_faults(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "faults"),
    [
        ("import keras_fusion as kf\nfrom keras_fusion.models import x\nkf.__version__", 0),
        ("from keras_fusion.models.centralnet import x", 1),
        ("from keras_fusion.datasets import _files", 1),
        ("import keras_fusion as kf\n\nkf.models._helper.x()", 1),
    ],
)
def test_user_faults_are_seen(tmp_path, code, faults):
    example = tmp_path / "examples" / "papers" / "example.py"
    example.parent.mkdir(parents=True)
    example.write_text(code)
    assert len(user_faults(tmp_path, "examples")) == faults


def test_no_module_is_hidden_by_a_function():
    """`import keras_fusion.models.registry as m` must give the module."""
    hidden = [
        name
        for _, name, _ in pkgutil.walk_packages(keras_fusion.__path__, "keras_fusion.")
        if not name.endswith("__main__") and not inspect.ismodule(_attribute(name))
    ]
    assert hidden == []


def _attribute(name):
    importlib.import_module(name)
    package, _, last = name.rpartition(".")
    return getattr(importlib.import_module(package), last)


def test_every_line_of_the_table_is_there():
    root = ROOT / "keras_fusion"
    paths = [root / name.replace(".", "/") for name in KNOWS]
    assert [p for p in paths if not p.is_dir() and not p.with_suffix(".py").exists()] == []
