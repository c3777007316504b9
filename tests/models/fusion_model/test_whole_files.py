"""A file is the old one or the new one, whole; and saving is otherwise Keras' own."""

import json
import os
import pathlib
import stat
import subprocess
import sys
import time

import keras
import pytest
from helpers.tiny import compiled, vector_net

from keras_fusion import _files, build_centralnet
from keras_fusion._files import whole_file

posix = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="asks /proc")
SUFFIXES = (".keras", ".h5", ".weights.h5")
quiet = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def new_model():
    return compiled(build_centralnet({"a": vector_net("one"), "b": vector_net("two")}))


def save(model, path, **options):
    (model.save_weights if str(path).endswith(".weights.h5") else model.save)(path, **options)


@pytest.mark.slow
@posix
@pytest.mark.parametrize(("how", "tries"), [("kill", 2), ("full", 1)])
def test_every_file_is_whole(how, tries, tmp_path):
    script = pathlib.Path(__file__).parents[2] / "helpers" / "saving.py"
    environment = {**os.environ, "PYTHONPATH": str(script.parents[2])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script, tmp_path, how, str(tries)],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    values = range(1, 10) if how == "kill" else [1]
    assert {n: v for n, v in seen["found"].items() if not set(v) <= set(values)} == {}
    assert seen["files"] == sorted(seen["found"]) and len(seen["files"]) == 12


@quiet
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_links_and_modes_stay(suffix, tmp_path, monkeypatch):
    model = new_model()
    real, link, loose = (tmp_path / f"{n}{suffix}" for n in ("store/real", "link", "loose"))
    real.parent.mkdir()
    link.symlink_to(os.path.join("store", real.name))
    loose.symlink_to("new-file-of-any-name")
    before = os.umask(0o027)
    try:
        save(model, link)
        assert stat.S_IMODE(real.stat().st_mode) == 0o640  # what the umask leaves
        real.chmod(0o604)
        save(model, link)
        save(model, loose)
    finally:
        os.umask(before)
    assert link.is_symlink() and loose.is_symlink() and real.stat().st_size == loose.stat().st_size
    assert stat.S_IMODE(real.stat().st_mode) == 0o604
    monkeypatch.chdir(tmp_path)
    save(model, f"{'x' * (255 - len(suffix))}{suffix}")  # as long as a name may be, and relative
    assert len(os.listdir()) == 5 and len(os.listdir("store")) == 1


# Name, arguments, and whether the file is there already.
AS_KERAS = {
    "a string": ("m.keras", {}, False),
    "zipped": ("m.keras", {"zipped": True}, True),
    "asked, no": ("m.keras", {"overwrite": False}, True),
    "not asked": ("m.keras", {"overwrite": False}, False),
    "asked, no, of weights": ("m.weights.h5", {"overwrite": False}, True),
    "a folder": ("m", {"zipped": False}, False),
    "shards": ("m.weights.json", {"max_shard_size": 1e-6}, False),
    "no folder": ("none/m.keras", {}, False),
    "no folder, which .h5 makes": ("none/m.h5", {}, False),
    "a folder in its place": ("m.keras", {"folder": True}, False),
    "another suffix": ("m.txt", {}, False),
    "another suffix of weights": ("m.h5", {"max_shard_size": None}, False),
    "an argument that is none": ("m.keras", {"color": 1}, True),
    "without the optimizer": ("m.h5", {"include_optimizer": False}, False),
}


@quiet
@pytest.mark.filterwarnings("ignore:Saving sharded weights")
@pytest.mark.parametrize("case", AS_KERAS)
def test_all_else_is_as_in_keras(case, tmp_path, monkeypatch):
    name, options, there = AS_KERAS[case]
    model, found = new_model(), []
    for kind in (type(model), keras.Model):
        folder, asked = tmp_path / kind.__name__, []
        monkeypatch.setattr("builtins.input", lambda text, asked=asked: asked.append(text) or "n")
        folder.mkdir()
        monkeypatch.chdir(folder)
        if there:
            (folder / name).write_text("old")
        arguments = {n: value for n, value in options.items() if n != "folder"}
        if "folder" in options:
            (folder / name).mkdir()
        method = kind.save
        if ".weights." in name or "max_shard_size" in options:
            method = kind.save_weights
        try:
            method(model, name, **arguments)
            error = None
        except Exception as raised:
            error = type(raised), str(raised)
        files = {str(p.relative_to(folder)): p.is_file() for p in folder.rglob("*")}
        found.append((error, files, asked, there and (folder / name).read_bytes() == b"old"))
    assert found[0] == found[1]


def test_what_keras_is_given(monkeypatch, tmp_path):
    given = []
    for method in ("save", "save_weights"):
        monkeypatch.setattr(keras.Model, method, lambda self, path, **_: given.append(path))
    model = new_model()
    remote = ["gs://bucket/m.keras", "/gcs/bucket/m.h5", "hf://me/m.keras"]
    for path in remote:
        model.save(path)
    model.save_weights("gs://bucket/m.weights.h5")
    assert given == [*remote, "gs://bucket/m.weights.h5"]
    monkeypatch.setattr("builtins.input", lambda _: "y")
    good = tmp_path / "m.keras"
    good.write_text("old")
    with pytest.raises(FileNotFoundError):  # this Keras writes nothing
        model.save(good, overwrite=False)
    assert os.path.basename(given[-1]) == good.name and good.read_text() == "old"


@posix
def test_left_over_folders_of_the_dead(tmp_path):
    machine, process = _files._here()
    number, started = process.split("-")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    other, old = "0" * len(machine), time.time() - 2 * _files._DAY
    # Name: whether it stays.
    names = {
        f".whole-{machine}-{process}-a1": True,  # another thread's
        f".whole-{machine}-{number}-{int(started) - 1}-a2": False,  # before this process began
        f".whole-{machine}-{dead.pid}-1-a3": False,
        f".whole-{other}-{dead.pid}-1-a4": True,  # who knows
        f".whole-{other}-{dead.pid}-1-a5": False,  # old
        ".whole-of-something": True,
        "weights.csv": True,
    }
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").write_text("x")
    os.utime(tmp_path / f".whole-{other}-{dead.pid}-1-a5", (old, old))
    with whole_file(tmp_path / "new") as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write("y")
    assert {p.name for p in tmp_path.iterdir()} == {"new", *(n for n in names if names[n])}
    _files.remove_left_overs(tmp_path, age=-1)
    assert len(list(tmp_path.iterdir())) == 4


def test_what_is_no_file_is_written_to(tmp_path):
    with whole_file(os.devnull) as path:
        assert path == os.devnull
    with pytest.raises(IsADirectoryError), whole_file(tmp_path) as path, open(path, "wb"):
        pass
    (tmp_path / "read-only").write_text("old")
    (tmp_path / "read-only").chmod(0o444)
    if not os.access(tmp_path / "read-only", os.W_OK):  # root may
        with pytest.raises(PermissionError), whole_file(tmp_path / "read-only"):
            pass
    nowhere = whole_file(f"{tmp_path}/none/new")
    with pytest.raises(FileNotFoundError, match="none/new'") as error, nowhere:
        pass
    assert error.value.filename == f"{tmp_path}/none/new"
