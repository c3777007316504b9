"""Folds of whole groups, such as people: none is in the training and in the test part."""

import keras
import numpy as np

from keras_fusion._checks import check_int, check_keywords, check_seed
from keras_fusion.models.fusion_model import first_input
from keras_fusion.training import fit_replicas


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


def cross_validate(build, x, y, groups, folds=5, seeds=(0,), fold_seed=None, **arguments):
    """Trains a new model for every fold and seed, and scores it on the people it has not seen.

    The test part of a fold is read once, after training: no epoch is chosen by it, and no model
    is trained on one fold after another, both of which make scores too good.

    Args:
        build: Function that returns a new compiled model, as for `fit_replicas`.
        x, y: Arrays, or dicts of arrays.
        groups: Sequence with the group of every sample; see `group_folds`.
        folds: Integer, or a list of `(train, test)` row numbers. Defaults to `5`.
        seeds: Sequence of integers: of how many trainings a fold's score is the mean. Defaults to
            `(0,)`.
        fold_seed: Optional integer, the `seed` of `group_folds`. Defaults to `None`.
        **arguments: Further arguments of `fit_replicas`, such as `epochs`.

    Returns:
        Dictionary `{name: array (folds, seeds)}`, names as `evaluate` gives them. The means over
        seeds of two methods, on the same folds, are what `paired_t_test` compares.

    Raises:
        ValueError: folds with a group on both sides.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> def build():
    ...     model = kf.build_gmu({"a": kf.backbones.mlp(2, (4,)), "b": kf.backbones.mlp(2, (4,))})
    ...     model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     return model
    >>> x, y = {"a": np.ones((8, 2)), "b": np.ones((8, 2))}, np.arange(8)
    >>> scores = kf.evaluation.cross_validate(build, x, y, [1, 1, 1, 1, 2, 2, 2, 2], folds=2)
    >>> scores["central_accuracy"].shape
    (2, 1)
    """
    check_keywords("arguments of fit_replicas", fit_replicas, arguments)
    samples = len(first_input(x))
    if len(groups) != samples:
        raise ValueError(
            f"groups: expected one for each of {samples} samples. Received: {len(groups)}"
        )
    if not isinstance(folds, (int, list, tuple)):
        raise TypeError(f"folds: expected an int, or a list of (train, test). Received: {folds!r}")
    found = group_folds(groups, folds, fold_seed) if isinstance(folds, int) else folds
    scores = {}
    for train, test in found:
        check_groups(groups, train, test)

        def part(rows):
            return keras.tree.map_structure(lambda array: np.asarray(array)[rows], (x, y))

        replicas = fit_replicas(build, *part(train), list(seeds), **arguments)
        size = arguments.get("batch_size", 32)
        for name, values in replicas.evaluate(*part(test), batch_size=size).items():
            scores.setdefault(name, []).append(values)
    return {name: np.stack(values) for name, values in scores.items()}
