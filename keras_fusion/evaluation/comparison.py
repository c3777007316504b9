"""Scores of several methods: the table, its tests, its files."""

import os

import numpy as np

from keras_fusion._checks import check_bool, check_choice
from keras_fusion.evaluation._rows import (
    check_runs,
    default_metric,
    environments,
    is_finite,
    is_sized,
    runs_of,
    score_of,
)
from keras_fusion.evaluation.cells import Cells
from keras_fusion.evaluation.effects import effect_size
from keras_fusion.evaluation.results import flat, read_results, write_results
from keras_fusion.evaluation.statistics import (
    as_floats,
    check_level,
    corrected_t_test,
    holm,
    mean_interval,
    paired_t_test,
    welch_test,
    wilcoxon_test,
    z_test,
)

MANY = 30  # runs, from which on the z test says something
TITLES = {
    "z": "z: p",
    "welch": "Welch t: p",
    "paired_t": "paired t: p",
    "corrected_t": "corrected t: p",
    "wilcoxon": "Wilcoxon: p",
}


class Comparison:
    """Scores of several methods over seeds or folds, with intervals and tests.

    `compare` makes it; `read` takes it from a folder or a file; other scores can be given directly.
    Printed it is a table.

    Runs that differ in the seed alone are independent, folds are not: they share training samples,
    and seeds share a fold. So the seeds within a fold are averaged first; the means of the folds
    are what has an interval, and what the paired tests and the corrected one compare. Without
    folds the tests are Welch's, and with 30 runs or more the z test.

    Args:
        scores: Dictionary `{method: scores}`: a sequence of floats, one for each run; or, over
            folds, an array `(folds, seeds)`, NaN where there is none.
        metric: String, what the scores are. Defaults to `"accuracy"`.
        reference: String, the method that the others are tested against, best named before the
            scores are known. Defaults to the first.
        level: Float between 0 and 1, of the intervals. Defaults to `0.99`.
        paired: Boolean, whether the i-th scores of all methods belong together, as on folds. Adds
            the paired tests. Defaults to `False`; scores over folds are paired.
        environment: Optional dictionary of versions and hardware. Defaults to `None`.
        test_train_ratio: Optional float, test samples divided by training samples of a fold, for
            the corrected test of paired scores. Defaults to `None`, without that test.
        runs: Optional list of dictionaries, the rows that `save` writes. Defaults to `None`: made
            of the scores.

    Attributes:
        scores: Dictionary `{method: array}`.
        runs: List of dictionaries with "method", "fold", "seed", "scores" and more.

    Raises:
        TypeError, ValueError: no methods, an unknown reference, or paired scores of different
            numbers.

    Example:

    >>> import keras_fusion as kf
    >>> scores = {"concat": [0.90, 0.91, 0.92], "gmu": [0.95, 0.96, 0.955]}
    >>> print(kf.evaluation.Comparison(scores, "accuracy", level=0.95))
    method  runs    mean   95 % interval  difference         effect size  Welch t: p
    concat     3  0.9100  0.8852..0.9348
    gmu        3  0.9550  0.9426..0.9674     +0.0450  ...      0.0065
    """

    def __init__(
        self,
        scores,
        metric="accuracy",
        reference=None,
        level=0.99,
        paired=False,
        environment=None,
        test_train_ratio=None,
        runs=None,
    ):
        if not isinstance(scores, dict):
            raise TypeError(f"scores: expected a dict keyed by method. Received: {scores!r}")
        if not scores:
            raise ValueError("scores: expected one method or more. Received: none")
        check_level(level)
        check_bool("paired", paired)
        self.scores = {name: as_floats("scores", values) for name, values in scores.items()}
        reference = next(iter(scores)) if reference is None else reference
        check_choice("reference", reference, list(scores))
        ranks = {values.ndim for values in self.scores.values()}
        if len(ranks) > 1 or not ranks <= {1, 2}:
            shapes = {name: values.shape for name, values in self.scores.items()}
            raise ValueError(
                f"scores: expected (runs,) or (folds, seeds) for all methods. Received: {shapes}"
            )
        self.folds = ranks == {2}
        self.paired = paired or self.folds
        counts = {name: len(values) for name, values in self.scores.items()}
        if self.paired and len(set(counts.values())) > 1:
            raise ValueError(f"scores: expected as many for all methods. Received: {counts}")
        self.metric, self.reference, self.level = metric, reference, level
        self.environment, self.test_train_ratio = environment, test_train_ratio
        self.runs = runs_of(self.scores, metric) if runs is None else runs
        self._predictions = None  # function of a run

    @classmethod
    def of_runs(cls, runs, metric=None, reference=None, level=0.99, predictions=None):
        """A comparison of rows as `compare` makes them.

        Runs that failed, or whose score is no number, count nowhere; a line on stderr says so.

        Args:
            runs: List of dictionaries with "method", "fold", "seed" and "scores".
            metric, reference, level: As for `read`.
            predictions: Optional function that returns the predictions of a run. Defaults to
                `None`.

        Returns:
            `Comparison`.
        """
        rows = [row for row in runs if row.get("scores")]
        if rows:
            metric = default_metric(rows[0]["scores"]) if metric is None else metric
            rows = [row for row in rows if is_finite(row, metric)]
        if not rows:
            raise ValueError("runs: expected one or more with scores. Received: none")
        methods = list(dict.fromkeys(row["method"] for row in rows))
        folds = sorted({row["fold"] for row in rows if row.get("fold") is not None})
        seeds = list(dict.fromkeys(row.get("seed") for row in rows))
        scores = {}
        for method in methods:
            table = np.full((max(len(folds), 1), len(seeds)), np.nan)
            for row in rows:
                if row["method"] == method:
                    fold = folds.index(row["fold"]) if folds else 0
                    table[fold, seeds.index(row.get("seed"))] = score_of(row["scores"], metric)
            scores[method] = table if folds else table[0, ~np.isnan(table[0])]
        if reference not in scores and any(row["method"] == reference for row in runs):
            reference = None  # none of its runs has a score
        sizes = [(row["test_samples"], row["train_samples"]) for row in rows if is_sized(row)]
        ratio = float(np.mean([test / train for test, train in sizes])) if folds and sizes else None
        found = cls(scores, metric, reference, level, environment=environments(rows),
                    test_train_ratio=ratio, runs=list(runs))  # fmt: skip
        found._predictions = predictions
        return found

    @classmethod
    def read(cls, path, metric=None, reference=None, level=0.99, data=None):
        """Reads a comparison from a folder of results, or from a file that `save` wrote.

        Args:
            path: Path of a folder, `results` of `compare`, or of a file `.jsonl`.
            metric: String, the score that is compared. Defaults to "central_accuracy", or
                "accuracy".
            reference: String, the method that the others are tested against. Defaults to the first.
            level: Float between 0 and 1, of the intervals. Defaults to `0.99`.
            data: Optional string, the `name` of the data, where there are results on several.
                Defaults to `None`.

        Returns:
            `Comparison`.

        Raises:
            ValueError: no runs, or runs of one method, fold and seed with different protocols.
        """
        predictions = None
        if isinstance(path, (str, os.PathLike)) and os.path.isdir(path):
            cells = Cells(path)
            rows, predictions = cells.rows(), cells.predictions
        else:
            rows = read_results(path)
        check_runs(rows, path)
        rows = [row for row in rows if data is None or row.get("data") == data]
        seen = {}
        for row in rows:
            which = tuple(row.get(name) for name in ("method", "data", "fold", "seed"))
            if which in seen:
                raise ValueError(
                    f"path: expected one run of {which[0]} with seed {which[3]}. Received: two in "
                    f"{os.fspath(path)!r}, with different data, models or arguments"
                )
            seen[which] = row
        names = {row.get("data") for row in rows}
        if len(names) > 1:
            raise ValueError(f"data: expected one of {sorted(map(str, names))}. Received: {data!r}")
        return cls.of_runs(rows, metric, reference, level, predictions)

    def values(self, method):
        """The scores that are independent: a mean for each fold, or each run's; `(n,)`."""
        scores = self.scores[method]
        if not self.folds:
            return scores
        counts = (~np.isnan(scores)).sum(axis=1)
        return np.where(counts, np.nansum(scores, axis=1) / np.maximum(counts, 1), np.nan)

    def predictions(self, run):
        """The predictions of a run on the test part, where `keep_predictions=True` kept them.

        Args:
            run: Dictionary, one of `runs`.

        Returns:
            Dictionary of arrays, "y_true" and "y_pred" `(samples, ...)`; where a model has several
            outputs "y_pred/<head>" for each.

        Raises:
            ValueError: a run without predictions.
        """
        kept = self._predictions and self._predictions(run)
        if not kept:
            raise ValueError(
                "predictions: expected a run of compare(..., keep_predictions=True). Received: "
                f"none of {run.get('method')}"
            )
        return kept

    def score(self, function, name=None, head="central"):
        """The same runs by another score, computed from their `predictions`.

        Args:
            function: Function `(y_true, y_pred)` that returns a float, such as those of
                scikit-learn after an `argmax`; `y_pred` is the `(samples, ...)` output of a run.
            name: String, what the score is called. Defaults to the function's own name.
            head: String, which output, where a model has several. Defaults to `"central"`.

        Returns:
            `Comparison`.

        Raises:
            ValueError: runs without predictions, or a head that is none.
        """
        name = getattr(function, "__name__", "score") if name is None else name
        rows = []
        for run in self.runs:
            if run.get("failed"):
                continue
            kept = self.predictions(run)
            found = kept.get(f"y_pred/{head}", kept.get("y_pred"))
            truth = kept.get(f"y_true/{head}", kept.get("y_true"))
            if found is None or truth is None:
                raise ValueError(f"head: expected one of {sorted(kept)}. Received: {head!r}")
            rows.append({**run, "scores": {name: float(function(truth, found))}})
        return type(self).of_runs(rows, name, self.reference, self.level, self._predictions)

    def rows(self):
        """The table as a list of dictionaries.

        Returns:
            For every method "method", "runs", "folds" where there are some, "mean", "low", "high"
            and, but for the reference, "difference" (of the means), "effect", "effect_low" and
            "effect_high" (see `effect_size`) and for each test `p_<test>` and `holm_<test>`,
            corrected for as many methods as were tested. Without two runs tests are NaN; a z test
            of fewer than 30 runs is left out.
        """
        base = self.values(self.reference)
        rows = []
        for name in self.scores:
            values = self.values(name)
            mean, low, high = mean_interval(values[~np.isnan(values)], self.level)
            row = {"method": name, "runs": int((~np.isnan(self.scores[name])).sum())}
            if self.folds:
                row["folds"] = int((~np.isnan(values)).sum())
            row.update(mean=mean, low=low, high=high)
            if name != self.reference:
                row.update(self._tests(values, base))
            rows.append(row)
        for test in TITLES:
            tested = [row for row in rows if f"p_{test}" in row]
            corrected = holm([row[f"p_{test}"] for row in tested])
            for row, p in zip(tested, corrected, strict=True):
                row[f"holm_{test}"] = float(p)
        return rows

    def _tests(self, values, base):
        """What a row says of the difference from the reference."""
        if self.paired:
            both = ~np.isnan(values) & ~np.isnan(base)
            values, base = values[both], base[both]
        count = min(len(values), len(base))
        row = {"difference": float(values.mean() - base.mean()) if count else float("nan")}
        tests = {}
        if not self.folds:
            tests = {"z": z_test, "welch": welch_test} if count >= MANY else {"welch": welch_test}
        if self.paired:
            tests.update(paired_t=paired_t_test, wilcoxon=wilcoxon_test)
            if self.test_train_ratio is not None:
                tests["corrected_t"] = lambda a, b: corrected_t_test(a, b, self.test_train_ratio)
        effect = (float("nan"),) * 3
        if count > 1:
            effect = effect_size(values, base, self.level, paired=self.paired)
        row.update(zip(("effect", "effect_low", "effect_high"), effect, strict=True))
        for test, function in tests.items():
            row[f"p_{test}"] = function(values, base).p if count > 1 else float("nan")
        return row

    def table(self):
        """Headings and rows as strings; probabilities are the corrected ones."""
        rows = self.rows()
        largest = max(abs(row["mean"]) for row in rows)
        digits = f".{min(4, max(1, 4 - len(f'{largest:.0f}')))}f" if largest >= 10 else ".4f"
        tests = [test for test in TITLES if any(f"holm_{test}" in row for row in rows)]
        lines = [["method", "runs", *(["folds"] if self.folds else []), "mean",
                  f"{100 * self.level:g} % interval"]]  # fmt: skip
        if len(rows) > 1:
            lines[0] += ["difference", "effect size", *(TITLES[test] for test in tests)]
        for row in rows:
            line = [row["method"], str(row["runs"])]
            line += [str(row["folds"])] if self.folds else []
            line += [_number(row["mean"], digits), _ends(row["low"], row["high"], digits)]
            if "difference" in row:
                effect = _number(row["effect"], "+.2f")
                if effect:
                    effect += f" ({_ends(row['effect_low'], row['effect_high'], '.2f')})"
                line += [_number(row["difference"], f"+{digits}"), effect]
                line += [_probability(row.get(f"holm_{test}", np.nan)) for test in tests]
            lines.append(line + [""] * (len(lines[0]) - len(line)))
        # Single runs have neither intervals nor tests.
        several = any(row.get("folds", row["runs"]) > 1 for row in rows)
        shown = [several or any(line[i] for line in lines[1:]) for i in range(len(lines[0]))]
        return [[cell for cell, on in zip(line, shown, strict=True) if on] for line in lines]

    def __str__(self):
        lines = self.table()
        wide = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        return "\n".join(
            "  ".join([line[0].ljust(wide[0]), *map(str.rjust, line[1:], wide[1:])]).rstrip()
            for line in lines
        )

    def save(self, path):
        """Writes the runs to a file `.jsonl` or `.csv`, or the table to a file `.md`.

        JSON lines can be read back by `read`. Such results are shown and never reused in place of
        a training.

        Args:
            path: Path of a file, replaced as a whole.
        """
        if os.fspath(path).endswith(".md"):
            from keras_fusion.evaluation.report import markdown_report  # it knows this class

            markdown_report(self, path)
        else:
            write_results(path, self.runs)

    def frame(self):
        """The runs as a `pandas.DataFrame`; scores are columns such as "scores.accuracy"."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                'frame needs pandas, which is not installed: pip install "keras_fusion[stats]"'
            ) from error
        return pandas.DataFrame([flat(row) for row in self.runs])


def _number(value, form):
    return "" if np.isnan(value) else format(value, form)


def _probability(value):
    return "< 0.0001" if value < 0.0001 else _number(value, ".4f")


def _ends(low, high, form):
    return "" if np.isnan(low) else f"{low:{form}}..{high:{form}}"
