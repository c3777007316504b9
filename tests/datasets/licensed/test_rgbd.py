"""BU-3DFE and Washington RGB-D: names of files, folds, pictures and depth maps."""

import sys

import numpy as np
import pytest
from helpers.tiny_files import save_pair, write_faces, write_objects

from keras_fusion.datasets import bu_3dfe, washington_rgbd
from keras_fusion.datasets._io import splits
from keras_fusion.datasets.licensed import _rgbd

pytest.importorskip("PIL.Image", reason="needs Pillow")
PEOPLE = ("F0001", "F0002", "F0003", "M0001")
FRAMES = {"apple": 6, "bell_pepper": 4, "cap": 2}


def value_of(x, i):
    pixel = x["rgb"][i][0, 0]
    return int(pixel[0]) + 256 * int(pixel[1])


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    names = write_faces(folder, PEOPLE)
    return folder, names


def test_faces(faces, monkeypatch):
    folder, names = faces
    monkeypatch.setenv("KERAS_FUSION_DATA", str(folder))
    people_of, seen = {}, []
    for fold in range(4):
        data = bu_3dfe.load_data(folds=4, fold=fold, image_size=(3, 4))
        for part, (x, y) in data.items():
            assert x["rgb"].shape == (len(y), 3, 4, 3) and x["rgb"].dtype == "uint8"
            assert x["depth"].shape == (len(y), 3, 4, 1) and x["depth"].dtype == "float32"
            assert y.dtype == "int32"
            for i, label in enumerate(y):
                name = names[value_of(x, i)]
                assert ("AN", "DI", "FE", "HA", "SA", "SU")[label] == name[6:8]
                assert name[8:10] in ("03", "04")
                people_of.setdefault((fold, part), set()).add(name[:5])
                if part == "test":
                    seen.append(name)
        parts = [people_of[fold, part] for part in data]
        assert [len(people) for people in parts] == [2, 1, 1] and len(set.union(*parts)) == 4
        assert people_of[fold, "validation"].isdisjoint(people_of.get((fold - 1, "test"), ()))
    assert len(seen) == len(set(seen)) == 4 * 6 * 2
    data = bu_3dfe.load_data(folds=4, validation=False, intensities=(1,))
    assert [len(y) for _, y in data.values()] == [18, 6]


def test_depth_is_in_metres_by_the_nearest_pixel(faces):
    folder, _ = faces
    x, _ = bu_3dfe.load_data(folder, folds=4, image_size=(3, 4))["train"]
    depth, value = np.asarray(x["depth"])[0, ..., 0], value_of(x, 0)
    np.testing.assert_allclose(depth, np.tile([(700 + value) / 1000] * 2 + [0, 0], (3, 1)))
    x, _ = bu_3dfe.load_data(folder, folds=4, image_size=(13, 17))["train"]
    assert set(np.unique(x["depth"][0])) == {np.float32(0), np.float32((700 + value) / 1000)}


def test_faces_refused(faces, tmp_path):
    folder, _ = faces
    for arguments, message in (
        ({"folds": 2}, "folds: expected an int >= 3. Received: 2"),
        ({"folds": 5}, "folds: expected at most 4, one a group"),
        ({"fold": 10}, "fold: expected an int from 0 to 9. Received: 10"),
        ({"intensities": (5,)}, "intensities: expected some of 1, 2, 3, 4"),
        ({"intensities": ()}, "intensities: expected some of 1, 2, 3, 4"),
        ({"image_size": 64, "folds": 4}, "image_size: expected two ints >= 1"),
        ({"image_size": (0, 4), "folds": 4}, "image_size: expected two ints >= 1"),
    ):
        with pytest.raises(ValueError, match=message):
            bu_3dfe.load_data(folder, **arguments)
    with pytest.raises(FileNotFoundError, match=r"bu_3dfe: expected pictures as .*info\('bu_3dfe"):
        bu_3dfe.load_data(tmp_path)
    inside = tmp_path / "F0001"
    save_pair(inside / "F0001_AN03WH_F2D.bmp", tmp_path / "depth.png", 0)
    with pytest.raises(FileNotFoundError, match="Missing: 1, first .*F0001_AN03WH_F3D_depth.png"):
        bu_3dfe.load_data(tmp_path)
    (inside / "F0001_AN03WH_F2D.bmp").rename(inside / "F0002_AN03WH_F2D.bmp")
    with pytest.raises(ValueError, match="F0002_AN03WH_F2D.bmp: expected a name as"):
        bu_3dfe.load_data(tmp_path)


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    names = write_objects(folder, FRAMES)
    return folder, names


@pytest.fixture(autouse=True)
def three_categories(monkeypatch):
    monkeypatch.setattr(washington_rgbd, "NUM_CLASSES", 3)


