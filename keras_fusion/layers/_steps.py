"""Tensors that take the steps of another tensor, however many there are."""

import keras
from keras import ops


class _Like(keras.layers.Layer):
    """Called on `[x, like]`, it makes `(batch, time, features)` with the steps of `like`."""

    def compute_output_shape(self, shapes):
        x, like = shapes
        return (like[0], like[1], x[-1])


@keras.saving.register_keras_serializable(package="keras_fusion")
class RepeatSteps(_Like):
    """`x`, `(batch, features)`, at every step of `like`, `(batch, time, ...)`."""

    def call(self, inputs):
        x, like = inputs
        return x[:, None, :] + ops.cast(ops.zeros_like(like[:, :, :1]), x.dtype)


@keras.saving.register_keras_serializable(package="keras_fusion")
class SplitSteps(_Like):
    """Takes time out of the batch again: from `(batch * time, features)`."""

    def call(self, inputs):
        x, like = inputs
        return ops.reshape(x, (-1, ops.shape(like)[1], x.shape[-1]))
