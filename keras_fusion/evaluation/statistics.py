"""Means with intervals, tests of a difference, and their correction when there are several."""

import math
import warnings
from typing import NamedTuple

import numpy as np

from keras_fusion._checks import check_factor


class TestResult(NamedTuple):
    """The result of a test of a difference: its statistic and the two-sided probability `p`."""

    __test__ = False  # for pytest, which takes it for a test

    statistic: float
    p: float


class Interval(NamedTuple):
    """A mean and the ends of its interval."""

    mean: float
    low: float
    high: float


def import_scipy_stats():
    """Returns `scipy.stats`, or says how to install it."""
    try:
        import scipy.stats
    except ImportError as error:
        raise ImportError(
            'statistics need scipy, which is not installed: pip install "keras_fusion[stats]"'
        ) from error
    return scipy.stats


def mean_interval(values, level=0.99):
    """Mean of independent runs and its Student interval.

        mean +- t(n - 1, (1 + level) / 2) s / sqrt(n)

    Use it for one number over several seeds. The papers of this field give 99 % intervals. It
    says how the seed moves the mean, with the data as they are; another test set would move it
    further.

    Args:
        values: Sequence of floats, one for each run.
        level: Float between 0 and 1. Defaults to `0.99`.

    Returns:
        `(mean, low, high)`; both ends are NaN for a single run.

    Raises:
        ValueError: no or infinite values, or a level outside (0, 1).

    Example:

    >>> import keras_fusion as kf
    >>> [round(end, 3) for end in kf.evaluation.mean_interval([0.9, 0.91, 0.92], level=0.95)]
    [0.91, 0.885, 0.935]

    Reference:
        Student (1908), The Probable Error of a Mean.
    """
    values = check_sample("values", values, 1)
    check_level(level)
    mean, count = float(values.mean()), len(values)
    if count == 1:
        return Interval(mean, math.nan, math.nan)
    factor = import_scipy_stats().t.ppf((1 + level) / 2, count - 1)
    half = float(factor * values.std(ddof=1) / math.sqrt(count))
    return Interval(mean, mean - half, mean + half)


def check_level(level):
    """An error unless `level` is a number between 0 and 1."""
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 < level < 1:
        raise ValueError(f"level: expected a float in (0, 1). Received: {level!r}")


def z_test(first, second):
    """Two-sample z test: do two sets of runs have different means?

        z = (mean_1 - mean_2) / sqrt(s_1^2 / n_1 + s_2^2 / n_2)

    For many runs, 30 or more each; with fewer it finds too many differences: use `welch_test`.
    The tables of this package leave it blank there.

    Args:
        first, second: Sequences of two or more floats, of any lengths.

    Returns:
        `(statistic, p)`, two-sided; NaN where neither varies.

    Example:

    >>> import keras_fusion as kf
    >>> round(kf.evaluation.z_test([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]).statistic, 3)
    -1.225
    """
    a, b = check_sample("first", first), check_sample("second", second)
    spread = math.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    if not (varies(a) or varies(b)):
        return TestResult(math.nan, math.nan)
    z = float(a.mean() - b.mean()) / spread
    return TestResult(z, math.erfc(abs(z) / math.sqrt(2)))


def welch_test(first, second):
    """Welch's t test: do two sets of independent runs have different means?

    Use it for runs of two methods with several seeds each. Their variances may differ.

    Args:
        first, second: Sequences of two or more floats, of any lengths.

    Returns:
        `(statistic, p)`, two-sided; NaN where neither varies.

    Example:

    >>> import keras_fusion as kf
    >>> round(kf.evaluation.welch_test([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]).p, 3)
    0.021

    Reference:
        Welch (1947), The Generalization of Student's Problem.
    """
    a, b = check_sample("first", first), check_sample("second", second)
    if not (varies(a) or varies(b)):
        return TestResult(math.nan, math.nan)
    return _result(import_scipy_stats().ttest_ind, a, b, equal_var=False)


def paired_t_test(first, second):
    """Paired t test: do two methods differ on the same folds?

    Use it for scores of two methods on the same folds, in the same order. Folds share training
    samples, so that it finds more differences than there are, see Dietterich (1998);
    `corrected_t_test` allows for that.

    Args:
        first, second: Sequences of floats of one length, two or more.

    Returns:
        `(statistic, p)`, two-sided; NaN where the differences do not vary.

    Example:

    >>> import keras_fusion as kf
    >>> round(kf.evaluation.paired_t_test([1.0, 2.0, 3.0], [2.0, 4.0, 4.0]).statistic, 3)
    -4.0
    """
    a, b = check_pairs(first, second)
    if not varies(a - b, np.abs(a).max()):
        return TestResult(math.nan, math.nan)
    return _result(import_scipy_stats().ttest_rel, a, b)


