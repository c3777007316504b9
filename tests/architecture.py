"""The packages, what each may know, and the imports that there are; test_architecture.py holds it.

`python tests/architecture.py` prints the packages with their files, lines and arrows.
"""

import ast
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent

# What each package or file may know, besides Keras and NumPy, itself and whatever these know in
# turn. A new folder or file directly in keras_fusion/ or in keras_fusion/models/ needs a line.
KNOWS = {
    "_arrays": set(),
    "_checks": set(),
    "_files": set(),
    "_keras": set(),
    "_replica": set(),
    "graph": {"_checks", "_keras"},
    "layers": {"_checks", "_keras", "_replica"},
    "losses": {"_checks"},
    "metrics": {"_checks", "_keras"},
    "backbones": {"graph", "layers", "datasets.encoding"},
    "models.registry": {"_checks"},
    "models.fusion_model": {
        "graph",
        "layers",
        "losses",
        "metrics",
        "_arrays",
        "_files",
        "_replica",
    },
    "models.assembly": {"models.fusion_model", "backbones"},
    "models.builders": {"models.registry", "models.assembly"},
    "models.presets": {"models.builders"},
    "models": {"models.presets"},
    "datasets._io": {"_checks", "_files"},
    "datasets.pca": {"datasets._io"},
    "datasets.audio": {"datasets._io"},
    "datasets.open": {"datasets.audio", "datasets.pca"},
    "datasets.licensed": {"datasets._io"},
    "datasets.encoding": {"datasets._io", "datasets.audio"},
    "datasets": {"datasets.open", "datasets.licensed", "datasets.encoding", "_arrays"},
    "training": {"models", "_files"},
    "evaluation": {"models", "training"},
    "tuning": {"models", "_files"},
    "exporting": {"models", "evaluation"},
    "__main__": {"datasets", "exporting", "reporting", "tuning"},
    "plots": {"models", "evaluation", "_files"},
    "reporting": {"plots"},
}
CORE = {"keras", "numpy"}
# Those that run on every backend as they are.
NEUTRAL = {"_checks", "graph", "layers", "losses", "metrics", "backbones", "models"}
BACKENDS = {"tensorflow", "jax", "torch"}
# Importable where setup.py names them in an extra, and only inside functions.
OPTIONAL = BACKENDS | {
    "PIL",
    "ai_edge_litert",
    "cloudpickle",  # comes with Dask
    "h5py",  # comes with Keras
    "jinja2",
    "keras_tuner",
    "markupsafe",  # comes with Jinja2
    "matplotlib",
    "onnx",
    "onnxruntime",
    "pandas",
    "rich",
    "scipy",
    "sklearn",
    "soundfile",
    "tensorboard",
    "tensorflow_io",
    "tf2onnx",
}
# HyperModels are subclasses of KerasTuner's, and `import keras_fusion` does not load the package.
AT_MODULE_LEVEL = {"tuning": {"keras_tuner"}}
OUTSIDE = {"examples", "tests", "tuning", "setup"}


def reach(package):
    """The package itself and everything below it."""
    return {package}.union(*(reach(below) for below in KNOWS[package]))


def package_of(module):
    """The line of KNOWS for `layers.maxout` or `models.builders.gmu`; its first part if none."""
    parts = module.split(".")
    known = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((name for name in known if name in KNOWS), parts[0])


def module_of(path, root=ROOT):
    """`models.builders.gmu` for a file of the package; "" for its `__init__.py`."""
    parts = path.relative_to(root / "keras_fusion").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


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


def imports(root=ROOT):
    """Yields `(path, line, importing module, imported module, at_module_level)` of the package."""
    for path in sorted((root / "keras_fusion").rglob("*.py")):
        package = ".".join(path.relative_to(root).parts[:-1])
        for line, module, at_module_level in modules_imported(path, package):
            yield path, line, module_of(path, root), module, at_module_level


def package_faults(root):
    """What is wrong with the imports of `root/keras_fusion`, one line for each."""
    faults = []
    for path in sorted((root / "keras_fusion").rglob("*.py")):
        name = module_of(path, root)
        if name and package_of(name) not in KNOWS:
            inside = path.relative_to(root / "keras_fusion")
            faults.append(f"{inside}: `{name.split('.')[0]}` is not in the table KNOWS")
        elif name.startswith("models.") and package_of(name) == "models":
            faults.append(f"{path.name}: `{name}` is not in the table KNOWS")
    for path, line, importing, module, at_module_level in imports(root):
        own = package_of(importing)
        if importing and own not in KNOWS:
            continue
        allowed = reach(own) if importing else set(KNOWS)
        top = module.split(".")[0]
        where = f"{path.relative_to(root / 'keras_fusion')}:{line}: {module}"
        if top == "keras_fusion":
            asked = package_of(module.removeprefix("keras_fusion").lstrip("."))
            if asked not in allowed:
                faults.append(f"{where}: `{own}` must not know `{asked or 'the root'}`")
        elif top in OUTSIDE:
            faults.append(f"{where}: the package must not know `{top}`")
        elif module.startswith("keras.src"):
            faults.append(f"{where}: not public in Keras, so it may change in any release")
        elif top in BACKENDS and own.split(".")[0] in NEUTRAL:
            faults.append(f"{where}: `{own}` must run on every backend")
        elif top in OPTIONAL:
            if at_module_level and top not in AT_MODULE_LEVEL.get(own, ()):
                faults.append(f"{where}: optional, to be imported inside the function")
        elif top not in CORE and top not in sys.stdlib_module_names:
            faults.append(f"{where}: neither a requirement nor in an extra of setup.py")
    return faults


def main():
    """Prints a line for every package, then the arrows between packages with their imports."""
    files, lines, arrows, inside = Counter(), Counter(), Counter(), Counter()
    for path in sorted((ROOT / "keras_fusion").rglob("*.py")):
        package = package_of(module_of(path)) or "(root)"
        files[package] += 1
        lines[package] += len(path.read_text(encoding="utf-8").splitlines())
    modules = {module_of(path) for path in (ROOT / "keras_fusion").rglob("*.py")}
    for _, _, importing, module, _ in imports():
        if not module.startswith("keras_fusion.") or not importing:
            continue
        asked = module.removeprefix("keras_fusion.")
        asked = asked if asked in modules else asked.rpartition(".")[0]
        a, b = package_of(importing), package_of(asked)
        (inside if a == b else arrows)[a if a == b else (a, b)] += 1
    for package in sorted(files):
        print(
            f"{package:22} {files[package]:3} files {lines[package]:6} lines "
            f"{inside[package]:4} imports inside, knows: "
            + (", ".join(f"{b} ({n})" for (a, b), n in sorted(arrows.items()) if a == package))
        )
    print(f"{sum(files.values())} files, {sum(lines.values())} lines, {len(arrows)} arrows between")


if __name__ == "__main__":
    main()
