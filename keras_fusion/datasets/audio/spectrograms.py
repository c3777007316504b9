"""Spectrograms of signals, with NumPy and SciPy."""

import dataclasses
import functools
import math

import numpy as np

from keras_fusion._checks import check_choice
from keras_fusion.datasets._io import checks

_BLOCK = 8  # signals at a time: what lies between them and their pictures stays in the cache
AMIN = 1e-10  # smallest magnitude that a logarithm is taken of


def spectrogram(
    signals,
    frames=None,
    bins=112,
    window=224,
    hop=71,
    fft_length=None,
    sample_rate=8000,
    frequencies="linear",
    scale="log",
    range_db=80.0,
    normalize="clip",
):
    """Spectrograms of signals of one length, as pictures with values in [0, 1].

    Use it for what an image network is to hear. Frame `t` covers the `window` samples from
    `t x hop` on under a periodic Hann window, with zeros after the signal's end:

    ```
    magnitude = |FFT(frame)|, the lowest `bins` frequencies, or their sums in mel bands
    log:    1 + 20 log10(magnitude / reference) / range_db, not below 0
    linear: magnitude / reference
    ```

    112 bins and a window of 224 leave out the highest frequency only. Mel bands are those of
    `tf.signal.linear_to_mel_weight_matrix` (HTK's formula, triangles of height 1), applied to
    magnitudes, as tensorflow-io does.

    Args:
        signals: Float array `(samples,)` or `(batch, samples)`.
        frames: Positive integer: longer signals are cut at the end, shorter ones get silence. None
            gives ceil(samples / hop). Defaults to `None`.
        bins: Positive integer, rows of the picture. Defaults to `112`.
        window: Positive even integer, samples in a frame. Defaults to `224` (28 ms at 8 kHz).
        hop: Positive integer, samples from frame to frame. Defaults to `71` (8.9 ms at 8 kHz), so
            that 112 frames are 0.994 s.
        fft_length: Integer >= `window`. `None` is the window, or 2 x `bins` if that is more; for
            mel bands, the first power of two from 8 x `bins` up. Defaults to `None`.
        sample_rate: Integer, needed for mel bands. Defaults to `8000`.
        frequencies: `"linear"` or `"mel"`, from 0 to half the sample rate. Defaults to `"linear"`.
        scale: `"log"` or `"linear"`. Defaults to `"log"`.
        range_db: Positive float: so far below the reference lies 0 in the `"log"` scale. Defaults
            to `80.0`.
        normalize: `"clip"`: the reference is the largest magnitude of each signal. `"fixed"`: it is
            that of a sine of amplitude 1, and what is louder becomes 1. Defaults to `"clip"`.

    Returns:
        Float32 array `(batch, bins, frames)` or `(bins, frames)`, low frequencies first. Silence
        is 0.

    Raises:
        ImportError: If SciPy is not installed.
        ValueError: If an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> from keras_fusion.datasets import audio
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(7952) / 8000)
    >>> picture = audio.spectrogram(tone)
    >>> picture.shape, int(picture[:, 50].argmax())  # bins are 8000 / 224 = 35.7 Hz apart
    ((112, 112), 28)
    """
    settings = Settings(
        frames, bins, window, hop, fft_length, sample_rate, frequencies, scale, range_db, normalize
    )
    signals = np.asarray(signals, "float32")
    if signals.ndim not in (1, 2) or 0 in signals.shape:
        raise ValueError(
            f"signals: expected (samples,) or (batch, samples). Received: {signals.shape}"
        )
    pictures = settings.transform(np.atleast_2d(signals))
    return pictures if signals.ndim == 2 else pictures[0]


