"""Scores of classes that the papers give: macro accuracy, and the number of errors."""

import keras
from keras import ops

from keras_fusion._keras import set_direction
from keras_fusion.metrics._batch import class_indices, quotient, weights


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
        set_direction(self, "max")

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth, found, classes = class_indices(y_true, y_pred, "MacroAccuracy")
        if self._classes is None:
            self._classes = classes
            self.hits = self.add_variable((classes,), "zeros", name="hits")
            self.count = self.add_variable((classes,), "zeros", name="count")
        elif classes != self._classes:
            raise ValueError(
                f"MacroAccuracy: expected {self._classes} classes, as before. Received: {classes}"
            )
        weight = weights(sample_weight, truth, self.dtype)
        of_class = ops.one_hot(truth, classes, dtype=self.dtype) * weight[:, None]
        self.count.assign_add(ops.sum(of_class, axis=0))
        right = ops.cast(truth == found, self.dtype)
        self.hits.assign_add(ops.sum(of_class * right[:, None], axis=0))

    def result(self):
        if self._classes is None:
            return ops.zeros((), self.dtype)
        occurs = ops.cast(ops.convert_to_tensor(self.count) > 0, self.dtype)
        return quotient(ops.sum(quotient(self.hits, self.count)), ops.sum(occurs))

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
        set_direction(self, "min")

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth, found, _ = class_indices(y_true, y_pred, "NumberOfErrors")
        wrong = ops.cast(truth != found, self.dtype)
        self.errors.assign_add(ops.sum(wrong * weights(sample_weight, truth, self.dtype)))

    def result(self):
        return ops.convert_to_tensor(self.errors)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}
