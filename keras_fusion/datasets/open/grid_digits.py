"""GRID digits: one talker says a digit; the video of the lips and the sound.

Origin: talker s1 of the GRID corpus, M. Cooke, J. Barker, S. Cunningham and X. Shao, "An
audio-visual corpus for speech perception and automatic speech recognition", Journal of the
Acoustical Society of America 120, 2421-2424, 2006 (https://doi.org/10.5281/zenodo.3625687), each
recording cut to the digit that is said in it. Licence: Creative Commons Attribution 4.0,
https://creativecommons.org/licenses/by/4.0/

The cut recordings lie in one file, `grid_s1_digits.npz`, with the arrays `lips` (uint8, clips x
12 frames x 32 x 48, 25 frames a second around the word, the mouth in grey), `audio` (int16,
clips x 3840 samples, the same 0.48 s at 8 kHz), `y` (the digit) and `split` ("train", "val" or
"test").
"""

import keras
import numpy as np

from keras_fusion._checks import check_bool
from keras_fusion.datasets._io import checks, files

SAMPLE_RATE = 8000
"""Samples of the sound in a second."""

_SHAPES = {"lips": (12, 32, 48), "audio": (3840,), "y": (), "split": ()}
_KINDS = {"lips": ("uint8",), "audio": ("int16",), "y": ("int", "uint"), "split": ("str",)}
_PARTS = {"train": "train", "validation": "val", "test": "test"}


def load_data(data_dir=None, noise_db=None, seed=0, spectrogram=False):
    """Loads 999 spoken digits as two modalities, `"lips"` and `"audio"`.

    Use it for a real pair of modalities of different dimension. The clean sound alone says nearly
    all of it (logistic regression on its cepstrum: 99.7 %, on the lips 92.3 %), so a comparison
    of fusions needs noise. One talker: it says nothing about other talkers.

    Args:
        data_dir: Folder `grid_s1_digits` or the one that holds it. Defaults to the environment
            variable `KERAS_FUSION_DATA`.
        noise_db: Float, the ratio of signal to white noise in dB, of every clip by itself; the
            smaller, the noisier. `None` adds no noise. Defaults to `None`.
        seed: Integer, seed of the noise. Defaults to `0`.
        spectrogram: Boolean, whether the sound is a log-mel spectrogram instead of samples,
            computed by `keras.layers.MelSpectrogram`: 24 bands up to 4 kHz, a window of 32 ms every
            20 ms. Every value is standardized by mean and deviation of the training part at its
            place. Step `2 k + 1` lies in the middle of frame `k` of the lips. Defaults to `False`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}` of 699, 100 and 200 clips,
        the file's own split, stratified by digit. `x["lips"]` is a float32 array
        `(clips, 12, 32, 48, 1)` in [0, 1], `x["audio"]` one of `(clips, 3840)`, in [-1, 1] where
        there is no noise, or with `spectrogram=True` one of `(clips, 24, 25)`. `y` is an int32
        array `(clips,)` from 0 to 9.

    Raises:
        FileNotFoundError: If the folder or the file is not there, or no folder is named.
        TypeError: If `spectrogram` is not a bool.
        ValueError: If the file is truncated, lacks an array, or holds arrays of another shape,
            type or range; or if `noise_db` is not a finite number.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.grid_digits.load_data(noise_db=0)
    x, y = data["train"]
    print(x["lips"].shape, x["audio"].shape)  # (699, 12, 32, 48, 1) (699, 3840)
    ```

    Reference:
        Cooke et al. (2006), An audio-visual corpus for speech perception and automatic speech
        recognition.
    """
    if noise_db is not None and not (
        isinstance(noise_db, (int, float)) and np.isfinite(noise_db) and noise_db is not True
    ):
        raise ValueError(f"noise_db: expected a finite float or None. Received: {noise_db!r}")
    check_bool("spectrogram", spectrogram)
    lips, audio, y, split = _read(data_dir)
    audio = audio.astype("float32") / 32768
    if noise_db is not None:
        audio = _with_noise(audio, noise_db, seed)
    lips = lips[..., None].astype("float32") / 255
    y = y.astype("int32")
    data = {
        part: ({"lips": lips[split == key], "audio": audio[split == key]}, y[split == key])
        for part, key in _PARTS.items()
    }
    return _with_spectrograms(data) if spectrogram else data


def _read(data_dir):
    """The four checked arrays of the file."""
    path = files.find("grid_digits", data_dir, "grid_s1_digits", ["grid_s1_digits.npz"])
    path /= "grid_s1_digits.npz"
    arrays = dict(zip(_SHAPES, files.read_npz(path, list(_SHAPES)), strict=True))
    clips = len(arrays["lips"]) if arrays["lips"].ndim else 0
    for key, array in arrays.items():
        checks.check_array(path, key, array, (clips, *_SHAPES[key]), _KINDS[key])
    for key, allowed in (("y", range(10)), ("split", _PARTS.values())):
        other = set(arrays[key].tolist()) - set(allowed)
        if other:
            raise ValueError(f"{path}: expected `{key}` in {list(allowed)}. Received: {other}")
    return arrays.values()


def _with_noise(audio, noise_db, seed):
    """The clips with white noise; a silent clip stays silent, as any noise would be too loud."""
    noise = np.random.default_rng(seed).standard_normal(audio.shape, dtype="float32")
    power = np.mean(audio**2, axis=1, keepdims=True) / 10 ** (noise_db / 10)
    return audio + np.sqrt(power) * noise


def _with_spectrograms(data):
    layer = keras.layers.MelSpectrogram(
        fft_length=256,
        sequence_stride=160,
        num_mel_bins=24,
        sampling_rate=SAMPLE_RATE,
        max_freq=SAMPLE_RATE / 2,
    )
    sound = {part: keras.ops.convert_to_numpy(layer(x["audio"])) for part, (x, _) in data.items()}
    mean, deviation = sound["train"].mean(axis=0), sound["train"].std(axis=0)
    return {
        part: ({**x, "audio": (sound[part] - mean) / deviation}, y) for part, (x, y) in data.items()
    }
