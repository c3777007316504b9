"""The statistics, against SciPy, scikit-learn, tables, and by hand."""

import numpy as np
import pytest

from keras_fusion import evaluation as ev

stats = pytest.importorskip("scipy.stats")
A = np.random.default_rng(0).normal(0.9, 0.02, 9)
B = np.random.default_rng(1).normal(0.93, 0.05, 9)


def test_interval_against_a_table():
    # Student's t for 4 degrees of freedom and 99 %: 4.604.
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    mean, low, high = ev.mean_interval(values)
    half = 4.604095 * np.sqrt(2.5) / np.sqrt(5)
    np.testing.assert_allclose([mean, low, high], [3, 3 - half, 3 + half], rtol=1e-6)
    assert ev.mean_interval(values, 0.9).low > low
    assert ev.mean_interval([7.0])[0] == 7 and np.isnan(ev.mean_interval([7.0])[1:]).all()


def test_tests_against_scipy():
    assert ev.welch_test(A, B) == pytest.approx(tuple(stats.ttest_ind(A, B, equal_var=False)))
    assert ev.welch_test(A, B).p != pytest.approx(stats.ttest_ind(A, B).pvalue)
    assert ev.paired_t_test(A, B) == pytest.approx(tuple(stats.ttest_rel(A, B)))
    assert ev.wilcoxon_test(A, B) == pytest.approx(tuple(stats.wilcoxon(A, B)))
    z = (A.mean() - B[:5].mean()) / np.sqrt(A.var(ddof=1) / 9 + B[:5].var(ddof=1) / 5)
    found = ev.z_test(A, B[:5])
    assert found.statistic == pytest.approx(z)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)))


def corrected(first, second, ratio=0.25):
    return ev.corrected_t_test(first, second, ratio)


def paired_effect(first, second):
    return ev.effect_size(first, second, paired=True)


# Differences that are equal but for rounding vary no more than equal ones: without a tolerance
# they are significant with p = 1e-30.
FALLING = [0.8, 0.7, 0.6], [0.9, 0.8, 0.7]
FLAT = [0.3, 0.3, 0.3], [0.1, 0.1, 0.1]


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        *((function, *FLAT) for function in (ev.z_test, ev.welch_test, ev.effect_size)),
        *((function, *FALLING) for function in (ev.paired_t_test, corrected, paired_effect)),
        (ev.wilcoxon_test, FLAT[0], FLAT[0]),
    ],
)
def test_what_does_not_vary(function, first, second):
    assert np.std(FLAT[1]) > 0 and np.ptp(np.subtract(*FALLING)) > 0
    assert np.isnan(function(first, second)).all()


@pytest.mark.parametrize(
    ("differences", "ratio", "t"),
    [
        # mean 2, variance 1: 2 / sqrt(1 / 3 + 1 / 2)
        ([1, 2, 3], 1 / 2, 2 / np.sqrt(5 / 6)),
        # mean -1, variance 8 / 3; five folds have a ratio of 1 / 4, and so have 4 of them.
        ([1, -1, -3, -1], 1 / 4, -1 / np.sqrt((1 / 4 + 1 / 4) * 8 / 3)),
        # mean 0.5, variance 0.5, as much to test as to train
        ([1, 0], 1, 0.5 / np.sqrt(1.5 * 0.5)),
    ],
)
def test_corrected_t_test(differences, ratio, t):
    base = np.arange(len(differences)) ** 2
    found = ev.corrected_t_test(base + differences, base, ratio)
    assert found.statistic == pytest.approx(t)
    assert found.p == pytest.approx(2 * stats.t.cdf(-abs(t), len(differences) - 1))
    assert ev.corrected_t_test(base, base + differences, ratio).statistic == pytest.approx(-t)
    paired = ev.paired_t_test(base + differences, base)
    assert ev.corrected_t_test(base + differences, base, 0) == pytest.approx(paired)


