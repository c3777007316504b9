"""Arrays that took long to make, kept on disk: used when whole and asked for, or made again."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time

import numpy as np

_MANIFEST = "manifest.json"
_STALE = 24 * 3600  # seconds after which what a killed process left is taken away


def folder(cache_dir, name, key):
    """The folder that the arrays of a key lie in, whether it exists or not."""
    digest = hashlib.sha256(_json(key).encode()).hexdigest()
    return default_folder(cache_dir) / f"{name}-{digest[:16]}"


def default_folder(cache_dir):
    """`cache_dir`, or `datasets/keras_fusion` where Keras keeps its own data sets."""
    if cache_dir is None:
        home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
        cache_dir = pathlib.Path(home) / "datasets" / "keras_fusion"
    return pathlib.Path(cache_dir).expanduser()


def read(place, key):
    """The arrays by name, memory-mapped and read-only, or None unless everything is as written.

    Every byte is checked against the manifest.
    """
    try:
        manifest = json.loads((place / _MANIFEST).read_text(encoding="utf-8"))
        if manifest["key"] != json.loads(_json(key)):
            return None
        for name, entry in manifest["files"].items():
            if (place / name).stat().st_size != entry["bytes"]:
                return None
            if _sha256(place / name) != entry["sha256"]:
                return None
        return {
            name.removesuffix(".npy"): np.load(place / name, mmap_mode="r", allow_pickle=False)
            for name in manifest["files"]
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def write(place, key, build, facts=()):
    """Makes the arrays under another name and gives them theirs when all are there.

    Args:
        place: Folder of the arrays; what lies there is replaced.
        key: What the arrays follow from; anything that JSON holds.
        build: Callable, given a function `create(name, shape, dtype)` that returns a `Writer`;
            called once for every array.
        facts: Dictionary of what else the manifest is to say. Defaults to `()`.

    Whatever `build` raises is raised, and nothing is left.
    """
    writers = {}
    with partial_folder(place) as partial:

        def create(name, shape, dtype):
            writers[f"{name}.npy"] = Writer(partial / f"{name}.npy", shape, dtype)
            return writers[f"{name}.npy"]

        try:
            build(create)
            files = {name: writer.close() for name, writer in sorted(writers.items())}
        finally:
            for writer in writers.values():
                writer.file.close()
        # One hash for all, which changes with any of them.
        total = hashlib.sha256(_json({k: f["sha256"] for k, f in files.items()}).encode())
        manifest = {"sha256": total.hexdigest(), **dict(facts), "key": key, "files": files}
        text = json.dumps(manifest, indent=1, sort_keys=True, default=lambda number: number.item())
        with (partial / _MANIFEST).open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o755)  # mkdtemp lets nobody else read
        _rename(partial, place, key)


@contextlib.contextmanager
def partial_folder(place):
    """A folder beside `place` to work in, gone at the end unless it was renamed.

    What a killed process left there a day ago or earlier is taken away too.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(f"{place.name}.partial-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE:
                shutil.rmtree(left)
    partial = pathlib.Path(tempfile.mkdtemp(dir=place.parent, prefix=f"{place.name}.partial-"))
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _rename(partial, place, key):
    if read(place, key) is not None:
        return  # another process was first, and what it wrote is the same
    if place.exists():
        broken = pathlib.Path(tempfile.mkdtemp(dir=place.parent, prefix=f"{place.name}.partial-"))
        os.replace(place, broken / "broken")
        shutil.rmtree(broken, ignore_errors=True)
    os.replace(partial, place)


class Writer:
    """An `.npy` file written from the first row to the last, hashed on the way.

    Memory-mapped writing would count all of the file as memory in use.
    """

    def __init__(self, path, shape, dtype):
        self.shape, self.dtype, self.rows = tuple(shape), np.dtype(dtype), 0
        self.file, self._digest = path.open("wb"), hashlib.sha256()
        header = np.lib.format.header_data_from_array_1_0(np.empty((0, *shape[1:]), dtype))
        np.lib.format.write_array_header_1_0(self, {**header, "shape": self.shape})

    def write(self, values):
        self._digest.update(values)
        self.file.write(values)

    def append(self, rows):
        """Writes the next rows."""
        rows = np.ascontiguousarray(rows, self.dtype)
        if rows.shape[1:] != self.shape[1:]:
            raise ValueError(f"rows: expected {self.shape[1:]} each. Received: {rows.shape[1:]}")
        self.rows += len(rows)
        self.write(rows.data)

    def close(self):
        """Ends the file; its size and hash."""
        if self.rows != self.shape[0]:
            raise ValueError(f"{self.shape[0]} rows were to be written. Received: {self.rows}")
        self.file.flush()
        os.fsync(self.file.fileno())
        size = self.file.tell()
        self.file.close()
        return {"bytes": size, "sha256": self._digest.hexdigest()}


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(value):
    return json.dumps(value, sort_keys=True, default=lambda number: number.item())
