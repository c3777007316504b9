"""Metrics of the papers that Keras does not have, or not exactly."""

import keras
from keras import ops

__all__ = ["F1", "MacroAccuracy", "NumberOfErrors"]

AVERAGES = ("micro", "macro", "weighted", "samples")


@keras.saving.register_keras_serializable(package="keras_fusion")
class F1(keras.metrics.Metric):
    """F1 score for several labels at once, averaged in one of the four usual ways.

    Use it for multi-label classification; `metrics=[F1("micro"), F1("samples")]` gives a value
    for every head of a `FusionModel`. The counts are kept, not the scores of batches: the value
    is that of all samples together, as in scikit-learn, whatever the batches were.

        F1 = 2 TP / (2 TP + FP + FN),  0 where there is neither a label nor a prediction

    - "micro": of the counts summed over labels;
    - "macro": the mean of the labels' F1;
    - "weighted": that mean, each label weighing as many samples as have it;
    - "samples": the mean of the samples' F1, each counted over its labels.

    `keras.metrics.F1Score` has no "samples", adds epsilons to precision and recall, so that small
    scores come out too small, and takes thresholds in (0, 1] only, none that suits logits.

    Args:
        average: String, "micro", "macro", "weighted" or "samples". Defaults to `"macro"`.
        threshold: Float: a label is predicted where the prediction is greater. Defaults to `0.5`;
            for logits `0.0`.
        name: Optional string, name of the metric. Defaults to `f1_<average>`.
        dtype: As in every Keras metric; counts are exact up to 2^24 in float32.

    Update arguments:
        y_true: 0 or 1, `(batch, labels)`.
        y_pred: Predictions of that shape.
        sample_weight: Optional, `(batch,)`.

    Raises:
        TypeError, ValueError: arguments out of their range, or shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion.metrics
    >>> metric = keras_fusion.metrics.F1("samples")
    >>> metric.update_state(np.array([[1, 1], [1, 0]]), np.array([[0.9, 0.2], [0.8, 0.1]]))
    >>> round(float(metric.result()), 4)  # of 2/3 and 1
    0.8333

    Reference:
        Arevalo et al. (2017), Gated Multimodal Units for Information Fusion, Sect. 4. Vielzeuf
        et al. (2018), CentralNet, Table 7.
    """

    def __init__(self, average="macro", threshold=0.5, name=None, dtype=None):
        if average not in AVERAGES:
            raise ValueError(f"average: expected one of {AVERAGES}. Received: {average!r}")
        if not isinstance(threshold, (int, float)) or isinstance(threshold, bool):
            raise TypeError(f"threshold: expected a float. Received: {threshold!r}")
        super().__init__(name=name or f"f1_{average}", dtype=dtype)
        self.average = average
        self.threshold = float(threshold)
        self._labels = None
        if average in ("micro", "samples"):
            self._make(())

    def _make(self, shape):
        """Twice the true positives, and what they are divided by; for samples the scores."""
        of = {"shape": shape, "initializer": "zeros"}
        self.hits = self.add_variable(**of, name="hits")
        self.total = self.add_variable(**of, name="total")
        if self.average == "weighted":
            self.support = self.add_variable(**of, name="support")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        labels = _check_labels(y_true, y_pred, "F1")
        if self._labels is None:
            self._labels = labels
            if self.average in ("macro", "weighted"):
                self._make((labels,))
        elif labels != self._labels:
            raise ValueError(f"F1: expected {self._labels} labels, as before. Received: {labels}")
        truth = ops.cast(y_true, self.dtype)
        found = ops.cast(ops.cast(y_pred, self.dtype) > self.threshold, self.dtype)
        weight = _weights(sample_weight, truth, self.dtype)[:, None]
        hits, total = 2 * truth * found, truth + found
        if self.average == "samples":
            scores = _quotient(ops.sum(hits, axis=1), ops.sum(total, axis=1))
            self.hits.assign_add(ops.sum(scores * weight[:, 0]))
            self.total.assign_add(ops.sum(weight))
            return
        axis = None if self.average == "micro" else 0
        self.hits.assign_add(ops.sum(hits * weight, axis=axis))
        self.total.assign_add(ops.sum(total * weight, axis=axis))
        if self.average == "weighted":
            self.support.assign_add(ops.sum(truth * weight, axis=axis))

    def result(self):
        if self._labels is None:
            return ops.zeros((), self.dtype)
        scores = _quotient(self.hits, self.total)
        if self.average == "weighted":
            return _quotient(ops.sum(scores * self.support), ops.sum(self.support))
        return ops.mean(scores)

    def get_config(self):
        return {
            "name": self.name,
            "dtype": self.dtype,
            "average": self.average,
            "threshold": self.threshold,
        }


