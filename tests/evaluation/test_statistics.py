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


def test_tests_of_what_does_not_vary():
    for function in (ev.z_test, ev.welch_test, ev.paired_t_test, ev.wilcoxon_test):
        assert np.isnan(function([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]).p)


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
        (lambda: ev.holm([0.1, 1.2]), r"p_values: expected floats in \[0, 1\]"),
    ],
)
def test_errors(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_scores_of_classes():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 50), rng.normal(size=(50, 4)).astype("float32")
    found = ev.classification_scores(truth, predicted)
    classes = predicted.argmax(axis=1)
    assert found["errors"] == np.sum(truth != classes)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, classes))
    expected = metrics.balanced_accuracy_score(truth, classes)
    assert found["macro_accuracy"] == pytest.approx(expected, rel=1e-5)
    assert ev.classification_scores(np.eye(4)[truth], predicted) == found


def test_scores_of_labels():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (30, 5))
    predicted = rng.uniform(size=(30, 5)).astype("float32")
    found = ev.f1_scores(truth, predicted, threshold=0.3)
    for average, score in found.items():
        expected = metrics.f1_score(truth, predicted > 0.3, average=average, zero_division=0)
        assert score == pytest.approx(expected, rel=1e-5), average
    assert list(found) == ["micro", "macro", "weighted", "samples"]