def corrected_t_test(first, second, test_train_ratio):
    """Corrected resampled t test: do two methods differ on folds that share training samples?

        t = mean(d) / sqrt((1 / k + n_test / n_train) var(d)),  k - 1 degrees of freedom

    Use it for the k folds of a cross-validation, or for k random splits. The term
    `n_test / n_train` stands for what the folds have in common; with 0 it is `paired_t_test`.
    Average the seeds within a fold first: k counts splits of the data, not trainings.

    Args:
        first, second: Sequences of floats of one length, two or more, in the same order.
        test_train_ratio: Float >= 0, the number of test samples of a fold over that of its
            training samples: `1 / (k - 1)` for k folds.

    Returns:
        `(statistic, p)`, two-sided; NaN where the differences do not vary.

    Example:

    >>> import keras_fusion as kf
    >>> first, second = [1.0, 2.0, 3.0], [2.0, 4.0, 4.0]
    >>> round(kf.evaluation.corrected_t_test(first, second, 1 / 2).statistic, 3)
    -2.53

    Reference:
        Nadeau and Bengio (2003), Inference for the Generalization Error, Sect. 5.
    """
    a, b = check_pairs(first, second)
    check_factor("test_train_ratio", test_train_ratio)
    d = a - b
    if not varies(d, np.abs(a).max()):
        return TestResult(math.nan, math.nan)
    t = float(d.mean() / math.sqrt((1 / len(d) + test_train_ratio) * d.var(ddof=1)))
    return TestResult(t, float(2 * import_scipy_stats().t.sf(abs(t), len(d) - 1)))


def wilcoxon_test(first, second):
    """Wilcoxon's signed-rank test: do two methods differ on the same folds?

    As `paired_t_test`, but of the ranks of the differences, whatever their distribution. With n
    folds p is at least 2^(1 - n): five folds cannot show a difference at 0.05.

    Args:
        first, second: Sequences of floats of one length, two or more.

    Returns:
        `(statistic, p)`, two-sided; NaN where all pairs are equal.

    Example:

    >>> import keras_fusion as kf
    >>> kf.evaluation.wilcoxon_test([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]).p
    0.25

    Reference:
        Wilcoxon (1945), Individual Comparisons by Ranking Methods.
    """
    a, b = check_pairs(first, second)
    if not np.any(a - b):
        return TestResult(math.nan, math.nan)
    return _result(import_scipy_stats().wilcoxon, a, b)


def holm(p_values):
    """Holm's correction of the probabilities of several tests.

    Use it whenever more than one pair of methods is tested: with 14 of them, one in two such
    tables shows a "significant" difference at 0.05 where there is none.

    Args:
        p_values: Sequence of floats between 0 and 1, or NaN for tests that say nothing.

    Returns:
        Array of the corrected probabilities, in the same order; NaN stays and does not count.

    Raises:
        ValueError: a value outside [0, 1].

    Example:

    >>> import keras_fusion as kf
    >>> kf.evaluation.holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]

    Reference:
        Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure.
    """
    values = as_floats("p_values", p_values).reshape(-1)
    tested = np.flatnonzero(~np.isnan(values))
    if ((values[tested] < 0) | (values[tested] > 1)).any():
        raise ValueError(f"p_values: expected floats in [0, 1]. Received: {list(p_values)}")
    corrected = np.full(len(values), np.nan)
    ordered = tested[np.argsort(values[tested], kind="stable")]
    factors = len(ordered) - np.arange(len(ordered))
    raised = np.maximum.accumulate(values[ordered] * factors) if len(ordered) else []
    corrected[ordered] = np.minimum(raised, 1)
    return corrected


def as_floats(label, values):
    """An array of float64; an error that names the argument where there are no numbers."""
    try:
        return np.asarray(values, "float64")
    except (TypeError, ValueError):
        raise TypeError(f"{label}: expected floats. Received: {values!r}") from None


def check_sample(label, values, at_least=2):
    """An array of so many finite floats or more, or an error."""
    values = as_floats(label, values)
    if values.ndim != 1 or len(values) < at_least or not np.isfinite(values).all():
        raise ValueError(
            f"{label}: expected {at_least} or more finite floats. Received: {values.tolist()}"
        )
    return values


def check_pairs(first, second):
    """Two arrays of one length, or an error."""
    a, b = check_sample("first", first), check_sample("second", second)
    if len(a) != len(b):
        raise ValueError(
            f"first, second: expected one score each for the same folds. Received: {len(a)} and "
            f"{len(b)}"
        )
    return a, b


def varies(values, scale=0.0):
    """Whether values differ by more than the rounding of numbers as large as `scale`."""
    return np.ptp(values) > 1e-12 * max(scale, np.abs(values).max())


def _result(test, *samples, **options):
    with warnings.catch_warnings():
        # Where one of two samples does not vary, which is no mistake here.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        found = test(*samples, **options)
    return TestResult(float(found.statistic), float(found.pvalue))
