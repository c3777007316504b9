"""The direction of knowledge: walks the imports and fails on an arrow that points up."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What each room of the package may know, besides Keras and NumPy, itself and whatever these
# know in turn. A new folder or file directly in keras_fusion/ needs a line here.
KNOWS = {
    "_arguments": set(),
    "_replica": set(),
    "_whole_file": set(),
    "layers": {"_arguments", "_replica"},
    "losses": {"_arguments"},
    "metrics": {"_arguments"},
    "backbones": {"layers"},
    "models": {"layers", "losses", "metrics", "backbones"},
    "datasets": set(),
    "training": {"models", "_whole_file"},
    "evaluation": {"models", "training"},
    "tuning": {"models", "_whole_file"},
    "export": {"models"},
    "plots": {"models", "evaluation", "_whole_file"},
}
CORE = {"keras", "numpy"}
# The rooms that run on every backend as they are.
NEUTRAL = {"_arguments", "layers", "losses", "metrics", "backbones", "models"}
BACKENDS = {"tensorflow", "jax", "torch"}
# Importable where setup.py names them in an extra, and only inside functions.
OPTIONAL = BACKENDS | {
    "PIL",
    "ai_edge_litert",
    "h5py",  # comes with Keras
    "keras_tuner",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "rich",
    "scipy",
    "sklearn",
    "soundfile",
    "tensorboard",
    "tensorflow_io",
    "tf2onnx",
}
# HyperModels are subclasses of KerasTuner's, and `import keras_fusion` does not load the room.
AT_MODULE_LEVEL = {"tuning": {"keras_tuner"}}
OUTSIDE = {"examples", "tests", "tuning", "setup"}


def reach(room):
    """The room itself and everything below it."""
    return {room}.union(*(reach(below) for below in KNOWS[room]))


def modules_imported(path, package):
    """Yields `(line, module, at_module_level)` of a file; package: the dotted name it lies in."""

    def walk(node, at_module_level):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, at_module_level) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]).rstrip(".")
            # Whether `a.b` in `from a import b` is a module cannot be seen here, nor matters.
            yield from ((node.lineno, f"{base}.{a.name}", at_module_level) for a in node.names)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, at_module_level and not inside)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), True)


def package_faults(root):
    """What is wrong with the imports of `root/keras_fusion`, one line for each."""
    faults = []
    for path in sorted((root / "keras_fusion").rglob("*.py")):
        inside = path.relative_to(root / "keras_fusion")
        room = inside.parts[0].removesuffix(".py")
        if room == "__init__":
            allowed = set(KNOWS)
        elif room in KNOWS:
            allowed = reach(room)
        else:
            faults.append(f"{inside}: `{room}` is not in the table KNOWS")
            continue
        package = ".".join(path.relative_to(root).parts[:-1])
        for line, module, at_module_level in modules_imported(path, package):
            top, second = [*module.split("."), ""][:2]
            where = f"{inside}:{line}: {module}"
            if top == "keras_fusion":
                if second not in allowed:
                    faults.append(f"{where}: `{room}` must not know `{second or 'the root'}`")
            elif top in OUTSIDE:
                faults.append(f"{where}: the package must not know `{top}`")
            elif module.startswith("keras.src"):
                faults.append(f"{where}: not public in Keras, so it may change in any release")
            elif top in BACKENDS and room in NEUTRAL:
                faults.append(f"{where}: `{room}` must run on every backend")
            elif top in OPTIONAL:
                if at_module_level and top not in AT_MODULE_LEVEL.get(room, ()):
                    faults.append(f"{where}: optional, to be imported inside the function")
            elif top not in CORE and top not in sys.stdlib_module_names:
                faults.append(f"{where}: neither a requirement nor in an extra of setup.py")
    return faults


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
        ("models/bad.py", "def f():\n    import keras_fusion.plots", "must not know `plots`"),
        ("datasets/bad.py", "from keras_fusion.models import x", "must not know `models`"),
        ("plots/a/b.py", "from keras_fusion.export import x", "must not know `export`"),
        ("new_room/__init__.py", "", "`new_room` is not in the table"),
        ("helpers.py", "import keras", "`helpers` is not in the table"),
        ("plots/bad.py", "import matplotlib.pyplot as plt", "inside the function"),
        ("plots/bad.py", "class A:\n    import matplotlib", "inside the function"),
        ("__init__.py", "try:\n    import rich\nexcept ImportError:\n    pass", "inside the"),
        ("layers/bad.py", "def f():\n    import tensorflow as tf", "on every backend"),
        ("models/bad.py", "from keras.src import backend", "not public in Keras"),
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
