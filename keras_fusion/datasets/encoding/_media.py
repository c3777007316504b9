"""Columns of paths: pictures and sounds, read when rows are asked for; no path, no modality."""

import functools
import os
from dataclasses import dataclass

import numpy as np

from keras_fusion.datasets._io import pictures
from keras_fusion.datasets._io.rows import Rows
from keras_fusion.datasets.encoding._columns import strings

_LARGEST = 128  # pixels up to which pictures that are all alike keep their size
_SIZE = (64, 64)
_PICTURES, _SOUNDS = 1000, 20  # files that are looked at to choose a size
_RATE, _BINS = 8000, 112
_ORIENTATION = 0x0112  # of EXIF


class _Files:
    """What both kinds share."""

    def encode(self, values, folder, lazy):
        """Rows on disk, or an array, and which rows have no file."""
        paths = _paths(self.columns[0], values, folder)
        shape, dtype = self.shape, self.dtype
        read = functools.partial(_read, self.reader(), paths, shape, dtype)
        rows = Rows(read, np.arange(len(paths)), shape, dtype)
        return rows if lazy else np.asarray(rows), np.array([path is None for path in paths])


@dataclass
class Image(_Files):
    """Pictures of one size."""

    columns: list
    size: list
    channels: int

    dtype = "uint8"

    @classmethod
    def fit(cls, values, size, folder):
        """Looks at the first pictures of `{column: paths}`, unless the size is given."""
        ((name, _),) = values.items()
        paths = _there(name, values, folder)[:_PICTURES]
        found = {pictures.read(path, _size_and_mode) for path in paths}
        deep = sorted({mode for *_, mode in found if mode[0] in "IF"})
        if deep:
            raise ValueError(
                f"column {name!r}: expected pictures of 8 bits a channel. Received: the modes "
                f"{deep} of Pillow; give such pictures as arrays"
            )
        sizes = {pair[:2] for pair in found}
        own = next(iter(sizes)) if len(sizes) == 1 else _SIZE
        size = size or (own if max(own) <= _LARGEST else _SIZE)
        grey = all(mode in ("1", "L", "LA") for _, _, mode in found)
        return cls([name], list(size), 1 if grey else 3)

    @property
    def shape(self):
        return (*self.size, self.channels)

    def reader(self):
        return functools.partial(_picture, tuple(self.size), self.channels)

    def __str__(self):
        kind = "grey" if self.channels == 1 else "colour"
        return f"image: {self.size[0]}x{self.size[1]}, {kind}, read from files"


@dataclass
class Sound(_Files):
    """Sounds as spectrograms of one size."""

    columns: list
    seconds: float

    dtype = "float32"
    shape = (_BINS, _BINS, 1)

    @classmethod
    def fit(cls, values, seconds, folder):
        """Takes the median of the first sounds' lengths, unless it is given."""
        from keras_fusion.datasets import audio

        ((name, _),) = values.items()
        paths = _there(name, values, folder)[:_SOUNDS]
        found = np.median([len(audio.read(path, _RATE)) / _RATE for path in paths])
        return cls([name], float(seconds or np.clip(found, 0.5, 10)))

    def reader(self):
        return functools.partial(_spectrogram, self.seconds)

    def __str__(self):
        return f"sound: spectrograms of {self.seconds:.2g} s, read from files"


def _paths(name, values, folder):
    """List of the paths, None where there is none; an error where a file is not there."""
    label = f"column {name!r}"
    paths = [
        os.path.join(folder or "", path) if path else None
        for path in strings(label, values[name], "image")
    ]
    gone = [path for path in paths if path and not os.path.isfile(path)]
    if gone:
        raise FileNotFoundError(
            f"{label}: expected paths of files, from folder= on, and none where there is no file. "
            f"Received: {gone[0]!r}, and {len(gone) - 1} more that are not there"
        )
    return paths


def _there(name, values, folder):
    found = [path for path in _paths(name, values, folder) if path]
    if not found:
        raise ValueError(
            f"column {name!r}: expected a path in some of the training rows. Received: none"
        )
    return found


def _read(reader, paths, shape, dtype, numbers):
    found = np.zeros((len(numbers), *shape), dtype)
    for row, number in enumerate(numbers):
        if paths[number] is not None:
            found[row] = reader(paths[number])
    return found


def _size_and_mode(picture):
    # Cameras write pictures lying, and a note how to turn them: from 5 on a quarter.
    is_turned = picture.getexif().get(_ORIENTATION, 1) > 4
    return (*picture.size[:: 1 if is_turned else -1], picture.mode)


def _picture(size, channels, path):
    def resized(picture):
        from PIL import ImageOps

        picture = ImageOps.exif_transpose(picture).convert("L" if channels == 1 else "RGB")
        bilinear = pictures.pillow().Resampling.BILINEAR
        return np.asarray(picture.resize(size[::-1], bilinear)).reshape(*size, channels)

    return pictures.read(path, resized)


def _spectrogram(seconds, path):
    from keras_fusion.datasets import audio

    hop = max(1, round(_RATE * seconds / _BINS))
    signal = audio.centered(audio.read(path, _RATE), hop * _BINS)
    window = max(2 * _BINS, min(2 * hop, 1024))
    # Mel bands reach all frequencies, however long the window is.
    picture = audio.spectrogram(
        signal, _BINS, _BINS, window, hop, fft_length=1024, frequencies="mel"
    )
    return picture[..., None]
