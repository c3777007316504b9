"""Montalbano, AFEW and AudioSet: one .npy file for each part and modality."""

import numpy as np
import pytest
from helpers.tiny_files import PARTS, write_clips, write_features

from keras_fusion.datasets import afew, audioset, montalbano


@pytest.mark.parametrize("module", [montalbano, afew])
def test_features(tmp_path, monkeypatch, module):
    inner = tmp_path / module.__name__.split(".")[-1]
    inner.mkdir()
    written = write_features(inner, module)
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path))
    data = module.load_data()
    assert list(data) == list(PARTS)
    for part, (x, y) in data.items():
        assert y.dtype == "int32" and list(x) == sorted(module.FEATURES)
        np.testing.assert_array_equal(y, written[f"{part}_labels"])
        for key, array in x.items():
            width = module.FEATURES[key]
            assert isinstance(array, np.ndarray) and array.dtype == "float32"
            expected = written[f"{part}_{key}"].astype("float32")
            np.testing.assert_array_equal(array[:, :width], expected)
            assert array.shape[1] == (400 if module is montalbano else width)
            np.testing.assert_array_equal(array[:, width:], 0)


def test_montalbano_sizes(tmp_path):
    write_features(tmp_path, montalbano)
    x, _ = montalbano.load_data(tmp_path, size=None)["test"]
    assert {key: array.shape[1] for key, array in x.items()} == montalbano.FEATURES
    x, _ = montalbano.load_data(tmp_path, size=512)["test"]
    assert {array.shape for array in x.values()} == {(2, 512)}
    for size in (399, 400.0):
        with pytest.raises(ValueError, match="size: expected an int >= 400 or None. Received"):
            montalbano.load_data(tmp_path, size=size)


BAD = np.zeros((2, 512), "float32")
BAD[1, 3] = np.inf


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("test_video", np.zeros((2, 511)), r"`video` of shape \('any', 512\)"),
        ("test_video", np.zeros((2, 512), "int32"), "type float. Received: int32"),
        ("test_video", np.zeros((3, 512)), "equally many rows. .*test_video.npy': 3"),
        ("test_video", BAD, "finite `values`. .* first in row 1"),
        ("train_labels", np.array([0, 1, 2, 3, 4, 6, 6, 5]) % 6, r"absent \[6\]"),
        ("train_labels", np.arange(8) * 2, r"others \[8, 10, 12, 14\]"),
        ("test_labels", np.array([0, 7]), r"classes from 0 to 6. .* others \[7\]"),
        ("test_labels", np.array([-1, 0]), r"others \[-1\]"),
        ("test_labels", np.array([0.0, 1.0]), "type int or uint"),
        ("test_labels", np.zeros((2, 7), int), r"`labels` of shape \('any',\)"),
    ],
)
def test_another_file_is_refused(tmp_path, name, array, message):
    write_features(tmp_path, afew, **{name: array})
    with pytest.raises(ValueError, match=f"{tmp_path}.*{message}"):
        afew.load_data(tmp_path)


def test_broken_and_missing_files(tmp_path):
    write_features(tmp_path, afew)
    path = tmp_path / "validation_audio.npy"
    whole = path.read_bytes()
    np.savez(tmp_path / "zip.npz", np.zeros(3))
    zipped = (tmp_path / "zip.npz").read_bytes()
    for broken in (b"", whole[:-4], whole[:40], b"\x80\x04N.", b"x" * 500, zipped):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="validation_audio.npy is not a complete .npy file"):
            afew.load_data(tmp_path)
    np.save(path, np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(ValueError, match="validation_audio.npy is not a complete .npy file"):
        afew.load_data(tmp_path)
    path.unlink()
    (tmp_path / "test_labels.npy").unlink()
    match = r"afew: .*Missing: validation_audio.npy, test_labels.npy.*info\('afew'\)"
    with pytest.raises(FileNotFoundError, match=match):
        afew.load_data(tmp_path)


@pytest.mark.parametrize("spectrograms", ["uint8", "float64"])
def test_clips_stay_on_disk(tmp_path, spectrograms):
    written = write_clips(tmp_path, spectrograms)
    data = audioset.load_data(tmp_path)
    for part, (x, y) in data.items():
        assert x["audio"].shape == (2, 512, 512, 1) and x["video"].shape == (2, 16, 256, 256, 3)
        assert not isinstance(x["video"], np.ndarray) and x["video"].dtype == "uint8"
        assert x["audio"].dtype == ("uint8" if spectrograms == "uint8" else "float32")
        assert x["audio"][:1].dtype == x["audio"].dtype
        np.testing.assert_array_equal(x["audio"][[1, 0]][..., 0], written[f"{part}_audio"][::-1])
        np.testing.assert_array_equal(x["video"][1], written[f"{part}_video"][1])
        np.testing.assert_array_equal(y, written[f"{part}_labels"])
        assert y.dtype == "int32"


def test_clips_are_checked(tmp_path):
    written = write_clips(tmp_path, "float32")
    bad = written["test_audio"].copy()
    bad[1, 2, 3] = np.nan
    np.save(tmp_path / "test_audio.npy", bad)
    x, _ = audioset.load_data(tmp_path)["test"]
    assert np.isfinite(x["audio"][0]).all()
    with pytest.raises(ValueError, match="test_audio.npy: expected finite `values`. .* in row 1"):
        x["audio"][1]
    np.save(tmp_path / "train_labels.npy", written["train_labels"] * 2)
    with pytest.raises(ValueError, match="train_labels.npy: expected labels of 0 and 1"):
        audioset.load_data(tmp_path)
    np.save(tmp_path / "train_labels.npy", written["train_labels"][:, 1:])
    with pytest.raises(ValueError, match=r"`labels` of shape \('any', 211\)"):
        audioset.load_data(tmp_path)
