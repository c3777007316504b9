"""What a column of raw values holds, whoever made it: pandas, NumPy, or a list."""

import numpy as np

COLUMNS = ("number", "category", "text", "image", "sound")
ARRAYS = ("vector", "sequence", "image", "ids")
KINDS = tuple(dict.fromkeys((*COLUMNS, *ARRAYS)))
_ENDINGS = {
    "image": (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    "sound": (".wav", ".flac", ".ogg", ".mp3"),
}
MOST = 50  # categories a column keeps, and different strings up to which it is one of categories


def raw(label, values):
    """A column as floats with NaN, or as strings with None, where a value is missing.

    Args:
        label: String, for errors.
        values: List, array or column of pandas.
    """
    array, of_categories = np.asarray(values), is_category(values)
    if array.ndim != 1:
        raise ValueError(f"{label}: expected one value a row. Received: shape {array.shape}")
    if array.dtype.kind in "biuf" and not of_categories:
        return _finite(label, array.astype("float64"))
    if array.dtype.kind in "mM":
        _refuse_dates(label, str(array.dtype))
    items = [None if is_missing(value) else value for value in array.astype(object)]
    there = [value for value in items if value is not None]
    if any(hasattr(value, "isoformat") for value in there):
        _refuse_dates(label, repr(next(v for v in there if hasattr(v, "isoformat"))))
    if all(isinstance(v, (bool, int, float, np.number, np.bool_)) for v in there):
        floats = np.array([np.nan if v is None else float(v) for v in items])
        # A column without any value is both.
        return strings(label, floats, "category") if of_categories else _finite(label, floats)
    if not all(isinstance(value, (str, bytes)) for value in there):
        odd = next(value for value in there if not isinstance(value, (str, bytes)))
        raise ValueError(f"{label}: expected numbers, or strings. Received: {odd!r} among them")
    return _objects([v.decode("utf-8") if isinstance(v, bytes) else v for v in items])


def is_missing(value):
    """Whether it is None, NaN, or pandas' own sign of a missing value."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def numbers(label, values):
    """A column of `raw` as floats; an error if it is strings."""
    if values.dtype.kind == "f":
        return values
    there = [value for value in values if value is not None]
    if there:
        raise ValueError(f"{label}: expected numbers. Received: {there[0]!r}")
    return np.full(len(values), np.nan)


def strings(label, values, kind):
    """A column of `raw` as strings and None; numbers are strings where they are categories."""
    if values.dtype.kind != "f":
        return values
    if kind != "category" and not np.isnan(values).all():
        raise ValueError(
            f"{label}: expected strings, as it is of the kind {kind!r}. Received: numbers"
        )
    return _objects([None if np.isnan(value) else names_of([value])[0] for value in values])


def names_of(values):
    """Numbers as strings: 3 of 3.0, as a gap in a column makes floats of its integers."""
    return [str(int(value)) if float(value).is_integer() else str(value) for value in values]


def is_category(values):
    """Whether a column of pandas says so."""
    return getattr(getattr(values, "dtype", None), "name", "") == "category"


def kind_of(values, alone):
    """The kind that a column of `raw` looks like.

    Args:
        values: The column.
        alone: Boolean, whether it is all that a modality has, and may be a text or paths.
    """
    if values.dtype.kind == "f":
        return "number"
    there = [value for value in values if value is not None]
    for kind, endings in _ENDINGS.items() if alone else ():
        if there and all(value.lower().endswith(endings) for value in there):
            return kind
    return "text" if alone and len(set(there)) > min(MOST, len(there) // 2) else "category"


def _objects(items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


def _finite(label, values):
    if np.isinf(values).any():
        raise ValueError(
            f"{label}: expected finite numbers, NaN where one is missing. Received: infinity in "
            f"row {int(np.isinf(values).argmax())}"
        )
    return values


def _refuse_dates(label, received):
    raise ValueError(
        f"{label}: expected numbers, strings, bools or categories. Received: dates ({received}). "
        'Make of them what counts, such as df["day"].dt.dayofweek or the days since one of them'
    )