def test_effect_size():
    # By hand: d = 2 / 1, and Hedges' correction is about 1 - 3 / (4 df - 1).
    found = ev.effect_size([3, 4, 5], [1, 2, 3], level=0.9)
    assert found.value == pytest.approx(2 * (1 - 3 / 15), rel=4e-3)
    # The t of the runs is as far out in these noncentral t distributions as it may be.
    t, root = 2 * np.sqrt(3 / 2), np.sqrt(3 / 2)
    tails = [stats.nct.sf(t, 4, found.low * root), stats.nct.cdf(t, 4, found.high * root)]
    np.testing.assert_allclose(tails, [0.05, 0.05], rtol=1e-6)
    assert ev.effect_size([1, 2, 3], [3, 4, 5], 0.9) == pytest.approx(
        (-found.value, -found.high, -found.low)
    )
    # Unequal numbers: variances 1 and 2, pooled (2 * 1 + 1 * 2) / 3.
    d = 1 / np.sqrt(4 / 3)
    exact = np.sqrt(np.pi) / 2 / np.sqrt(3 / 2)  # Gamma(3 / 2) / (sqrt(3 / 2) Gamma(1))
    assert ev.effect_size([1, 2, 3], [0, 2]).value == pytest.approx(d * exact)
    # Pairs: mean 2 and standard deviation 1 of the differences, 2 degrees of freedom.
    pairs = ev.effect_size([2, 4, 6], [1, 2, 3], paired=True)
    assert pairs.value == pytest.approx(2 / np.sqrt(np.pi))  # Gamma(1) / (1 Gamma(1 / 2))
    assert stats.nct.sf(2 * np.sqrt(3), 2, pairs.low * np.sqrt(3)) == pytest.approx(0.025)
    assert np.isnan(ev.effect_size([2, 4], [1, 2], paired=True)).all()


@pytest.mark.parametrize(("count", "paired"), [(3, False), (5, True)])
def test_effect_sizes_are_unbiased_and_their_intervals_cover(count, paired):
    rng = np.random.default_rng(0)
    second = np.zeros(count) if paired else None
    found = [
        ev.effect_size(
            rng.normal(1, 1, count),
            rng.normal(0, 1, count) if second is None else second,
            level=0.8,
            paired=paired,
        )
        for _ in range(1000)
    ]
    # Three standard errors; without Hedges' correction the means are 1.25.
    assert np.mean([e.value for e in found]) == pytest.approx(1, abs=0.1)
    assert np.mean([e.low < 1 < e.high for e in found]) == pytest.approx(0.8, abs=0.04)


def test_effect_sizes_of_tiny_spread():
    """Where the interval is that of chi instead of noncentral t, it goes on from there."""
    shape = np.array([0, 1, 2, 1.5]), np.array([1, 0, 2, 0.5])
    ends = []
    for scale in (1e-6, 6.6e-4, 6.7e-4):
        a, b = 0.9 + scale * shape[0], 0.5 + scale * shape[1]
        t = stats.ttest_ind(a, b).statistic
        found = ev.effect_size(a, b)
        ends.append(np.array(found) / t)
        assert (t > 1000) == (scale < 6.7e-4)
    np.testing.assert_allclose(ends[1], ends[2], rtol=1e-4)
    np.testing.assert_allclose(ends[0], ends[2], rtol=1e-4)


def test_holm():
    # By hand: 0.01 * 4, max(0.04, 0.02 * 3), max(0.06, 0.03 * 2), 0.5.
    np.testing.assert_allclose(ev.holm([0.03, 0.01, 0.5, 0.02]), [0.06, 0.04, 0.5, 0.06])
    np.testing.assert_allclose(ev.holm([0.04, np.nan, 0.03]), [0.06, np.nan, 0.06])
    np.testing.assert_allclose(ev.holm([0.6, 0.7]), [1, 1])
    assert ev.holm([]).shape == (0,)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: ev.mean_interval([]), "values: expected 1 or more finite floats"),
        (lambda: ev.mean_interval([1, np.nan]), "values: expected 1 or more finite floats"),
        (lambda: ev.mean_interval([1, 2], level=99), r"level: expected a float in \(0, 1\)"),
        (lambda: ev.welch_test([1.0], [1.0, 2.0]), "first: expected 2 or more"),
        (lambda: ev.paired_t_test(A, B[:3]), "for the same folds. Received: 9 and 3"),
        (lambda: ev.wilcoxon_test(A, B[:3]), "for the same folds. Received: 9 and 3"),
        (lambda: ev.corrected_t_test(A, B[:3], 1), "for the same folds. Received: 9 and 3"),
        (lambda: ev.corrected_t_test(A, B, -1), "test_train_ratio: expected a float >= 0"),
        (lambda: ev.effect_size(A, B[:3], paired=True), "for the same folds. Received: 9 and 3"),
        (lambda: ev.effect_size(A, [1.0]), "second: expected 2 or more"),
        (lambda: ev.effect_size(A, B, level=95), r"level: expected a float in \(0, 1\)"),
        (lambda: ev.holm([0.1, 1.2]), r"p_values: expected floats in \[0, 1\]"),
    ],
)
def test_errors(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_one_method_may_always_have_the_same_score():
    found = ev.welch_test([0.5, 0.5, 0.5], [0.4, 0.5, 0.62])
    assert found.p == pytest.approx(stats.ttest_1samp([0.4, 0.5, 0.62], 0.5).pvalue)
    same = ev.Comparison({"a": [0.5] * 3, "b": [0.4, 0.5, 0.62], "c": [0.5] * 3})
    assert np.isnan(same.rows()[2]["p_welch"]) and "c" in str(same)
