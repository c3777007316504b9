"""Zero-padding of the feature axis, so that tensors of different widths can be added."""

import keras
from keras import ops

from keras_fusion._checks import check_int


@keras.saving.register_keras_serializable(package="keras_fusion")
class PadFeatures(keras.layers.Layer):
    """Appends zeros to the last axis until it is `units` wide.

    Use it where modalities of different widths meet and no weights are to be spent on it, as
    the paper does for Montalbano (350 features to 400) and MM-IMDb (300 to 4096). A Dense
    layer or a 1x1 convolution is the learned alternative (`align="project"`).

    Args:
        units: Positive integer, the width of the output; not below that of the input.
        **kwargs: The arguments of every Keras layer.

    Input shape:
        `(batch, ..., features)`.

    Output shape:
        `(batch, ..., units)`.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> np.array(kf.layers.PadFeatures(units=4)(np.ones((1, 2)))).tolist()
    [[1.0, 1.0, 0.0, 0.0]]

    Reference:
        Vielzeuf et al. (2018), CentralNet, Sect. 2, 3.3 and 3.4.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        units = check_int("units", units)
        self.units = units
        self.supports_masking = True

    def build(self, input_shape):
        self._missing(input_shape)

    def _missing(self, shape):
        if len(shape) < 2 or shape[-1] is None or shape[-1] > self.units:
            raise ValueError(
                f"PadFeatures: expected an input (batch, ..., features) with at most "
                f"{self.units} features. Received: {tuple(shape)}"
            )
        return self.units - shape[-1]

    def call(self, inputs):
        widths = [(0, 0)] * (len(inputs.shape) - 1) + [(0, self._missing(inputs.shape))]
        return ops.pad(inputs, widths)

    def compute_output_shape(self, input_shape):
        self._missing(input_shape)
        return (*input_shape[:-1], self.units)

    def compute_output_spec(self, inputs):
        # Keras would say the compute dtype; integers stay integers.
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "units": self.units}
