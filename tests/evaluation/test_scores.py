"""Scores of predictions, against scikit-learn."""

import numpy as np
import pytest

from keras_fusion import evaluation as ev

metrics = pytest.importorskip("sklearn.metrics")


def test_scores_of_classes():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 50), rng.normal(size=(50, 4)).astype("float32")
    found = ev.classification_scores(truth, predicted)
    classes = predicted.argmax(axis=1)
    assert found["errors"] == np.sum(truth != classes)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, classes))
    expected = metrics.balanced_accuracy_score(truth, classes)
    assert found["macro_accuracy"] == pytest.approx(expected, rel=1e-5)
    assert ev.classification_scores(np.eye(4)[truth], predicted) == found


def test_calibration_of_probabilities_logits_and_neither():
    """Values below 0 or above 1 are logits; those of several sigmoids are no probabilities."""
    rng = np.random.default_rng(0)
    truth, logits = rng.integers(0, 4, 50), rng.normal(size=(50, 4))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = ev.classification_scores(truth, probabilities)
    expected = 4 * metrics.mean_squared_error(np.eye(4)[truth], probabilities)
    assert found["brier_score"] == pytest.approx(expected, rel=1e-5)
    assert 0.05 < found["expected_calibration_error"] < 0.5
    for given in (logits, logits - logits.min(), logits - logits.max()):
        assert ev.classification_scores(truth, given) == pytest.approx(found, rel=1e-5)
    half = ev.classification_scores(truth, probabilities.astype("float16"))
    assert half == pytest.approx(found, rel=1e-2)
    neither = ev.classification_scores(truth, 1 / (1 + np.exp(-logits)))
    assert neither["accuracy"] == found["accuracy"]
    assert np.isnan([neither["brier_score"], neither["expected_calibration_error"]]).all()


@pytest.mark.parametrize("column", [False, True])
def test_f1_of_classes(column):
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 50), rng.normal(size=(50, 4))
    found = ev.f1_scores(truth[:, None] if column else truth, predicted)
    assert list(found) == ["micro", "macro", "weighted"]
    for average, score in found.items():
        expected = metrics.f1_score(truth, predicted.argmax(axis=1), average=average)
        assert score == pytest.approx(expected, rel=1e-5), average
    with pytest.raises(ValueError, match="class indices from 0 to 3. Received: values from 0 to 4"):
        ev.f1_scores(np.arange(5)[:, None] if column else np.arange(5), predicted[:5])


def test_scores_of_labels():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (30, 5))
    predicted = rng.uniform(size=(30, 5)).astype("float32")
    found = ev.f1_scores(truth, predicted, threshold=0.3)
    for average, score in found.items():
        expected = metrics.f1_score(truth, predicted > 0.3, average=average, zero_division=0)
        assert score == pytest.approx(expected, rel=1e-5), average
    assert list(found) == ["micro", "macro", "weighted", "samples"]
