"""Finding the data folder, reading .npz files, and what importing the data sets loads."""

import ast
import hashlib
import pathlib
import struct
import sys

import numpy as np
import pytest

import keras_fusion.datasets
from keras_fusion.datasets._io import files


def test_data_dir_wins_over_the_environment(tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path))
    assert files.data_folder() == tmp_path
    assert files.data_folder(str(other)) == other
    monkeypatch.setenv("KERAS_FUSION_DATA", "")
    assert files.data_folder() is None
    monkeypatch.delenv("KERAS_FUSION_DATA")
    assert files.data_folder() is None


def test_wrong_folders(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="data_dir: expected an existing folder. Received"):
        files.data_folder(tmp_path / "none")
    with pytest.raises(TypeError, match="path of a folder. Received: 0.5"):
        files.data_folder(0.5)
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="variable KERAS_FUSION_DATA: expected an existing"):
        files.data_folder()


def test_read_npz_gives_arrays_in_the_order_asked_for(tmp_path):
    np.savez(tmp_path / "a.npz", one=np.arange(3), two=np.arange(4.0), three=np.zeros(0))
    two, one = files.read_npz(tmp_path / "a.npz", ["two", "one"])
    np.testing.assert_array_equal(one, [0, 1, 2])
    np.testing.assert_array_equal(two, [0, 1, 2, 3])


def test_broken_npz_files(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, one=np.random.default_rng(0).normal(size=1000))
    whole = path.read_bytes()
    damaged = [whole[:500] + 200 * byte + whole[700:] for byte in (b"\0", b"\xff")]
    for broken in (b"", whole[:-30], whole[:100], *damaged, b"not a zip" * 50):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="a.npz is not a complete .npz file"):
            files.read_npz(path, ["one"])
    np.save(tmp_path / "b.npy", np.arange(3))
    path.write_bytes((tmp_path / "b.npy").read_bytes())
    with pytest.raises(ValueError, match="a.npz is not a complete .npz file"):
        files.read_npz(path, ["one"])
    np.savez(path, one=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="a.npz is not a complete .npz file"):
        files.read_npz(path, ["one"])


def test_idx_sha256_is_that_of_the_idx_file():
    array = np.arange(24, dtype="uint8").reshape(2, 3, 4)
    idx = struct.pack(">IIII", 0x00000803, 2, 3, 4) + bytes(range(24))
    assert files.idx_sha256(array) == hashlib.sha256(idx).hexdigest()
    assert files.idx_sha256(np.asfortranarray(array)) == hashlib.sha256(idx).hexdigest()


def test_importing_the_data_sets_loads_numpy_and_keras_only():
    folder = pathlib.Path(keras_fusion.datasets.__file__).parent
    allowed = {"keras", "numpy", "keras_fusion", *sys.stdlib_module_names}
    for path in folder.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                assert name.split(".")[0] in allowed, f"{path.name} imports {name}"
                if name.startswith("keras_fusion"):
                    parts = ("datasets", "_arrays", "_checks", "_files")
                    known = tuple(f"keras_fusion.{part}" for part in parts)
                    assert name.startswith(known), f"{path.name}: {name}"
