"""Every reader of the package on files that are something else: a ValueError that names the file.

Damaged files of the data sets, byte by byte, are in datasets/test_fuzz.py.
"""

import gzip
import io
import json
import re
import shutil
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest

import keras_fusion as kf
from keras_fusion.datasets import avletters, mfeat, mm_imdb, womens_clothing
from keras_fusion.datasets._io import array_cache, files
from keras_fusion.datasets.open import _spoken_digits
from keras_fusion.evaluation import Cells, Comparison, read_results
from keras_fusion.plots import fusion_history
from keras_fusion.training import _replica_files, _state, fusion_weights_history

CELL = "0" * 32
TRIAL = "trial_0/trial.json"


def predictions(path):
    return Cells(path.parent).predictions({"predictions": path.name})


def trials(path):
    folder = path.parent.parent if path.parent.name == "trial_0" else path.parent
    (folder / "oracle.json").touch()
    return kf.tuning.read_trials(folder)


def note(path):
    good = {"trial_id": "0", "status": "COMPLETED", "score": 1.0, "message": None}
    good["hyperparameters"] = {"values": {}}
    (path.parent / "trial.json").write_text(json.dumps(good))
    return trials(path)


def genres(path):
    content = path.read_bytes()[:60_000]
    with h5py.File(path, "w") as file:
        file["genres"] = np.ones((6, 2), "int32")
        file["genres"].attrs["target_names"] = np.void(content or b"\0")
    return mm_imdb.genres(path.parent)


def cached(path):
    # What is broken is made again.
    if array_cache.read(path.parent, {}) is None:
        raise ValueError(path.name)


# File: what reads it.
JSON = {
    f"{CELL}.json": lambda path: Cells(path.parent).rows(),
    "one.json": lambda path: Cells(path.parent).find("one"),
    "rows.jsonl": read_results,
    "compared.jsonl": Comparison.read,
    TRIAL: trials,
    "trial_0/search.json": note,
    "multimodal_imdb.hdf5": genres,
    "manifest.json": cached,
}
TEXTS = {
    "weights.csv": fusion_weights_history._read_rows,
    "plotted.csv": fusion_history._read_csv,
    "meta/esc50.csv": lambda path: _spoken_digits._esc50(path.parent.parent),
    "reviews.csv": lambda path: womens_clothing.parse(*womens_clothing._read(path.parent)),
    "mfeat-mor": lambda path: mfeat.parse_view(path, 6),
    "A1_Anya.txt": avletters.parse_mfcc,
}
ARRAYS = {
    "predictions.npz": predictions,
    "data.npz": lambda path: files.read_npz(path, ["a"]),
    "backup.npz": lambda path: _state.read_arrays(path, "BackupAndRestore"),
    "replicas.npz": lambda path: _replica_files.read(path, None, None),
    "data.npy": files.read_npy,
}
CONTENTS = {
    "nothing": b"",
    "binary": bytes(range(256)) * 3,
    "deep": b"[" * 50_000,
    "deep dicts": b'{"a":' * 10_000,
    "a list": b"[1, 2]",
    "a number": b"1",
    "long number": b'{"a": ' + b"1" * 5000 + b"}",
    "cut off": b'{"method": "gm',
    "Latin": '{"a": "ü"}'.encode("latin-1"),
    "long field": b"a,b\n" + b"x" * 200_000 + b",1\n",
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", [*JSON, *TEXTS, *ARRAYS])
def test_something_else(name, content, tmp_path, monkeypatch):
    monkeypatch.setattr(womens_clothing, "_FILES", ("reviews.csv.gz", "reviews.csv"))
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CONTENTS[content])
    if name.endswith(".jsonl") and content == "nothing":
        assert read_results(path) == []
        return
    with pytest.raises(ValueError, match=re.escape(path.name)) as error:
        {**JSON, **TEXTS, **ARRAYS}[name](path)
    assert type(error.value) is ValueError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (TRIAL, {"trial_id": "0", "status": "RUNNING", "hyperparameters": []}),
        (TRIAL, {}),
        ("trial_0/search.json", {"executions": {"score": 1}}),
        ("trial_0/search.json", {"executions": [[]]}),
        ("compared.jsonl", {"method": [], "scores": {"accuracy": 1.0}}),
        ("compared.jsonl", {"method": "a", "scores": [1.0]}),
        ("compared.jsonl", {"method": "a", "scores": {"accuracy": "high"}}),
        ("compared.jsonl", {"method": "a", "seed": {}, "scores": {"accuracy": 1.0}}),
        ("compared.jsonl", {"scores": {"accuracy": 1.0}}),
        ("manifest.json", {"key": {}, "files": [1]}),
        ("multimodal_imdb.hdf5", {"names": 1}),
    ],
)
def test_something_else_inside(name, content, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="trial_0: expected|" + re.escape(path.name)):
        JSON[name](path)


