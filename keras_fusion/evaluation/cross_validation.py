"""One method on folds of whole groups, with several seeds."""

import numpy as np

from keras_fusion.evaluation.comparing import compare
from keras_fusion.evaluation.folds import check_folds, check_groups, group_folds
from keras_fusion.models.fusion_model import first_input


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
        **arguments: Further arguments of `compare`, such as `results`, `prepare` and `executor`,
            and of `fit_replicas`, such as `epochs`.

    Returns:
        Dictionary `{name: array (folds, seeds)}`, names as `evaluate` gives them; NaN where a run
        failed. To compare several methods on the same folds use `compare(..., folds=)`.

    Raises:
        TypeError, ValueError: folds with a group on both sides, and what `compare` refuses.

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
    samples = len(first_input(x))
    if len(groups) != samples:
        raise ValueError(
            f"groups: expected one for each of {samples} samples. Received: {len(groups)}"
        )
    if not isinstance(folds, (int, list, tuple)):
        raise TypeError(f"folds: expected an int, or a list of (train, test). Received: {folds!r}")
    if isinstance(folds, int):
        folds = group_folds(groups, folds, fold_seed)
    check_folds(folds, samples)
    for *others, test in folds:
        for part in others:
            check_groups(groups, part, test)
    seeds = list(seeds)
    # All scores are returned, and every model has a loss.
    arguments = {"metric": "loss", **arguments}
    found = compare({"cross_validate": build}, (x, y), seeds, folds, **arguments)
    scores = {}
    for run in found.runs:
        for name, value in run["scores"].items():
            table = scores.setdefault(name, np.full((len(folds), len(seeds)), np.nan))
            table[run["fold"], seeds.index(run["seed"])] = value
    return scores