@dataclasses.dataclass(frozen=True)
class Settings:
    """The arguments of `spectrogram`, checked once, and the transform in NumPy and SciPy."""

    frames: int | None = None
    bins: int = 112
    window: int = 224
    hop: int = 71
    fft_length: int | None = None
    sample_rate: int = 8000
    frequencies: str = "linear"
    scale: str = "log"
    range_db: float = 80.0
    normalize: str = "clip"

    def __post_init__(self):
        for name in ("frames", "bins", "window", "hop", "fft_length", "sample_rate"):
            optional = name in ("frames", "fft_length")
            checks.check_count(name, getattr(self, name), optional)
        # TensorFlow's periodic Hann window is none for odd lengths.
        if self.window % 2:
            raise ValueError(f"window: expected an even integer. Received: {self.window}")
        check_choice("frequencies", self.frequencies, ("linear", "mel"))
        check_choice("scale", self.scale, ("log", "linear"))
        check_choice("normalize", self.normalize, ("clip", "fixed"))
        if not checks.is_finite(self.range_db) or self.range_db <= 0:
            raise ValueError(f"range_db: expected a float > 0. Received: {self.range_db!r}")
        if self.points < self.window:
            raise ValueError(
                f"fft_length: expected at least the window of {self.window} samples. "
                f"Received: {self.points}"
            )
        if self.frequencies == "linear" and self.bins > self.points // 2 + 1:
            raise ValueError(
                f"bins: expected at most {self.points // 2 + 1} with fft_length={self.points}. "
                f"Received: {self.bins}"
            )
        if self.frequencies == "mel":
            empty = int((self.mel_matrix.max(axis=0) == 0).sum())
            if empty:
                raise ValueError(
                    f"bins: {empty} of {self.bins} mel bands hold no frequency of an FFT of "
                    f"{self.points} points: raise fft_length or ask for fewer bins"
                )

    @property
    def points(self):
        """The length of the FFT."""
        if self.fft_length is not None:
            return self.fft_length
        if self.frequencies == "linear":
            return max(self.window, 2 * self.bins)
        return max(2 ** math.ceil(math.log2(8 * self.bins)), self.window)

    @functools.cached_property
    def mel_matrix(self):
        """Float32 array `(frequencies, bins)`, as in `tf.signal.linear_to_mel_weight_matrix`."""

        def mel(hertz):
            return 1127 * np.log1p(hertz / 700)

        nyquist = self.sample_rate / 2
        # The frequency 0 belongs to no band.
        place = mel(np.linspace(0, nyquist, self.points // 2 + 1)[1:, None])
        edges = np.linspace(0, mel(nyquist), self.bins + 2)
        low, peak, high = edges[:-2], edges[1:-1], edges[2:]
        bands = np.minimum((place - low) / (peak - low), (high - place) / (high - peak))
        return np.pad(np.maximum(bands, 0), ((1, 0), (0, 0))).astype("float32")

    @property
    def full_scale(self):
        """The magnitude of a sine of amplitude 1 in the middle of a bin."""
        return self.window / 4  # half of the sum of a periodic Hann window

    def transform(self, signals):
        """Float32 `(batch, samples)` to float32 `(batch, bins, frames)` in [0, 1]."""
        try:
            from scipy.fft import rfft
        except ImportError as error:
            raise ImportError("Spectrograms need SciPy: pip install keras_fusion[audio]") from error
        frames = self.frames or math.ceil(signals.shape[1] / self.hop)
        signals = signals[:, : frames * self.hop]
        mel_matrix = self.mel_matrix if self.frequencies == "mel" else None
        needed = (frames - 1) * self.hop + max(self.window, self.hop)
        padded = np.zeros((_BLOCK, needed), "float32")
        pieces = np.lib.stride_tricks.sliding_window_view(padded, self.window, axis=1)
        pieces = pieces[:, : (frames - 1) * self.hop + 1 : self.hop]
        pictures = np.empty((len(signals), self.bins, frames), "float32")
        for first in range(0, len(signals), _BLOCK):
            block = signals[first : first + _BLOCK]
            padded[: len(block), : signals.shape[1]] = block
            spectrum = rfft(pieces[: len(block)] * _hann(self.window), self.points, axis=-1)
            if mel_matrix is None:
                magnitudes = np.abs(spectrum[..., : self.bins])
            else:
                magnitudes = np.abs(spectrum) @ mel_matrix
            block = pictures[first : first + _BLOCK]
            block[...] = magnitudes.swapaxes(1, 2)
            self._to_pictures(block)
        return pictures

    def _to_pictures(self, values):
        """Magnitudes to values in [0, 1], in place."""
        if self.normalize == "clip":
            reference = np.maximum(values.max(axis=(1, 2), keepdims=True), AMIN)
        else:
            reference = np.float32(self.full_scale)
        if self.scale == "log":
            silent = values.max(axis=(1, 2)) <= AMIN
            np.maximum(values, AMIN, out=values)
            values /= reference
            np.log10(values, out=values)
            values *= np.float32(20 / self.range_db)
            values += 1
            values[silent] = 0
        else:
            values /= reference
        np.clip(values, 0, 1, out=values)


@functools.cache
def _hann(window):
    """A periodic Hann window."""
    values = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    values = values.astype("float32")
    values.setflags(write=False)
    return values
