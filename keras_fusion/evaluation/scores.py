"""The papers' scores of predictions as plain numbers."""

import numpy as np
from keras import ops

from keras_fusion.metrics import F1, MacroAccuracy, NumberOfErrors


def classification_scores(y_true, y_pred):
    """Accuracy, macro accuracy and number of errors of class predictions.

    Args:
        y_true: Class indices, `(samples,)`, or one-hot, `(samples, classes)`.
        y_pred: Probabilities or logits, `(samples, classes)`.

    Returns:
        Dictionary with "accuracy", "macro_accuracy" and "errors", floats; see the metrics
        `MacroAccuracy` and `NumberOfErrors`.

    Raises:
        ValueError: shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> found = np.eye(2)[[0, 0, 0, 0]]
    >>> kf.evaluation.classification_scores(np.array([0, 0, 0, 1]), found)
    {'accuracy': 0.75, 'macro_accuracy': 0.5, 'errors': 1.0}
    """
    _check(y_true, y_pred)
    errors = _score(NumberOfErrors(), y_true, y_pred)
    macro = _score(MacroAccuracy(), y_true, y_pred)
    return {"accuracy": 1 - errors / len(y_true), "macro_accuracy": macro, "errors": errors}


def f1_scores(y_true, y_pred, threshold=0.5):
    """The four F1 scores of predictions of several labels at once.

    Args:
        y_true: 0 or 1, `(samples, labels)`.
        y_pred: Predictions of that shape.
        threshold: Float: a label is predicted where the prediction is greater. Defaults to `0.5`;
            for logits `0.0`.

    Returns:
        Dictionary with "micro", "macro", "weighted" and "samples", floats; see the metric `F1`.

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
    averages = ("micro", "macro", "weighted", "samples")
    return {name: _score(F1(name, threshold), y_true, y_pred) for name in averages}


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
    if truth.ndim == 1 and found.ndim == 2 and len(truth):
        low, high = truth.min(), truth.max()
        if low < 0 or high >= found.shape[1]:
            raise ValueError(
                f"y_true: expected class indices from 0 to {found.shape[1] - 1}. "
                f"Received: values from {low} to {high}"
            )


def _score(metric, y_true, y_pred):
    metric.update_state(np.asarray(y_true), np.asarray(y_pred))
    return float(ops.convert_to_numpy(metric.result()))
