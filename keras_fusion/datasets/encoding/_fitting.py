"""An encoder from the raw values of the training rows: what each modality is, unless it is said."""

import keras
import numpy as np

from keras_fusion._checks import check_bool
from keras_fusion.datasets.encoding._columns import KINDS, is_category, kind_of, raw
from keras_fusion.datasets.encoding._media import Image, Sound
from keras_fusion.datasets.encoding._tables import Array, Table, Text
from keras_fusion.datasets.encoding.encoder import Encoder

_RANKS = {"vector": (2,), "sequence": (3,), "image": (3, 4), "ids": (2,)}


def fit_encoder(
    x,
    kinds=None,
    in_model=False,
    folder=None,
    max_words=10000,
    length=None,
    image_size=None,
    seconds=None,
):
    """An `Encoder` that has learnt `{modality: column, table or array}`.

    Args:
        x: Dict; a table is a DataFrame or a dict of columns, a column anything with one value a
            row.
        kinds, in_model, max_words, length, image_size, seconds, folder: See `from_dataframe`.
    """
    if not isinstance(x, dict) or not x:
        received = f"a {type(x).__name__}" if not isinstance(x, dict) else "an empty one"
        raise TypeError(
            f"x: expected a dict keyed by modality; from_dataframe makes one of a table. Received: "
            f"{received}"
        )
    kinds = _checked(kinds, x)
    if check_bool("in_model", in_model) and keras.backend.backend() != "tensorflow":
        raise ValueError(
            "in_model: expected False, as only TensorFlow has strings in a model. Received: True "
            f"on {keras.backend.backend()}"
        )
    parts = {}
    for name, given in x.items():
        if name == "present":
            continue
        if _is_table(given):
            columns = {c: raw(f"column {c!r}", given[c]) for c in given}
            parts[name] = Table.fit(columns, kinds, in_model)
            continue
        given = given if hasattr(given, "shape") else np.asarray(given)
        if len(given.shape) > 1:
            parts[name] = _array(name, given, kinds.get(name))
            continue
        column = _column(name, given)
        values = {column: raw(f"column {column!r}", given)}
        alone = not is_category(given)
        kind = kinds.get(name, kinds.get(column)) or kind_of(values[column], alone)
        if kind == "text":
            parts[name] = Text.fit(values, max_words, length, in_model)
        elif kind == "image":
            parts[name] = Image.fit(values, image_size, folder)
        elif kind == "sound":
            parts[name] = Sound.fit(values, seconds, folder)
        else:
            parts[name] = Table.fit(values, {column: kind}, in_model)
    return Encoder(parts)


def _checked(kinds, x):
    if kinds is not None and not isinstance(kinds, dict):
        raise TypeError(f"kinds: expected a dict or None. Received: {kinds!r}")
    names = set(x)
    for name, given in x.items():
        names.update(given if _is_table(given) else [_column(name, given)])
    for name, kind in (kinds or {}).items():
        if name not in names or kind not in KINDS:
            raise ValueError(
                f"kinds: expected one of {KINDS} for some of {sorted(map(str, names))}. "
                f"Received: {{{name!r}: {kind!r}}}"
            )
    return kinds or {}


def _column(name, given):
    """What a column of pandas is called, or the modality."""
    own = given.name if hasattr(given, "iloc") else None
    return name if own is None else own


def _is_table(given):
    return isinstance(given, dict) or hasattr(given, "columns")


def _array(name, given, kind):
    """What the rank and the type of an array look like, unless it is said."""
    rank, dtype = len(given.shape), str(given.dtype)
    # A sequence of bytes is rare, a grey picture without an axis for its channel is not.
    guess = {2: "vector", 3: "image" if "uint8" in dtype else "sequence", 4: "image"}.get(rank)
    kind = kind or guess
    is_number = any(word in dtype for word in ("int", "float", "bool"))
    if not is_number or rank not in _RANKS.get(kind, ()):
        raise ValueError(
            f'x["{name}"]: expected numbers (samples, features), (samples, time, features) or '
            "(samples, height, width[, channels]); other networks are made by hand. Received: "
            f"{dtype} of {tuple(given.shape)}" + (f", as {kind!r}" if kind else "")
        )
    return Array([name], kind, list(given.shape[1:]))
