"""The package is loaded when it is asked for, and says what is missing."""

import sys

import pytest

import keras_fusion


def test_the_package_reaches_it():
    pytest.importorskip("keras_tuner")
    assert keras_fusion.tuning is sys.modules["keras_fusion.tuning"]
    with pytest.raises(AttributeError, match="no attribute 'tunning'"):
        _ = keras_fusion.tunning


def test_what_is_missing_is_named(monkeypatch):
    for name in [n for n in sys.modules if n.startswith("keras_fusion.tuning")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(keras_fusion, "tuning", raising=False)
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    with pytest.raises(ModuleNotFoundError, match=r"keras_fusion\[tune\]"):
        _ = keras_fusion.tuning
