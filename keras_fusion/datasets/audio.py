"""Sound: from a file to a spectrogram, with NumPy or inside tf.data.

Needs `pip install keras_fusion[audio]` (soundfile, SciPy) where files are read or resampled and
for spectrograms. With the extra `tfio`, `spectrogram_dataset` decodes, resamples and transforms
through tensorflow-io.
"""

import numbers
import os

import numpy as np

from keras_fusion.datasets import _sound_files, _sound_tensors, _spectrograms


def read(path, sample_rate=8000):
    """Reads one sound file: wav, Ogg Vorbis, FLAC, and whatever else libsndfile knows.

    Use it for single files; `spectrogram_dataset` goes from many files to spectrograms. Channels
    are averaged, every sample format becomes floats, another rate is resampled.

    Args:
        path: Path of the file.
        sample_rate: Integer, samples in a second of what is returned. Defaults to 8000.

    Returns:
        Float32 array `(samples,)`, in [-1, 1] up to the overshoot of resampling.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If soundfile or SciPy is not installed.
        ValueError: If the file is truncated, is no sound, or holds no samples or NaN.

    Example:

    ```python
    import numpy as np
    import soundfile
    from keras_fusion.datasets import audio

    soundfile.write("stereo.wav", np.zeros((4410, 2)), 44100, subtype="PCM_24")
    print(audio.read("stereo.wav").shape)  # (800,)
    ```
    """
    _check_count("sample_rate", sample_rate, 1)
    return _sound_files.mono(path, sample_rate)


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
    _check_count("rate", rate, 1)
    _check_count("new_rate", new_rate, 1)
    signal = _checked_signal("signal", signal)
    return _sound_files.resampled(signal, rate, new_rate)


def trim(signal, decibels=40):
    """Cuts silence off both ends: all before the first and after the last loud sample.

    Args:
        signal: Float array `(samples,)`.
        decibels: Float > 0. Loud is what lies at most so far below the loudest sample. None cuts
            nothing. Defaults to 40, a hundredth of the loudest sample.

    Returns:
        Float32 array. Of a signal without any sound, all of it.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_fusion.datasets import audio
    >>> audio.trim([0, 0, 0.5, 0, -1, 0.001], decibels=40)
    array([ 0.5,  0. , -1. ], dtype=float32)
    """
    signal = _checked_signal("signal", signal)
    if decibels is None:
        return signal
    _check_number("decibels", decibels)
    if decibels <= 0:
        raise ValueError(f"decibels: expected a float > 0 or None. Received: {decibels}")
    loudness = np.abs(signal)
    loud = loudness >= loudness.max() * np.float32(10 ** (-decibels / 20))
    return signal[loud.argmax() : len(loud) - loud[::-1].argmax()]


def centered(signal, length):
    """A signal of exactly `length` samples: zeros at both ends, or both ends cut off.

    Args:
        signal: Float array `(samples,)`.
        length: Integer >= 1.

    Returns:
        Float32 array `(length,)`; where the two ends cannot be equal, the first is shorter.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> from keras_fusion.datasets import audio
    >>> audio.centered([1, 2, 3], 6), audio.centered([1, 2, 3, 4], 2)
    (array([0., 1., 2., 3., 0., 0.], dtype=float32), array([2., 3.], dtype=float32))
    """
    signal = _checked_signal("signal", signal)
    _check_count("length", length, 1)
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
    noise = _checked_signal("noise", noise)
    _check_number("noise_db", noise_db)
    signal = _checked_signal("signal", signal)
    if len(signal) > len(noise):
        signal = centered(signal, len(noise))
    powers = [np.vdot(v, v) / len(v) for v in (signal.astype("float64"), noise.astype("float64"))]
    if min(powers) == 0:
        return centered(signal, len(noise))
    mixed = noise * np.float32(np.sqrt(powers[0] / powers[1] / 10 ** (noise_db / 10)))
    before = (len(noise) - len(signal)) // 2
    mixed[before : before + len(signal)] += signal
    return mixed


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

    Use it for what an image network shall hear. Frame `t` covers the `window` samples from
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
        frames: Integer >= 1: longer signals are cut at the end, shorter ones get silence. None
            (default) gives ceil(samples / hop).
        bins: Integer >= 1, rows of the picture. Defaults to 112.
        window: Even integer >= 2, samples in a frame. Defaults to 224 (28 ms at 8 kHz).
        hop: Integer >= 1, samples from frame to frame. Defaults to 71 (8.9 ms at 8 kHz), so that
            112 frames are 0.994 s.
        fft_length: Integer >= `window`. None (default) is the window, or 2 x `bins` if that is
            more; for mel bands, the first power of two from 8 x `bins` up.
        sample_rate: Integer, needed for mel bands. Defaults to 8000.
        frequencies: `"linear"` (default) or `"mel"`, from 0 to half the sample rate.
        scale: `"log"` (default) or `"linear"`.
        range_db: Float > 0: so far below the reference lies 0 in the `"log"` scale. Defaults
            to 80.
        normalize: `"clip"` (default): the reference is the largest magnitude of each signal.
            `"fixed"`: it is that of a sine of amplitude 1, and what is louder becomes 1.

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
    settings = _spectrograms.Settings(
        frames=frames,
        bins=bins,
        window=window,
        hop=hop,
        fft_length=fft_length,
        sample_rate=sample_rate,
        frequencies=frequencies,
        scale=scale,
        range_db=range_db,
        normalize=normalize,
    )
    signals = np.asarray(signals, "float32")
    if signals.ndim not in (1, 2) or 0 in signals.shape:
        raise ValueError(
            f"signals: expected (samples,) or (batch, samples). Received: {signals.shape}"
        )
    pictures = settings.transform(np.atleast_2d(signals))
    return pictures if signals.ndim == 2 else pictures[0]


