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
        Dict with "accuracy", "macro_accuracy" and "errors", floats; see the metrics
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
    errors = _score(NumberOfErrors(), y_true, y_pred)
    macro = _score(MacroAccuracy(), y_true, y_pred)
    return {"accuracy": 1 - errors / len(y_true), "macro_accuracy": macro, "errors": errors}


def f1_scores(y_true, y_pred, threshold=0.5):
    """The four F1 scores of predictions of several labels at once.

    Args:
        y_true: 0 or 1, `(samples, labels)`.
        y_pred: Predictions of that shape.
        threshold: Float: a label is predicted where the prediction is greater. For logits 0.0.

    Returns:
        Dict with "micro", "macro", "weighted" and "samples", floats; see the metric `F1`.

    Raises:
        TypeError, ValueError: a threshold that is no number, or shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> scores = kf.evaluation.f1_scores(np.array([[1, 1], [1, 0]]), np.array([[1, 0], [1, 0]]))
    >>> {name: round(score, 3) for name, score in scores.items()}
    {'micro': 0.8, 'macro': 0.5, 'weighted': 0.667, 'samples': 0.833}
    """
    averages = ("micro", "macro", "weighted", "samples")
    return {name: _score(F1(name, threshold), y_true, y_pred) for name in averages}


def _score(metric, y_true, y_pred):
    metric.update_state(np.asarray(y_true), np.asarray(y_pred))
    return float(ops.convert_to_numpy(metric.result()))
