"""The cache on disk: used when every byte is as written, made again when not, never half."""

import hashlib
import json
import os
import stat

import numpy as np
import pytest

from keras_fusion.datasets._io import array_cache

KEY = {"seed": 0, "noise_db": [1.5, 2], "sources": {"mnist": "abc"}}
A, B = np.arange(12, dtype="uint8").reshape(4, 3), np.arange(5, dtype="int32")


def build(create):
    writer = create("a", A.shape, "uint8")
    writer.append(A[:3])
    writer.append(A[3:])
    create("b", B.shape, "int32").append(B)


def written(folder, key=KEY):
    place = array_cache.folder(folder, "set", key)
    array_cache.write(place, key, build, {"note": 1})
    return place


def test_what_was_written_is_read(tmp_path):
    place = written(tmp_path / "new" / "folder")
    arrays = array_cache.read(place, KEY)
    assert sorted(arrays) == ["a", "b"]
    np.testing.assert_array_equal(arrays["a"], A)
    np.testing.assert_array_equal(arrays["b"], B)
    assert isinstance(arrays["a"], np.memmap) and not arrays["a"].flags.writeable
    assert arrays["a"].dtype == "uint8" and arrays["b"].dtype == "int32"
    assert sorted(p.name for p in place.parent.iterdir()) == [place.name]
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["key"] == KEY and manifest["note"] == 1
    contents = (place / "a.npy").read_bytes()
    assert manifest["files"]["a.npy"] == {
        "bytes": len(contents),
        "sha256": hashlib.sha256(contents).hexdigest(),
    }
    if os.name == "posix":
        assert stat.S_IMODE(place.stat().st_mode) == 0o755


def test_another_key_has_another_folder_and_hash(tmp_path):
    other = {**KEY, "seed": 1}
    assert array_cache.folder(tmp_path, "set", other) != written(tmp_path)
    assert array_cache.read(written(tmp_path), other) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda place: (place / "manifest.json").unlink(),
        lambda place: (place / "manifest.json").write_text("{"),
        lambda place: (place / "manifest.json").write_text("[1]"),
        lambda place: (place / "a.npy").unlink(),
        lambda place: (place / "a.npy").write_bytes((place / "a.npy").read_bytes()[:-1]),
        lambda place: (place / "a.npy").write_bytes((place / "a.npy").read_bytes()[:-1] + b"\xff"),
        lambda place: (place / "b.npy").write_bytes((place / "a.npy").read_bytes()),
    ],
)
def test_a_damaged_cache_is_not_used_and_is_replaced(tmp_path, damage):
    place = written(tmp_path)
    damage(place)
    assert array_cache.read(place, KEY) is None
    assert written(tmp_path) == place
    np.testing.assert_array_equal(array_cache.read(place, KEY)["a"], A)
    assert [p.name for p in tmp_path.iterdir()] == [place.name]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_breaks_off_leaves_nothing(tmp_path, error):
    place = written(tmp_path)
    (place / "b.npy").unlink()

    def broken(create):
        create("a", A.shape, "uint8").append(A)
        raise error("stopped")

    with pytest.raises(error, match="stopped"):
        array_cache.write(place, KEY, broken)
    assert [p.name for p in tmp_path.iterdir()] == [place.name]
    assert array_cache.read(place, KEY) is None


def test_too_few_or_other_rows_are_an_error(tmp_path):
    place = array_cache.folder(tmp_path, "set", KEY)
    with pytest.raises(ValueError, match="4 rows were to be written. Received: 3"):
        array_cache.write(place, KEY, lambda new: new("a", A.shape, "uint8").append(A[:3]))
    with pytest.raises(ValueError, match=r"expected \(3,\) each. Received: \(2,\)"):
        array_cache.write(place, KEY, lambda new: new("a", A.shape, "uint8").append(A[:, :2]))
    assert not list(tmp_path.iterdir())


def test_what_killed_processes_left_is_taken_away_after_a_day(tmp_path):
    place = array_cache.folder(tmp_path, "set", KEY)
    old, new = (tmp_path / f"{place.name}.partial-{name}" for name in ("old", "new"))
    for left in (old, new):
        left.mkdir()
        (left / "a.npy").write_bytes(b"half")
    os.utime(old, (0, 0))
    written(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [place.name, new.name]


def test_the_first_of_two_processes_wins(tmp_path):
    place = array_cache.folder(tmp_path, "set", KEY)

    def slower(create):
        build(create)
        written(tmp_path)
        (place / "mark").touch()

    array_cache.write(place, KEY, slower)
    assert (place / "mark").exists() and len(list(tmp_path.iterdir())) == 1


def test_default_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert array_cache.default_folder(None) == tmp_path / "datasets" / "keras_fusion"
    assert array_cache.default_folder(tmp_path / "own") == tmp_path / "own"