@keras.saving.register_keras_serializable(package="keras_fusion")
class MacroAccuracy(keras.metrics.Metric):
    """Mean of the classes' accuracies: every class counts the same, however rare it is.

    Use it where classes are of different sizes, as Montalbano's 20 gestures with a background
    class. Classes that no sample has are left out of the mean (scikit-learn calls it the
    balanced accuracy). It is that of all samples together, whatever the batches were.

    Args:
        name: String, name of the metric. Defaults to `"macro_accuracy"`.
        dtype: As in every Keras metric; counts are exact up to 2^24 in float32.

    Update arguments:
        y_true: Class indices, `(batch,)` or `(batch, 1)`, or one-hot, `(batch, classes)`.
        y_pred: Probabilities or logits, `(batch, classes)`, two classes or more.
        sample_weight: Optional, `(batch,)`.

    Raises:
        ValueError: shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion.metrics
    >>> metric = keras_fusion.metrics.MacroAccuracy()
    >>> metric.update_state(np.array([0, 0, 0, 1]), np.eye(2)[[0, 0, 0, 0]])
    >>> float(metric.result())  # of 1 and 0
    0.5

    Reference:
        Vielzeuf et al. (2018), CentralNet, Sect. 3.3.
    """

    def __init__(self, name="macro_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self._classes = None

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth, found, classes = _class_indices(y_true, y_pred, "MacroAccuracy")
        if self._classes is None:
            self._classes = classes
            self.hits = self.add_variable((classes,), "zeros", name="hits")
            self.count = self.add_variable((classes,), "zeros", name="count")
        elif classes != self._classes:
            raise ValueError(
                f"MacroAccuracy: expected {self._classes} classes, as before. Received: {classes}"
            )
        weight = _weights(sample_weight, truth, self.dtype)
        of_class = ops.one_hot(truth, classes, dtype=self.dtype) * weight[:, None]
        self.count.assign_add(ops.sum(of_class, axis=0))
        right = ops.cast(truth == found, self.dtype)
        self.hits.assign_add(ops.sum(of_class * right[:, None], axis=0))

    def result(self):
        if self._classes is None:
            return ops.zeros((), self.dtype)
        occurs = ops.cast(ops.convert_to_tensor(self.count) > 0, self.dtype)
        return _quotient(ops.sum(_quotient(self.hits, self.count)), ops.sum(occurs))

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable(package="keras_fusion")
class NumberOfErrors(keras.metrics.Metric):
    """How many samples are classified wrongly.

    Use it where accuracies are so near 1 that the papers count errors instead, as on MNIST.

    Args:
        name: String, name of the metric. Defaults to `"number_of_errors"`.
        dtype: As in every Keras metric; counts are exact up to 2^24 in float32.

    Update arguments:
        y_true: Class indices, `(batch,)` or `(batch, 1)`, or one-hot, `(batch, classes)`.
        y_pred: Probabilities or logits, `(batch, classes)`, two classes or more.
        sample_weight: Optional, `(batch,)`: how much an error counts.

    Raises:
        ValueError: shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion.metrics
    >>> metric = keras_fusion.metrics.NumberOfErrors()
    >>> metric.update_state(np.array([0, 1, 2]), np.eye(3)[[0, 2, 1]])
    >>> float(metric.result())
    2.0

    Reference:
        Vielzeuf et al. (2018), CentralNet, Table 2.
    """

    def __init__(self, name="number_of_errors", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.errors = self.add_variable((), "zeros", name="errors")

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth, found, _ = _class_indices(y_true, y_pred, "NumberOfErrors")
        wrong = ops.cast(truth != found, self.dtype)
        self.errors.assign_add(ops.sum(wrong * _weights(sample_weight, truth, self.dtype)))

    def result(self):
        return ops.convert_to_tensor(self.errors)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def _quotient(a, b):
    """a / b, and 0 where b is 0."""
    a, b = ops.convert_to_tensor(a), ops.convert_to_tensor(b)
    return ops.where(b > 0, a / ops.where(b > 0, b, ops.ones_like(b)), ops.zeros_like(a))


def _weights(sample_weight, like, dtype):
    """One weight per sample, 1 if there are none."""
    if sample_weight is None:
        return ops.ones((ops.shape(like)[0],), dtype)
    sample_weight = ops.cast(sample_weight, dtype)
    if len(sample_weight.shape) > 2 or (
        len(sample_weight.shape) == 2 and sample_weight.shape[1] != 1
    ):
        raise ValueError(
            "sample_weight: expected one weight per sample, (batch,). "
            f"Received shape: {tuple(sample_weight.shape)}"
        )
    return ops.reshape(sample_weight, (-1,))


def _check_labels(y_true, y_pred, metric):
    shapes = tuple(y_true.shape), tuple(y_pred.shape)
    if any(len(shape) != 2 for shape in shapes) or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            f"{metric}: expected labels and predictions of one shape, (batch, labels). "
            f"Received: {shapes[0]} and {shapes[1]}"
        )
    return shapes[1][1]


def _class_indices(y_true, y_pred, metric):
    """The true classes, the predicted ones, `(batch,)` both, and how many classes there are."""
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    shapes = tuple(y_true.shape), tuple(y_pred.shape)
    classes = shapes[1][-1] if len(shapes[1]) == 2 else None
    sparse = len(shapes[0]) == 1 or (len(shapes[0]) == 2 and shapes[0][1] == 1)
    if classes is None or classes < 2 or not (sparse or shapes[0][1:] == (classes,)):
        raise ValueError(
            f"{metric}: expected class indices (batch,) or one-hot labels, and predictions "
            f"(batch, two or more classes). Received: {shapes[0]} and {shapes[1]}"
        )
    truth = ops.reshape(y_true, (-1,)) if sparse else ops.argmax(y_true, axis=-1)
    return ops.cast(truth, "int32"), ops.cast(ops.argmax(y_pred, axis=-1), "int32"), classes
