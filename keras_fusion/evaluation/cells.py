"""Results in a folder: one file a run, named by what made it."""

import contextlib
import datetime
import json
import os
import re

import numpy as np

from keras_fusion._files import json_dict, npz_arrays, whole_file
from keras_fusion.evaluation.results import check_plain, environment
from keras_fusion.training import digest


class Cells:
    """A folder of results, one file for each training, named by the hash of what made it.

    `compare` keeps its runs in one. Use it for trainings of your own that take long, so that none
    is done twice, and none is taken for another. Several processes may write to one folder: a file
    is written whole or not at all, and a run that is done twice is the same file.

    Args:
        folder: Path of a folder; made if it does not exist.

    Raises:
        TypeError: no path.
        OSError: a folder that cannot be written.

    Example:

    >>> import tempfile
    >>> import keras_fusion as kf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cells = kf.evaluation.Cells(folder)
    ...     made_by = {"method": "gmu", "seed": 0, "epochs": 3}
    ...     if cells.find(made_by) is None:
    ...         cells.write(made_by, {"method": "gmu", "seed": 0, "scores": {"accuracy": 0.9}})
    ...     [row["scores"] for row in cells.rows()]
    [{'accuracy': 0.9}]
    """

    def __init__(self, folder):
        if not isinstance(folder, (str, os.PathLike)) or not os.fspath(folder):
            raise TypeError(f"results: expected the path of a folder. Received: {folder!r}")
        self.folder, self._environment = os.fspath(folder), None
        try:
            os.makedirs(self.folder, exist_ok=True)
            with whole_file(os.path.join(self.folder, "written")) as temporary:
                with open(temporary, "w", encoding="utf-8"):
                    pass
                raise InterruptedError  # it can be written, and nothing is to stay
        except InterruptedError:
            pass
        except OSError as error:
            raise OSError(
                f"results: expected a folder that can be written. Received: {self.folder!r} "
                f"({error.strerror})"
            ) from error

    def path(self, made_by):
        """The path of a run's file.

        Args:
            made_by: Dictionary of all that the result depends on, plain values; or its hash.
        """
        key = made_by if isinstance(made_by, str) else digest(made_by)
        return os.path.join(self.folder, f"{key}.json")

    def find(self, made_by):
        """The row of a run, a dict; `None` if there is none.

        Args:
            made_by: As for `path`.
        """
        path = self.path(made_by)
        return _read(path) if os.path.exists(path) else None

    def write(self, made_by, row, predictions=None):
        """Writes the row of a run, with date and time, versions and hardware.

        Args:
            made_by: As for `path`.
            row: Dictionary of plain values: strings, numbers, booleans, `None`, lists and dicts.
            predictions: Optional dict of arrays, for a file beside it. Defaults to `None`.

        Raises:
            TypeError: a value that is not plain.
        """
        self._environment = self._environment or environment()
        now = datetime.datetime.now().isoformat(timespec="seconds")
        # What the row says of where it was trained, another process perhaps, counts.
        row = check_plain({**row, "date": now, **self._environment, **row})
        path = self.path(made_by)
        if predictions is not None:  # first: a row that promises them has them
            row["predictions"] = os.path.basename(path).replace(".json", ".npz")
            with (
                whole_file(path.replace(".json", ".npz")) as temporary,
                open(temporary, "wb") as file,
            ):
                np.savez_compressed(file, **predictions)
        with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            json.dump(row, file)

    def predictions(self, row):
        """The arrays that were kept with a row, a dict; `None` if there are none."""
        if "predictions" not in row:
            return None
        path = os.path.join(self.folder, os.path.basename(str(row["predictions"])))
        try:
            return npz_arrays(path)
        except FileNotFoundError:
            raise
        except Exception as error:  # parsers raise whatever they like
            raise ValueError(f"{path}: expected arrays in .npz. Received: {error}") from error

    def rows(self):
        """All rows, a list of dicts, sorted by method, data, fold and seed."""
        with os.scandir(self.folder) as entries:
            paths = [entry.path for entry in entries if re.fullmatch(_FILE, entry.name)]
        found = []
        for path in paths:
            with contextlib.suppress(FileNotFoundError):  # another process may remove it
                found.append(_read(path))
        return sorted(found, key=_order)


_FILE = r"[0-9a-f]{32}\.json"


def _order(row):
    return (*(str(row.get(n, "")) for n in ("method", "data")), _number(row, "fold"),
            _number(row, "seed"))  # fmt: skip


def _number(row, name):
    value = row.get(name)
    return value if isinstance(value, (int, float)) else -1


def _read(path):
    with open(path, "rb") as file:
        return json_dict(file.read(), path)
