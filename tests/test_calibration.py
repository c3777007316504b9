"""Calibration error and Brier score: against their formulas and scikit-learn, over any batches."""

import keras
import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, mean_squared_error

from keras_fusion.metrics import BrierScore, ExpectedCalibrationError

COUNT, CLASSES = 60, 4
RNG = np.random.default_rng(0)
Y = RNG.integers(0, CLASSES, COUNT)
LOGITS = RNG.normal(size=(COUNT, CLASSES)) + 2 * np.eye(CLASSES)[Y] * RNG.integers(0, 2, (COUNT, 1))
WEIGHTS = RNG.uniform(0, 2, COUNT)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


P = softmax(LOGITS)
BINARY_Y, BINARY_LOGITS = (Y > 1).astype(int), LOGITS[:, :1] + (Y > 2)[:, None]
BINARY_P = 1 / (1 + np.exp(-BINARY_LOGITS))


def calibration_error(y, p, bins, weight=None):
    """Guo et al. (2017), Eq. (3), bin after bin."""
    weight = np.ones(len(y)) if weight is None else weight
    p = p.astype("float32")
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    error = 0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            accuracy = np.average(right[inside], weights=weight[inside])
            said = np.average(confidence[inside], weights=weight[inside])
            error += weight[inside].sum() / weight.sum() * abs(accuracy - said)
    return error


def fed(metric, y, p, sizes, weight=None):
    """The metric's value after batches of these sizes."""
    for part in np.split(np.arange(len(y)), np.cumsum(sizes)[:-1]):
        metric.update_state(y[part], p[part], None if weight is None else weight[part])
    return float(metric.result())


# What is given, whether as logits, and the class and probabilities that it stands for.
FORMS = {
    "indices": (Y, P, False, Y, P),
    "column": (Y[:, None], P, False, Y, P),
    "one-hot": (np.eye(CLASSES)[Y], P, False, Y, P),
    "logits": (Y, LOGITS, True, Y, P),
    "sigmoid": (BINARY_Y, BINARY_P, False, BINARY_Y, np.hstack([1 - BINARY_P, BINARY_P])),
    "sigmoid column": (
        *(BINARY_Y[:, None].astype("float32"), BINARY_LOGITS, True),
        *(BINARY_Y, np.hstack([1 - BINARY_P, BINARY_P])),
    ),
}


@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("sizes", [(60,), (1, 20, 39), (32, 28)])
@pytest.mark.parametrize("form", FORMS)
def test_against_the_formulas(form, sizes, weight):
    given, predicted, from_logits, y, p = FORMS[form]
    for bins in (15, 4):
        metric = ExpectedCalibrationError(bins, from_logits)
        expected = calibration_error(y, p, bins, weight)
        assert 0.03 < expected < 0.5
        assert fed(metric, given, predicted, sizes, weight) == pytest.approx(expected, rel=1e-4)
        metric.reset_state()
        assert float(metric.result()) == 0
    classes = p.shape[1]
    expected = classes * mean_squared_error(np.eye(classes)[y], p, sample_weight=weight)
    metric = BrierScore(from_logits)
    assert fed(metric, given, predicted, sizes, weight) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_two_classes_have_twice_the_score_of_one():
    expected = 2 * brier_score_loss(BINARY_Y, BINARY_P[:, 0])
    for p in (BINARY_P, np.hstack([1 - BINARY_P, BINARY_P])):
        assert fed(BrierScore(), BINARY_Y, p, (60,)) == pytest.approx(expected, rel=1e-5)


def test_limits():
    y = np.arange(CLASSES)
    for p, error, brier in [
        (np.eye(CLASSES), 0, 0),
        (np.eye(CLASSES)[::-1], 1, 2),
        (np.full((CLASSES, CLASSES), 0.25), 0, 0.75),  # the first class, right in one of four
    ]:
        assert fed(ExpectedCalibrationError(), y, p, (4,)) == pytest.approx(error, abs=1e-6)
        assert fed(BrierScore(), y, p, (4,)) == pytest.approx(brier, abs=1e-6)


def test_bins_have_their_upper_ends():
    """0.5, right, is in a bin of its own, and does not make up for 0.6, wrong."""
    y, p = np.array([0, 1]), np.array([[0.5, 0.3, 0.2], [0.6, 0.2, 0.2]])
    assert fed(ExpectedCalibrationError(2), y, p, (2,)) == pytest.approx((0.5 + 0.6) / 2)
    assert fed(ExpectedCalibrationError(1), y, p, (2,)) == pytest.approx(0.1 / 2)


@pytest.mark.parametrize("metric", [ExpectedCalibrationError, BrierScore])
def test_half_precision_is_summed_in_float32(metric):
    """A sum of 72 000 is infinite in float16."""
    y, logits = np.tile(Y, 1200), np.tile(LOGITS, (1200, 1)).astype("float16")
    expected = float(metric(from_logits=True)(y, logits.astype("float32")))
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        made = metric(from_logits=True)
    finally:
        keras.config.set_dtype_policy(policy)
    logits = keras.ops.convert_to_tensor(logits)
    made.update_state(y, logits)
    assert float(made.result()) == pytest.approx(expected, rel=1e-5)
