"""Comparison of several methods on the same data, seeds and protocol."""

import json
import os
import time

import keras

from keras_fusion._checks import check_bool, check_keywords
from keras_fusion.evaluation.results import append_results, check_path, environment, read_results
from keras_fusion.evaluation.statistics import (
    as_floats,
    check_level,
    holm,
    mean_interval,
    paired_t_test,
    welch_test,
    wilcoxon_test,
    z_test,
)
from keras_fusion.training import fit_replicas
from keras_fusion.training.replicas import check_seeds


class Comparison:
    """Scores of several methods over seeds or folds, with intervals and tests.

    `compare` makes it; other scores, such as the folds of `cross_validate`, can be given directly.
    Printed it is a table.

    Args:
        scores: Dictionary `{method: sequence of floats}`, one for each seed or fold.
        metric: String, what the scores are. Defaults to `"accuracy"`.
        reference: String, the method that the others are tested against, best named before the
            scores are known. Defaults to the first.
        level: Float between 0 and 1, of the intervals. Defaults to `0.99`.
        paired: Boolean, whether the i-th scores of all methods belong together, as on folds. Adds
            the paired tests. Defaults to `False`.
        environment: Optional dictionary of versions and hardware. Defaults to `None`.

    Attributes:
        scores: Dictionary `{method: array}`.

    Raises:
        ValueError: no methods, an unknown reference, or paired scores of different numbers.

    Example:

    >>> import keras_fusion as kf
    >>> scores = {"concat": [0.90, 0.91, 0.92], "gmu": [0.95, 0.96, 0.955]}
    >>> print(kf.evaluation.Comparison(scores, "accuracy", level=0.95))
    method  runs    mean   95 % interval  difference    z: p  Welch t: p
    concat     3  0.9100  0.8852..0.9348
    gmu        3  0.9550  0.9426..0.9674     +0.0450  0.0000      0.0065
    """

    def __init__(
        self, scores, metric="accuracy", reference=None, level=0.99, paired=False, environment=None
    ):
        if not isinstance(scores, dict):
            raise TypeError(f"scores: expected a dict keyed by method. Received: {scores!r}")
        if not scores:
            raise ValueError("scores: expected one method or more. Received: none")
        check_level(level)
        check_bool("paired", paired)
        self.scores = {name: as_floats("scores", values) for name, values in scores.items()}
        reference = next(iter(scores)) if reference is None else reference
        if reference not in scores:
            raise ValueError(f"reference: expected one of {list(scores)}. Received: {reference!r}")
        if paired and len({len(values) for values in self.scores.values()}) > 1:
            counts = {name: len(values) for name, values in self.scores.items()}
            raise ValueError(f"scores: expected as many for all methods. Received: {counts}")
        self.metric, self.reference, self.level = metric, reference, level
        self.paired, self.environment = paired, environment

    def rows(self):
        """The table as a list of dictionaries.

        Returns:
            For every method "method", "runs", "mean", "low", "high" and, but for the reference,
            "difference" (of the means) and for each test `p_<test>` and `holm_<test>`, corrected
            for as many methods as were tested. Without two runs tests are NaN.
        """
        tests = {"z": z_test, "welch": welch_test}
        if self.paired:
            tests.update(paired_t=paired_t_test, wilcoxon=wilcoxon_test)
        base = self.scores[self.reference]
        rows = []
        for name, values in self.scores.items():
            mean, low, high = mean_interval(values, self.level)
            row = {"method": name, "runs": len(values), "mean": mean, "low": low, "high": high}
            if name != self.reference:
                row["difference"] = mean - float(base.mean())
                enough = min(len(values), len(base)) > 1
                for test, function in tests.items():
                    row[f"p_{test}"] = function(values, base).p if enough else float("nan")
            rows.append(row)
        tested = [row for row in rows if "difference" in row]
        for test in tests:
            corrected = holm([row[f"p_{test}"] for row in tested])
            for row, p in zip(tested, corrected, strict=True):
                row[f"holm_{test}"] = float(p)
        return rows

    def table(self):
        """Headings and rows as strings; probabilities are the corrected ones."""
        titles = {"z": "z: p", "welch": "Welch t: p", "paired_t": "paired t: p"}
        rows = self.rows()
        tests = list(dict.fromkeys(n[5:] for row in rows for n in row if n.startswith("holm_")))
        interval = f"{100 * self.level:g} % interval"
        lines = [["method", "runs", "mean", interval]]
        if tests:
            lines[0] += ["difference", *(titles.get(test, "Wilcoxon: p") for test in tests)]
        for row in rows:
            line = [row["method"], str(row["runs"]), f"{row['mean']:.4f}"]
            line.append(f"{row['low']:.4f}..{row['high']:.4f}" if row["runs"] > 1 else "")
            if tests:
                own = "difference" in row
                line.append(f"{row['difference']:+.4f}" if own else "")
                line += [f"{row[f'holm_{test}']:.4f}" if own else "" for test in tests]
            lines.append(line)
        return lines

    def __str__(self):
        lines = self.table()
        wide = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        return "\n".join(
            "  ".join([line[0].ljust(wide[0]), *map(str.rjust, line[1:], wide[1:])]).rstrip()
            for line in lines
        )


