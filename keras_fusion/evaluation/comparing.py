"""Comparison of several methods on the same data, seeds and protocol."""

from concurrent.futures import Executor

from keras_fusion._checks import check_bool, check_choice, check_keywords
from keras_fusion.evaluation._parts import Source
from keras_fusion.evaluation._plan import Plan
from keras_fusion.evaluation.cells import Cells
from keras_fusion.evaluation.comparison import Comparison
from keras_fusion.evaluation.statistics import check_level
from keras_fusion.training import check_arguments, check_seeds, fit_replicas


def compare(
    methods,
    data,
    seeds,
    folds=None,
    *,
    metric=None,
    reference=None,
    level=0.99,
    prepare=None,
    results=None,
    name="",
    version="",
    data_key=None,
    refresh=False,
    keep_predictions=False,
    executor=None,
    shard=None,
    sample_weight=None,
    backup_dir=None,
    **arguments,
):
    """Trains several methods with several seeds and folds and says which is better, how surely.

    Every method gets the same data, seeds and protocol. Each run is trained as `fit_replicas` does
    it (on JAX with all seeds at once), starts from its own weights, also where a builder closes
    over its backbones, and is scored on the test part once, after training. What chooses an epoch,
    `early_stopping`, sees the validation part only. What can be refused is refused before the
    first training.

    With `results` every run is one file in a folder, written as soon as it is finished, and named
    by the hash of what made it: the bytes of the data after `prepare`, the model's config and
    compile arguments, its initial weights with its seed, all other arguments, and the backend.
    Where all of that agrees a run is read instead of trained, and a line on stderr says so.
    Functions and callbacks count by their names and plain attributes alone: after a change inside
    one, or in the code of a layer of your own, give another `version`.

    Args:
        methods: Dictionary `{name: function}`; a function returns a new compiled model, a
            `FusionModel` or any Keras model with one output. See `baselines`.
        data: Dictionary of "train", "test" and, if there is one, "validation", as
            `keras_fusion.datasets` return it; each `(x, y)`, `(x, y, sample_weight)`, or whatever
            `fit` takes (a `PyDataset`, a tf.data). With `folds` one `(x, y)` of arrays. Or a
            function without arguments that returns that.
        seeds: Sequence of distinct integers.
        folds: Optional list of `(train, test)` or `(train, validation, test)` row numbers, as
            `group_folds` returns it. Defaults to `None`.
        metric: String, the score that is compared, as `evaluate` calls it; "central_accuracy" is
            "accuracy" in a model with one output. Defaults to "central_accuracy", or "accuracy".
        reference: String, the method that the others are tested against. Defaults to the first.
        level: Float between 0 and 1, of the intervals. Defaults to `0.99`.
        prepare: Optional function `(train, validation, test)` that returns these three, called for
            every fold, for what is learned from the training part alone, such as a
            standardisation. Defaults to `None`.
        results: Optional path of a folder for the runs. Defaults to `None`.
        name: String, the name of the data in that folder. Defaults to `""`.
        version: String that stands for what cannot be seen of the code. Defaults to `""`.
        data_key: Optional string that stands for data that are not arrays; without it nothing of
            theirs is reused. Defaults to `None`.
        refresh: Boolean, whether to train anew what is there already. Defaults to `False`.
        keep_predictions: Boolean, whether to keep the predictions on the test part, for
            `Comparison.score`. Defaults to `False`.
        executor: Optional `concurrent.futures.Executor` of processes, or a function that makes
            one, which a dead worker does not stop: `ProcessPoolExecutor` with the start method
            "spawn", or Dask's `client.get_executor` with workers of one thread. Methods, data and
            callbacks must then be picklable. Defaults to `None`, one run after the other.
        shard: Optional `(i, n)`: only every n-th run, from number i, is trained, and the rest is
            left to other processes with the same folder. Needs `results`. Defaults to `None`.
        sample_weight: Optional array, weights of the training samples; with folds of all samples.
            Defaults to `None`.
        backup_dir: Optional path of a folder for unfinished trainings, each in a folder of its own.
            Defaults to `None`.
        **arguments: Further arguments of `fit_replicas`, such as `epochs`, `batch_size`,
            `early_stopping`, `class_weight`, and `callbacks`, a function that makes new ones.

    Returns:
        `Comparison`.

    Raises:
        TypeError, ValueError: arguments, data or models that are not as above.
        OSError: a folder that cannot be written.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> def maker(method):
    ...     def build():
    ...         nets = {"a": kf.backbones.mlp(2, (4,)), "b": kf.backbones.mlp(2, (4,))}
    ...         model = kf.build(method, nets)
    ...         model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...         return model
    ...     return build
    >>> x, y = {"a": np.ones((8, 2)), "b": np.ones((8, 2))}, np.arange(8)
    >>> methods = {method: maker(method) for method in ("late_mean", "gmu")}
    >>> found = kf.evaluation.compare(methods, {"train": (x, y), "test": (x, y)}, seeds=[0, 1])
    >>> {method: scores.shape for method, scores in found.scores.items()}
    {'late_mean': (2,), 'gmu': (2,)}
    """
    if not isinstance(methods, dict) or not methods or not all(map(callable, methods.values())):
        raise TypeError(f"methods: expected a dict of functions. Received: {methods!r}")
    if not all(isinstance(method, str) for method in methods):
        raise TypeError(f"methods: expected strings as names. Received: {list(methods)}")
    seeds = check_seeds(seeds)
    check_level(level)
    check_keywords("arguments of fit_replicas", fit_replicas, arguments)
    check_arguments(next(iter(methods.values())), **arguments)
    if reference is not None:
        check_choice("reference", reference, list(methods))
    for label, value in (("metric", metric), ("data_key", data_key)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{label}: expected a string. Received: {value!r}")
    for label, value in (("name", name), ("version", version)):
        if not isinstance(value, str):
            raise TypeError(f"{label}: expected a string. Received: {value!r}")
    check_bool("refresh", refresh)
    check_bool("keep_predictions", keep_predictions)
    if prepare is not None and not callable(prepare):
        raise TypeError(f"prepare: expected a function. Received: {prepare!r}")
    if folds is not None and (not isinstance(folds, (list, tuple)) or not folds):
        raise TypeError(f"folds: expected a list of (train, test). Received: {folds!r}")
    if executor is not None and not (isinstance(executor, Executor) or callable(executor)):
        raise TypeError(
            "executor: expected a concurrent.futures.Executor or a function that makes one. "
            f"Received: {executor!r}"
        )
    _check_shard(shard, results)
    plan = Plan(
        methods,
        Source(data, folds, prepare, data_key, sample_weight),
        seeds,
        arguments,
        cells=None if results is None else Cells(results),
        name=name,
        version=version,
        keep_predictions=keep_predictions,
        backup_dir=backup_dir,
    )
    _check_number(shard, len(plan.runs))
    metric = plan.check(metric, refresh, shard)
    plan.run(executor, arguments.get("verbose", 0))
    rows = plan.rows()
    if all(row["method"] != reference for row in rows):
        reference = None  # it may be in another shard
    return Comparison.of_runs(rows, metric, reference, level, plan.predictions)


def _check_shard(shard, results):
    if shard is None:
        return
    if (
        not isinstance(shard, (tuple, list))
        or len(shard) != 2
        or not all(isinstance(part, int) and not isinstance(part, bool) for part in shard)
        or not 0 <= shard[0] < shard[1]
    ):
        raise ValueError(f"shard: expected (i, n) with 0 <= i < n. Received: {shard!r}")
    if results is None:
        raise ValueError("results: expected a folder, which all shards share. Received: None")


def _check_number(shard, runs):
    if shard is not None and shard[1] > runs:
        raise ValueError(
            f"shard: expected at most as many as there are runs, {runs}. Received: {shard!r}"
        )
