"""Reading a sound file, with an error that names it where it is not whole."""

import io
import pathlib
import struct

import numpy as np

from keras_fusion.datasets._io import checks
from keras_fusion.datasets._io.files import complete
from keras_fusion.datasets.audio.signals import resampled

# Rates beyond are those of broken headers; resampling from them would fill the memory.
_RATES = (1_000, 384_000)
_EMPTY = (
    "{}: expected a sound. Received: 0 samples. Get or record the file again, or take it out of "
    "the folder"
)
_BY_TENSORFLOW_IO = {("WAV", "PCM_16"): "wav", ("OGG", "VORBIS"): "vorbis"}


def read(path, sample_rate=8000):
    """Reads one sound file: wav, Ogg Vorbis, FLAC, and whatever else libsndfile knows.

    Use it for single files; `spectrogram_dataset` goes from many files to spectrograms. Channels
    are averaged, every sample format becomes floats, another rate is resampled.

    Args:
        path: Path of the file.
        sample_rate: Integer, samples in a second of what is returned. Defaults to `8000`.

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
    checks.check_count("sample_rate", sample_rate)
    return mono(path, sample_rate)


def mono(path, sample_rate):
    """A sound file as a float32 signal `(samples,)` at a rate; raises what `decode` raises."""
    signal, rate = decode(path)
    signal = signal[:, 0] if signal.shape[1] == 1 else signal.mean(axis=1, dtype="float32")
    return resampled(signal, rate, sample_rate)


def decode(path):
    """Reads a sound file of any format that libsndfile knows.

    Returns:
        Float32 array `(samples, channels)`, from -1 to 1 for integer formats, and the sample rate.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If soundfile is not installed.
        ValueError: If the file is truncated, is no sound, or holds no or not finite samples.
    """
    path = pathlib.Path(path)
    with complete(path, "sound"):
        contents = path.read_bytes()
        plain = _plain_wav(check_whole(contents))
        signal, rate = plain or _by_soundfile(contents)
        _check_rate(rate)
    if not len(signal):
        raise ValueError(_EMPTY.format(path))
    if plain is None and not np.isfinite(signal).all():  # integers are finite
        raise ValueError(
            f"{path}: expected finite samples. Received: NaN or infinity. Write the file again"
        )
    return signal, rate


def check_whole(contents):
    """A ValueError if a wav or an Ogg file ends before its header says; decoders do not mind.

    Returns:
        The chunks of a wav file by name; an empty dict of other files.
    """
    if contents[:4] == b"RIFF":
        return _wav_chunks(contents)
    if contents[:4] == b"OggS":
        _check_ogg(contents)
    return {}


def _by_soundfile(contents):
    soundfile = _soundfile()
    with soundfile.SoundFile(io.BytesIO(contents)) as file:
        rate, promised = file.samplerate, file.frames
        signal = file.read(dtype="float32", always_2d=True)
    if len(signal) != promised:
        raise ValueError(f"{len(signal)} of {promised} samples could be decoded")
    return signal, rate


def _plain_wav(chunks):
    """What soundfile returns of integers of 16 bit, in a fifth of the time; None of others."""
    if len(chunks.get(b"fmt ", b"")) != 16:
        return None
    kind, channels, rate, _, block, bits = struct.unpack("<HHIIHH", chunks[b"fmt "])
    if (kind, bits) != (1, 16) or block != 2 * channels or not channels:
        return None
    samples = chunks[b"data"][: len(chunks[b"data"]) // block * block]
    values = np.frombuffer(samples, "<i2").reshape(-1, channels)
    return values.astype("float32") / np.float32(32768), rate


def _wav_chunks(contents):
    if contents[8:12] != b"WAVE":
        return {}
    contents, position, chunks = memoryview(contents), 12, {}
    while position + 8 <= len(contents):
        name, size = struct.unpack_from("<4sI", contents, position)
        position += 8
        if name == b"data" and size > len(contents) - position:
            raise ValueError(f"{len(contents) - position} of {size} bytes of sound are there")
        chunks.setdefault(name, contents[position : position + size])
        position += size + size % 2  # chunks begin at even places
    if b"data" not in chunks:
        raise ValueError("it has no sound data")
    return chunks


def _check_ogg(contents):
    """Walks the pages; the last one has to be whole and to say that it is the last."""
    position, last = 0, False
    while position < len(contents):
        segments = contents[position + 26 : position + 27]
        body = position + 27 + (segments[0] if segments else 0)
        following = body + sum(contents[position + 27 : body])
        if contents[position : position + 4] != b"OggS" or following > len(contents):
            raise ValueError(f"the page at byte {position} is not whole")
        last = bool(contents[position + 5] & 4)
        position = following
    if not last:
        raise ValueError("its last page is missing")


def header(path):
    """The sample rate, and "wav" or "vorbis" where tensorflow-io decodes as we do, or "other".

    Raises what `decode` raises of a file that is truncated or no sound.
    """
    soundfile = _soundfile()
    path = pathlib.Path(path)
    with complete(path, "sound"):
        contents = path.read_bytes()
        check_whole(contents)
        with soundfile.SoundFile(io.BytesIO(contents)) as file:
            kind = _BY_TENSORFLOW_IO.get((file.format, file.subtype), "other")
            _check_rate(file.samplerate)
            frames = file.frames
    if not frames:
        raise ValueError(_EMPTY.format(path))
    return file.samplerate, kind


def _check_rate(rate):
    if not _RATES[0] <= rate <= _RATES[1]:
        raise ValueError(f"its sample rate is {rate}; from {_RATES[0]} to {_RATES[1]} is read")


def _soundfile():
    try:
        import soundfile
    except ImportError as error:
        raise ImportError(
            "Reading sound needs soundfile and SciPy: pip install keras_fusion[audio]"
        ) from error
    return soundfile
