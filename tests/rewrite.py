"""Writes anew what is made from the code: `python tests/rewrite.py`, from anywhere.

- golden/layers.json: what saved files rely on, of every layer; see conformance.py.
- golden/signatures.json: what users can call, and with which defaults; see signatures.py.

The tests that are red without it say so. What it changes is to be read before it is committed: a
changed line of layers.json means that older saved models no longer load, one of signatures.json
that users' calls mean something else.
"""

import conformance
import signatures


def write(path, text):
    """Whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def main():
    write(conformance.GOLDEN, conformance.golden_text())
    write(signatures.GOLDEN, signatures.golden_text())


if __name__ == "__main__":
    main()
