"""What users can call, and with which defaults: the text of golden/signatures.json.

One line for every public function, constructor and method that this package defines, under its
shortest name; further names of the same thing say which that is. Then, for every fusion method, the
builder with what is bound, and the default search space. `python tests/rewrite.py` writes the file
anew, and test_signatures.py says what differs from it.
"""

import inspect
import json
from pathlib import Path

import keras_fusion as kf

GOLDEN = Path(__file__).parent / "golden" / "signatures.json"


class Text:
    """Prints as the text it was made of."""

    def __init__(self, text):
        self._text = text

    def __repr__(self):
        return self._text


def public_names(module):
    """Of `__all__`; of a module without it, those of the functions and classes it defines."""
    return getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", "") == module.__name__
    ]


def packages():
    """`{module: its shortest name}` of the root, its public packages, and those in them."""
    found, waiting = {}, [("", kf)]
    for name, module in waiting:
        if module not in found:
            found[module] = name
            # Optional, and therefore not among the root's names.
            names = [*public_names(module), "tuning"] if module is kf else public_names(module)
            values = [(f"{name}.{n}".strip("."), getattr(module, n)) for n in sorted(names)]
            waiting += [(path, value) for path, value in values if inspect.ismodule(value)]
    return found


def public_objects():
    """`({name: object}, {further name: name})` of all that is public, without the modules."""
    objects, further, names = {}, {}, {}
    for module, package in packages().items():
        for name in public_names(module):
            value, path = getattr(module, name), f"{package}.{name}".strip(".")
            if inspect.ismodule(value):
                continue
            if id(value) in names:
                further[path] = names[id(value)]
            else:
                objects[path] = value
                names[id(value)] = path
    return objects, further


def signature(function, method=False):
    """Names, kinds and defaults of the parameters, without `self`."""
    parameters = [
        p.replace(annotation=p.empty, default=_default(p))
        for p in inspect.signature(function).parameters.values()
    ]
    return str(inspect.Signature(parameters[1:] if method else parameters))


def _default(parameter):
    """Functions by name, and what stands for "not given" as dots: their own text is an address."""
    default = parameter.default
    if default is parameter.empty:
        return default
    dots = "..." if type(default) is object else repr(default)
    return Text(getattr(default, "__qualname__", dots))


def class_lines(name, kind, public):
    """The constructor, and the methods and properties that no other public class of here has."""
    lines = {}
    for attribute in ["__init__", *(a for a in dir(kind) if a[0] != "_")]:
        base = next(base for base in kind.__mro__ if attribute in vars(base))
        path = name if attribute == "__init__" else f"{name}.{attribute}"
        value = vars(base)[attribute]
        if base.__module__.split(".")[0] != kf.__name__ or (base in public and base is not kind):
            if attribute == "__init__":
                lines[path] = f"as {base.__name__}"
        elif isinstance(value, (classmethod, staticmethod)):
            text = signature(value.__func__, isinstance(value, classmethod))
            lines[path] = f"{type(value).__name__} {text}"
        elif inspect.isfunction(value):
            lines[path] = signature(value, method=True)
        elif isinstance(value, property):
            lines[path] = "property"
    return lines


def all_lines():
    """`{name: text, or a dict}`, sorted."""
    objects, further = public_objects()
    lines = {name: f"is {first}" for name, first in further.items()}
    public = {value for value in objects.values() if inspect.isclass(value)}
    for name, value in objects.items():
        if inspect.isclass(value):
            lines |= class_lines(name, value, public)
        elif callable(value):
            lines[name] = signature(value)
        else:
            lines |= {f"{name}[{key!r}]": entry for key, entry in value.items()}
    for name, method in ((method.name, method) for method in kf.methods()):
        builder = getattr(method.builder, "func", method.builder).__name__
        bound = getattr(method.builder, "keywords", {})
        lines[f"build({name!r})"] = {"builder": builder, **bound}
        lines[f"tuning.default_space({name!r})"] = kf.tuning.default_space(name)
    # Through JSON: tuples become lists, as in the file.
    return json.loads(json.dumps(dict(sorted(lines.items()))))


def golden_text():
    """One name a line."""
    rows = [f" {json.dumps(name)}: {json.dumps(line)}" for name, line in all_lines().items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def differences(golden, found):
    """A line for every name that is not the same in both."""
    return [
        f"{name}: expected {golden.get(name, 'nothing')}, received {found.get(name, 'nothing')}"
        for name in sorted({*golden, *found})
        if golden.get(name) != found.get(name)
    ]
