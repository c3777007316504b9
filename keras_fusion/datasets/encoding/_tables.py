"""Tables of numbers and categories, texts, and arrays: what is learnt of the training rows.

Every part has `columns`, `encode(values, folder, lazy)` -> `(array, absent or None)`, and a `str`
that says what it does; its fields are what JSON holds.
"""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from keras_fusion.datasets.encoding._columns import MOST, kind_of, numbers, strings

_WORD = re.compile(r"[\w']+")
_LONGEST = 200  # words of a text that are read, unless told


@dataclass
class Table:
    """Numbers with their gaps filled, and categories one-hot."""

    columns: list
    learnt: list  # a dict for each column
    strings: bool = False

    @classmethod
    def fit(cls, values, kinds, in_model):
        """Learns medians and categories of `{column: values}`."""
        learnt = []
        for name, column in values.items():
            label = f"column {name!r}"
            kind = kinds.get(name, kind_of(column, alone=False))
            if kind == "number":
                column = numbers(label, column)
                there = column[~np.isnan(column)]
            elif kind == "category":
                column = strings(label, column, kind)
                there = [value for value in column if value is not None]
            else:
                raise ValueError(
                    f"kinds: expected 'number' or 'category' for {label} of a table. "
                    f"Received: {kind!r}"
                )
            if not len(there):
                raise ValueError(
                    f"{label}: expected a value in some of the training rows. Received: none; "
                    "leave the column out"
                )
            if kind == "number":
                found = {"fill": float(np.median(there)), "gaps": len(there) < len(column)}
            else:
                counts = Counter(there).most_common()
                found = {
                    "values": sorted(value for value, _ in counts[:MOST]),
                    "rarer": len(counts[MOST:]),
                }
            learnt.append({"kind": kind, **found})
        in_model = in_model and any(found["kind"] == "category" for found in learnt)
        if in_model and len({"numbers", *map(input_name, values)}) <= len(values):
            raise ValueError(
                "in_model: expected columns whose names differ in letters and digits, also from "
                f'"numbers". Received: {list(values)}'
            )
        return cls(list(values), learnt, in_model)

    def encode(self, values, folder, lazy):
        """Float32 array `(rows, features)`; a dict where strings stay as they are."""
        found, kept = [], {}
        for name, learnt in zip(self.columns, self.learnt, strict=True):
            label = f"column {name!r}"
            if learnt["kind"] == "number":
                column = numbers(label, values[name])
                gaps = np.isnan(column)
                found.append(np.where(gaps, learnt["fill"], column)[:, None])
                if learnt["gaps"]:
                    found.append(gaps[:, None])
                continue
            column = strings(label, values[name], "category")
            if self.strings:
                kept[input_name(name)] = np.array([value or "" for value in column], object)
            else:
                found.append(column[:, None] == np.array(learnt["values"], object))
        if found:
            kept["numbers"] = np.concatenate(found, axis=1).astype("float32")
        return (kept if self.strings else kept["numbers"]), None

    def __str__(self):
        said = []
        for name, learnt in zip(self.columns, self.learnt, strict=True):
            if learnt["kind"] == "number":
                gaps = f", {learnt['fill']:g} in gaps" if learnt["gaps"] else ""
                said.append(f"{name} (number{gaps})")
            else:
                rarer = f", {learnt['rarer']} rarer ones left out" if learnt["rarer"] else ""
                said.append(f"{name} ({len(learnt['values'])} categories{rarer})")
        return "table: " + ", ".join(said)


@dataclass
class Text:
    """Texts as ids of their words: 0 is padding, 1 a word that the training texts have not."""

    columns: list
    words: list
    length: int
    strings: bool = False

    @classmethod
    def fit(cls, values, max_words, length, in_model):
        """Learns the words of `{column: texts}`."""
        ((name, column),) = values.items()
        texts = [_words(text) for text in strings(f"column {name!r}", column, "text") if text]
        if not any(texts):
            raise ValueError(
                f"column {name!r}: expected a text in some of the training rows. Received: none"
            )
        counts = Counter(word for text in texts for word in text)
        words = [word for word, _ in counts.most_common(max_words)]
        longest = min(_LONGEST, max(map(len, texts)))
        return cls([name], words, length or longest, in_model)

    def encode(self, values, folder, lazy):
        """Int32 array `(rows, length)`, or the strings where they stay as they are."""
        (name,) = self.columns
        column = strings(f"column {name!r}", values[name], "text")
        if self.strings:
            return np.array([text or "" for text in column], object), None
        place = {word: i for i, word in enumerate(self.words, start=2)}
        ids = np.zeros((len(column), self.length), "int32")
        for row, text in enumerate(column):
            found = [place.get(word, 1) for word in _words(text or "")[: self.length]]
            ids[row, : len(found)] = found
        return ids, None

    def __str__(self):
        return f"text: {len(self.words):,} words, the first {self.length} of each"


@dataclass
class Array:
    """Numbers that go to the network as they are."""

    columns: list
    kind: str
    shape: list

    def encode(self, values, folder, lazy):
        """The array, if its samples have the shape of those in training."""
        (name,) = self.columns
        array = values[name] if hasattr(values[name], "shape") else np.asarray(values[name])
        if list(array.shape[1:]) != self.shape:
            raise ValueError(
                f'rows["{name}"]: expected samples of {tuple(self.shape)}. '
                f"Received: {tuple(array.shape[1:])}"
            )
        return array, None

    def __str__(self):
        return f"{self.kind}: {'x'.join(map(str, self.shape))}"


def input_name(column):
    """What the input of a column is called: TensorFlow takes few signs."""
    return re.sub(r"[^A-Za-z0-9_.>-]", "_", str(column))


def _words(text):
    return _WORD.findall(text.lower())
