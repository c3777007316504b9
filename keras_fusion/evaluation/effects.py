"""How large a difference is, in units of the spread of the runs."""

import math
from typing import NamedTuple

from keras_fusion._checks import check_bool
from keras_fusion.evaluation.statistics import (
    check_level,
    check_pairs,
    check_sample,
    import_scipy_stats,
    varies,
)

# Beyond it `scipy.stats.nct` loses digits, then gives NaN; chi differs by 1e-4 of the width there.
LARGEST_T = 1000


class EffectSize(NamedTuple):
    """A standardised difference of means and the ends of its interval."""

    value: float
    low: float
    high: float


def effect_size(first, second, level=0.95, paired=False):
    """The standardised difference of two means, with its interval: how much better, not how sure.

        g = J(n_1 + n_2 - 2) (mean_1 - mean_2) / s,  s the pooled standard deviation
        g = J(n - 1) mean(d) / s(d)                  for pairs, d their differences

    Beside a test it says whether a difference is more than the spread of single runs. J is Hedges'
    correction, without which few runs give too large values. The interval is the exact one: the
    noncentral t distributions in which the t of the runs is as far out as `level` allows
    (`scipy.stats.nct`; for a t beyond 1000 their limit, a chi distribution). It takes runs as
    independent: of folds, which share training samples, it is too narrow.

    Args:
        first, second: Sequences of two or more floats; pairs are of one length.
        level: Float between 0 and 1, of the interval. Defaults to `0.95`.
        paired: Boolean, whether the i-th values belong together, as on folds. Defaults to `False`.

    Returns:
        `(value, low, high)`; NaN where nothing varies, and for two pairs, which say too little.

    Raises:
        ValueError: values that are not as above.

    Example:

    >>> import keras_fusion as kf
    >>> [round(x, 2) for x in kf.evaluation.effect_size([3.0, 4.0, 5.0], [1.0, 2.0, 3.0])]
    [1.6, -0.15, 4.02]

    Reference:
        Hedges (1981), Distribution Theory for Glass's Estimator of Effect Size. Steiger and Fouladi
        (1997), Noncentrality Interval Estimation and the Evaluation of Statistical Models.
    """
    check_level(level)
    check_bool("paired", paired)
    if paired:
        a, b = check_pairs(first, second)
        d, freedom, root = a - b, len(a) - 1, math.sqrt(len(a))
        mean, variance, vary = d.mean(), d.var(ddof=1), varies(d, abs(a).max()) and freedom > 1
    else:
        a, b = check_sample("first", first), check_sample("second", second)
        freedom, root = len(a) + len(b) - 2, math.sqrt(len(a) * len(b) / (len(a) + len(b)))
        squares = a.var() * len(a) + b.var() * len(b)
        mean, variance, vary = a.mean() - b.mean(), squares / freedom, varies(a) or varies(b)
    if not vary:
        return EffectSize(math.nan, math.nan, math.nan)
    plain = float(mean / math.sqrt(variance))
    ends = [end / root for end in _noncentralities(abs(plain) * root, freedom, 1 - level)]
    low, high = ends if plain >= 0 else (-ends[1], -ends[0])
    half = freedom / 2
    correction = math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)
    return EffectSize(correction * plain, low, high)


def _noncentralities(t, freedom, outside):
    """The noncentralities for which t >= 0 has `outside / 2` above it and below it."""
    from scipy.optimize import brentq

    stats = import_scipy_stats()

    def chi(p):
        return math.sqrt(stats.chi2.ppf(p, freedom) / freedom)

    if t > LARGEST_T:
        return t * chi(outside / 2), t * chi(1 - outside / 2)
    # T < t where Z + noncentrality < t chi: with three quarters of the rest for chi, and one for Z.
    wide = stats.norm.isf(outside / 8)
    start, end = t * chi(outside / 8) - wide, t * chi(1 - outside / 8) + wide
    return tuple(
        brentq(lambda c, p=p: stats.nct.cdf(t, freedom, c) - p, start, end)
        for p in (1 - outside / 2, outside / 2)
    )
