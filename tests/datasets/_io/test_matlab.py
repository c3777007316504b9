"""MATLAB files against SciPy's writer: versions, types, byte orders, and what is left out."""

import io

import numpy as np
import pytest

from keras_fusion.datasets._io import matlab

savemat = pytest.importorskip("scipy.io", reason="needs SciPy").savemat
OPTIONS = {
    "4": {"format": "4"},
    "5": {"format": "5"},
    "compressed": {"format": "5", "do_compression": True},
}


def written(held, options):
    file = io.BytesIO()
    savemat(file, held, **options)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "i2", "u2", "u1"])
@pytest.mark.parametrize("version", OPTIONS)
def test_numbers(version, dtype):
    values = np.random.default_rng(0).integers(0, 120, (7, 5)).astype(dtype)
    held = {"first": values, "s": np.array([[1.5]]), "a_longer_name": values.T}
    found = matlab.read(written(held, OPTIONS[version]), ("first", "a_longer_name", "s", "none"))
    assert sorted(found) == ["a_longer_name", "first", "s"]
    for name, array in found.items():
        np.testing.assert_array_equal(array, held[name])
    assert list(matlab.read(written(held, OPTIONS[version]), ("s",))) == ["s"]


@pytest.mark.parametrize("dtype", ["i1", "u4", "i8", "u8"])
def test_types_of_version_5_only(dtype):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    np.testing.assert_array_equal(matlab.read(written({"a": values}, {}), ("a",))["a"], values)


def test_big_endian_version_4():
    values = np.random.default_rng(0).normal(size=(3, 2))
    header = np.array([1000, 3, 2, 0, 2], ">i4").tobytes() + b"a\0"
    content = header + values.astype(">f8").tobytes(order="F")
    np.testing.assert_array_equal(matlab.read(content, ("a",))["a"], values)


@pytest.mark.parametrize("held", ["text", {"b": 1.0}, np.array([[1 + 2j]]), np.array([[{}]], "O")])
def test_what_is_not_numeric(held):
    found = matlab.read(written({"x": held, "a": np.eye(2)}, OPTIONS["5"]), ("x", "a"))
    assert found["x"] is None
    np.testing.assert_array_equal(found["a"], np.eye(2))


def test_text_and_complex_of_version_4_are_left_out():
    held = {"t": "text", "c": np.array([[1 + 2j]]), "a": np.eye(2)}
    found = matlab.read(written(held, OPTIONS["4"]), tuple(held))
    assert list(found) == ["a"]
    np.testing.assert_array_equal(found["a"], np.eye(2))


def test_compressed_size_is_limited(monkeypatch):
    content = written({"a": np.zeros((100, 100))}, OPTIONS["compressed"])
    monkeypatch.setattr(matlab, "_LARGEST", 1000)
    with pytest.raises(ValueError, match="ends too early"):
        matlab.read(content, ("a",))
