"""The mean over equal spans of time, for sequences of one duration and different rates."""

import keras
import numpy as np
from keras import ops

from keras_fusion._checks import check_int


@keras.saving.register_keras_serializable(package="keras_fusion")
class ResampleTime(keras.layers.Layer):
    """Brings a sequence or video to another number of steps over the same time.

    Use it where sequences meet step by step that last equally long and were sampled at different
    rates, as 100 frames of sound and 30 of video; `align="time"` does it for you. Pooling has
    windows of whole steps, which drift apart where one length is no multiple of the other.

    Step i of T covers the time from i / T to (i + 1) / T, step j of the input's L from j / L to
    (j + 1) / L. With w_ij, how long both of them last together, and the mask m:

        y_i = sum_j w_ij m_j x_j / sum_j w_ij m_j

    and 0 where nothing counts. In whole factors that is average pooling.

    Args:
        steps: Positive integer, T.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        inputs: The sequence or video.
        mask: Optional bool tensor `(batch, time)`, False for the steps left out; NaN in them
            included. A step of the output is masked where none of its own counts.

    Input shape:
        `(batch, time, ...)` with a fixed number of steps.

    Output shape:
        `(batch, steps, ...)`.

    Raises:
        ValueError: an argument out of its range, or an input without a fixed time axis.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> x = np.array([[[0.0], [3.0], [6.0]]])
    >>> ops.convert_to_numpy(kf.layers.ResampleTime(2)(x))[0, :, 0].tolist()
    [1.0, 5.0]
    """

    def __init__(self, steps, **kwargs):
        super().__init__(**kwargs)
        self.steps = check_int("steps", steps)
        self.supports_masking = True

    def build(self, input_shape):
        self._check(input_shape)

    def _check(self, shape):
        if len(shape) < 3 or shape[1] is None:
            raise ValueError(
                "ResampleTime: expected an input (batch, time, ...) with a fixed number of steps. "
                f"Received: {tuple(shape)}"
            )

    def _spans(self, length, dtype="float32"):
        """Shares of each step's time, `(steps, length)`; rows sum to 1. Whole numbers until the
        end, or a step would be touched by what only rounds into it."""
        i, j = np.arange(self.steps)[:, None] * length, np.arange(length) * self.steps
        both = np.minimum(i + length, j + self.steps) - np.maximum(i, j)
        return ops.convert_to_tensor(np.maximum(both, 0) / length, dtype)

    def call(self, inputs, mask=None):
        x = ops.cast(inputs, self.compute_dtype)
        rest = x.shape[2:]
        x = ops.reshape(x, (-1, x.shape[1], int(np.prod(rest))))
        spans = self._spans(x.shape[1], x.dtype)
        if mask is None:
            x = ops.matmul(spans, x)
        else:
            counts = ops.cast(mask, "bool")[:, :, None]
            share = ops.matmul(spans, ops.cast(counts, x.dtype))
            x = ops.matmul(spans, ops.where(counts, x, ops.zeros_like(x)))
            x = x / ops.where(share > 0, share, ops.ones_like(share))
        return ops.reshape(x, (-1, self.steps, *rest))

    def compute_mask(self, inputs, mask=None):
        if mask is None:
            return None
        counts = ops.cast(mask, "float32")[:, :, None]
        return ops.matmul(self._spans(inputs.shape[1]), counts)[:, :, 0] > 0

    def compute_output_shape(self, input_shape):
        self._check(input_shape)
        return (input_shape[0], self.steps, *input_shape[2:])

    def get_config(self):
        return {**super().get_config(), "steps": self.steps}
