"""Zeros in place of the padded steps of a sequence."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_fusion")
class ZeroMaskedSteps(keras.layers.Layer):
    """Sets the steps of a sequence that are masked to zero, and lets the mask go.

    Use it before a convolution, which looks at the steps around each: what it makes of the steps
    that count is then the same as of the shorter sequence, as its own padding is zeros too. Keras'
    convolutions take no notice of a mask. `build_centralnet` places it where every step has a
    prediction.

        y_t = m_t x_t

    Args:
        **kwargs: The arguments of every Keras layer; it has none of its own.

    Call arguments:
        inputs: The sequence.
        mask: Optional bool tensor `(batch, time)`, False for the steps left out. Keras hands
            on the one that the layer before has made. What stands in a masked step, NaN
            included, reaches neither the output nor a gradient.

    Input shape:
        `(batch, time, features)`.

    Output shape:
        `(batch, time, features)`.

    Raises:
        ValueError: an input of another rank.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> x, mask = np.array([[[1.0], [3.0]]]), np.array([[True, False]])
    >>> ops.convert_to_numpy(kf.layers.ZeroMaskedSteps()(x, mask=mask))[0, :, 0].tolist()
    [1.0, 0.0]
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self._check(input_shape)

    def _check(self, shape):
        if len(shape) != 3:
            raise ValueError(
                "ZeroMaskedSteps: expected an input (batch, time, features). Received: "
                f"{tuple(shape)}"
            )

    def call(self, inputs, mask=None):
        inputs = ops.cast(inputs, self.compute_dtype)
        if mask is None:
            return inputs
        return ops.where(ops.cast(mask, "bool")[:, :, None], inputs, ops.zeros_like(inputs))

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        self._check(input_shape)
        return tuple(input_shape)
