"""AV-MNIST of MFAS and of MultiBench: both layouts, their splits and scales."""

import numpy as np
import pytest

from keras_fusion.datasets import av_mnist_npy

FOLDER = {"mfas": "images", "multibench": "image"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(av_mnist_npy, "_ROWS", {"mfas": (10, 13), "multibench": (12, 15)})


def write(folder, layout, dtype="float32", image_shape=(784,)):
    rng = np.random.default_rng(0)
    arrays = {"train_labels": np.arange(15) % 10, "test_labels": np.array([3, 7, 7, 1])}
    for part, count in (("train", 15), ("test", 4)):
        values = rng.integers(0, 256, (count, *image_shape))
        arrays[f"{FOLDER[layout]}/{part}_data"] = (
            (values / 255).astype(dtype) if layout == "mfas" else values.astype(dtype)
        )
        arrays[f"audio/{part}_data"] = rng.integers(0, 256, (count, 112, 112)).astype(dtype)
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, array)
    return arrays


@pytest.mark.parametrize("image_shape", [(784,), (28, 28), (1, 28, 28)])
@pytest.mark.parametrize("layout", ["mfas", "multibench"])
def test_parts_and_scales(tmp_path, monkeypatch, layout, image_shape):
    inner = tmp_path / "avmnist"
    inner.mkdir()
    arrays = write(inner, layout, image_shape=image_shape)
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path))
    data, raw = av_mnist_npy.load_data(), av_mnist_npy.load_data(inner, layout, scale=False)
    rows = {
        "train": ("train", slice(0, 10 if layout == "mfas" else 12)),
        "validation": ("train", slice(10, 13) if layout == "mfas" else slice(12, 15)),
        "test": ("test", slice(None)),
    }
    for part, (file, kept) in rows.items():
        x, y = data[part]
        np.testing.assert_array_equal(y, arrays[f"{file}_labels"][kept])
        assert y.dtype == "int32" and x["image"].dtype == x["audio"].dtype == "float32"
        image = arrays[f"{FOLDER[layout]}/{file}_data"][kept].reshape(-1, 28, 28, 1)
        audio = arrays[f"audio/{file}_data"][kept][..., None]
        np.testing.assert_array_equal(raw[part][0]["image"][:], image)
        np.testing.assert_array_equal(np.asarray(raw[part][0]["audio"]), audio)
        if layout == "mfas":
            image = (image - 0.1307) / 0.3081
        else:
            image, audio = image / 255, audio / 255
        np.testing.assert_allclose(x["image"][:], image, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(x["audio"][:], audio, rtol=1e-5)
        assert x["image"].shape == image.shape and x["audio"].shape == audio.shape


def test_integers_stay_integers(tmp_path):
    write(tmp_path, "multibench", "uint8")
    x, _ = av_mnist_npy.load_data(tmp_path, scale=False)["train"]
    assert x["audio"].dtype == x["audio"][:2].dtype == "uint8"
    x, _ = av_mnist_npy.load_data(tmp_path)["train"]
    assert x["audio"][:2].dtype == "float32" and x["audio"][:2].max() <= 1


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("image/test_data", np.zeros((4, 783), "float32"), "784 numbers a row. Received: shape"),
        ("audio/test_data", np.zeros((4, 112, 111), "float32"), "12544 numbers a row"),
        ("audio/test_data", np.zeros((4, 112, 112), "int64"), "type float or uint8"),
        ("audio/test_data", np.zeros((5, 112, 112), "float32"), "equally many rows"),
        ("audio/train_data", np.zeros(15, "float32"), "12544 numbers a row"),
        ("train_labels", np.arange(14) % 10, "equally many rows. .*'train_labels.npy': 14"),
        ("train_labels", np.arange(15) % 9, r"absent \[9\]"),
        ("test_labels", np.array([1, 2, 3, 10]), r"others \[10\]"),
        ("test_labels", np.array(["1", "2", "3", "4"]), "`labels` of shape"),
    ],
)
def test_another_file_is_refused(tmp_path, name, array, message):
    write(tmp_path, "multibench")
    np.save(tmp_path / f"{name}.npy", array)
    with pytest.raises(ValueError, match=f"{tmp_path}.*{message}"):
        av_mnist_npy.load_data(tmp_path)


def test_too_few_rows(tmp_path, monkeypatch):
    write(tmp_path, "multibench")
    monkeypatch.setattr(av_mnist_npy, "_ROWS", {"multibench": (12, 16)})
    with pytest.raises(ValueError, match="train_labels.npy: expected at least 16 rows. .* 15"):
        av_mnist_npy.load_data(tmp_path)


def test_missing_files(tmp_path):
    write(tmp_path, "multibench")
    with pytest.raises(ValueError, match="layout: expected one of"):
        av_mnist_npy.load_data(tmp_path, layout="MFAS")
    with pytest.raises(FileNotFoundError, match="Missing: images/train_data.npy, images/test_d"):
        av_mnist_npy.load_data(tmp_path, layout="mfas")
    (tmp_path / "audio" / "test_data.npy").unlink()
    with pytest.raises(FileNotFoundError, match="Missing: audio/test_data.npy"):
        av_mnist_npy.load_data(tmp_path)
    (tmp_path / "audio" / "train_data.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"audio/train_data.npy.*info\('av_mnist_npy'\)"):
        av_mnist_npy.load_data(tmp_path)
