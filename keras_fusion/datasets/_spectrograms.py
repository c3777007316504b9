"""The arguments of a spectrogram, checked once, and the transform in NumPy and SciPy."""

import dataclasses
import functools
import math
import numbers

import numpy as np

_BLOCK = 8  # signals at a time: what lies between them and their pictures stays in the cache
AMIN = 1e-10  # smallest magnitude that a logarithm is taken of


@dataclasses.dataclass(frozen=True)
class Settings:
    """What `audio.spectrogram` documents as its arguments."""

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
            value, optional = getattr(self, name), name in ("frames", "fft_length")
            if value is None and optional:
                continue
            whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            if not whole or value < 1:
                raise ValueError(
                    f"{name}: expected an integer >= 1{' or None' if optional else ''}. "
                    f"Received: {value!r}"
                )
        # TensorFlow's periodic Hann window is none for odd lengths.
        if self.window % 2:
            raise ValueError(f"window: expected an even integer. Received: {self.window}")
        for name, allowed in (
            ("frequencies", ("linear", "mel")),
            ("scale", ("log", "linear")),
            ("normalize", ("clip", "fixed")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name}: expected one of {allowed}. Received: {getattr(self, name)!r}"
                )
        real = isinstance(self.range_db, numbers.Real) and not isinstance(self.range_db, bool)
        if not real or not 0 < self.range_db < math.inf:
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
