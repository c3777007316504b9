"""The maxout layer, of which the Gated Multimodal Unit's classifier is made."""

import keras
from keras import ops

from keras_fusion._checks import check_bool, check_int


@keras.saving.register_keras_serializable(package="keras_fusion")
class Maxout(keras.layers.Layer):
    """Largest of several affine maps, for every unit: a dense layer that learns its activation.

    Use it in place of a dense layer with an activation. The classifier on top of the GMU on
    MM-IMDb has two of them, see `build_gmu(classifier="maxout")`.

        y_j = max_p (x W + b)_{j * pieces + p},  p = 0 ... pieces - 1

    Args:
        units: Positive integer, the width of the output.
        pieces: Positive integer: how many affine maps a unit takes the largest of; 1 is a plain
            dense layer. Defaults to `2`.
        use_bias: Boolean. Defaults to `True`.
        **kwargs: The arguments of every Keras layer.

    Input shape:
        `(batch, ..., features)`.

    Output shape:
        `(batch, ..., units)`.

    Weights:
        `kernel`, `(features, units * pieces)`, and `bias`, `(units * pieces,)`: the pieces of one
        unit stand next to each other.

    Raises:
        TypeError, ValueError: arguments out of their range, or an input without a fixed number
            of features.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> layer = kf.layers.Maxout(units=1, pieces=2)
    >>> layer.build((None, 1))
    >>> layer.set_weights([np.array([[-1.0, 1.0]]), np.zeros(2)])
    >>> ops.convert_to_numpy(layer(np.array([[-2.0], [3.0]]))).tolist()  # max(-x, x)
    [[2.0], [3.0]]

    Reference:
        Goodfellow et al. (2013), Maxout Networks, Sect. 3. Arevalo et al. (2017), Gated Multimodal
        Units for Information Fusion, for the classifier on MM-IMDb.
    """

    def __init__(self, units, pieces=2, use_bias=True, **kwargs):
        super().__init__(**kwargs)
        units = check_int("units", units)
        pieces = check_int("pieces", pieces)
        use_bias = check_bool("use_bias", use_bias)
        self.units = units
        self.pieces = pieces
        self.use_bias = use_bias
        self.supports_masking = True

    def build(self, input_shape):
        self._check(input_shape)
        width = self.units * self.pieces
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.bias = (
            self.add_weight(shape=(width,), initializer="zeros", name="bias")
            if self.use_bias
            else None
        )

    def _check(self, shape):
        if len(shape) < 2 or shape[-1] is None:
            raise ValueError(
                "Maxout: expected an input (batch, ..., features) with a fixed number of "
                f"features. Received: {tuple(shape)}"
            )

    def call(self, inputs):
        x = ops.matmul(ops.cast(inputs, self.compute_dtype), self.kernel)
        if self.bias is not None:
            x = x + self.bias
        shape = ops.shape(x)[:-1]
        return ops.max(ops.reshape(x, (*shape, self.units, self.pieces)), axis=-1)

    def compute_output_shape(self, input_shape):
        self._check(input_shape)
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "pieces": self.pieces,
            "use_bias": self.use_bias,
        }