@pytest.mark.parametrize("by", ["frame", "object"])
def test_objects(objects, monkeypatch, by):
    folder, names = objects
    monkeypatch.setenv("KERAS_FUSION_DATA", str(folder))
    seen = []
    for fold in range(5):
        data = washington_rgbd.load_data(folds=5, fold=fold, by=by, image_size=(3, 4))
        things = {}
        for part, (x, y) in data.items():
            np.testing.assert_array_equal(np.unique(y), [0, 1, 2])
            for i, label in enumerate(y):
                name = names[value_of(x, i)]
                assert name.rsplit("_", 3)[0] == ("apple", "bell_pepper", "cap")[label]
                things.setdefault(part, set()).add(name.rsplit("_", 2)[0])
                seen += [name] * (part == "test")
        shared = things["train"] & things["test"]
        assert bool(shared) == (by == "frame")
        assert [len(y) for _, y in data.values()] == [36, 12, 12]
    assert len(seen) == len(set(seen)) == 60


def test_samples_are_drawn_by_category(objects):
    folder, names = objects
    parts = [
        washington_rgbd.load_data(folder, folds=3, samples=30, fold=fold) for fold in (0, 0, 1)
    ]
    chosen = [
        {names[value_of(x, i)] for x, y in data.values() for i in range(len(y))} for data in parts
    ]
    assert chosen[0] == chosen[1] == chosen[2] and len(chosen[0]) == 30
    counts = sum(np.bincount(y) for _, y in parts[0].values())
    np.testing.assert_array_equal(counts, [15, 10, 5])
    data = washington_rgbd.load_data(folder, folds=3, samples=None)
    assert sum(len(y) for _, y in data.values()) == 60


def test_objects_refused(objects, tmp_path, monkeypatch):
    folder, _ = objects
    for arguments, message in (
        ({"by": "category"}, "by: expected 'frame' or 'object'"),
        ({"samples": 9}, "samples: expected an int >= 10 or None. Received: 9"),
        ({"folds": True}, "folds: expected an int >= 3"),
        ({"folds": 16, "by": "object"}, "folds: expected at most 15 objects. Received: 16"),
    ):
        with pytest.raises(ValueError, match=message):
            washington_rgbd.load_data(folder, **arguments)
    with pytest.raises(FileNotFoundError, match="washington_rgbd: expected pictures as"):
        washington_rgbd.load_data(tmp_path)
    monkeypatch.setattr(washington_rgbd, "NUM_CLASSES", 51)
    with pytest.raises(ValueError, match="the folders of 51 categories. Received: 3"):
        washington_rgbd.load_data(folder)
    inside = tmp_path / "apple" / "apple_1"
    save_pair(inside / "apple_1_1_1_crop.png", tmp_path / "x.png", 0)
    with pytest.raises(FileNotFoundError, match="Missing: 1, first .*apple_1_1_1_depthcrop.png"):
        washington_rgbd.load_data(tmp_path)
    (inside / "apple_1_1_1_crop.png").rename(inside / "apple_2_1_1_crop.png")
    with pytest.raises(ValueError, match="apple_2_1_1_crop.png: expected apple/apple_1"):
        washington_rgbd.load_data(tmp_path)


def test_broken_pictures(tmp_path):
    rgb, depth = tmp_path / "a.png", tmp_path / "b.png"
    save_pair(rgb, depth, 3)
    for path, is_depth in ((rgb, False), (depth, True)):
        whole = path.read_bytes()
        for broken in (b"", whole[:-20], whole[:30], b"GIF89a"):
            path.write_bytes(broken)
            with pytest.raises(ValueError, match=f"{path.name} is not a complete picture file"):
                _rgbd.read_picture(path, (3, 4), is_depth)
        path.write_bytes(whole)
        with pytest.raises(ValueError, match=f"{path.name} is not .* expected the mode"):
            _rgbd.read_picture(path, (3, 4), not is_depth)


def test_without_pillow(objects, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"needs Pillow: pip install keras_fusion\[data\]"):
        washington_rgbd.load_data(objects[0], folds=5)


def test_stratified_folds():
    labels = np.repeat([0, 1, 2], [7, 5, 4])
    fold = splits.stratified_folds(labels, 4, seed=2)
    for label, count in ((0, 7), (1, 5), (2, 4)):
        of_class = np.bincount(fold[labels == label], minlength=4)
        assert of_class.min() == count // 4 and of_class.max() == -(-count // 4)
    np.testing.assert_array_equal(np.bincount(fold), [4, 4, 4, 4])
    assert not np.array_equal(fold, splits.stratified_folds(labels, 4, seed=3))
    rows = splits.of_fold(fold, 3)
    assert (fold[rows["test"]] == 3).all() and (fold[rows["validation"]] == 0).all()
    assert sorted(np.concatenate(list(rows.values()))) == list(range(16))
