"""The mean over the steps of a sequence that count, 0 where none does."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_fusion")
class MaskedAverage(keras.layers.Layer):
    """Mean over time of the steps that are not masked, and zeros for a sequence without any.

    Use it instead of `GlobalAveragePooling1D` after `Embedding(mask_zero=True)` or `Masking`:
    that one divides by the number of steps that count, and gives NaN where it is 0 (an empty
    text, an absent modality).

        y = sum_t m_t x_t / max(1, sum_t m_t)

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
        `(batch, features)`.

    Raises:
        ValueError: an input of another rank.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> x = np.array([[[1.0], [3.0]], [[5.0], [7.0]], [[9.0], [9.0]]])
    >>> mask = np.array([[True, True], [True, False], [False, False]])
    >>> ops.convert_to_numpy(kf.layers.MaskedAverage()(x, mask=mask))[:, 0].tolist()
    [2.0, 5.0, 0.0]

    Reference:
        The average of word vectors that CentralNet's Sect. 3.4 takes as a text's features goes
        back to Arevalo et al. (2017), Gated Multimodal Units, Sect. 4.2.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self._check(input_shape)

    def _check(self, shape):
        if len(shape) != 3:
            raise ValueError(
                f"MaskedAverage: expected an input (batch, time, features). Received: "
                f"{tuple(shape)}"
            )

    def call(self, inputs, mask=None):
        inputs = ops.cast(inputs, self.compute_dtype)
        if mask is None:
            return ops.mean(inputs, axis=1)
        counts = ops.cast(mask, "bool")[:, :, None]
        # float32: bfloat16 counts to 256 only.
        number = ops.maximum(ops.sum(ops.cast(counts, "float32"), axis=1), 1.0)
        total = ops.sum(ops.where(counts, inputs, ops.zeros_like(inputs)), axis=1)
        return total / ops.cast(number, total.dtype)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        self._check(input_shape)
        return (input_shape[0], input_shape[2])
