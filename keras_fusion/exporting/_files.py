"""Where an export goes: it appears by a rename when it is complete, or not at all."""

import contextlib
import os

from keras_fusion._files import work_folder

SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}
_OF_FILES = (*SUFFIXES.values(), ".keras", ".h5", ".pb")


def target(path, format):
    """`(absolute path, format)` of an export; of no format the one that the suffix says."""
    path = absolute(path)
    if format is None:
        said = [name for name, suffix in SUFFIXES.items() if path.endswith(suffix)]
        format = said[0] if said else "saved_model"
    if format == "saved_model":
        return _new_folder(path), format
    return _new_file(path, SUFFIXES[format]), format


def absolute(path, label="path"):
    """The absolute path, or an error for what is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{label}: expected a path. Received: {path!r}")
    return os.path.abspath(os.fspath(path))


def _new_folder(path):
    """`path` if a folder may appear there; else an error."""
    if path.endswith(_OF_FILES):
        raise ValueError(
            f"path: expected a folder, as a SavedModel is one (or another format). Received: {path}"
        )
    return new_folder(path)


def new_folder(path, label="path"):
    """`path`, where a folder may appear; else an error."""
    if os.path.exists(path) and (not os.path.isdir(path) or os.listdir(path)):
        raise ValueError(
            f"{label}: expected a folder that does not exist yet or is empty. Received: {path}"
        )
    return path


def _new_file(path, suffix):
    """The path of a file to be, `path` itself or "model" in the folder `path`."""
    if path.endswith(_OF_FILES) and not path.endswith(suffix):
        raise ValueError(f"path: expected a folder or a file {suffix}. Received: {path}")
    if not path.endswith(suffix):
        path = os.path.join(path, f"model{suffix}")
    if os.path.exists(path):
        raise ValueError(f"path: expected a file that does not exist yet. Received: {path}")
    return path


@contextlib.contextmanager
def appears(path, label="path"):
    """Gives a path beside `path` to write to; what was written there is moved to `path` at the end.

    An error leaves nothing behind.
    """
    with contextlib.ExitStack() as stack:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            parts = stack.enter_context(work_folder(os.path.dirname(path)))
        except OSError as error:
            raise ValueError(
                f"{label}: expected a folder that can be written. Received: {path} ({error})"
            ) from error
        written = os.path.join(parts, os.path.basename(path))
        yield written
        if os.path.isdir(path):
            os.rmdir(path)
        os.rename(written, path)


def size_of(path):
    """Bytes of a file, or of all files in a folder."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(path)
        for name in names
    )
