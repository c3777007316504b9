"""The mean over chosen axes, for tensors that meet others with fewer axes."""

import keras
from keras import ops

from keras_fusion._checks import is_int, plain


@keras.saving.register_keras_serializable(package="keras_fusion")
class AverageAxes(keras.layers.Layer):
    """Mean over some of a tensor's axes, which are removed.

    Use it where a video meets a map (mean over time, axis 1, as in the AudioSet experiment) or a
    sequence (mean over height and width, axes 2 and 3). Where everything but the features goes,
    Keras' global average poolings do the same and respect masks.

    Args:
        axes: Sequence of ints >= 1, different ones; axis 0 is the batch.
        **kwargs: The arguments of every Keras layer.

    Input shape:
        `(batch, ...)`.

    Output shape:
        The input's without `axes`.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> video = np.ones((2, 16, 8, 8, 3))
    >>> kf.layers.AverageAxes([1])(video).shape == (2, 8, 8, 3)
    True

    Reference:
        Vielzeuf et al. (2018), Multi-Level Sensor Fusion with Deep Learning, Sect. 3.4.
    """

    def __init__(self, axes, **kwargs):
        super().__init__(**kwargs)
        axes = list(axes) if isinstance(axes, (list, tuple)) else axes
        if (
            not isinstance(axes, list)
            or not axes
            or any(not is_int(a) or a < 1 for a in axes)
            or len(set(axes)) != len(axes)
        ):
            raise ValueError(
                "axes: expected one or more different ints >= 1 (0 is the batch). "
                f"Received: {axes!r}"
            )
        self.axes = plain(axes)

    def build(self, input_shape):
        self._check(input_shape)

    def _check(self, input_shape):
        if len(input_shape) <= max(self.axes):
            raise ValueError(
                f"AverageAxes: expected an input of rank {max(self.axes) + 1} or more. "
                f"Received shape: {tuple(input_shape)}"
            )

    def call(self, inputs):
        # The mean of integers is float32 whatever the policy.
        return ops.cast(ops.mean(inputs, axis=tuple(self.axes)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        self._check(input_shape)
        return tuple(s for axis, s in enumerate(input_shape) if axis not in self.axes)

    def get_config(self):
        return {**super().get_config(), "axes": self.axes}
