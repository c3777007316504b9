"""Masks all steps of a sequence in the samples that lack it."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_fusion")
class MaskAbsentSteps(keras.layers.Layer):
    """Hands a sequence on, with a mask in which no step of an absent modality counts.

    Use it before a layer that fuses sequences of which some samples lack one: what stands in the
    place of an absent sequence has steps too, all of which would count as soon as the masks of
    the modalities are joined. The builders place it where every step has a prediction.

    Args:
        **kwargs: The arguments of every Keras layer; it has none of its own.

    Call arguments:
        inputs: List of the sequence and of a tensor `(batch, 1)`, booleans or 0 and 1: which
            samples have it.

    Input shape:
        `[(batch, time, features), (batch, 1)]`.

    Output shape:
        `(batch, time, features)`.

    Raises:
        ValueError: anything else.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> layer, x = kf.layers.MaskAbsentSteps(), np.ones((2, 3, 1))
    >>> found = layer.compute_mask([x, np.array([[1], [0]])], [np.ones((2, 3), bool), None])
    >>> ops.convert_to_numpy(found).tolist()
    [[True, True, True], [False, False, False]]
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self._check(input_shape)

    def _check(self, shapes):
        if len(shapes) != 2 or len(shapes[0]) != 3 or tuple(shapes[1][1:]) != (1,):
            raise ValueError(
                "MaskAbsentSteps: expected [(batch, time, features), (batch, 1)]. "
                f"Received: {shapes}"
            )

    def call(self, inputs):
        # A tensor of its own: Keras would leave it the mask that it has.
        return ops.copy(ops.cast(inputs[0], self.compute_dtype))

    def compute_mask(self, inputs, mask=None):
        if mask is None or mask[0] is None:
            return None
        return ops.logical_and(ops.cast(mask[0], "bool"), ops.cast(inputs[1], "bool"))

    def compute_output_shape(self, input_shape):
        self._check(input_shape)
        return tuple(input_shape[0])
