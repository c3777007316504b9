"""All data sets by name."""

import pathlib
import re
import types

import pytest

from keras_fusion import datasets
from keras_fusion.datasets import catalogue

MODULES = {
    name: value
    for name in datasets.__all__
    if isinstance(value := getattr(datasets, name), types.ModuleType)
    and hasattr(value, "load_data")
}


def test_every_data_set_is_listed():
    assert list(datasets.info()) == sorted(MODULES)
    for name, entry in datasets.info().items():
        assert entry.name == name and datasets.info(name) is entry
        assert all(str(value).strip() for value in vars(entry).values())
        assert f"name:       {name}" in str(entry) and entry.licence in str(entry)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_say_origin_and_licence(name):
    docstring = MODULES[name].__doc__
    assert "Origin: " in docstring and "icence" in docstring
    assert MODULES[name].load_data.__doc__.count("Reference:") == 1


def test_unknown_name():
    for function in (datasets.info, datasets.load_data):
        with pytest.raises(ValueError, match="name: expected one of .*Received: 'mnist'"):
            function("mnist")


def test_load_data_by_name(monkeypatch):
    received = {}
    monkeypatch.setattr(datasets.mfeat, "load_data", lambda **kwargs: received.update(kwargs) or 7)
    assert datasets.load_data("mfeat", standardize=False, data_dir="x") == 7
    assert received == {"standardize": False, "data_dir": "x"}


@pytest.mark.data
@pytest.mark.parametrize("name", ["grid_digits", "mfeat", "tcga_breast", "womens_clothing"])
def test_entries_are_true(name):
    entry = datasets.info(name)
    data = datasets.load_data(name)
    assert {part: len(y) for part, (_, y) in data.items()} == entry.samples
    for x, _ in data.values():
        shapes = {key: array.shape[1:] for key, array in x.items() if key != "present"}
        assert shapes == entry.modalities


def test_addresses_look_like_addresses():
    text = pathlib.Path(catalogue.__file__).read_text(encoding="utf-8")
    for address in re.findall(r"https?://[^\s\"']+", text):
        assert re.fullmatch(r"https?://[\w.-]+\.\w+(/[\w./~%-]*)?", address.rstrip(",;")), address