def spectrogram_dataset(paths, frames=112, trim_db=40, decoder="auto", **kwargs):
    """A tf.data of spectrograms, computed from sound files on the fly (TensorFlow only).

    Use it where a cache is too large or the files change; `spectrogram` is faster where arrays are
    kept. Every file is read, resampled, trimmed, centred in `frames x hop` samples and
    transformed, in parallel and in the order of `paths`.

    Two decoders do the same work. With tensorflow-io (the extra `tfio`, TensorFlow 2.16), wav
    files of 16 bit and Ogg Vorbis are decoded, resampled and transformed by its operations, and no
    Python runs; other formats go through soundfile and SciPy, as all do without it. The
    spectrograms of both and of `spectrogram` agree: values differ by less than 0.001 where
    nothing is resampled. Where something is, the two resamplers have other filters: the mean
    difference is below 0.03, and below 0.005 in the lower 85 % of the bins where the rate falls.
    tensorflow-io's resampler took 20 times as long as SciPy's (5 s from 44.1 to 8 kHz: 0.3 s).

    Args:
        paths: Paths of sound files. Their headers are read at once, so that a truncated file is an
            error here and not in the middle of training.
        frames: Integer >= 1, columns of the pictures. Defaults to 112.
        trim_db: Float > 0 or None, see `trim`. Defaults to 40.
        decoder: `"auto"` (default; tensorflow-io if it can be imported), `"tensorflow_io"` or
            `"soundfile"`.
        **kwargs: Further arguments of `spectrogram`.

    Returns:
        `tf.data.Dataset` of float32 tensors `(bins, frames)`, neither batched nor shuffled; zip it
        with labels, then batch.

    Raises:
        FileNotFoundError: If a file is not there.
        ImportError: If TensorFlow, soundfile, SciPy, or the decoder asked for is not installed.
        ValueError: If a file is truncated or no sound, or an argument is out of its range.

    Example:

    ```python
    import numpy as np
    import soundfile
    from keras_fusion.datasets import audio

    soundfile.write("tone.wav", np.sin(np.arange(4000) / 4), 8000)
    for picture in audio.spectrogram_dataset(["tone.wav"]):
        print(picture.shape)  # (112, 112)
    ```
    """
    if isinstance(paths, (str, os.PathLike)):
        raise ValueError(f"paths: expected a list of paths. Received: {paths!r}")
    paths = list(paths)
    if not paths:
        raise ValueError("paths: expected one or more. Received: []")
    settings = _spectrograms.Settings(frames=frames, **kwargs)
    _check_count("frames", frames, 1)
    if trim_db is not None:
        _check_number("trim_db", trim_db)
    if decoder not in ("auto", "tensorflow_io", "soundfile"):
        raise ValueError(
            "decoder: expected 'auto', 'tensorflow_io' or 'soundfile'. "
            f"Received: decoder={decoder!r}"
        )
    return _sound_tensors.dataset(paths, settings, trim_db, decoder)


def _checked_signal(name, signal):
    signal = np.asarray(signal)
    if signal.ndim != 1 or not signal.size or signal.dtype.kind not in "iuf":
        raise ValueError(
            f"{name}: expected one or more numbers (samples,). "
            f"Received: {signal.dtype.name} of shape {signal.shape}"
        )
    return signal.astype("float32", copy=False)


def _check_count(name, value, minimum):
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < minimum:
        raise ValueError(f"{name}: expected an integer >= {minimum}. Received: {value!r}")


def _check_number(name, value):
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not np.isfinite(value):
        raise ValueError(f"{name}: expected a finite number. Received: {value!r}")
