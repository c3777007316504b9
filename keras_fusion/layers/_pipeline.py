"""A layer made of layers in a row, and the checks of its arguments."""

import keras
from keras import layers

from keras_fusion._checks import check_bool, check_int, check_rate, check_seed, is_int


class Pipeline(keras.layers.Layer):
    """Layers in a row, one tensor in and one out, of fixed size.

    A subclass sets `rank` and `expected`, of its input, and in `__init__` the list `pipeline`.
    """

    rank = None
    expected = None

    def build(self, input_shape):
        shape = self._checked(input_shape)
        for layer in self.pipeline:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, inputs, training=None):
        # Again, as build sees only the first call.
        self._checked(inputs.shape)
        x = inputs
        for layer in self.pipeline:
            x = layer(x)  # Keras hands `training` on by itself
        return x

    def _checked(self, shape):
        shape = tuple(shape)
        if len(shape) != self.rank or None in shape[1:]:
            raise ValueError(
                f"{type(self).__name__}: expected {self.expected} of fixed size. Received: {shape}"
            )
        return shape

    def _own(self, layer, name, **options):
        return layer(**options, dtype=self.dtype_policy, name=name)

    def _norm(self, name):
        return self._own(layers.BatchNormalization, name, momentum=self.momentum)


def check_norm_and_dropout(batch_norm, dropout, momentum, seed):
    """The four as plain numbers; an error that names the one that is out of its range."""
    return (
        check_bool("batch_norm", batch_norm),
        check_rate("dropout", dropout),
        check_rate("momentum", momentum),
        check_seed("seed", seed),
    )


def pair(label, value):
    """Two ints, from one or two; None stays None."""
    if value is None:
        return None
    if is_int(value):
        value = (value, value)
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"{label}: expected an int or two (rows, columns). Received: {value!r}")
    return tuple(check_int(label, size) for size in value)
