"""Keras' own savers, into a file that is written whole or not at all."""

import os
import re

from keras_fusion._files import whole_file

# What Keras takes for a path of another kind of storage.
_REMOTE = re.compile("/cns|/cfs|/gcs|/hdfs|/readahead|/placer|/tfhub|.*://")


def save_whole(save, path, overwrite, suffixes, **options):
    """Calls `save(path, overwrite=..., **options)`; a kill or a full disk leaves the old file.

    What is not one local file with one of the suffixes goes to Keras as it is.
    """
    name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
    if not name.endswith(suffixes) or _REMOTE.match(name):
        return save(path, overwrite=overwrite, **options)
    if not overwrite and os.path.exists(name) and not _may_overwrite(name):
        return None
    if name.endswith((".h5", ".hdf5")) and not name.endswith(".weights.h5"):
        os.makedirs(os.path.dirname(os.path.abspath(name)), exist_ok=True)  # as Keras does
    with whole_file(name) as temporary:
        return save(temporary, **options)


def _may_overwrite(path):
    """Keras' own question; Keras itself would ask of the temporary name."""
    answer = input(f"[WARNING] {path} already exists - overwrite? [y/n]").strip().lower()
    while answer not in ("y", "n"):
        answer = input('Enter "y" (overwrite) or "n" (cancel).').strip().lower()
    return answer == "y"
