"""Rows of raw values to what the networks take; learnt once, kept as JSON."""

import dataclasses
import json

import numpy as np

from keras_fusion._files import json_dict, whole_file
from keras_fusion.datasets.encoding._columns import raw
from keras_fusion.datasets.encoding._media import Image, Sound
from keras_fusion.datasets.encoding._tables import Array, Table, Text

_PARTS = {part.__name__.lower(): part for part in (Table, Text, Image, Sound, Array)}


class Encoder:
    """Turns rows of raw values into the arrays that a model takes; made by `from_dataframe`.

    Use it to predict on new rows, also after saving: the attribute `encoder` of what
    `kf.datasets.from_dataframe` and `kf.backbones.auto` return. It has learnt on the training rows
    alone. Called on a DataFrame with the same columns, or on a dict of raw arrays, it returns the
    dict of arrays that the model takes, on every backend.

    - Numbers: what is missing gets the median; where some were missing in training, a column more
      says which.
    - Categories: one-hot. What is missing, new, or not among the 50 most frequent, is zeros.
    - Texts: ids of words, for `text_encoder`. A missing text is an empty one.
    - Pictures and sounds: arrays of one size. A row without a path lacks the modality:
      `"present"` says so, and the model has to be built with `missing_modalities=True`.

    Args:
        parts: Dict `{modality: what was learnt}`; not made by hand.
        classes: Optional list of the labels, in the order of the indices. Defaults to `None`.
        masked: Boolean, whether a training row lacked a modality. Defaults to `False`.

    Call arguments:
        rows: DataFrame with the columns of the training table, or dict of raw values keyed by
            modality.
        folder: Optional path, from which relative paths start.
        lazy: Boolean, whether files are read only when rows are asked for.

    Raises:
        ValueError: a column is missing, or its values are of another kind than in training.
        FileNotFoundError: a file is not there.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> x = {"city": np.array(["Rome", "Oslo", "Rome", "Oslo"]), "image": np.ones((4, 8, 8, 1))}
    >>> encoder = kf.backbones.auto(x, np.array([0, 1, 0, 1]), verbose=False).encoder
    >>> encoder.save("rows.json")
    >>> again = kf.datasets.Encoder.load("rows.json")
    >>> again({"city": ["Oslo", "Rome", "Bonn"], "image": np.ones((3, 8, 8, 1))})["city"].tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """

    def __init__(self, parts, classes=None, masked=False):
        if not isinstance(parts, dict) or not all(
            type(p) in _PARTS.values() for p in parts.values()
        ):
            raise TypeError(
                "parts: expected what from_dataframe or auto have learnt; Encoder.load reads a "
                f"saved one. Received: {parts!r}"
            )
        self.parts, self.classes, self.masked = parts, classes, masked

    def __call__(self, rows, folder=None, lazy=False):
        is_frame = hasattr(rows, "columns")
        if not is_frame and not isinstance(rows, dict):
            raise TypeError(
                "rows: expected a DataFrame, or a dict keyed by modality. "
                f"Received: {type(rows).__name__}"
            )
        x, absent, counts = {}, {}, {}
        for name, part in self.parts.items():
            values = rows if is_frame else self._of_modality(rows, name, part)
            values = _selected(name, values, part)
            if not isinstance(part, Array):
                values = {c: raw(f"column {c!r}", column) for c, column in values.items()}
            x[name], gone = part.encode(values, folder, lazy)
            if gone is not None:
                absent[name] = gone
            counts[name] = len(next(iter(values.values())))
        if len(set(counts.values())) > 1 or 0 in counts.values():
            raise ValueError(f"rows: expected equally many, at least one. Received: {counts}")
        given = None if is_frame else rows.get("present")
        return self._with_present(x, absent, given, next(iter(counts.values())))

    def _of_modality(self, rows, name, part):
        if name not in rows:
            raise ValueError(
                f"rows: expected the modalities {list(self.parts)}. Received: "
                f"{sorted(map(str, rows))}, without {name!r}"
            )
        is_table = isinstance(rows[name], dict) or hasattr(rows[name], "columns")
        return rows[name] if is_table else {part.columns[0]: rows[name]}

    def _with_present(self, x, absent, given, count):
        names = sorted(x)
        present = np.ones((count, len(names)), "float32") if given is None else np.array(given)
        for k, name in enumerate(names):
            present[absent.get(name, np.zeros(count, bool)), k] = 0
        bare = np.flatnonzero(~present.any(axis=1))
        if len(bare):
            raise ValueError(
                f"rows: expected one modality or more of {names} in each. Received: none in "
                f"{len(bare)}, the first being number {bare[0]}"
            )
        # Where training had it, a batch without it would be another kind of input.
        needed = self.masked or given is not None or not present.all()
        return {**x, "present": present} if needed else x

    def __str__(self):
        wide = max(map(len, self.parts))
        return "\n".join(f"{name:<{wide}}  {part}" for name, part in self.parts.items())

    def save(self, path):
        """Writes it as JSON, whole or not at all.

        Args:
            path: Path of the file, such as `"rows.json"`.

        Example:

        >>> import numpy as np
        >>> import keras_fusion as kf
        >>> x = {"age": np.arange(4.0), "city": np.array(["Rome", "Oslo"] * 2)}
        >>> kf.backbones.auto(x, np.array([0, 1, 0, 1]), verbose=False).encoder.save("rows.json")
        """
        parts = {
            name: {"part": type(part).__name__.lower(), **dataclasses.asdict(part)}
            for name, part in self.parts.items()
        }
        kept = {"version": 1, "classes": self.classes, "masked": self.masked, "parts": parts}
        with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            json.dump(kept, file, ensure_ascii=False, indent=1)

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote.

        Args:
            path: Path of the file.

        Returns:
            `Encoder`.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is another one, or not whole.

        Example:

        >>> import numpy as np
        >>> import keras_fusion as kf
        >>> x = {"age": np.arange(4.0), "city": np.array(["Rome", "Oslo"] * 2)}
        >>> kf.backbones.auto(x, np.array([0, 1, 0, 1]), verbose=False).encoder.save("rows.json")
        >>> print(kf.datasets.Encoder.load("rows.json"))
        age   table: age (number)
        city  table: city (2 categories)
        """
        try:
            with open(path, "rb") as file:
                kept = json_dict(file.read(), path)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"path: expected a file that Encoder.save wrote. Received: {str(path)!r}, which "
                "is not there"
            ) from error
        try:
            if kept["version"] != 1:
                raise KeyError(f"version {kept['version']}")
            parts = {n: _PARTS[p.pop("part")](**p) for n, p in kept["parts"].items()}
            return cls(parts, kept["classes"], kept["masked"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path}: expected what Encoder.save wrote. Received: something else ({error!r})"
            ) from error


def _selected(name, values, part):
    """The columns of a part, where they are all there."""
    missing = [column for column in part.columns if column not in values]
    if missing:
        raise ValueError(
            f"rows: expected the columns {part.columns} for {name!r}. Received: "
            f"{list(values)}, without {missing}"
        )
    return {column: values[column] for column in part.columns}
