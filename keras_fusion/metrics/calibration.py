"""Whether probabilities can be believed: calibration error and Brier score."""

import keras
from keras import ops

from keras_fusion._checks import check_bool, check_int
from keras_fusion._keras import set_direction
from keras_fusion.metrics._batch import class_indices, quotient, weights


class _OfProbabilities(keras.metrics.Metric):
    """A metric of class probabilities, which may come as logits."""

    def __init__(self, from_logits, name, dtype):
        from_logits = check_bool("from_logits", from_logits)
        super().__init__(name=name, dtype=dtype)
        self.from_logits = from_logits
        self.total = self.add_variable((), "zeros", name="total")

    def _read(self, y_true, y_pred, sample_weight):
        """The true class, the predicted one, the probabilities and the weight of every sample."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.cast(y_pred, self.dtype)
        single = len(y_pred.shape) == 2 and y_pred.shape[1] == 1
        if self.from_logits:
            y_pred = ops.sigmoid(y_pred) if single else ops.softmax(y_pred, axis=-1)
        if single:
            y_pred = ops.concatenate([1 - y_pred, y_pred], axis=1)
        truth, found, _ = class_indices(y_true, y_pred, type(self).__name__)
        return truth, found, y_pred, weights(sample_weight, truth, self.dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "from_logits": self.from_logits}


@keras.saving.register_keras_serializable(package="keras_fusion")
class ExpectedCalibrationError(_OfProbabilities):
    """How far confidence is from accuracy: 0 where of all that is said with 80 %, 80 % is right.

        ECE = sum over bins B of |B| / n |accuracy(B) - confidence(B)|

    Use it beside the accuracy where probabilities are used, as thresholds or for a fusion of
    predictions; `metrics=[ExpectedCalibrationError()]` gives a value for every head of a
    `FusionModel`. A sample's confidence is the probability of the class that is predicted; bins are
    of one width, with their upper ends. Sums are kept, not the values of batches: it is that of all
    samples together, whatever the batches were.

    A head of one sigmoid unit counts as two classes of which the second has its probability, and
    the first the rest. Several labels at once are no classes: what sigmoid heads say of them is not
    measured here.

    Args:
        bins: Positive integer, how many bins [0, 1] is cut into. Defaults to `15`, the paper's.
        from_logits: Boolean, whether predictions are logits, and not probabilities. Defaults to
            `False`.
        name: String, name of the metric. Defaults to `"expected_calibration_error"`.
        dtype: As in every Keras metric.

    Update arguments:
        y_true: Class indices, `(batch,)` or `(batch, 1)`, or one-hot, `(batch, classes)`.
        y_pred: Probabilities, or logits, `(batch, classes)`; of two classes also `(batch, 1)`.
        sample_weight: Optional, `(batch,)`.

    Raises:
        TypeError, ValueError: arguments out of their range, or shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion.metrics
    >>> metric = keras_fusion.metrics.ExpectedCalibrationError()
    >>> metric.update_state(np.array([0, 0, 0, 1]), np.array([[0.9, 0.1]] * 4))
    >>> round(float(metric.result()), 4)  # 0.9 said, 0.75 right
    0.15

    Reference:
        Guo et al. (2017), On Calibration of Modern Neural Networks, Eq. (3).
    """

    def __init__(self, bins=15, from_logits=False, name="expected_calibration_error", dtype=None):
        bins = check_int("bins", bins)
        super().__init__(from_logits, name, dtype)
        self.bins = bins
        self.gaps = self.add_variable((bins,), "zeros", name="gaps")
        set_direction(self, "min")

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth, found, y_pred, weight = self._read(y_true, y_pred, sample_weight)
        confidence = ops.max(y_pred, axis=-1)
        at = ops.clip(ops.ceil(confidence * self.bins) - 1, 0, self.bins - 1)
        of_bin = ops.one_hot(ops.cast(at, "int32"), self.bins, dtype=self.dtype)
        # |B| cancels: what is left of a bin is the sum of right or wrong less confidence.
        gap = weight * (ops.cast(truth == found, self.dtype) - confidence)
        self.gaps.assign_add(ops.sum(of_bin * gap[:, None], axis=0))
        self.total.assign_add(ops.sum(weight))

    def result(self):
        return quotient(ops.sum(ops.abs(ops.convert_to_tensor(self.gaps))), self.total)

    def get_config(self):
        return {**super().get_config(), "bins": self.bins}


@keras.saving.register_keras_serializable(package="keras_fusion")
class BrierScore(_OfProbabilities):
    """The squared error of the probabilities of all classes: 0 at best, 2 at worst.

        Brier = mean over samples of the sum over classes c of (p_c - [c is the true class])^2

    Use it where probabilities are used: unlike the calibration error it rewards being sure, and
    unlike the cross-entropy it is bounded. `metrics=[BrierScore()]` gives a value for every head
    of a `FusionModel`.

    It is the score as Brier wrote it, with both classes where there are two; the (p - y)^2 of one
    of them that is often called so is half of it. A head of one sigmoid unit counts as two
    classes, so that it has the score of the softmax head that says the same.

    Args:
        from_logits: Boolean, whether predictions are logits, and not probabilities. Defaults to
            `False`.
        name: String, name of the metric. Defaults to `"brier_score"`.
        dtype: As in every Keras metric.

    Update arguments:
        y_true: Class indices, `(batch,)` or `(batch, 1)`, or one-hot, `(batch, classes)`.
        y_pred: Probabilities, or logits, `(batch, classes)`; of two classes also `(batch, 1)`.
        sample_weight: Optional, `(batch,)`.

    Raises:
        TypeError, ValueError: arguments out of their range, or shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion.metrics
    >>> metric = keras_fusion.metrics.BrierScore()
    >>> metric.update_state(np.array([0, 1]), np.array([[0.5, 0.5], [0.0, 1.0]]))
    >>> float(metric.result())  # of 0.5 and 0
    0.25

    Reference:
        Brier (1950), Verification of Forecasts Expressed in Terms of Probability, Eq. (2).
    """

    def __init__(self, from_logits=False, name="brier_score", dtype=None):
        super().__init__(from_logits, name, dtype)
        self.errors = self.add_variable((), "zeros", name="errors")
        set_direction(self, "min")

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth, _, y_pred, weight = self._read(y_true, y_pred, sample_weight)
        right = ops.one_hot(truth, y_pred.shape[1], dtype=self.dtype)
        self.errors.assign_add(ops.sum(weight * ops.sum(ops.square(y_pred - right), axis=1)))
        self.total.assign_add(ops.sum(weight))

    def result(self):
        return quotient(self.errors, self.total)
