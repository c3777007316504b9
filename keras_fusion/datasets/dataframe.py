"""A table of pandas as a multimodal data set: columns of numbers, categories, texts, and files."""

import numpy as np

from keras_fusion._checks import check_bool, check_int, is_number, plain
from keras_fusion.datasets._io import splits
from keras_fusion.datasets.encoding import fit_encoder, is_missing

_PARTS = ("train", "validation", "test")


class Splits(dict):
    """What `from_dataframe` returns: `{"train": (x, y), ...}`, and the encoder that made it."""

    def __init__(self, parts, encoder):
        super().__init__(parts)
        self.encoder, self.classes = encoder, encoder.classes


def from_dataframe(
    df,
    modalities,
    label,
    *,
    split=(0.7, 0.1, 0.2),
    seed=0,
    kinds=None,
    folder=None,
    image_size=None,
    seconds=None,
    max_words=10000,
    length=None,
    in_model=False,
    verbose=True,
):
    """Makes a multimodal data set of a table: which columns are which modality, and the label.

    Use it where the data are a pandas DataFrame: numbers and categories in columns, texts, paths of
    pictures and sounds. What a column is, is seen from its values, and printed; `kinds` says it by
    hand. What has to be learnt (medians, categories, words, sizes) is learnt on the training rows,
    by the `encoder` of what is returned: it encodes new rows too, and can be saved.

    - Columns of numbers, bools and categories become one array, `(rows, features)` float32.
    - A text becomes ids of its words, `(rows, length)` int32, 0 for padding.
    - Paths of pictures and sounds become arrays that are read when rows are asked for:
      `(rows, height, width, channels)` uint8, and spectrograms `(rows, 112, 112, 1)` float32. Where
      a path is missing, the sample lacks the modality: `x["present"]` says so.

    `kf.backbones.auto` makes the networks for it.

    Args:
        df: pandas DataFrame, one row a sample.
        modalities: Dict `{modality: column, or list of columns}`.
        label: Name of the column to predict. Floats are values of a regression; integers, bools and
            strings are classes, whose sorted labels are `classes`.
        split: Tuple of three floats that add up to 1, the shares of train, validation and test,
            drawn at random so that each class has its share in each; or the name of a column with
            "train", "validation" and "test" (not every one has to be there but "train"). Defaults
            to `(0.7, 0.1, 0.2)`.
        seed: Non-negative integer, of the draw. Defaults to `0`.
        kinds: Optional dict `{modality or column: kind}`, one of "number", "category", "text",
            "image" (paths of pictures) and "sound". Defaults to `None`: strings that all end in
            `.png` or the like are paths; others are a text where they are alone in their modality
            and rarely alike, else categories.
        folder: Optional path, from which relative paths start. Defaults to `None`, the current one.
        image_size: Optional pair of positive integers, height and width. Defaults to `None`: the
            pictures' own where they are all alike and up to 128 pixels, else 64 x 64.
        seconds: Optional positive float, how much of a sound is taken, from its middle. Defaults to
            `None`, the median of the first ones.
        max_words: Positive integer, how many words are known, the most frequent ones. Defaults to
            `10000`.
        length: Optional positive integer, how many words of a text are read. Defaults to `None`,
            those of the longest, but no more than 200.
        in_model: Boolean, whether texts and categories stay strings, which the networks of `auto`
            then encode themselves (TensorFlow). Defaults to `False`.
        verbose: Boolean, whether to print what was chosen. Defaults to `True`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}` (without empty parts), `x` a
        dict keyed by modality, `y` int32 or, for a regression, float32 `(rows,)`. It has two
        attributes: `encoder`, an `Encoder`, and `classes`, the list of labels, `None` for a
        regression.

    Raises:
        FileNotFoundError: a path leads to no file.
        TypeError: no DataFrame, or another argument of a wrong type.
        ValueError: a column that is not there, twice there or holds dates, a label that is missing
            in some row, or another argument out of its range.

    Example:

    ```python
    import pandas as pd
    import keras_fusion as kf

    table = pd.DataFrame({
        "age": [31, 25, None, 47] * 5, "city": ["Rome", "Oslo", "Rome", "Bern"] * 5,
        "text": [f"a {word} room, number {i}" for i in range(5) for word in ("warm", "cold") * 2],
        "rating": ["good", "bad"] * 10,
    })
    columns = {"guest": ["age", "city"], "review": "text"}
    data = kf.datasets.from_dataframe(table, columns, label="rating")
    x, y = data["train"]
    print(x["guest"].shape, data.classes)  # (14, 5) ['bad', 'good']
    x_new = data.encoder(table[:3])
    ```
    """
    _check_table(df, modalities, label)
    _check_sizes(image_size, seconds, max_words, length)
    check_bool("verbose", verbose)
    y, classes = _labels(df[label], label)
    rows = _rows(df, split, check_int("seed", seed, minimum=0), y, classes)
    train = df.iloc[rows["train"]]
    encoder = fit_encoder(
        {name: train[columns] for name, columns in modalities.items()},
        kinds, in_model, folder, max_words, length, image_size, seconds,
    )  # fmt: skip
    encoder.classes = classes
    parts = {part: (encoder(df.iloc[r], folder, lazy=True), y[r]) for part, r in rows.items()}
    encoder.masked = any("present" in x for x, _ in parts.values())
    if encoder.masked:  # a part in which nothing is missing has the mask too
        for x, own in parts.values():
            x.setdefault("present", np.ones((len(own), len(modalities)), "float32"))
    if verbose:
        print(_said(encoder, parts, label))
    return Splits(parts, encoder)


