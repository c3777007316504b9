"""Files of a search: written whole or not at all, with an error that says what to do."""

import errno
import json
import pathlib

import keras_tuner

from keras_fusion._files import whole_file, work_folder

_FOLDER = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EIO,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


class SearchFolderError(keras_tuner.errors.FatalError, OSError):
    """The folder of a search cannot be written; ends the search, and nothing of it is lost."""


def write_json(path, content):
    """Writes `content` to `path`, whole or not at all: a kill in between leaves the old file."""
    try:
        with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            json.dump(content, file)
    except OSError as error:
        raise folder_error(path, error) from error


def folder_error(path, error):
    """What to raise where `path` cannot be written."""
    return SearchFolderError(
        f"directory: expected a folder that can be written. Received: {path} ({error}). What is "
        "done is kept: make room, or the folder writable, and start the same search again"
    )


def is_folder_error(error):
    """Whether the disk is full or cannot be written; HDF5 says so in its text only."""
    if isinstance(error, OSError) and error.errno in _FOLDER:
        return True
    return isinstance(error, (OSError, RuntimeError)) and "No space left on device" in str(error)


def check_folder(directory, project_name):
    """Makes the folder; an error if nothing can be written there."""
    path = pathlib.Path(directory) / project_name
    try:
        path.mkdir(parents=True, exist_ok=True)
        with work_folder(path) as folder:
            pathlib.Path(folder, "probe").write_text("x")
    except OSError as error:
        raise folder_error(path, error) from error
    return path
