"""Where the data sets lie on disk, and reading their files with errors that name file and fix."""

import contextlib
import hashlib
import os
import pathlib
import zipfile

import numpy as np

from keras_fusion._files import npz_arrays

DATA_VARIABLE = "KERAS_FUSION_DATA"


def data_folder(data_dir=None):
    """The folder the data sets are read from, or None when the user named none.

    Args:
        data_dir: Path of the folder. None means the environment variable `KERAS_FUSION_DATA`; unset
            or empty, it names no folder. Defaults to `None`.

    Returns:
        A `pathlib.Path` or None.

    Raises:
        FileNotFoundError: If the folder does not exist.
        TypeError: If `data_dir` is not a path.
    """
    name = "data_dir"
    if data_dir is None:
        name, data_dir = f"environment variable {DATA_VARIABLE}", os.environ.get(DATA_VARIABLE)
        if not data_dir:
            return None
    try:
        folder = pathlib.Path(data_dir).expanduser()
    except TypeError:
        raise TypeError(f"{name}: expected the path of a folder. Received: {data_dir!r}") from None
    if not folder.is_dir():
        raise FileNotFoundError(f"{name}: expected an existing folder. Received: {data_dir!r}")
    return folder


def find(name, data_dir, inner, files):
    """The folder of a data set that holds all its files.

    Args:
        name: Name of the data set, for messages.
        data_dir: Path or None, as in `data_folder`.
        inner: Name of the data set's own folder; `data_dir` may be this or the one around it.
        files: Paths inside the folder, each of which has to exist.

    Returns:
        A `pathlib.Path`.

    Raises:
        FileNotFoundError: If no folder is named, or a file is missing (all missing are named).
    """
    around = data_folder(data_dir)
    if around is None:
        raise FileNotFoundError(
            f"{name}: expected data_dir= or the environment variable {DATA_VARIABLE} to "
            f"name the folder of {', '.join(map(str, files)) or 'its files'}. Received: neither"
        )
    folder = around / inner if (around / inner).is_dir() else around
    missing = [str(file) for file in files if not (folder / file).exists()]
    if missing:
        raise FileNotFoundError(
            f"{name}: expected {folder} to hold {', '.join(map(str, files))}. Missing: "
            f"{', '.join(missing)}. keras_fusion.datasets.info({name!r}) says where to get it"
        )
    return folder


@contextlib.contextmanager
def complete(path, kind):
    """Turns whatever broken bytes raise into a ValueError that names the file and the fix."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file {path}. Received: no such file")
    try:
        yield
    except Exception as error:  # parsers raise whatever they like
        if isinstance(error, ImportError):
            raise
        raise ValueError(
            f"{path} is not a complete {kind} file (a download or a copy that stopped early?); "
            f"get it again: {type(error).__name__}: {error}"
        ) from error


def read_npz(path, keys):
    """Reads arrays from an `.npz` file.

    Args:
        path: `pathlib.Path` of the file.
        keys: Names of the arrays.

    Returns:
        List of arrays in the order of `keys`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated, is no `.npz`, lacks an array, or promises one that is
            far larger than what is stored.
    """
    with complete(path, ".npz"):
        with zipfile.ZipFile(path) as archive:
            held = sorted(name.removesuffix(".npy") for name in archive.namelist())
        if set(keys) <= set(held):
            arrays = npz_arrays(path, keys)
            return [arrays[key] for key in keys]
    raise ValueError(f"{path} must hold the arrays {list(keys)}. Received: {held}")


def read_npy(path, mmap=False):
    """An array of an `.npy` file, never from a pickle; `mmap` leaves it on disk."""
    with complete(path, ".npy"):
        # np.load would take anything that is no .npy for a zip or a pickle.
        with open(path, "rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise ValueError("it does not begin as one")
            size = os.fstat(file.fileno()).st_size
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.nbytes > size:  # an empty dimension with a huge one
            raise ValueError(f"its header promises {array.shape}")
        return array if mmap else np.array(array)


def array_sha256(array):
    """SHA-256 of an array's type, shape and values; an `.npz` differs with its compression."""
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(array.tobytes())
    return digest.hexdigest()


def idx_sha256(array):
    """SHA-256 of a uint8 array in the IDX format that MNIST is published in.

    The published hashes are those of the IDX files; an `.npz` has other bytes with every
    compression level, so the array is hashed in its IDX form.
    """
    array = np.ascontiguousarray(array)
    digest = hashlib.sha256(bytes([0, 0, 8, array.ndim]))
    for length in array.shape:
        digest.update(length.to_bytes(4, "big"))
    digest.update(array)
    return digest.hexdigest()


def fingerprint(paths):
    """SHA-256 over the names and contents of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        contents = path.read_bytes()
        digest.update(f"{path.name} {len(contents)}\n".encode())
        digest.update(contents)
    return digest.hexdigest()
