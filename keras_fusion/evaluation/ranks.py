"""Comparison of several methods over several data sets, by their ranks."""

import math

import numpy as np

from keras_fusion._checks import check_bool, check_int
from keras_fusion.evaluation.statistics import (
    TestResult,
    check_level,
    check_sample,
    import_scipy_stats,
)


class RankComparison:
    """Mean ranks of methods over data sets, and the tests; `compare_over_data_sets` makes it.

    Printed it is a table, the best method first. Methods that share a letter do not differ.

    Args:
        ranks: Dictionary `{method: float}`, mean ranks; 1 is the best.
        data_sets: Positive integer, over how many they are means.
        level: Float between 0 and 1, of the tests. Defaults to `0.05`.
        friedman: Optional `(statistic, p)` of Friedman's test. Defaults to `None`, not known.
        iman_davenport: Optional `(statistic, p)` of Iman and Davenport's form of it. Defaults to
            `None`, not known.

    Attributes:
        critical_difference: Float, by how much the mean ranks of two methods differ at least where
            the methods do.
        cliques: List of tuples of methods that do not differ, as large as they can be; a method
            that differs from all others is in none. One of all where Iman and Davenport's test
            finds no difference.

    Example:

    >>> import keras_fusion as kf
    >>> print(kf.evaluation.RankComparison({"concat": 2.1, "gmu": 1.2, "sum": 2.7}, data_sets=20))
    method  mean rank  not different
    gmu        1.2000
    concat     2.1000              a
    sum        2.7000              a
    critical difference 0.7411 of mean ranks over 20 data sets, at level 0.05
    """

    def __init__(self, ranks, data_sets, level=0.05, friedman=None, iman_davenport=None):
        if not isinstance(ranks, dict) or len(ranks) < 2:
            raise ValueError(f"ranks: expected a dict of two methods or more. Received: {ranks!r}")
        values = check_sample("ranks", list(ranks.values()))
        order = np.argsort(values, kind="stable")
        names = list(ranks)
        self.ranks = {names[i]: float(values[i]) for i in order}
        self.data_sets, self.level = data_sets, level
        self.friedman = None if friedman is None else TestResult(*friedman)
        self.iman_davenport = None if iman_davenport is None else TestResult(*iman_davenport)
        self.critical_difference = critical_difference(len(ranks), data_sets, level)
        self.cliques = self._cliques()

    def _cliques(self):
        names, ranks = list(self.ranks), list(self.ranks.values())
        if self.iman_davenport is not None and not self.iman_davenport.p < self.level:
            return [tuple(names)]
        found, last = [], 0
        for start in range(len(names)):
            end = start + 1
            while end < len(names) and ranks[end] - ranks[start] < self.critical_difference:
                end += 1
            if end > max(last, start + 1):  # else it is part of the one before
                found.append(tuple(names[start:end]))
                last = end
        return found

    def table(self):
        """Headings and rows as strings."""
        lines = [["method", "mean rank", "not different"]]
        for name, rank in self.ranks.items():
            letters = "".join(_letter(i) for i, of in enumerate(self.cliques) if name in of)
            lines.append([name, f"{rank:.4f}", letters])
        return lines

    def __str__(self):
        lines = self.table()
        wide = [max(len(line[i]) for line in lines) for i in range(3)]
        lines = [
            "  ".join([line[0].ljust(wide[0]), *map(str.rjust, line[1:], wide[1:])]).rstrip()
            for line in lines
        ]
        lines.append(
            f"critical difference {self.critical_difference:.4f} of mean ranks over "
            f"{self.data_sets} data sets, at level {self.level:g}"
        )
        for title, test in (("Friedman: chi2", self.friedman),
                            ("Iman-Davenport: F", self.iman_davenport)):  # fmt: skip
            if test is not None:
                lines.append(f"{title} {test.statistic:.4f}, p {test.p:.4f}")
        return "\n".join(lines)


