"""Fixed splits of data sets that have none, the same rows on every machine; standardizing parts."""

import numpy as np

from keras_fusion._checks import check_int


def stratified(labels, counts, seed=0):
    """Splits rows at random so that every class has its share in every part.

    Args:
        labels: Integer array `(rows,)`.
        counts: Dict, the number of rows of each part but the first, which gets the rest
            (its value is ignored).
        seed: Integer. `RandomState`, because NumPy keeps its stream for good. Defaults to `0`.

    Returns:
        Dict, the sorted row numbers of each part.
    """
    rng = np.random.RandomState(seed)
    rows = rng.permutation(len(labels))
    classes = np.asarray(labels)[rows]
    # Rows in the order of their place within their class (0 to 1): any run of them has every
    # class in its share, up to rounding.
    place = np.empty(len(rows))
    for label in np.unique(classes):
        of_class = np.flatnonzero(classes == label)
        place[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
    rows = rows[np.argsort(place, kind="stable")]
    parts, (rest, *others) = {}, counts
    for name in others:
        parts[name], rows = rows[: counts[name]], rows[counts[name] :]
    return {name: np.sort(part) for name, part in {rest: rows, **parts}.items()}


def folds(groups, number, seed=0):
    """Deals rows to folds; rows of one group stay together.

    Args:
        groups: Array `(rows,)` of anything that can be sorted: persons, objects, or the row
            numbers themselves.
        number: Integer, how many folds.
        seed: Integer, of the order in which groups are dealt. Defaults to `0`.

    Returns:
        Int array `(rows,)`, the fold of each row. Folds differ by at most one group.

    Raises:
        ValueError: If there are fewer groups than folds.
    """
    names, group_of_row = np.unique(groups, return_inverse=True)
    if number > len(names):
        raise ValueError(f"folds: expected at most {len(names)}, one a group. Received: {number}")
    fold_of_group = np.empty(len(names), int)
    fold_of_group[np.random.RandomState(seed).permutation(len(names))] = (
        np.arange(len(names)) % number
    )
    return fold_of_group[group_of_row]


def stratified_folds(labels, number, seed=0):
    """Deals rows to folds so that every class is spread over all of them.

    Args:
        labels: Integer array `(rows,)`.
        number: Integer, how many folds.
        seed: Integer, of the order within a class. Defaults to `0`.

    Returns:
        Int array `(rows,)`, the fold of each row. Sizes of folds differ by at most one.
    """
    rng = np.random.RandomState(seed)
    labels = np.asarray(labels)
    fold, dealt = np.empty(len(labels), int), 0
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        fold[rows] = (dealt + np.arange(len(rows))) % number
        dealt += len(rows)
    return fold


def of_fold(fold_of_row, fold, validation=True):
    """Row numbers of the parts: test is one fold, validation the next one, train the rest."""
    number = fold_of_row.max() + 1
    test = fold_of_row == fold
    if not validation:
        return {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
    kept = fold_of_row == (fold + 1) % number
    return {
        "train": np.flatnonzero(~(test | kept)),
        "validation": np.flatnonzero(kept),
        "test": np.flatnonzero(test),
    }


def check_fold(folds, fold):
    """An error unless there are at least three folds and `fold` is one of them."""
    check_int("folds", folds, minimum=3)
    if not isinstance(fold, int) or isinstance(fold, bool) or not 0 <= fold < folds:
        raise ValueError(f"fold: expected an int from 0 to {folds - 1}. Received: {fold!r}")


def standardized(parts, mean_of):
    """Arrays minus mean, over standard deviation, both of one of them.

    Args:
        parts: Dictionary of float arrays `(rows, features)`.
        mean_of: Key of the part that mean and deviation are taken from. A feature that is
            constant there is only centred.

    Returns:
        Dict of float32 arrays.
    """
    reference = parts[mean_of].astype("float64")
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    deviation[deviation == 0] = 1
    return {key: ((part - mean) / deviation).astype("float32") for key, part in parts.items()}