@pytest.mark.parametrize("content", [n for n in CONTENTS if n != "long field"])
@pytest.mark.parametrize("name", ["oracle.json", "tuner.json", TRIAL])
def test_a_search_of_something_else(name, content, tmp_path):
    tiny_search = pytest.importorskip("helpers.tiny_search")
    tiny_search.tuner(tmp_path).save()
    path = tmp_path / "search" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CONTENTS[content])
    if name == "tuner.json" and content in ("a list", "a number"):  # nothing is read from it
        return
    with pytest.raises(ValueError, match="directory: expected the files of a search in .*search"):
        tiny_search.tuner(tmp_path)


def zipped(path, content, said=None):
    """A file with one member, whose directory says another size."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.npy", "w", force_zip64=True) as member:
            for part in content:
                member.write(part)
        if said is not None:
            archive.infolist()[0].file_size = said


def header(shape):
    file = io.BytesIO()
    described = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, described)
    return file.getvalue()


BOMBS = {
    "a header": lambda path: zipped(path, [header((50 * 2**27,)), bytes(80)]),
    "a directory": lambda path: zipped(path, [header((50 * 2**27,)), bytes(80)], 50 * 2**30),
    "zeros": lambda path: zipped(path, [header((2**27 // 2,)), *[bytes(2**20)] * 513]),
    "an overflow": lambda path: zipped(path, [header((2**62, 4)), bytes(80)]),
    "no array": lambda path: zipped(path, [b"none"]),
}


@pytest.mark.parametrize("name", [name for name in ARRAYS if name.endswith(".npz")])
def test_bombs_are_not_inflated(name, tmp_path):
    for bomb, write in BOMBS.items():
        write(tmp_path / name)
        assert (tmp_path / name).stat().st_size < 2**20
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=name):
                ARRAYS[name](tmp_path / name)
            assert tracemalloc.get_traced_memory()[1] < 2**24, bomb
        finally:
            tracemalloc.stop()


def test_what_is_compressed_well_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_fusion._files._MOST", 2**16)
    # Far above that size, but stored as it is; below it, but of zeros alone.
    np.savez(tmp_path / "a.npz", a=np.random.default_rng(0).normal(size=2**17))
    assert files.read_npz(tmp_path / "a.npz", ["a"])[0].size == 2**17
    np.savez_compressed(tmp_path / "b.npz", a=np.zeros(8000), b=np.float32(3))
    a, b = files.read_npz(tmp_path / "b.npz", ["a", "b"])
    assert a.size == 8000 and b == 3
    np.savez_compressed(tmp_path / "c.npz", a=np.zeros(9000))
    with pytest.raises(ValueError, match="72128 bytes are to come of"):
        files.read_npz(tmp_path / "c.npz", ["a"])


def test_compressed_reviews_are_not_inflated(tmp_path, monkeypatch):
    monkeypatch.setattr(womens_clothing, "_LARGEST", 2**12)
    with gzip.open(tmp_path / "reviews.csv.gz", "wb") as file:
        shutil.copyfileobj(io.BytesIO(bytes(2**26)), file)
    tracemalloc.start()
    with pytest.raises(ValueError, match="reviews.csv.gz"):
        womens_clothing.load_data(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
