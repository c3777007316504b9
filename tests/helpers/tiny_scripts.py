"""The scripts of tuning/ on data and models that take no time; as a script it is search.py."""

import importlib
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("_report", "_setup", "_workers", "confirm", "results", "search")

sys.path.insert(0, str(Path(__file__).parents[1]))
import pytest  # noqa: E402
from helpers import tiny_search  # noqa: E402
from helpers.tiny import without_graphs  # noqa: E402


def load(seconds=0):
    """The modules of tuning/, by name; a model takes so many seconds to build."""
    sys.path.insert(0, str(ROOT / "tuning"))
    modules = {name: importlib.import_module(name) for name in NAMES}

    def backbones(dropout=0.5):
        time.sleep(seconds)
        return tiny_search.vectors(dropout)

    def data():
        parts = ("train", "validation", "test")
        return {part: tiny_search.data(12, seed=i) for i, part in enumerate(parts)}

    modules["_setup"].DATA["mm_digits"] = (data, backbones)
    return modules


if __name__ == "__main__":
    without_graphs(pytest.MonkeyPatch())
    load(seconds=1.5)["search"].main()
