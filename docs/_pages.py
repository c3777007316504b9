"""Pages that are made from the code: one a method, one a package, and the data sets' table."""

import inspect
import shutil

import keras
import matplotlib

import keras_fusion as kf

MADE = ("methods", "reference")
MATPLOTLIB = {"svg.hashsalt": "keras_fusion", "savefig.transparent": False}
# No branch of a fusion can be drawn for all kinds of networks: the first that a method takes.
NETS = (
    lambda: {"image": kf.backbones.lenet5((16, 16, 1)), "sound": kf.backbones.mlp(20, (64, 32))},
    lambda: {"first": kf.backbones.lenet5((16, 16, 1)), "second": kf.backbones.lenet5((16, 16, 1))},
    lambda: {"arm": _labeller(6), "foot": _labeller(3)},
)


def _labeller(features):
    inputs = keras.Input((None, features))
    x = keras.layers.GRU(16, return_sequences=True)(inputs)
    return keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(x))


def write(folder):
    """Writes all of them below the site's sources; what an earlier build left is gone."""
    for name in MADE:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    with matplotlib.rc_context(MATPLOTLIB):
        _write_methods(folder / "methods")
    _write_reference(folder / "reference")


def _write_methods(folder):
    rows, names = [], []
    for method in kf.methods():
        model = _example(method)
        kf.plots.plot_fusion_graph(model, folder / f"{method.name}.svg", title=method.name)
        (folder / f"{method.name}.md").write_text(_method(method, model), encoding="utf-8")
        names.append(method.name)
        rows.append(f"| [`{method.name}`]({method.name}.md) | {method.line} | {method.source} |")
    table = "\n".join(["| method | what it does | from |", "|---|---|---|", *rows])
    text = (
        "# Methods\n\n`kf.build(name, backbones)` builds each of them; the backbones, and all that "
        "follows, stay the same. [Which one to use](../which_method.md) says what was measured.\n\n"
        f"{table}\n\n{_toctree(names, hidden=True)}"
    )
    (folder / "index.md").write_text(text, encoding="utf-8")


def _example(method):
    for nets in NETS:
        try:
            return kf.build(method.name, nets())
        except (TypeError, ValueError) as error:
            found = error
    raise found


def _method(method, model):
    """The page of a method: its line, wiring, builder, and the layers in which modalities meet."""
    builder = getattr(method.builder, "func", method.builder)
    fixed = "".join(f", {name}={value!r}" for name, value in method.fixed.items())
    call = f"kf.{builder.__name__}(backbones{fixed})"
    kinds = {type(layer) for layer in model.layers if isinstance(layer, kf.layers.FusionLayer)}
    fused = "".join(
        f"\n## Its layer: {name}\n\n{_auto('class', f'keras_fusion.layers.{name}')}"
        for name in sorted({kind.__name__ for kind in kinds} & set(kf.layers.__all__))
    )
    inputs = ", ".join(f"`{m}` {net}" for m, net in _shapes(model).items())
    return (
        f"# {method.name}\n\n{method.line[0].upper()}{method.line[1:]} ({method.source}).\n\n"
        f'```python\nmodel = kf.build("{method.name}", backbones)  # {call}\n```\n\n'
        f"```{{image}} {method.name}.svg\n:alt: Which tensors of the modalities meet where\n```\n\n"
        f"The wiring for {inputs}; `kf.plots.plot_fusion_graph` draws that of any model.\n\n"
        f"## Its builder\n\n{_auto('function', f'keras_fusion.{builder.__name__}')}{fused}"
    )


def _shapes(model):
    return {name: "x".join(str(n or "?") for n in x.shape[1:]) for name, x in model.input.items()}


def _auto(kind, path, index=False):
    options = "" if index else "   :no-index:\n"
    return f"```{{eval-rst}}\n.. auto{kind}:: {path}\n{options}```\n"


def _write_reference(folder):
    names = ["keras_fusion", *(n for n in kf.__all__ if inspect.ismodule(getattr(kf, n))), "tuning"]
    for name in names:
        module = kf if name == "keras_fusion" else getattr(kf, name)
        (folder / f"{name}.md").write_text(_package(name, module), encoding="utf-8")
    text = (
        "# Reference\n\nEvery public name, by package. `import keras_fusion as kf` loads all but "
        f"`kf.tuning`, which comes with its first use.\n\n{_toctree(names)}"
    )
    (folder / "index.md").write_text(text, encoding="utf-8")


def _package(name, module):
    path = "keras_fusion" if module is kf else f"keras_fusion.{name}"
    parts = [f"# {path}\n\n{inspect.getdoc(module).splitlines()[0]}\n"]
    seen = {id(getattr(kf, n)) for n in kf.__all__} if module is not kf else set()
    for public in module.__all__:
        value = getattr(module, public)
        if inspect.ismodule(value) and module is not kf:
            parts.append(_module(f"{path}.{public}", value))
        elif inspect.isclass(value):
            members = "   :members:\n" if not issubclass(value, keras.layers.Layer) else ""
            parts.append(
                f"## {public}\n\n```{{eval-rst}}\n.. autoclass:: {path}.{public}\n{members}"
                f"{'   :no-index:' if id(value) in seen else ''}\n```\n"
            )
        elif inspect.isfunction(value):
            parts.append(
                f"## {public}\n\n" + _auto("function", f"{path}.{public}", id(value) not in seen)
            )
    return "\n".join(parts)


def _module(path, module):
    """A module of a package: a data set, or a paper's presets."""
    names = getattr(module, "__all__", None) or [
        n
        for n, v in vars(module).items()
        if n[0] != "_" and getattr(v, "__module__", "") == module.__name__
    ]
    functions = [n for n in names if inspect.isfunction(getattr(module, n))]
    line = inspect.getdoc(module).splitlines()[0]
    blocks = "\n".join(_auto("function", f"{path}.{n}", index=True) for n in functions)
    return f"## {path.removeprefix('keras_fusion.')}\n\n{line}\n\n{blocks}"


def _toctree(names, hidden=False):
    options = ":hidden:\n" if hidden else ":maxdepth: 1\n"
    return "```{toctree}\n" + options + "\n" + "\n".join(names) + "\n```\n"
