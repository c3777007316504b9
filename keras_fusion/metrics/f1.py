"""F1 scores, of several labels at once or of classes."""

import keras
from keras import ops

from keras_fusion._checks import is_number
from keras_fusion._keras import set_direction
from keras_fusion.metrics._batch import (
    check_labels,
    class_indices,
    is_sparse,
    quotient,
    weights,
)

AVERAGES = ("micro", "macro", "weighted", "samples")


@keras.saving.register_keras_serializable(package="keras_fusion")
class F1(keras.metrics.Metric):
    """F1 score for several labels at once, or for classes, averaged in one of the usual ways.

    Use it for multi-label classification, and for classes of different sizes;
    `metrics=[F1("micro"), F1("macro")]` gives a value for every head of a `FusionModel`. The counts
    are kept, not the scores of batches: the value is that of all samples together, as in
    scikit-learn, whatever the batches were.

        F1 = 2 TP / (2 TP + FP + FN),  0 where there is neither a label nor a prediction

    - "micro": of the counts summed over labels;
    - "macro": the mean of the labels' F1;
    - "weighted": that mean, each label weighing as many samples as have it;
    - "samples": the mean of the samples' F1, each counted over its labels; not for classes.

    The shapes say which: labels are as many numbers as there are predictions, and the index of a
    class is one number for two predictions or more, the greatest of which is the predicted class.
    One-hot rows therefore are labels, to which the threshold applies: give the indices instead; and
    a single prediction is one label. As in scikit-learn "macro" is the mean of all labels, but of
    the classes that occur or are predicted.

    `keras.metrics.F1Score` has no "samples", adds epsilons to precision and recall, so that small
    scores come out too small, and takes thresholds in (0, 1] only, none that suits logits.

    Args:
        average: String, "micro", "macro", "weighted" or "samples". Defaults to `"macro"`.
        threshold: Float: a label is predicted where the prediction is greater. Defaults to `0.5`;
            for logits `0.0`. Classes need none.
        name: Optional string, name of the metric. Defaults to `f1_<average>`.
        dtype: As in every Keras metric; counts are exact up to 2^24 in float32.

    Update arguments:
        y_true: 0 or 1, `(batch, labels)`; or class indices, `(batch,)` or `(batch, 1)`.
        y_pred: Predictions, `(batch, labels)`; or probabilities or logits, `(batch, classes)`, two
            classes or more.
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
    >>> metric = keras_fusion.metrics.F1("macro")
    >>> metric.update_state(np.array([0, 0, 1]), np.eye(2)[[0, 1, 1]])
    >>> round(float(metric.result()), 4)  # of 2/3 and 2/3
    0.6667

    Reference:
        Arevalo et al. (2017), Gated Multimodal Units for Information Fusion, Sect. 4. Vielzeuf
        et al. (2018), CentralNet, Table 7.
    """

    def __init__(self, average="macro", threshold=0.5, name=None, dtype=None):
        if average not in AVERAGES:
            raise ValueError(f"average: expected one of {AVERAGES}. Received: {average!r}")
        if not is_number(threshold):
            raise TypeError(f"threshold: expected a float. Received: {threshold!r}")
        super().__init__(name=name or f"f1_{average}", dtype=dtype)
        self.average = average
        set_direction(self, "max")
        self.threshold = float(threshold)
        self._labels = self._classes = None
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
        truth, found = self._labelled(y_true, y_pred)
        weight = weights(sample_weight, truth, self.dtype)[:, None]
        hits, total = 2 * truth * found, truth + found
        if self.average == "samples":
            scores = quotient(ops.sum(hits, axis=1), ops.sum(total, axis=1))
            self.hits.assign_add(ops.sum(scores * weight[:, 0]))
            self.total.assign_add(ops.sum(weight))
            return
        axis = None if self.average == "micro" else 0
        self.hits.assign_add(ops.sum(hits * weight, axis=axis))
        self.total.assign_add(ops.sum(total * weight, axis=axis))
        if self.average == "weighted":
            self.support.assign_add(ops.sum(truth * weight, axis=axis))

    def _labelled(self, y_true, y_pred):
        """What is true and what is predicted of every sample and label, 0 or 1."""
        classes = is_sparse(y_true, y_pred)
        if classes:
            if self.average == "samples":
                raise ValueError(
                    'F1: expected labels (batch, labels) for the average "samples". Received: '
                    f"class indices {tuple(y_true.shape)} and {tuple(y_pred.shape)}"
                )
            truth, found, labels = class_indices(y_true, y_pred, "F1")
        else:
            labels = check_labels(y_true, y_pred, "F1")
        if self._labels is None:
            self._labels, self._classes = labels, classes
            if self.average in ("macro", "weighted"):
                self._make((labels,))
        elif (labels, classes) != (self._labels, self._classes):
            expected, received = (
                f"{count} {'classes' if of_classes else 'labels'}"
                for count, of_classes in ((self._labels, self._classes), (labels, classes))
            )
            raise ValueError(f"F1: expected {expected}, as before. Received: {received}")
        if classes:
            return (ops.one_hot(of, labels, dtype=self.dtype) for of in (truth, found))
        found = ops.cast(y_pred, self.dtype) > self.threshold
        return ops.cast(y_true, self.dtype), ops.cast(found, self.dtype)

    def result(self):
        if self._labels is None:
            return ops.zeros((), self.dtype)
        scores = quotient(self.hits, self.total)
        if self.average == "weighted":
            return quotient(ops.sum(scores * self.support), ops.sum(self.support))
        if self._classes and self.average == "macro":
            occurs = ops.convert_to_tensor(self.total) > 0
            return quotient(ops.sum(scores), ops.sum(ops.cast(occurs, self.dtype)))
        return ops.mean(scores)

    def get_config(self):
        return {
            "name": self.name,
            "dtype": self.dtype,
            "average": self.average,
            "threshold": self.threshold,
        }
