"""Clothing reviews: what a customer wrote, and a table of what else is known of the review.

Origin: N. Brooks, "Women's E-Commerce Clothing Reviews", Kaggle, 2018
(https://www.kaggle.com/datasets/nicapotato/womens-ecommerce-clothing-reviews). Licence: CC0,
https://creativecommons.org/publicdomain/zero/1.0/

Read from `reviews.csv.gz` (22,621 reviews: those of Kaggle's 23,486 that have a text and a
department, each text once), or from Kaggle's own file, `Womens Clothing E-Commerce Reviews.csv`,
which is filtered in the same way here. Both are UTF-8 with the columns `Clothing ID`, `Age`,
`Title`, `Review Text`, `Rating`, `Recommended IND`, `Positive Feedback Count`, `Division Name`,
`Department Name`, `Class Name`. Reviews are cut at about 500 characters at the source.
"""

import csv
import gzip
import hashlib
import io
import sys

import numpy as np

from keras_fusion._checks import check_choice
from keras_fusion.datasets._io import checks, files, splits

DEPARTMENTS = ("Bottoms", "Dresses", "Intimate", "Jackets", "Tops", "Trend")
"""The departments of the labels 0 to 5."""

DIVISIONS = ("General", "General Petite", "Initmates")
"""The divisions, spelt as in the file."""

_DIVISION = tuple(f"division {name}" for name in DIVISIONS)
_DEPARTMENT = tuple(f"department {name}" for name in DEPARTMENTS)
COLUMNS = {
    "department": ("age", "feedback", "rating", "recommended", *_DIVISION),
    "recommended": ("age", "feedback", *_DIVISION, *_DEPARTMENT),
    "rating": ("age", "feedback", *_DIVISION, *_DEPARTMENT),
}
"""The columns of the table for each label: never what gives the label away."""

_LARGEST = 2**28  # bytes; the known text has far fewer
_FILES = ("reviews.csv.gz", "Womens Clothing E-Commerce Reviews.csv")
_SHA256 = "8c7731a0da3e161aa35fbac0d7c455b620b3eff8851576cfda27d49c30128da8"
_SHARES = {"validation": 0.1, "test": 0.2}
_NUMBERS = {
    "age": ("Age", 1, 150),
    "feedback": ("Positive Feedback Count", 0, 10**6),
    "rating": ("Rating", 1, 5),
    "recommended": ("Recommended IND", 0, 1),
}
_HEADER = (
    *(name for name, _, _ in _NUMBERS.values()),
    "Review Text",
    "Division Name",
    "Department Name",
)


def load_data(data_dir=None, label="department", standardize=True):
    """Loads clothing reviews as two modalities, `"text"` and `"table"`.

    Use it for text beside a table. Fusion helps only where it can: macro-F1 of the department
    from the text, the table and both is 0.64, 0.29 and 0.72; of the recommendation 0.85, 0.51
    and 0.85, of the rating 0.68, 0.37 and 0.67 (TF-IDF, one-hot, balanced logistic regression,
    3 folds).

    Args:
        data_dir: Folder `womens_clothing` or the one that holds it. Defaults to the environment
            variable `KERAS_FUSION_DATA`.
        label: What to predict: `"department"` (default, 6 classes, see `DEPARTMENTS`),
            `"recommended"` (1: the customer recommends it, 82 % of the reviews) or `"rating"` (0: 1
            to 3 stars, 1: 4, 2: 5). Defaults to `"department"`.
        standardize: Boolean, whether age, feedback (as log(1 + feedback)), rating and recommended
            are brought to mean 0 and deviation 1 on the training reviews. Defaults to `True`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}` of 15,835, 2,262 and 4,524
        reviews. `x["text"]` is an array `(reviews,)` of `str`, for a
        `keras.layers.TextVectorization` or an encoder. `x["table"]` is a float32 array
        `(reviews, columns)` with the columns `COLUMNS[label]`: numbers, and each division (and
        department) as 0 or 1. Title, clothing ID and class name are left out: the last two give
        the department away, and the rating the recommendation. `y` is an int32 array
        `(reviews,)`. The set has no split of its own: this one is drawn at random (7:1:2),
        stratified by department, always with the same seed, and the same for every label.

    Raises:
        FileNotFoundError: If the folder or the file is not there, or no folder is named.
        ValueError: If `label` is another one, or the file is truncated, lacks a column, has a
            number or a name out of range, or is not the known one (`reviews.csv.gz`: pinned
            SHA-256 of the text).

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.womens_clothing.load_data()  # where KERAS_FUSION_DATA names the folder
    x, y = data["train"]
    print(x["text"].shape, x["table"].shape)  # (15835,) (15835, 7)
    ```

    Reference:
        Brooks (2018), Women's E-Commerce Clothing Reviews, Kaggle.
    """
    check_choice("label", label, tuple(COLUMNS))
    path, text = _read(data_dir)
    columns = parse(path, text)
    department = columns["Department Name"]
    total = len(department)
    counts = {"train": None, **{part: int(total * share) for part, share in _SHARES.items()}}
    rows = splits.stratified(department, counts)
    table = _table(columns, COLUMNS[label], rows["train"] if standardize else None)
    if label == "department":
        y = department
    elif label == "recommended":
        y = columns["recommended"]
    else:
        y = np.clip(columns["rating"] - 3, 0, 2)
    return {
        part: (
            {"text": columns["Review Text"][kept], "table": table[kept]},
            y[kept].astype("int32"),
        )
        for part, kept in rows.items()
    }