def _check_table(df, modalities, label):
    if not all(hasattr(df, name) for name in ("columns", "iloc")):
        raise TypeError(f"df: expected a pandas DataFrame. Received: {type(df).__name__}")
    if not len(df):
        raise ValueError("df: expected one row or more. Received: 0 rows")
    if not isinstance(modalities, dict) or not modalities:
        raise TypeError(
            "modalities: expected a dict {modality: column or list of columns}. "
            f"Received: {modalities!r}"
        )
    used = []
    for name, columns in modalities.items():
        if not isinstance(name, str) or name == "present" or columns == []:
            raise ValueError(
                'modalities: expected names, not "present", and one column or more for each. '
                f"Received: {{{name!r}: {columns!r}}}"
            )
        used += columns if isinstance(columns, list) else [columns]
    known = list(df.columns)
    unknown = [column for column in used if column not in known]
    if unknown:
        raise ValueError(f"modalities: expected some of the columns {known}. Received: {unknown}")
    if label not in known or label in used:
        raise ValueError(
            f"label: expected one of the columns {[c for c in known if c not in used]}, which no "
            f"modality reads. Received: {label!r}"
        )
    twice = [column for column in (*used, label) if known.count(column) > 1]
    if twice:
        raise ValueError(
            f"df: expected every column once. Received: {sorted(set(map(str, twice)))} more than "
            "once; df.loc[:, ~df.columns.duplicated()] keeps the first"
        )


def _check_sizes(image_size, seconds, max_words, length):
    check_int("max_words", max_words)
    if length is not None:
        check_int("length", length)
    if image_size is not None:
        if not isinstance(image_size, (list, tuple)) or len(image_size) != 2:
            raise ValueError(f"image_size: expected two ints >= 1. Received: {image_size!r}")
        for size in image_size:
            check_int("image_size", size)
    if seconds is not None and not (is_number(seconds) and 0 < seconds < float("inf")):
        raise ValueError(f"seconds: expected a float > 0. Received: {seconds!r}")


def _labels(column, label):
    """`y` of all rows, and the sorted classes, or None for a regression."""
    values = [None if is_missing(v) else plain(v) for v in np.asarray(column).astype(object)]
    missing = [row for row, value in enumerate(values) if value is None]
    if missing:
        raise ValueError(
            f"label: expected a value of {label!r} in every row. Received: none in {len(missing)} "
            f"of {len(values)}, first in row {missing[0]}; df.dropna(subset=[{label!r}]) leaves "
            "such rows out"
        )
    kinds = {type(value) for value in values}
    if kinds == {float} and str(column.dtype) != "category":
        if not np.isfinite(values).all():
            raise ValueError(f"label: expected finite numbers in {label!r}. Received: infinity")
        return np.array(values, "float32"), None
    classes = sorted(set(values)) if len(kinds) == 1 and kinds <= {str, int, bool, float} else []
    if len(classes) < 2:
        received = classes or f"values of the types {sorted(kind.__name__ for kind in kinds)}"
        raise ValueError(
            f"label: expected strings, integers, bools or floats in {label!r}, two different ones "
            f"at least. Received: {received}"
        )
    place = {value: index for index, value in enumerate(classes)}
    return np.array([place[value] for value in values], "int32"), classes


def _rows(df, split, seed, y, classes):
    """Dict, the row numbers of each part that has any."""
    if isinstance(split, str):
        if split not in df.columns:
            raise ValueError(
                f"split: expected three shares or one of the columns {list(df.columns)}. "
                f"Received: {split!r}"
            )
        names = np.asarray(df[split]).astype(object)
        odd = sorted({repr(name) for name in names if name not in _PARTS})
        rows = {part: np.flatnonzero(names == part) for part in _PARTS}
        if odd or not len(rows["train"]):
            raise ValueError(
                f"split: expected {_PARTS} in the column {split!r}, and rows of the first. "
                f"Received: {odd or 'none of the first'}"
            )
    else:
        shares = split if isinstance(split, (list, tuple)) else ()
        are_shares = all(is_number(share) and 0 <= share <= 1 for share in shares)
        if len(shares) != 3 or not are_shares or abs(sum(shares) - 1) > 1e-6 or not shares[0]:
            raise ValueError(
                "split: expected the name of a column, or the shares of train, validation and "
                f"test, which add up to 1. Received: {split!r}"
            )
        counts = [max(1, round(share * len(df))) if share else 0 for share in shares[1:]]
        if sum(counts) >= len(df):
            raise ValueError(
                f"split: expected a row or more in every part. Received: {tuple(split)} of "
                f"{len(df)} rows"
            )
        counts = dict(zip(_PARTS, (None, *counts), strict=True))
        labels = np.zeros(len(y), int) if classes is None else y
        rows = splits.stratified(labels, counts, seed)
    return {part: kept for part, kept in rows.items() if len(kept)}


def _said(encoder, parts, label):
    counts = ", ".join(f"{len(y):,} {part}" for part, (_, y) in parts.items())
    what = "numbers" if encoder.classes is None else f"{len(encoder.classes)} classes"
    return f"{encoder}\n{label} is predicted: {what}; {counts}"
