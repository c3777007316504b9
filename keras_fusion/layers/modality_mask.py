"""Takes an absent modality out of a model, at its input."""

import keras
from keras import ops

from keras_fusion._arguments import check_int


@keras.saving.register_keras_serializable(package="keras_fusion")
class ModalityMask(keras.layers.Layer):
    """Replaces a modality's input by zeros in the samples that do not have it.

    Use it on a modality's input, before its backbone: masking further up is too late, because a
    NaN that has gone through a backbone comes back as a NaN in the gradient of its weights. A
    builder called with `missing_modalities=True` places these layers for you.

    Args:
        index: Int >= 0, the modality's column in `present`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        inputs: Tensor `(batch, ...)` of any rank from 1 up and any dtype.
        present: Tensor `(batch, number of modalities)`, bool or 0/1.

    Input shape:
        `inputs`: `(batch, ...)`; `present`: `(batch, number of modalities)`.

    Output shape:
        That of `inputs`, and its dtype.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> mask = kf.layers.ModalityMask(index=1, dtype="float32")
    >>> audio, present = np.array([[1.0], [np.nan]]), np.array([[1, 1], [1, 0]])
    >>> np.array(mask(audio, present)).tolist()
    [[1.0], [0.0]]

    Reference:
        Neverova et al. (2016), ModDrop, Sect. 4.2, for training with absent modalities.
    """

    def __init__(self, index, **kwargs):
        super().__init__(**kwargs)
        check_int("index", index, minimum=0)
        self.index = index
        self.supports_masking = True

    def build(self, inputs_shape, present_shape):
        self._check(present_shape)

    def _check(self, present_shape):
        width = present_shape[-1]
        if len(present_shape) != 2 or (width is not None and width <= self.index):
            raise ValueError(
                f"present: expected shape (batch, number of modalities > {self.index}). "
                f"Received: {tuple(present_shape)}"
            )

    def call(self, inputs, present):
        # Again, as build sees only the first call, and JAX reads the last column for a missing one.
        self._check(present.shape)
        here = ops.cast(present[:, self.index], "bool")
        here = ops.reshape(here, (-1,) + (1,) * (len(inputs.shape) - 1))
        return ops.where(here, inputs, ops.zeros_like(inputs))

    def compute_output_shape(self, inputs_shape, present_shape):
        return tuple(inputs_shape)

    def compute_output_spec(self, inputs, present):
        # Keras would say the compute dtype; integers stay integers.
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "index": self.index}
