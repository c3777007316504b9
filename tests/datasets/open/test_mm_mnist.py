"""Multimodal MNIST: the file it is read from, the split, the views."""

import os

import keras
import numpy as np
import pytest

from keras_fusion.datasets import mm_mnist, pca_modalities
from keras_fusion.datasets._io import files

KEYS = ["x_train", "y_train", "x_test", "y_test"]
needs_mnist = pytest.mark.skipif(
    not os.environ.get("KERAS_FUSION_DATA"),
    reason="needs mnist.npz in the folder named by KERAS_FUSION_DATA",
)


def small_arrays():
    rng = np.random.default_rng(0)
    shapes = [(60, 28, 28), (60,), (20, 28, 28), (20,)]
    highest = [256, 10, 256, 10]
    return {
        key: rng.integers(0, high, shape, dtype="uint8")
        for key, shape, high in zip(KEYS, shapes, highest, strict=True)
    }


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A small mnist.npz that passes for the published one."""
    arrays = small_arrays()
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    hashes = {key: files.idx_sha256(array) for key, array in arrays.items()}
    monkeypatch.setattr(mm_mnist, "_SHA256", hashes)
    monkeypatch.setattr(mm_mnist, "_VALIDATION", 10)
    monkeypatch.delenv("KERAS_FUSION_DATA", raising=False)
    return tmp_path, arrays


def check_small(data, arrays, **arguments):
    train = arrays["x_train"][:50]
    fitted = pca_modalities(train, **arguments)
    expected = {
        "train": (train, arrays["y_train"][:50]),
        "validation": (arrays["x_train"][50:], arrays["y_train"][50:]),
        "test": (arrays["x_test"], arrays["y_test"]),
    }
    assert list(data) == list(expected)
    for part, (images, labels) in expected.items():
        x, y = data[part]
        views = fitted.transform(images)
        assert list(x) == list(views) == ["image_a", "image_b"]
        for name, view in views.items():
            np.testing.assert_array_equal(x[name], view)
        assert y.dtype == "int32"
        np.testing.assert_array_equal(y, labels)


def test_split_and_views_are_fitted_on_train_only(small):
    folder, arrays = small
    check_small(mm_mnist.load_data(folder), arrays)
    given = {"energy": 0.3, "share_ratio": 0.2, "seed": 5}
    check_small(mm_mnist.load_data(str(folder), **given), arrays, **given)
    given = {"energy": 0.3, "share_ratio": 1, "shared": "leading"}
    check_small(mm_mnist.load_data(folder, **given), arrays, **given)


def test_folder_from_the_environment(small, monkeypatch):
    folder, arrays = small
    monkeypatch.setenv("KERAS_FUSION_DATA", str(folder))
    check_small(mm_mnist.load_data(), arrays)


def test_without_a_folder_keras_downloads(small, monkeypatch):
    _, arrays = small
    pairs = [(arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])]
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: pairs)
    check_small(mm_mnist.load_data(), arrays)
    arrays["y_test"][0] += 1
    with pytest.raises(ValueError, match="What keras.datasets.mnist keeps is not the published"):
        mm_mnist.load_data()


@pytest.mark.parametrize("key", KEYS)
def test_other_contents_are_refused(small, key):
    folder, arrays = small
    arrays[key].flat[3] ^= 1
    np.savez(folder / "mnist.npz", **arrays)
    with pytest.raises(ValueError, match=f"mnist.npz is not the published MNIST: expected `{key}`"):
        mm_mnist.load_data(folder)


def test_other_dtype_is_refused(small):
    folder, arrays = small
    np.savez(folder / "mnist.npz", **(arrays | {"y_train": arrays["y_train"].astype("int64")}))
    with pytest.raises(ValueError, match="`y_train` as uint8 .*Received: int64"):
        mm_mnist.load_data(folder)


def test_broken_and_missing_files_are_named(small):
    folder, arrays = small
    path = folder / "mnist.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="mnist.npz is not a complete .npz file"):
        mm_mnist.load_data(folder)
    del arrays["y_test"]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"mnist.npz must hold the arrays .*Received: \['x_test'"):
        mm_mnist.load_data(folder)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="mnist.npz. Received: no such file"):
        mm_mnist.load_data(folder)


def test_pinned_hashes_refuse_arrays_of_the_same_shape(tmp_path):
    np.savez_compressed(tmp_path / "mnist.npz", **small_arrays())
    with pytest.raises(ValueError, match="SHA-256 ba891046e6505d7a"):
        mm_mnist.load_data(tmp_path)


@pytest.mark.slow
@pytest.mark.data
@needs_mnist
def test_published_mnist():
    data = mm_mnist.load_data(seed=1)
    for part, count in {"train": 55000, "validation": 5000, "test": 10000}.items():
        x, y = data[part]
        assert y.shape == (count,)
        assert y.dtype == "int32"
        assert sorted(set(y.tolist())) == list(range(10))
        for name in ("image_a", "image_b"):
            assert x[name].shape == (count, 28, 28, 1)
            assert x[name].dtype == "float32"
            assert -1.5 < x[name].min() < -0.5
            assert 1.5 < x[name].max() < 2.5
    # The first labels of MNIST's two files, and the first of its last 5,000 training digits.
    assert data["train"][1][:5].tolist() == [5, 0, 4, 1, 9]
    assert data["test"][1][:5].tolist() == [7, 2, 1, 0, 4]
    variance = {name: view.var(axis=0).sum() for name, view in data["train"][0].items()}
    full, _, _, _ = mm_mnist._read(None)
    total = (full[:55000] / np.float32(255)).var(axis=0, dtype="float64").sum()
    for kept in variance.values():
        assert kept / total == pytest.approx(0.5, abs=0.002)
