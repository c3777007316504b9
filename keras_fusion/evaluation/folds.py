"""Folds of whole groups, such as people: none is in the training and in the test part."""

import numpy as np

from keras_fusion._checks import check_int, check_seed


def group_folds(groups, folds=5, seed=None):
    """Splits samples into folds so that the samples of a group stay together.

    Use it where samples of one person, recording or object are alike: a model that has seen some
    of them would score too well on the others.

    Args:
        groups: Sequence with the group of every sample, integers or strings.
        folds: Integer from 2 up, at most the number of groups. Defaults to `5`.
        seed: Optional integer, for folds at random. Defaults to `None`, the folds of scikit-learn's
            `GroupKFold`, as equal in size as possible and always the same.

    Returns:
        List of `(train, test)`, two arrays of row numbers for each fold. That no group is on both
        sides is checked.

    Raises:
        ValueError: fewer groups than folds.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> import keras_fusion as kf
    >>> folds = kf.evaluation.group_folds(["ann", "ann", "bob", "cid"], folds=3)
    >>> sorted(test.tolist() for train, test in folds)
    [[0, 1], [2], [3]]
    """
    check_int("folds", folds, minimum=2)
    check_seed("seed", seed)
    groups = np.asarray(groups)
    if groups.ndim != 1 or len(np.unique(groups)) < folds:
        raise ValueError(
            f"groups: expected one for every sample, of {folds} or more kinds. Received: shape "
            f"{groups.shape}, {len(np.unique(groups))} kinds"
        )
    try:
        from sklearn.model_selection import GroupKFold
    except ImportError as error:
        raise ImportError(
            'folds need scikit-learn, which is not installed: pip install "keras_fusion[stats]"'
        ) from error
    if seed is None:
        splitter = GroupKFold(folds)
    else:
        splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    found = [(train, test) for train, test in splitter.split(groups, groups=groups)]
    for train, test in found:
        check_groups(groups, train, test)
    return found


def check_groups(groups, train, test):
    """An error if a group, or a sample, is in the training and in the test part.

    Args:
        groups: Sequence with the group of every sample.
        train, test: Sequences of row numbers.

    Raises:
        ValueError: names the groups on both sides.

    Example:

    >>> import keras_fusion as kf
    >>> kf.evaluation.check_groups(["ann", "bob", "bob"], train=[0], test=[1, 2])
    """
    groups = np.asarray(groups)
    for label, rows in (("train", train), ("test", test)):
        outside = [row for row in np.asarray(rows, int).tolist() if not 0 <= row < len(groups)]
        if outside:
            raise ValueError(
                f"{label}: expected row numbers from 0 to {len(groups) - 1}. "
                f"Received: {outside[:3]}"
            )
    both = np.intersect1d(groups[np.asarray(train, int)], groups[np.asarray(test, int)])
    if len(both):
        raise ValueError(
            "groups: expected every group in the training or in the test part. Received: "
            f"{len(both)} in both, such as {both[:3].tolist()}"
        )


def check_folds(folds, samples):
    """An error unless `folds` are row numbers of training and test parts that share no row."""
    for number, fold in enumerate(folds):
        if not isinstance(fold, (list, tuple)) or len(fold) not in (2, 3):
            raise ValueError(
                f"folds[{number}]: expected row numbers (train, test) or (train, validation, "
                f"test). Received: {type(fold).__name__}"
            )
        *others, test = fold
        for part in others:
            check_groups(np.arange(samples), part, test)
