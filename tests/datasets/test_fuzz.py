"""Parsers against truncated and mutated bytes: only errors of ours, which name the file."""

import gzip
import io
import json
import pathlib
import shutil
import tarfile
import warnings
import zipfile

import h5py
import numpy as np
import pytest

from keras_fusion.datasets import audio, avletters, downloads, mfeat, mm_imdb, womens_clothing
from keras_fusion.datasets._io import array_cache, files
from keras_fusion.datasets.licensed import _rgbd, _xflow_files
from keras_fusion.datasets.open import _spoken_digits

hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis")
st = hypothesis.strategies

NAME = "file_under_test"


def saved(save, *args, **kwargs):
    file = io.BytesIO()
    save(file, *args, **kwargs)
    return file.getvalue()


def as_npy():
    return saved(np.save, np.arange(40, dtype="float32").reshape(10, 4))


def as_npz(save):
    return saved(save, one=np.arange(30.0), two=np.arange(5))


def as_hdf5():
    file = io.BytesIO()
    with h5py.File(file, "w") as held:
        held["features"] = np.ones((6, 300), "float32")
        held["vgg_features"] = np.ones((6, 4096), "float32")
        held["genres"] = np.ones((6, 2), "int32")
        held["genres"].attrs["target_names"] = json.dumps(["Drama", "Comedy"])
        fields = [("split", "S5"), ("source", "S12"), ("start", "i8"), ("stop", "i8")]
        rows = np.zeros(9, np.dtype([*fields, ("available", "?")]))
        for row, (i, source) in zip(
            rows,
            [(i, s) for i in range(3) for s in ("features", "vgg_features", "genres")],
            strict=True,
        ):
            row["split"], row["source"] = (b"train", b"dev", b"test")[i], source.encode()
            row["start"], row["stop"], row["available"] = 2 * i, 2 * i + 2, True
        held.attrs["split"] = rows
    return file.getvalue()


def as_mat(**options):
    savemat = pytest.importorskip("scipy.io", reason="needs SciPy").savemat
    held = {"vid": np.zeros((4800, 3), "uint8"), "siz": [60.0, 80.0, 3.0]}
    return saved(savemat, held, **options)


def as_png():
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    return saved(image.fromarray(np.arange(48, dtype="uint16").reshape(6, 8)).save, "png")


def as_reviews():
    header = "Age,Review Text,Rating,Recommended IND,Positive Feedback Count,"
    row = '33,"Soft, and ""warm""\u2014",5,1,0,General,Tops\r\n'
    return f"{header}Division Name,Department Name\r\n{row}{row.replace('Soft', 'Hard')}".encode()


def as_letters():
    lines = ["before", "header"]
    for _ in range(4):
        lines += ["   12:  " + " -1.5000" * count for count in (9, 9, 8)]
    return "\n".join([*lines, "after"]).encode()


def read_mm_imdb(path):
    data = mm_imdb.load_data(path.parent)
    mm_imdb.genres(path.parent)
    return [np.asarray(x[key]) for x, _ in data.values() for key in x]


def read_reviews(path):
    with files.complete(path, "csv"):
        text = path.read_bytes().decode("utf-8-sig")
    return womens_clothing.parse(path, text)


def read_gzip(path):
    return womens_clothing.load_data(path.parent)


def as_sound(**options):
    write = pytest.importorskip("soundfile", reason="needs soundfile").write
    channels = options.pop("channels", 1)
    time = np.arange(700 * channels).reshape(-1, channels)
    return saved(write, 0.5 * np.sin(time / 9), 8000, **options)


def as_zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for digit in range(3):
            archive.writestr(f"a/recordings/{digit}_theo_0.wav", bytes(range(99)))
    return file.getvalue()


def as_tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for digit in range(3):
            member = tarfile.TarInfo(f"a/recordings/{digit}_theo_0.wav")
            member.size = 99
            archive.addfile(member, io.BytesIO(bytes(range(99))))
    return file.getvalue()


def extract(path):
    target = path.parent / "data" / "fsdd"
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir()
    try:
        downloads._extract(path, downloads._SOURCES["spoken_digits"], target)
    finally:
        assert {p.name for p in path.parent.iterdir()} == {path.name, "data"}
        assert {p.name for p in target.parent.iterdir()} <= {"fsdd"}


def as_table():
    rows = "".join(f"{fold}-{clip}-A-0.wav,{fold},0\n" for fold in range(1, 6) for clip in range(2))
    return f"filename,fold,target\n{rows}".encode()


def read_table(path):
    folder = path.parent / "ESC-50"
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    (folder / "meta").mkdir(exist_ok=True)
    for row in as_table().decode().splitlines()[1:]:
        (folder / "audio" / row.split(",")[0]).touch()
    shutil.copy(path, folder / "meta" / path.name)
    return _spoken_digits._esc50(folder)


def as_manifest():
    return json.dumps({"key": {"a": 1}, "sha256": "", "files": {}}).encode()


