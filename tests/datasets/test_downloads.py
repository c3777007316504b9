"""Downloads from a server on this machine: whole, wrong, cut off, and archives that lead out."""

import dataclasses
import hashlib
import http.server
import io
import os
import tarfile
import threading
import time
import zipfile
from typing import ClassVar

import keras
import numpy as np
import pytest

from keras_fusion import datasets
from keras_fusion.datasets import downloads, mfeat, mm_mnist
from keras_fusion.datasets._io import files

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="files: once is enough"
)


class Server(http.server.BaseHTTPRequestHandler):
    files: ClassVar = {}
    asked: ClassVar = []

    def do_GET(self):
        self.asked.append(self.path)
        content, sent = self.files.get(self.path, (None, 0))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:sent])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def serve(monkeypatch):
    """A function `(path, content, sent=None)` that returns the address it is served at."""
    monkeypatch.setenv("no_proxy", "*")
    Server.files, Server.asked = {}, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def add(path, content, sent=None):
        Server.files[path] = content, len(content) if sent is None else sent
        return f"http://127.0.0.1:{server.server_port}{path}"

    yield add
    server.shutdown()
    thread.join()
    server.server_close()


RECORDINGS = {f"recordings/{digit}_theo_0.wav": bytes([digit]) * 50 for digit in range(3)}


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(members, links=()):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return file.getvalue()


def published(pack=zipped, **kwargs):
    members = {f"fsdd-1.0.10/{name}": content for name, content in RECORDINGS.items()}
    others = {"fsdd-1.0.10/README.md": b"other", "fsdd-1.0.10/recordings/a.txt": b"other"}
    return pack({**members, **others}, **kwargs)


@pytest.fixture
def spoken(monkeypatch, tmp_path):
    """A function of an address: `download("av_mnist")` fetches these recordings alone from it."""
    folder = tmp_path / "published"
    for name, content in RECORDINGS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    sha256 = files.fingerprint(sorted((folder / "recordings").iterdir()))

    def use(url):
        source = dataclasses.replace(
            downloads._SOURCES["spoken_digits"],
            url=url,
            check=downloads._contents("recordings/*.wav", sha256),
        )
        monkeypatch.setitem(downloads._SOURCES, "spoken_digits", source)
        monkeypatch.setitem(downloads._PARTS, "av_mnist", ("spoken_digits",))

    return use


