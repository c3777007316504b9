"""Signals: resampled, trimmed, centred, mixed; with NumPy, and SciPy to resample."""

import numpy as np

from keras_fusion.datasets._io import checks


def resample(signal, rate, new_rate):
    """Another sample rate for a signal, by a polyphase filter (`scipy.signal.resample_poly`).

    Args:
        signal: Float array `(samples,)`.
        rate: Integer, its samples in a second.
        new_rate: Integer, those of the result.

    Returns:
        Float32 array `(ceil(samples x new_rate / rate),)`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> from keras_fusion.datasets import audio
    >>> audio.resample(np.zeros(44100), 44100, 8000).shape
    (8000,)
    """
    checks.check_count("rate", rate)
    checks.check_count("new_rate", new_rate)
    signal = _checked("signal", signal)
    return resampled(signal, rate, new_rate)


def trim(signal, decibels=40):
    """Cuts silence off both ends: all before the first and after the last loud sample.

    Args:
        signal: Float array `(samples,)`.
        decibels: Positive float. Loud is what lies at most so far below the loudest sample. None
            cuts nothing. Defaults to `40`, a hundredth of the loudest sample.

    Returns:
        Float32 array. Of a signal without any sound, all of it.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_fusion.datasets import audio
    >>> audio.trim([0, 0, 0.5, 0, -1, 0.001], decibels=40)
    array([ 0.5,  0. , -1. ], dtype=float32)
    """
    signal = _checked("signal", signal)
    if decibels is None:
        return signal
    check_number("decibels", decibels)
    if decibels <= 0:
        raise ValueError(f"decibels: expected a float > 0 or None. Received: {decibels}")
    loudness = np.abs(signal)
    loud = loudness >= loudness.max() * np.float32(10 ** (-decibels / 20))
    return signal[loud.argmax() : len(loud) - loud[::-1].argmax()]


def centered(signal, length):
    """A signal of exactly `length` samples: zeros at both ends, or both ends cut off.

    Args:
        signal: Float array `(samples,)`.
        length: Positive integer.

    Returns:
        Float32 array `(length,)`; where the two ends cannot be equal, the first is shorter.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_fusion.datasets import audio
    >>> audio.centered([1, 2, 3], 6), audio.centered([1, 2, 3, 4], 2)
    (array([0., 1., 2., 3., 0., 0.], dtype=float32), array([2., 3.], dtype=float32))
    """
    signal = _checked("signal", signal)
    checks.check_count("length", length)
    if len(signal) >= length:
        first = (len(signal) - length) // 2
        return signal[first : first + length].copy()
    before = (length - len(signal)) // 2
    placed = np.zeros(length, "float32")  # np.pad takes four times as long
    placed[before : before + len(signal)] = signal
    return placed


def mix(signal, noise, noise_db):
    """A signal with noise at a given ratio of their powers; it lies in the middle of the noise.

    ```
    mixed = signal + g noise,   10 log10(mean(signal^2) / mean((g noise)^2)) = noise_db
    ```

    The mean of `signal^2` is over its own samples, before zeros are added to reach the length of
    the noise: a short word gets no less noise than a long one.

    Args:
        signal: Float array `(samples,)`, trimmed. Longer than the noise, it loses both ends.
        noise: Float array `(length,)`.
        noise_db: Float, ratio of signal to noise in dB; the smaller, the noisier.

    Returns:
        Float32 array `(length,)`. Where signal or noise is silent, no ratio can be had, and the
        signal stays as it is.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_fusion.datasets import audio
    >>> audio.mix([1, -1], [2, 2, 2, 2], noise_db=0)
    array([1., 2., 0., 1.], dtype=float32)
    """
    noise = _checked("noise", noise)
    check_number("noise_db", noise_db)
    signal = _checked("signal", signal)
    if len(signal) > len(noise):
        signal = centered(signal, len(noise))
    powers = [np.vdot(v, v) / len(v) for v in (signal.astype("float64"), noise.astype("float64"))]
    if min(powers) == 0:
        return centered(signal, len(noise))
    mixed = noise * np.float32(np.sqrt(powers[0] / powers[1] / 10 ** (noise_db / 10)))
    before = (len(noise) - len(signal)) // 2
    mixed[before : before + len(signal)] += signal
    return mixed


def resampled(signal, rate, new_rate):
    """`resample` without the checks."""
    if rate == new_rate:
        return signal
    try:
        from scipy.signal import resample_poly
    except ImportError as error:
        raise ImportError("Resampling needs SciPy: pip install keras_fusion[audio]") from error
    common = np.gcd(int(rate), int(new_rate))
    values = resample_poly(signal, int(new_rate) // common, int(rate) // common)
    return values.astype("float32", copy=False)


def _checked(name, signal):
    signal = np.asarray(signal)
    if signal.ndim != 1 or not signal.size or signal.dtype.kind not in "iuf":
        raise ValueError(
            f"{name}: expected one or more numbers (samples,). "
            f"Received: {signal.dtype.name} of shape {signal.shape}"
        )
    return signal.astype("float32", copy=False)


def check_number(name, value):
    """An error unless `value` is a finite number."""
    if not checks.is_finite(value):
        raise ValueError(f"{name}: expected a finite number. Received: {value!r}")
