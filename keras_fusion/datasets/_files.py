"""Where the data sets lie on disk, and reading their files with errors that name them."""

import hashlib
import os
import pathlib
import zipfile

import numpy as np

DATA_VARIABLE = "KERAS_FUSION_DATA"


def data_folder(data_dir=None):
    """The folder the data sets are read from, or None when the user named none.

    Args:
        data_dir: Path of the folder. None means the environment variable
            `KERAS_FUSION_DATA`; unset or empty, it names no folder.

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


def read_npz(path, keys):
    """Reads arrays from an `.npz` file.

    Args:
        path: `pathlib.Path` of the file.
        keys: Names of the arrays.

    Returns:
        List of arrays in the order of `keys`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated, is no `.npz` or lacks an array.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file {path}. Received: no such file")
    try:
        # Opened as a zip first: np.load would take anything else for a pickle.
        with zipfile.ZipFile(path) as archive:
            held = sorted(name.removesuffix(".npy") for name in archive.namelist())
        with np.load(path, allow_pickle=False) as arrays:
            missing = [key for key in keys if key not in held]
            if not missing:
                return [arrays[key] for key in keys]
    except Exception as error:  # zipfile and NumPy raise whatever broken bytes lead to
        raise ValueError(
            f"{path} is not a complete .npz file (a download that stopped early?): {error}"
        ) from error
    raise ValueError(f"{path} must hold the arrays {list(keys)}. Received: {held}")


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