def inside(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_contents_of_an_archive(tmp_path, serve, spoken, capsys, pack):
    url = serve("/archive", published(pack))
    spoken(url)
    folder = datasets.download("av_mnist", tmp_path / "new" / "data")
    assert folder == tmp_path / "new" / "data"
    assert inside(folder) == sorted(f"fsdd/{name}" for name in RECORDINGS)
    for name, content in RECORDINGS.items():
        assert (folder / "fsdd" / name).read_bytes() == content
    said = capsys.readouterr().out
    assert f"{url} (CC BY-SA 4.0, 21 MB of recordings) to {folder / 'fsdd'}" in said
    assert "is complete" in said
    # What is there is not fetched again.
    datasets.download("av_mnist", folder)
    assert len(Server.asked) == 1 and "is there already" in capsys.readouterr().out


def test_what_is_there_is_never_replaced(tmp_path, serve, spoken):
    spoken(serve("/archive", published()))
    (tmp_path / "data" / "fsdd" / "recordings").mkdir(parents=True)
    (tmp_path / "data" / "fsdd" / "recordings" / "0_theo_0.wav").write_bytes(b"mine")
    with pytest.raises(ValueError, match="fsdd: move it away to download it again.*1 files"):
        datasets.download("av_mnist", tmp_path / "data")
    assert inside(tmp_path / "data") == ["fsdd/recordings/0_theo_0.wav"] and not Server.asked


@pytest.mark.parametrize(
    ("content", "sent", "error", "message"),
    [
        (published(), 200, OSError, "archive: expected to fetch fsdd.*Nothing was kept; try again"),
        (None, None, OSError, "expected to fetch fsdd.*404"),
        (published()[:-40], None, ValueError, "is not a complete archive file"),
        (b"no archive " * 99, None, ValueError, "is not a complete archive file"),
        (zipped({"a/recordings/0_theo_0.wav": b"other"}), None, ValueError,
         "archive: expected what was published. Nothing was kept.*1 files with SHA-256"),
        (zipped({"a/README.md": b""}), None, ValueError, "0 files with SHA-256"),
        # get_file itself stumbles over no bytes at all in Keras 3.12.
        (b"", None, (OSError, ValueError), "is not a complete archive file|expected to fetch fsdd"),
    ],
)  # fmt: skip
def test_nothing_is_kept_of_what_is_wrong(tmp_path, serve, spoken, content, sent, error, message):
    spoken(serve("/archive", content, sent) if content is not None else serve("/other", b"")[:-5])
    data = tmp_path / "data"
    with pytest.raises(error, match=message):
        datasets.download("av_mnist", data)
    assert not list(data.iterdir())
    # The next call begins again.
    spoken(serve("/archive", published()))
    datasets.download("av_mnist", data)
    assert inside(data) == sorted(f"fsdd/{name}" for name in RECORDINGS)


EVIL = [
    "../evil_recordings/0_a_0.wav",
    "a/../../evil",
    "/tmp/keras_fusion_evil",
    "a\\..\\..\\evil",
    "C:\\evil",
]


@pytest.mark.parametrize("pack", [zipped, tarred])
@pytest.mark.parametrize("name", EVIL)
def test_archives_that_lead_out_are_refused(tmp_path, serve, spoken, pack, name):
    members = {f"a/{inner}": content for inner, content in RECORDINGS.items()}
    spoken(serve("/archive", pack({**members, name: b"evil"})))
    before = inside(tmp_path)
    with pytest.raises(ValueError, match="leads out of its folder"):
        datasets.download("av_mnist", tmp_path / "data")
    assert inside(tmp_path) == before and not os.path.exists("/tmp/keras_fusion_evil")


def test_links_are_not_followed(tmp_path, serve, spoken):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    links = [("a/recordings/3_theo_0.wav", str(secret)), ("a/recordings", str(tmp_path))]
    spoken(serve("/archive", published(tarred, links=links)))
    datasets.download("av_mnist", tmp_path / "data")
    assert inside(tmp_path / "data") == sorted(f"fsdd/{name}" for name in RECORDINGS)


def test_huge_files_are_refused(tmp_path, serve, spoken, monkeypatch):
    monkeypatch.setattr(downloads, "_FILE_LIMIT", 10)
    spoken(serve("/archive", published()))
    with pytest.raises(ValueError, match="of 50 bytes"):
        datasets.download("av_mnist", tmp_path / "data")
    assert not list((tmp_path / "data").iterdir())


def test_a_file_with_another_hash(tmp_path, serve, monkeypatch):
    content = io.BytesIO()
    np.savez(content, x=np.arange(9))
    right = hashlib.sha256(content.getvalue()).hexdigest()
    checked = []
    source = dataclasses.replace(
        downloads._SOURCES["mnist"], url=serve("/mnist.npz", b"another file"),
        file_hash=right, check=checked.append,
    )  # fmt: skip
    monkeypatch.setitem(downloads._SOURCES, "mnist", source)
    with pytest.raises(ValueError, match="mnist.npz.*hash does not match"):
        datasets.download("mm_mnist", tmp_path)
    assert not list(tmp_path.iterdir()) and not checked
    serve("/mnist.npz", content.getvalue())
    monkeypatch.setenv("KERAS_FUSION_DATA", str(tmp_path))
    assert datasets.download("mm_mnist") == tmp_path
    assert inside(tmp_path) == ["mnist.npz"] and len(checked) == 1


def test_an_interruption_leaves_nothing(tmp_path, serve, spoken, monkeypatch):
    def interrupted(*arguments, cache_dir, **kwargs):
        (downloads.pathlib.Path(cache_dir) / "fetched").write_bytes(b"half")
        raise KeyboardInterrupt

    spoken(serve("/archive", published()))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(downloads, "get_file", interrupted)
        datasets.download("av_mnist", tmp_path / "data")
    assert not list((tmp_path / "data").iterdir())
    # What a killed process left is taken away after a day, and never used.
    left = tmp_path / "data" / "fsdd.partial-killed"
    left.mkdir()
    (left / "fetched").write_bytes(b"half")
    os.utime(left, (time.time() - 90_000,) * 2)
    datasets.download("av_mnist", tmp_path / "data")
    assert inside(tmp_path / "data") == sorted(f"fsdd/{name}" for name in RECORDINGS)


def test_mfeat_is_checked_by_its_values(tmp_path, serve, monkeypatch):
    rng = np.random.default_rng(0)
    views = {view: rng.integers(0, 9, (2000, n)) for view, n in mfeat.FEATURES.items()}
    hashes = {v: files.array_sha256(a.astype("float32")) for v, a in views.items()}
    monkeypatch.setattr(mfeat, "_SHA256", hashes)
    texts = {
        f"mfeat-{view}": "\n".join(" ".join(map(str, row)) for row in array.tolist()).encode()
        for view, array in views.items()
    }
    source = dataclasses.replace(
        downloads._SOURCES["mfeat"], url=serve("/mfeat.zip", zipped({**texts, "mfeat.info": b""}))
    )
    monkeypatch.setitem(downloads._SOURCES, "mfeat", source)
    folder = datasets.download("mfeat", tmp_path)
    assert inside(folder) == sorted(f"mfeat/{name}" for name in texts)
    (tmp_path / "mfeat" / "mfeat-mor").write_text("1 2 3 4 5 7\n")
    with pytest.raises(ValueError, match="mfeat: move it away.*mfeat-mor: expected values"):
        datasets.download("mfeat", tmp_path)


@pytest.mark.parametrize("name", sorted(set(datasets.info()) - set(downloads._PARTS)))
def test_the_others_say_what_to_get(tmp_path, name):
    with pytest.raises(ValueError, match="can be downloaded. Received") as error:
        datasets.download(name, tmp_path)
    assert datasets.info(name).download in str(error.value) and not list(tmp_path.iterdir())


def test_no_folder_and_no_such_set(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_FUSION_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="mfeat: expected data_dir= or the environment"):
        datasets.download("mfeat")
    with pytest.raises(ValueError, match="name: expected one of"):
        datasets.download("cifar", tmp_path)


@pytest.mark.data
def test_pinned_contents_are_those_of_the_data_at_hand(data_dir):
    for part in ("mnist", "spoken_digits", "esc10"):
        source = downloads._SOURCES[part]
        source.check(data_dir / source.place)
    assert mm_mnist._SHA256 and all(len(s.url) > 20 for s in downloads._SOURCES.values())
