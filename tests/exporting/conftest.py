"""Writers and runners in the place of the real ones, for what is not about a format."""

import os
from pathlib import Path

import numpy as np
import pytest

from keras_fusion.exporting import _verification, formats


@pytest.fixture
def quick(monkeypatch):
    """In the place of all converters, ones that write a word, and answer what Keras does."""
    state = {"shift": 0.0, "rename": False, "fails": False}
    monkeypatch.setattr(formats, "_NEEDS", {name: {} for name in formats.FORMATS})

    def write(model, endpoints, path, quantize):
        state["endpoints"] = endpoints
        if not os.path.splitext(path)[1]:
            os.makedirs(path)
            path = os.path.join(path, "saved_model.pb")
        Path(path).write_text("half of it")
        if state["fails"]:
            raise OSError("no space left on device")

    monkeypatch.setattr(formats._raw, "raw_samples", lambda model, raw, x: (x, x))

    def runner(path):
        def run(name, x):
            x = {key: np.nan_to_num(array) for key, array in x.items()}
            found = state["endpoints"][name].expected(x)
            count = len(next(iter(x.values())))
            chosen = name == state.get("signature", name) and count == state.get("samples", count)
            shift = state["shift"] if chosen else 0.0
            ending = "x" if state["rename"] else ""
            return {key + ending: value + shift for key, value in found.items()}

        return run

    monkeypatch.setattr(_verification, "WRITERS", dict.fromkeys(formats.FORMATS, write))
    monkeypatch.setattr(_verification, "RUNNERS", dict.fromkeys(formats.FORMATS, runner))
    return state
