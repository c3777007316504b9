"""GRID digits: the file it is read from, its parts, the noise."""

import os
import re

import keras
import numpy as np
import pytest
from helpers.tiny_grid import CLIPS, small_arrays, write

from keras_fusion.datasets import grid_digits


def test_parts_and_ranges(tmp_path, monkeypatch):
    inner = tmp_path / "grid_s1_digits"
    inner.mkdir()
    arrays = write(inner)
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path))
    from_environment = grid_digits.load_data()
    data = grid_digits.load_data(inner)
    assert list(data) == ["train", "validation", "test"]
    for (part, (x, y)), (key, clips) in zip(data.items(), CLIPS.items(), strict=True):
        of_part = arrays["split"] == key
        assert y.dtype == "int32" and y.shape == (clips,)
        np.testing.assert_array_equal(y, arrays["y"][of_part])
        np.testing.assert_allclose(x["lips"][..., 0], arrays["lips"][of_part] / 255, rtol=1e-6)
        np.testing.assert_allclose(x["audio"], arrays["audio"][of_part] / 32768, rtol=1e-6)
        assert x["lips"].dtype == x["audio"].dtype == "float32"
        assert x["lips"].shape == (clips, 12, 32, 48, 1)
        np.testing.assert_array_equal(from_environment[part][0]["audio"], x["audio"])


@pytest.mark.parametrize("noise_db", [-10, 0, 7.5])
def test_noise_has_the_ratio_asked_for(tmp_path, noise_db):
    arrays = small_arrays()
    arrays["audio"][0] //= 100  # a quiet clip gets quiet noise
    arrays["audio"][1] = 0
    arrays["split"][:3] = "train"
    write(tmp_path, **arrays)
    clean = grid_digits.load_data(tmp_path)["train"][0]["audio"]
    noisy = grid_digits.load_data(tmp_path, noise_db=noise_db)["train"][0]["audio"]
    noise = noisy - clean
    heard = clean.any(axis=1)
    ratio = (clean[heard] ** 2).mean(axis=1) / (noise[heard] ** 2).mean(axis=1)
    np.testing.assert_allclose(10 * np.log10(ratio), noise_db, atol=0.4)
    assert not heard.all() and not noisy[~heard].any()
    again = grid_digits.load_data(tmp_path, noise_db=noise_db)["train"][0]["audio"]
    np.testing.assert_array_equal(noisy, again)
    other = grid_digits.load_data(tmp_path, noise_db=noise_db, seed=1)["train"][0]["audio"]
    assert not np.allclose(noisy, other)


def test_spectrogram(tmp_path):
    write(tmp_path)
    samples = grid_digits.load_data(tmp_path, noise_db=0)
    data = grid_digits.load_data(tmp_path, noise_db=0, spectrogram=True)
    layer = keras.layers.MelSpectrogram(
        fft_length=256, sequence_stride=160, num_mel_bins=24, sampling_rate=8000, max_freq=4000
    )
    plain = {p: keras.ops.convert_to_numpy(layer(x["audio"])) for p, (x, _) in samples.items()}
    for part, (x, y) in data.items():
        assert x["audio"].shape == (len(y), 24, 25) and x["audio"].dtype == "float32"
        np.testing.assert_array_equal(x["lips"], samples[part][0]["lips"])
        expected = (plain[part] - plain["train"].mean(axis=0)) / plain["train"].std(axis=0)
        np.testing.assert_allclose(x["audio"], expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(TypeError, match="spectrogram: expected True or False. Received: 24"):
        grid_digits.load_data(tmp_path, spectrogram=24)


def test_step_of_the_spectrogram_lies_in_the_middle_of_a_frame(tmp_path):
    arrays, frame = small_arrays(), 5
    arrays["split"][:] = ["test", "test", "val", *["train"] * 10]
    arrays["audio"][:2] = 0
    arrays["audio"][0, 320 * frame + 160] = 30000  # the middle of that frame's 320 samples
    write(tmp_path, **arrays)
    click, silence = grid_digits.load_data(tmp_path, spectrogram=True)["test"][0]["audio"]
    assert (click - silence).mean(axis=0).argmax() == 2 * frame + 1


@pytest.mark.parametrize(
    "key, array, message",
    [
        ("lips", np.zeros((13, 12, 32, 40), "uint8"), "`lips` of shape (13, 12, 32, 48)"),
        ("lips", np.zeros((13, 12, 32, 48), "float32"), "type uint8. Received: float32"),
        ("audio", np.zeros((12, 3840), "int16"), "`audio` of shape (13, 3840)"),
        ("y", np.zeros(13), "type int or uint. Received: float64"),
        ("y", np.array(3), "`y` of shape (13,)"),
        ("y", np.full(13, 10), "`y` in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]. Received: {10}"),
        ("split", np.repeat("dev", 13), "`split` in ['train', 'val', 'test']. Received: {'dev'}"),
        ("split", None, "must hold the arrays"),
    ],
)
def test_another_file_is_refused(tmp_path, key, array, message):
    write(tmp_path, **{key: array})
    with pytest.raises(ValueError, match=f"grid_s1_digits.npz.*{re.escape(message)}"):
        grid_digits.load_data(tmp_path)


def test_bad_arguments(tmp_path, monkeypatch):
    write(tmp_path)
    for noise_db in (float("nan"), float("inf"), "0", True):
        with pytest.raises(ValueError, match="noise_db: expected a finite float or None. Received"):
            grid_digits.load_data(tmp_path, noise_db=noise_db)
    monkeypatch.delenv("KERAS_FUSION_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="KERAS_FUSION_DATA to name the folder"):
        grid_digits.load_data()


@pytest.mark.data
@pytest.mark.skipif(
    not os.environ.get("KERAS_FUSION_DATA"),
    reason="needs grid_s1_digits in the folder named by KERAS_FUSION_DATA",
)
def test_real_recordings():
    data = grid_digits.load_data()
    assert {part: len(y) for part, (_, y) in data.items()} == {
        "train": 699,
        "validation": 100,
        "test": 200,
    }
    for x, y in data.values():
        assert set(y.tolist()) == set(range(10))
        assert 0.1 < np.abs(x["audio"]).max() <= 1 and 0.2 < x["lips"].mean() < 0.8