def compare_over_data_sets(scores, level=0.05, higher_is_better=True):
    """Ranks methods on every data set, and says which mean ranks differ.

        F = (N - 1) chi2 / (N (k - 1) - chi2),  CD = q sqrt(k (k + 1) / (6 N))

    Use it for k methods on N data sets: scores of different data sets cannot be averaged, ranks
    can. Friedman's chi2 (with its correction for ties) and Iman and Davenport's F test whether any
    method differs; where F says so, two methods differ if their mean ranks do by the critical
    difference CD (Nemenyi's test, q of the studentised range). Give one mean for a data set: seeds
    and folds of one are not independent data sets.

    Args:
        scores: Dictionary `{method: sequence of floats}`, three methods or more, their mean scores
            on the same two data sets or more, in one order. Equal scores share their ranks.
        level: Float between 0 and 1, of the tests. Defaults to `0.05`.
        higher_is_better: Boolean, `False` for errors and losses. Defaults to `True`.

    Returns:
        `RankComparison`. Tests are NaN where all methods are equal everywhere.

    Raises:
        TypeError, ValueError: scores that are not as above.

    Example:

    >>> import keras_fusion as kf
    >>> scores = {
    ...     "concat": [0.90, 0.70, 0.81, 0.62, 0.75, 0.93],
    ...     "gmu": [0.95, 0.74, 0.83, 0.69, 0.78, 0.97],
    ...     "sum": [0.89, 0.71, 0.80, 0.61, 0.70, 0.92],
    ... }
    >>> print(kf.evaluation.compare_over_data_sets(scores))
    method  mean rank  not different
    gmu        1.0000              a
    concat     2.1667             ab
    sum        2.8333              b
    critical difference 1.3531 of mean ranks over 6 data sets, at level 0.05
    Friedman: chi2 10.3333, p 0.0057
    Iman-Davenport: F 31.0000, p 0.0001

    Reference:
        Demsar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, Sect. 3.2.
    """
    if not isinstance(scores, dict):
        raise TypeError(f"scores: expected a dict keyed by method. Received: {scores!r}")
    if len(scores) < 3:
        raise ValueError(
            "scores: expected three methods or more; for two there is `wilcoxon_test`. "
            f"Received: {list(scores)}"
        )
    check_level(level)
    check_bool("higher_is_better", higher_is_better)
    columns = [check_sample(f"scores[{name!r}]", values) for name, values in scores.items()]
    counts = {name: len(values) for name, values in zip(scores, columns, strict=True)}
    if len(set(counts.values())) > 1:
        raise ValueError(f"scores: expected as many for all methods. Received: {counts}")
    table = np.stack(columns, axis=1) * (-1 if higher_is_better else 1)
    stats = import_scipy_stats()
    ranks = stats.rankdata(table, axis=1)
    means = dict(zip(scores, ranks.mean(axis=0), strict=True))
    count, methods = table.shape
    friedman = iman_davenport = TestResult(math.nan, math.nan)
    if np.ptp(table, axis=1).any():
        found = stats.friedmanchisquare(*ranks.T)
        friedman = TestResult(float(found.statistic), float(found.pvalue))
        left = count * (methods - 1) - friedman.statistic
        # Nothing is left where all data sets agree, but for rounding.
        f = (count - 1) * friedman.statistic / left if left > 1e-9 * count else math.inf
        freedom = methods - 1, (methods - 1) * (count - 1)
        iman_davenport = TestResult(float(f), float(stats.f.sf(f, *freedom)))
    return RankComparison(means, count, level, friedman, iman_davenport)


def critical_difference(methods, data_sets, level):
    """By how much mean ranks differ at least where the methods do, after Nemenyi."""
    check_int("data_sets", data_sets)
    check_level(level)
    q = import_scipy_stats().studentized_range.ppf(1 - level, methods, math.inf) / math.sqrt(2)
    return float(q * math.sqrt(methods * (methods + 1) / (6 * data_sets)))


def _letter(index):
    """a to z, then a1, b1, ..."""
    return chr(ord("a") + index % 26) + (str(index // 26) if index >= 26 else "")