# Parser: (whole bytes, function of the path, name of the file if it is fixed).
PARSERS = {
    "npy": (as_npy, files.read_npy, None),
    "npz": (lambda: as_npz(np.savez), lambda p: files.read_npz(p, ["one", "two"]), None),
    "npz compressed": (
        lambda: as_npz(np.savez_compressed),
        lambda p: files.read_npz(p, ["one", "two"]),
        None,
    ),
    "hdf5": (as_hdf5, read_mm_imdb, "multimodal_imdb.hdf5"),
    "mat": (as_mat, avletters.parse_lips, None),
    "mat 4": (lambda: as_mat(format="4"), avletters.parse_lips, None),
    "mat compressed": (lambda: as_mat(do_compression=True), avletters.parse_lips, None),
    "png": (as_png, lambda p: _rgbd.read_picture(p, (3, 4), True), None),
    "raw": (lambda: bytes(26 * 8 * 4), lambda p: _xflow_files.read_raw(p, (26,)), None),
    "letters": (as_letters, avletters.parse_mfcc, None),
    "wav": (lambda: as_sound(format="WAV"), audio.read, None),
    "wav, 24 bit, stereo": (
        lambda: as_sound(format="WAV", subtype="PCM_24", channels=2),
        audio.read,
        None,
    ),
    "wav, floats": (lambda: as_sound(format="WAV", subtype="FLOAT"), audio.read, None),
    "ogg": (lambda: as_sound(format="OGG", subtype="VORBIS"), audio.read, None),
    "flac": (lambda: as_sound(format="FLAC"), audio.read, None),
    "zip": (as_zip, extract, None),
    "tar": (as_tar, extract, None),
    "table of noise": (as_table, read_table, "esc50.csv"),
    "manifest": (as_manifest, lambda p: array_cache.read(p.parent, {"a": 1}), "manifest.json"),
    "mfeat": (lambda: b" 1 2.5 3\n 4 5 6e2\n", lambda p: mfeat.parse_view(p, 3), None),
    "reviews": (as_reviews, read_reviews, None),
    "reviews gzip": (lambda: gzip.compress(as_reviews()), read_gzip, "reviews.csv.gz"),
}


@st.composite
def damaged(draw, whole):
    """Bytes cut off, changed in places, with a piece left out or put in twice."""
    content = bytearray(whole)
    kind = draw(st.sampled_from(["cut", "change", "change", "leave out", "repeat"]))
    if kind == "change":
        # Most of what a parser reads is at the beginning and at the end.
        for _ in range(draw(st.integers(1, 4))):
            place = draw(
                st.one_of(
                    st.integers(0, min(300, len(content) - 1)),
                    st.integers(max(0, len(content) - 150), len(content) - 1),
                    st.integers(0, len(content) - 1),
                )
            )
            content[place] = draw(st.integers(0, 255))
        return bytes(content)
    first = draw(st.integers(0, len(content) - 1))
    if kind == "cut":
        return bytes(content[:first])
    length = draw(st.integers(1, 40))
    if kind == "leave out":
        del content[first : first + length]
    else:
        content[first:first] = content[first : first + length]
    return bytes(content)


@pytest.mark.parametrize("kind", PARSERS)
def test_only_errors_of_ours(tmp_path, kind):
    make, parse, name = PARSERS[kind]
    whole = make()
    path = tmp_path / (name or NAME)

    @hypothesis.settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(damaged(whole))
    def check(content):
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                # What NumPy, SciPy and Pillow warn of on the way to an error is theirs.
                warnings.simplefilter("ignore")
                parse(path)
        except (ValueError, FileNotFoundError) as error:
            assert path.name in str(error), repr(error)

    path.write_bytes(whole)
    if kind != "reviews gzip":  # not the published text
        parse(path)
    check()


def test_damage_is_seen(tmp_path):
    # The test above passes where nothing is ever wrong: count what is.
    path = tmp_path / NAME
    refused = 0
    whole = as_npy()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=NAME):
            files.read_npy(path)
        refused += 1
    assert refused > 20


def test_no_pickle_is_ever_loaded(tmp_path):
    import keras_fusion.datasets

    folder = pathlib.Path(keras_fusion.datasets.__file__).parent
    sources = {path.name: path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}
    for name, source in sources.items():
        assert "import pickle" not in source and "allow_pickle=True" not in source, name
        assert source.count("np.load(") == source.count("allow_pickle=False"), name
    evil = tmp_path / NAME
    np.save(evil.with_suffix(".npy"), np.array([Evil(tmp_path)]), allow_pickle=True)
    for read in (files.read_npy, lambda path: files.read_npy(path, mmap=True)):
        with pytest.raises(ValueError, match="Python objects in dtype|Object arrays cannot"):
            read(evil.with_suffix(".npy"))
    assert not (tmp_path / "ran").exists()


def npy_of(shape):
    """The bytes of an .npy file that promises a shape and holds eight bytes."""
    file = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + bytes(8)


def test_archive_with_traps(tmp_path):
    """A pickle, a huge shape and a path that leads out, in a .npz and as .npy files."""
    folder = tmp_path / "inside"
    folder.mkdir()
    path = folder / "a.npz"
    np.savez(path, one=np.array([Evil(tmp_path)]))
    with pytest.raises(ValueError, match="a.npz is not a complete .npz file.*allow_pickle=False"):
        files.read_npz(path, ["one"])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.npy", npy_of((2**50,)))
    with pytest.raises(ValueError, match="a.npz is not a complete .npz file"):
        files.read_npz(path, ["one"])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../ran.npy", npy_of((1,)))
        archive.writestr("one.npy", npy_of((1,)))
    assert files.read_npz(path, ["one"])[0].tolist() == [0.0]
    for shape in ((2**50,), (-1,)):
        (folder / NAME).write_bytes(npy_of(shape))
        for mmap in (False, True):
            with pytest.raises(ValueError, match=NAME):
                files.read_npy(folder / NAME, mmap)
    assert sorted(p.name for p in tmp_path.rglob("*")) == sorted(["inside", "a.npz", NAME])


class Evil:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return pathlib.Path.touch, (self.folder / "ran",)
