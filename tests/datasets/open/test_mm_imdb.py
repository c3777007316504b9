"""MM-IMDb: Fuel's layout, parts from its attribute, rows read when asked for."""

import h5py
import numpy as np
import pytest
from helpers.tiny_files import COUNTS, NAMES, split_attribute, write_movies

from keras_fusion.datasets import mm_imdb


def test_parts(tmp_path, monkeypatch):
    inner = tmp_path / "mmimdb"
    inner.mkdir()
    arrays = write_movies(inner)
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path))
    data = mm_imdb.load_data()
    pixels = mm_imdb.load_data(inner, text="word_grams", image="pixels")
    first = 0
    for (part, (x, y)), count in zip(data.items(), COUNTS.values(), strict=True):
        kept = slice(first, first + count)
        np.testing.assert_array_equal(y, arrays["genres"][kept])
        np.testing.assert_array_equal(x["text"][:], arrays["features"][kept])
        np.testing.assert_array_equal(np.asarray(x["image"]), arrays["vgg_features"][kept])
        assert y.dtype == "int32" and x["image"].shape == (count, 4096)
        x = pixels[part][0]
        np.testing.assert_array_equal(x["text"][[2, 0]], arrays["word_grams"][kept][[2, 0]])
        expected = arrays["images"][kept].transpose(0, 2, 3, 1)[1:]
        np.testing.assert_array_equal(x["image"][1:], expected)
        assert x["image"].shape == (count, 256, 160, 3) and x["image"].dtype == "float32"
        first += count
    assert list(data) == ["train", "validation", "test"]
    assert mm_imdb.genres(inner) == tuple(NAMES)


def test_reads_no_more_than_asked_for(tmp_path, monkeypatch):
    write_movies(tmp_path)
    read = []
    original = h5py.Dataset.__getitem__

    def spy(self, index, *args, **kwargs):
        values = original(self, index, *args, **kwargs)
        read.append((self.name, np.size(values)))
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    x, _ = mm_imdb.load_data(tmp_path)["train"]
    assert [name for name, _ in read] == ["/genres"]
    read.clear()
    assert x["image"][[4, 1]].shape == (2, 4096)
    assert x["image"][2:4].shape == (2, 4096)
    assert read == [("/vgg_features", 2 * 4096)] * 2


def swapped(**ranges):
    rows = split_attribute()
    for part, (start, stop) in ranges.items():
        chosen = rows["split"] == part.encode()
        rows["start"][chosen], rows["stop"][chosen] = start, stop
    return rows


def one_other():
    rows = split_attribute()
    row = np.flatnonzero((rows["split"] == b"dev") & (rows["source"] == b"features"))
    rows["stop"][row] += 1
    return rows


def without_available():
    rows = split_attribute()
    rows["available"] = False
    return rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": np.zeros((13, 299), "f4")}, r"`features` of shape \('any', 300\)"),
        ({"vgg_features": np.zeros((13, 4096), "int32")}, "type float. Received: int32"),
        ({"vgg_features": np.zeros((12, 4096), "f4")}, "equally many rows.*'vgg_features': 12"),
        ({"features": None}, r"Missing: \['features'\]"),
        ({"genres": None}, r"Missing: \['genres'\]"),
        ({"genres": np.full((13, 5), 2, "int32")}, "`genres` of 0 and 1"),
        ({"genres": np.zeros(13, "int32")}, "`genres` of shape"),
        ({"split": None}, "attribute `split` with the fields"),
        ({"split": np.arange(6)}, "attribute `split` with the fields"),
        ({"split": swapped(test=(9, 14))}, "within 13 rows"),
        ({"split": swapped(test=(8, 13))}, "one after the other"),
        ({"split": swapped(train=(-1, 6))}, "one after the other"),
        ({"split": one_other()}, "one range for the part 'dev'"),
        ({"split": without_available()}, "one range for the part 'train'"),
    ],
)
def test_another_file_is_refused(tmp_path, changes, message):
    write_movies(tmp_path, **changes)
    with pytest.raises(ValueError, match=f"multimodal_imdb.hdf5.*{message}"):
        mm_imdb.load_data(tmp_path)


def test_parts_that_are_no_ranges(tmp_path):
    write_movies(tmp_path)
    with h5py.File(tmp_path / "multimodal_imdb.hdf5", "a") as file:
        rows = split_attribute()
        rows["indices"][0] = file["sequences"].ref
        file.attrs["split"] = rows
    with pytest.raises(ValueError, match="expected parts that are ranges"):
        mm_imdb.load_data(tmp_path)


@pytest.mark.parametrize("names", [None, NAMES[:4], {"Drama": 0}, [0, 1, 2, 3, 4]])
def test_genres_are_checked(tmp_path, names):
    write_movies(tmp_path, names=names)
    with pytest.raises(ValueError, match="multimodal_imdb.hdf5.*target_names"):
        mm_imdb.genres(tmp_path)


def test_nan_is_found_when_it_is_read(tmp_path):
    features = np.zeros((13, 300), "float32")
    features[8, 4] = np.nan
    write_movies(tmp_path, features=features)
    x, _ = mm_imdb.load_data(tmp_path)["validation"]
    assert not x["text"][:2].any()
    with pytest.raises(ValueError, match="finite `features`. .* first in row 8"):
        x["text"][1:]


def test_truncated_and_missing(tmp_path):
    write_movies(tmp_path)
    path = tmp_path / "multimodal_imdb.hdf5"
    data = mm_imdb.load_data(tmp_path)
    whole = path.read_bytes()
    for broken in (b"", b"\x89HDF\r\n", whole[: len(whole) // 2], whole[-5000:]):
        path.write_bytes(broken)
        for load in (mm_imdb.load_data, mm_imdb.genres):
            with pytest.raises(ValueError, match="imdb.hdf5 is not a complete HDF5 file"):
                load(tmp_path)
        with pytest.raises(ValueError, match="imdb.hdf5 is not a complete HDF5 file"):
            data["train"][0]["image"][0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"Missing: multimodal_imdb.hdf5.*'mm_imdb'"):
        mm_imdb.load_data(tmp_path)
    with pytest.raises(ValueError, match="text: expected one of .*Received: 'words'"):
        mm_imdb.load_data(tmp_path, text="words")
    with pytest.raises(ValueError, match="image: expected one of"):
        mm_imdb.load_data(tmp_path, image="vgg_features")
