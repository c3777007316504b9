"""Writes anew what is made from the code: `python tests/rewrite.py`, from anywhere.

- golden/layers.json: what saved files rely on, of every layer; see conformance.py.
- golden/signatures.json: what users can call, and with which defaults; see signatures.py.
- The tables of methods and of public names in the README.

The tests that are red without it say so. What it changes is to be read before it is committed: a
changed line of layers.json means that older saved models no longer load, one of signatures.json
that users' calls mean something else.
"""

import inspect
from pathlib import Path

import conformance
import signatures

import keras_fusion as kf

README = Path(__file__).parent.parent / "README.md"


def methods_table():
    """A row for every fusion method."""
    rows = ["| method of `kf.build` | builder | what it does | from |", "|---|---|---|---|"]
    for method in kf.methods():
        builder = getattr(method.builder, "func", method.builder).__name__
        rows.append(f"| `{method.name}` | `{builder}` | {method.line} | {method.source} |")
    return "\n".join(rows)


def names_table():
    """A row for every name at the root but the builders, and for every package with its names."""
    rows = ["| name | what |", "|---|---|"]
    packages = []
    for name in [*kf.__all__, "tuning"]:
        value = getattr(kf, name)
        line = inspect.getdoc(value).splitlines()[0].rstrip(".")
        if inspect.ismodule(value):
            names = ", ".join(f"`{n}`" for n in signatures.public_names(value))
            packages.append(f"| `{name}` | {line}: {names} |")
        elif not name.startswith("build_"):
            rows.append(f"| `{name}` | {line} |")
    return "\n".join([*rows, "| `build_...` | One builder per method, see above |", *packages])


def readme(text):
    """The text with both tables as they are to be."""
    for label, table in (("methods", methods_table()), ("names", names_table())):
        begin, end = f"<!-- {label} -->\n", "\n<!-- end -->"
        before, _, rest = text.partition(begin)
        text = before + begin + table + end + rest.partition(end)[2]
    return text


def write(path, text):
    """Whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def main():
    write(conformance.GOLDEN, conformance.golden_text())
    write(signatures.GOLDEN, signatures.golden_text())
    write(README, readme(README.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
