"""Pairs of colour pictures and depth maps in files, read when rows are asked for."""

import functools

import numpy as np

from keras_fusion.datasets._io import pictures
from keras_fusion.datasets._io.rows import Rows


def parts(rgb, depth, labels, rows_of_part, size):
    """Dict `{part: (x, y)}` of pictures that stay on disk.

    Args:
        rgb: List of paths.
        depth: List of paths, in the same order.
        labels: Integer array.
        rows_of_part: Dict, the row numbers of each part.
        size: `(height, width)` that pictures are brought to.
    """
    _check_size(size)
    pictures.pillow()
    read_rgb = functools.partial(_read_files, rgb, size, False)
    read_depth = functools.partial(_read_files, depth, size, True)
    return {
        part: (
            {
                "depth": Rows(read_depth, rows, (*size, 1), "float32"),
                "rgb": Rows(read_rgb, rows, (*size, 3), "uint8"),
            },
            labels[rows].astype("int32"),
        )
        for part, rows in rows_of_part.items()
    }


def _check_size(size):
    if (
        not isinstance(size, (list, tuple))
        or len(size) != 2
        or not all(isinstance(length, int) and length > 0 for length in size)
    ):
        raise ValueError(f"image_size: expected two ints >= 1. Received: {size!r}")


def _read_files(paths, size, depth, numbers):
    return np.stack([read_picture(paths[number], size, depth) for number in numbers])


def read_picture(path, size, depth):
    """One picture, resized.

    Args:
        path: `pathlib.Path` of the file.
        size: `(height, width)`.
        depth: Boolean, whether it is a depth map (16 bit, millimetres, 0 where nothing was
            measured) instead of a colour picture. It is resized by the nearest pixel, as a mean of
            a distance and of nothing would be a distance that is not there.

    Returns:
        Float32 array `(height, width, 1)` in metres, or uint8 array `(height, width, 3)`.
    """
    return pictures.read(path, lambda picture: _resized(picture, size, depth))


def _resized(picture, size, depth):
    modes = ("I;16", "I;16B", "I") if depth else ("RGB", "RGBA", "P")
    if picture.mode not in modes:
        raise ValueError(f"expected the mode {' or '.join(modes)}, received {picture.mode}")
    if not depth:
        resized = picture.convert("RGB").resize(size[::-1], pictures.pillow().Resampling.BILINEAR)
        return np.asarray(resized, "uint8")
    values = np.asarray(picture)
    height, width = values.shape
    rows = (np.arange(size[0]) + 0.5) * height / size[0]
    columns = (np.arange(size[1]) + 0.5) * width / size[1]
    nearest = values[rows.astype(int)[:, None], columns.astype(int)]
    return (nearest / np.float32(1000)).astype("float32")[..., None]
