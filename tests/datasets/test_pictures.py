"""Every reader of pictures: each pixel is where it was, rows are rows, columns are columns.

The picture of a file is random, so it equals neither its transpose nor another one. Where a data
set's own size lets it, it is not square.
"""

import struct

import numpy as np
import pytest
from helpers import tiny_files, tiny_grid, tiny_recordings

from keras_fusion import datasets


def picture(*shape, dtype="uint8", seed=0):
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def pairs(folder, kind):
    """Colour pictures and depth maps of 4 x 6, as the data set of this name lays them out."""
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    if kind == "bu_3dfe":
        tiny_files.write_faces(folder, ("F0001", "F0002", "F0003"))
    else:
        tiny_files.write_objects(folder, {"apple": 2, "cap": 2})
    rgb, depth = picture(4, 6, 3), picture(4, 6, dtype="uint16", seed=1) + 700
    for path in folder.rglob("*.*"):
        if "maskcrop" in path.name:
            continue
        image.fromarray(depth if "depth" in path.name else rgb).save(path)
    return rgb, depth


def faces(folder, monkeypatch):
    return pairs(folder, "bu_3dfe"), datasets.bu_3dfe


def objects(folder, monkeypatch):
    monkeypatch.setattr(datasets.washington_rgbd, "NUM_CLASSES", 2)
    return pairs(folder, "washington_rgbd"), datasets.washington_rgbd


def rgb(write):
    def read(folder, monkeypatch):
        (expected, _), module = write(folder, monkeypatch)
        x, _ = module.load_data(folder, folds=3, image_size=(4, 6))["train"]
        return x["rgb"], expected

    return read


def depth(write):
    def read(folder, monkeypatch):
        (_, stored), module = write(folder, monkeypatch)
        x, _ = module.load_data(folder, folds=3, image_size=(8, 18))["train"]
        return x["depth"], (stored.repeat(2, 0).repeat(3, 1) / 1000)[..., None]

    return read


def frames(name, form):
    def read(folder, monkeypatch):
        module = getattr(datasets, name)
        tiny_recordings.write_raw(folder, module)
        frame = picture(90, 120)
        for path in (folder / "Video frames").glob("*.npy"):
            np.tile(frame.astype("<f8"), (7, 1, 1)).tofile(path)
        x, _ = module.load_data(folder, form=form)["train"]
        # Frames are channels in one form, and steps in the other.
        return x["image"][..., 0] if form == "averaged" else x["image"][:, 0, ..., 0], frame

    return read


def lips(form):
    def read(folder, monkeypatch):
        tiny_recordings.write_letters(folder)
        frame = picture(80, 60)
        for path in (folder / "Lips").iterdir():
            # Version 4 of MATLAB's format: columns of 4,800 numbers, one for each frame.
            siz, vid = np.array([60.0, 80.0, 15.0]), np.tile(frame.astype("<f8").ravel(), 15)
            content = struct.pack("<5i4s", 0, 1, 3, 0, 4, b"siz") + siz.tobytes()
            content += struct.pack("<5i4s", 0, 4800, 15, 0, 4, b"vid") + vid.tobytes()
            path.write_bytes(content)
        x, _ = datasets.avletters.load_data(folder, form=form)["train"]
        return x["image"][..., 0] if form == "averaged" else x["image"][:, 0, ..., 0], frame

    return read


def spectrogram(folder, monkeypatch):
    values = picture(128, 19)
    values.astype("<f8").tofile(folder / "3_Dani_loud.npy")
    return datasets.xflow_digits.parse_spectrogram(folder / "3_Dani_loud.npy")[None], values


def poster(folder, monkeypatch):
    posters = np.tile(picture(3, 256, 160, dtype="int32"), (13, 1, 1, 1))
    tiny_files.write_movies(folder, images=posters)
    x, _ = datasets.mm_imdb.load_data(folder, image="pixels")["train"]
    return x["image"], np.stack(list(posters[0]), axis=-1)


def clips(key, *shape):
    def read(folder, monkeypatch):
        tiny_files.write_clips(folder)
        stored = picture(*shape)
        np.save(folder / f"train_{key}.npy", np.stack([stored, stored]))
        x, _ = datasets.audioset.load_data(folder)["train"]
        return x[key], stored if key == "video" else stored[..., None]

    return read


def av_mnist_npy(key, side):
    def read(folder, monkeypatch):
        monkeypatch.setattr(datasets.av_mnist_npy, "_ROWS", {"multibench": (10, 11)})
        for part in ("train", "test"):
            for name, length in (("image", 28), ("audio", 112)):
                (folder / name).mkdir(exist_ok=True)
                values = np.tile(picture(length, length), (11, 1, 1))
                np.save(folder / name / f"{part}_data.npy", values)
            np.save(folder / f"{part}_labels.npy", np.arange(11) % 10)
        x, _ = datasets.av_mnist_npy.load_data(folder, scale=False)["train"]
        return x[key], picture(side, side)[..., None]

    return read


def grid(folder, monkeypatch):
    stored = picture(12, 32, 48)
    tiny_grid.write(folder, lips=np.tile(stored, (13, 1, 1, 1)))
    x, _ = datasets.grid_digits.load_data(folder)["train"]
    return x["lips"], stored[..., None] / 255


def views(folder, monkeypatch):
    images = picture(60, 5, 7)
    fitted = datasets.pca_modalities(images, energy=1, share_ratio=1, shared="leading")
    return fitted.transform(images[:1])["image_a"], images[0, ..., None] / 255


READERS = {
    "bu_3dfe, rgb": rgb(faces),
    "bu_3dfe, depth": depth(faces),
    "washington_rgbd, rgb": rgb(objects),
    "washington_rgbd, depth": depth(objects),
    "cuave, averaged": frames("cuave", "averaged"),
    "cuave, sequences": frames("cuave", "sequences"),
    "xflow_digits, averaged": frames("xflow_digits", "averaged"),
    "xflow_digits, sequences": frames("xflow_digits", "sequences"),
    "xflow_digits, spectrogram": spectrogram,
    "avletters, averaged": lips("averaged"),
    "avletters, sequences": lips("sequences"),
    "mm_imdb": poster,
    "audioset, audio": clips("audio", 512, 512),
    "audioset, video": clips("video", 16, 256, 256, 3),
    "av_mnist_npy, image": av_mnist_npy("image", 28),
    "av_mnist_npy, audio": av_mnist_npy("audio", 112),
    "grid_digits": grid,
    "pca_modalities": views,
}


@pytest.mark.parametrize("reader", READERS)
def test_every_pixel_is_where_it_was(tmp_path, monkeypatch, reader):
    monkeypatch.delenv("KERAS_FUSION_DATA", raising=False)
    pictures, expected = READERS[reader](tmp_path, monkeypatch)
    assert pictures.shape[1:] == expected.shape
    read = np.asarray(pictures[:1])
    assert read.shape == (1, *expected.shape)
    np.testing.assert_allclose(read[0], expected, rtol=1e-5, atol=1e-6)