def _read(data_dir):
    """Path and text of the file."""
    try:
        folder = files.find("womens_clothing", data_dir, "womens_clothing", _FILES[1:])
        name = _FILES[1]
    except FileNotFoundError:
        folder = files.find("womens_clothing", data_dir, "womens_clothing", _FILES[:1])
        name = _FILES[0]
    path = folder / name
    with files.complete(path, "csv"):
        if name == _FILES[0]:
            with gzip.open(path) as file:
                content = file.read(_LARGEST)
        else:
            content = path.read_bytes()
        text = content.decode("utf-8-sig")
    if name == _FILES[0]:
        digest = hashlib.sha256(content).hexdigest()
        checks.check_hash(path, "a text", digest, _SHA256)
    return path, text


def parse(path, text):
    """The columns of the table, of the reviews that are kept.

    Args:
        path: Where the text is from, for messages.
        text: String, the comma-separated table with its header.

    Returns:
        Dict of arrays: integers `age`, `feedback`, `rating`, `recommended`, `Division Name`,
        `Department Name` (positions in `DIVISIONS` and `DEPARTMENTS`), and strings
        `Review Text`.

    Raises:
        ValueError: If a column is missing or a value is none of those expected.

    Example:

    >>> from keras_fusion.datasets import womens_clothing
    >>> header = "Age,Review Text,Rating,Recommended IND,Positive Feedback Count,"
    >>> header += "Division Name,Department Name"
    >>> columns = womens_clothing.parse("it", header + "\\n33,Soft,5,1,0,General,Tops\\n")
    >>> columns["rating"], columns["Department Name"]
    (array([5]), array([4]))
    """
    csv.field_size_limit(max(csv.field_size_limit(), min(sys.maxsize, 2**31 - 1)))
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(f"{path} is not a complete table (cut off?); get it again: {error}") from (
            error
        )
    header = lines[0] if lines else []
    missing = [name for name in _HEADER if name not in header]
    if missing:
        raise ValueError(
            f"{path}: expected the columns {list(_HEADER)}. Received: a file without {missing}"
        )
    place = {name: header.index(name) for name in _HEADER}
    kept, seen = [], set()
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise ValueError(
                f"{path}: expected {len(header)} fields in row {number}. Received: {len(line)}"
            )
        review = line[place["Review Text"]]
        if review and line[place["Department Name"]] and review not in seen:
            seen.add(review)
            kept.append((number, line))
    columns = {"Review Text": np.array([line[place["Review Text"]] for _, line in kept], str)}
    for key, (name, lowest, highest) in _NUMBERS.items():
        allowed = range(lowest, highest + 1)
        columns[key] = np.array([_number(path, n, name, x[place[name]], allowed) for n, x in kept])
    for name, names in (("Division Name", DIVISIONS), ("Department Name", DEPARTMENTS)):
        columns[name] = np.array([_position(path, n, name, x[place[name]], names) for n, x in kept])
    return columns


def _number(path, row, name, value, allowed):
    if not (value.isascii() and value.isdigit() and len(value) < 9 and int(value) in allowed):
        raise ValueError(
            f"{path}: expected `{name}` from {allowed[0]} to {allowed[-1]} in row {row}. "
            f"Received: {value!r}"
        )
    return int(value)


def _position(path, row, name, value, names):
    if value not in names:
        raise ValueError(
            f"{path}: expected `{name}` in row {row} to be one of {names}. Received: {value!r}"
        )
    return names.index(value)


def _table(columns, names, train):
    """Float32 array `(reviews, names)`; numbers standardised on the rows `train`, or raw."""
    filled = []
    for name in names:
        if name.startswith("division "):
            values = columns["Division Name"] == DIVISIONS.index(name.removeprefix("division "))
        elif name.startswith("department "):
            chosen = DEPARTMENTS.index(name.removeprefix("department "))
            values = columns["Department Name"] == chosen
        else:
            values = columns[name][:, None]
            if name == "feedback" and train is not None:
                values = np.log1p(values)
            if train is not None:
                parts = splits.standardized({"all": values, "train": values[train]}, "train")
                values = parts["all"]
            values = values[:, 0]
        filled.append(values.astype("float32"))
    return np.stack(filled, axis=1)
