"""The papers' scores of predictions as plain numbers."""

import numpy as np
from keras import ops

from keras_fusion.metrics import (
    AVERAGES,
    F1,
    BrierScore,
    ExpectedCalibrationError,
    MacroAccuracy,
    NumberOfErrors,
    is_sparse,
)


def classification_scores(y_true, y_pred):
    """Accuracy, macro accuracy, number of errors and calibration of class predictions.

    Args:
        y_true: Class indices, `(samples,)`, or one-hot, `(samples, classes)`.
        y_pred: Probabilities or logits, `(samples, classes)`. With values outside [0, 1] they are
            logits, of which calibration takes the softmax.

    Returns:
        Dictionary with "accuracy", "macro_accuracy", "errors", "expected_calibration_error" and
        "brier_score", floats; see the metrics `MacroAccuracy`, `NumberOfErrors`,
        `ExpectedCalibrationError` and `BrierScore`. The last two are NaN where values in [0, 1] do
        not add up to 1, as those of several sigmoid units.

    Raises:
        ValueError: shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> found = np.eye(2)[[0, 0, 0, 0]]
    >>> scores = kf.evaluation.classification_scores(np.array([0, 0, 0, 1]), found)
    >>> list(scores)
    ['accuracy', 'macro_accuracy', 'errors', 'expected_calibration_error', 'brier_score']
    >>> list(scores.values())
    [0.75, 0.5, 1.0, 0.25, 0.5]
    """
    _check(y_true, y_pred)
    errors = _score(NumberOfErrors(), y_true, y_pred)
    macro = _score(MacroAccuracy(), y_true, y_pred)
    found = {"accuracy": 1 - errors / len(y_true), "macro_accuracy": macro, "errors": errors}
    p = np.asarray(y_pred, "float64")
    logits = bool(p.min() < 0 or p.max() > 1)
    known = logits or np.abs(p.sum(axis=1) - 1).max() < 0.01  # probabilities may be float16
    for metric in (ExpectedCalibrationError(from_logits=logits), BrierScore(from_logits=logits)):
        found[metric.name] = _score(metric, y_true, y_pred) if known else float("nan")
    return found


def f1_scores(y_true, y_pred, threshold=0.5):
    """The F1 scores of predictions of several labels at once, or of classes.

    Args:
        y_true: 0 or 1, `(samples, labels)`; or class indices, `(samples,)` or `(samples, 1)`.
        y_pred: Predictions, `(samples, labels)`; or probabilities or logits, `(samples, classes)`,
            two classes or more.
        threshold: Float: a label is predicted where the prediction is greater. Defaults to `0.5`;
            for logits `0.0`. Classes need none.

    Returns:
        Dictionary with "micro", "macro", "weighted" and, for labels, "samples", floats; see the
        metric `F1`.

    Raises:
        TypeError, ValueError: a threshold that is no number, or shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> scores = kf.evaluation.f1_scores(np.array([[1, 1], [1, 0]]), np.array([[1, 0], [1, 0]]))
    >>> {name: round(score, 3) for name, score in scores.items()}
    {'micro': 0.8, 'macro': 0.5, 'weighted': 0.667, 'samples': 0.833}
    """
    _check(y_true, y_pred)
    names = AVERAGES[:-1] if is_sparse(np.asarray(y_true), np.asarray(y_pred)) else AVERAGES
    return {name: _score(F1(name, threshold), y_true, y_pred) for name in names}


def _check(y_true, y_pred):
    """An error where numbers would come out that mean nothing."""
    truth, found = np.asarray(y_true), np.asarray(y_pred)
    for label, array in (("y_true", truth), ("y_pred", found)):
        if array.dtype.kind not in "biuf" or array.ndim == 0:
            raise TypeError(f"{label}: expected an array of numbers. Received: {array.dtype}")
        if np.isnan(array).any():
            raise ValueError(f"{label}: expected numbers. Received: NaN")
    if len(truth) != len(found):
        raise ValueError(
            f"y_true, y_pred: expected equally many samples. Received: {len(truth)} and "
            f"{len(found)}"
        )
    if is_sparse(truth, found) and len(truth):
        low, high = truth.min(), truth.max()
        if low < 0 or high >= found.shape[1]:
            raise ValueError(
                f"y_true: expected class indices from 0 to {found.shape[1] - 1}. "
                f"Received: values from {low} to {high}"
            )


def _score(metric, y_true, y_pred):
    metric.update_state(np.asarray(y_true), np.asarray(y_pred))
    return float(ops.convert_to_numpy(metric.result()))