def compare(
    methods,
    data,
    seeds,
    *,
    metric=None,
    reference=None,
    level=0.99,
    results=None,
    name="",
    **arguments,
):
    """Trains several methods with several seeds and says which is better, and how sure that is.

    Every method gets the same data, seeds and protocol. Each is trained by `fit_replicas`, on JAX
    with all seeds at once, and scored on the test part once, after training. What chooses an
    epoch, `early_stopping`, sees the validation part only.

    Args:
        methods: Dictionary `{name: function}`; a function returns a new compiled model.
        data: Dictionary of `(x, y)`: "train", "test" and, if there is one, "validation", as
            `keras_fusion.datasets` return it.
        seeds: Sequence of distinct integers.
        metric: String, the score that is compared, as `evaluate` calls it. Defaults to
            "central_accuracy", or "accuracy".
        reference: String, the method that the others are tested against. Defaults to the first.
        level: Float between 0 and 1, of the intervals. Defaults to `0.99`.
        results: Optional path of a file `.csv` or `.jsonl` to which every run is appended with its
            scores, seed, arguments, versions and hardware. Runs that are in it already, with the
            same arguments, are not trained again. Defaults to `None`.
        name: String, the name of the data in that file. Defaults to `""`.
        **arguments: Further arguments of `fit_replicas`, such as `epochs` and `batch_size`.

    Returns:
        `Comparison`.

    Raises:
        TypeError, ValueError: arguments that are not as above.

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
    seeds = check_seeds(seeds)
    check_level(level)
    check_keywords("arguments of fit_replicas", fit_replicas, arguments)
    if not isinstance(data, dict) or not {"train", "test"} <= set(data):
        received = sorted(data) if isinstance(data, dict) else type(data).__name__
        raise ValueError(f'data: expected "train" and "test". Received: {received}')
    if reference is not None and reference not in methods:
        raise ValueError(f"reference: expected one of {list(methods)}. Received: {reference!r}")
    protocol = {
        "data": name,
        "samples": len(keras.tree.flatten(data["train"])[0]),
        "arguments": {key: _described(value) for key, value in sorted(arguments.items())},
    }
    if "validation" in data:
        arguments = {"validation_data": data["validation"], **arguments}
    if results is not None:
        check_path(results, "results")
    surroundings = environment()
    earlier = read_results(results) if results is not None and os.path.exists(results) else []
    scores = {}
    for method, build in methods.items():
        done = {
            row["seed"]: row["scores"]
            for row in earlier
            if row.get("method") == method and all(row.get(k) == protocol[k] for k in protocol)
        }
        missing = [seed for seed in seeds if seed not in done]
        if missing:
            begin = time.perf_counter()
            replicas = fit_replicas(build, *data["train"], missing, **arguments)
            size = arguments.get("batch_size", 32)
            found = replicas.evaluate(*data["test"], batch_size=size)
            seconds = (time.perf_counter() - begin) / len(missing)
            for k, seed in enumerate(missing):
                done[seed] = {metric: float(values[k]) for metric, values in found.items()}
            if results is not None:
                rows = [
                    {"method": method, "seed": int(seed), **protocol, "scores": done[seed],
                     "epoch": int(replicas.best_epochs[k]), "seconds": round(seconds, 3),
                     **surroundings}
                    for k, seed in enumerate(missing)
                ]  # fmt: skip
                append_results(results, rows)
        metric = _metric(metric, done[seeds[0]])
        scores[method] = [done[seed][metric] for seed in seeds]
    return Comparison(scores, metric, reference, level, environment=surroundings)


def _metric(metric, scores):
    if metric is None:
        metric = next((n for n in ("central_accuracy", "accuracy") if n in scores), None)
    if metric not in scores:
        raise ValueError(f"metric: expected one of {sorted(scores)}. Received: {metric!r}")
    return metric


def _described(value):
    """An argument as it is written to a file, the same in every process."""
    if isinstance(value, keras.callbacks.EarlyStopping):
        names = ("monitor", "patience", "min_delta", "mode", "baseline", "restore_best_weights")
        return {name: getattr(value, name) for name in (*names, "start_from_epoch")}
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    try:
        return json.loads(json.dumps(value))
    except TypeError:
        return type(value).__name__
