"""Between probabilities and logits, so that predictions of finished models can be fused."""

import keras
from keras import ops

_SMALLEST = 1e-7


class _OverPredictions(keras.layers.Layer):
    """What both layers share: one argument, float32 arithmetic, the input's shape."""

    def __init__(self, activation="softmax", **kwargs):
        super().__init__(**kwargs)
        if activation not in ("softmax", "sigmoid"):
            raise ValueError(
                f'activation: expected "softmax" or "sigmoid". Received: {activation!r}'
            )
        self.activation = activation
        self.supports_masking = True
        # Keras would round the inputs to the compute dtype first: 0.9999 to 1 in float16.
        self.autocast = False

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "activation": self.activation}


@keras.saving.register_keras_serializable(package="keras_fusion")
class ProbabilitiesToLogits(_OverPredictions):
    """Turns a finished model's probabilities back into logits.

    Use it to fuse models that end in softmax or sigmoid at the level of their logits, without
    taking their last layer apart: log(max(p, 1e-7)) for softmax, which is the logits up to a
    constant per sample that a following softmax removes; log(p) - log(1 - p) for sigmoid, with p
    kept in [1e-7, 1 - 1e-7].

    Args:
        activation: "softmax" or "sigmoid": what made the probabilities. Defaults to `"softmax"`.
        **kwargs: The arguments of every Keras layer.

    Input shape:
        `(batch, ..., classes)`, values in [0, 1].

    Output shape:
        `(batch, ..., classes)`.

    Raises:
        ValueError: any other activation.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> p = np.array([[0.1, 0.2, 0.7]], dtype="float32")
    >>> logits = kf.layers.ProbabilitiesToLogits()(p)
    >>> np.allclose(np.array(keras.ops.softmax(logits)), p, atol=1e-6)
    True
    """

    def call(self, inputs):
        p = ops.cast(inputs, "float32")
        if self.activation == "softmax":
            logits = ops.log(ops.maximum(p, _SMALLEST))
        else:
            p = ops.clip(p, _SMALLEST, 1 - _SMALLEST)
            logits = ops.log(p) - ops.log1p(-p)
        return ops.cast(logits, self.compute_dtype)


@keras.saving.register_keras_serializable(package="keras_fusion")
class NormalizeProbabilities(_OverPredictions):
    """Makes probabilities of a weighted sum of probabilities.

    Use it after a weighted sum with free, signed weights, which can leave [0, 1] and need not
    sum to 1: values are cut off below 1e-7 and divided by their sum (softmax), or kept in
    [0, 1] (sigmoid).

    Args:
        activation: "softmax" (default, one of several classes) or "sigmoid" (each class apart).
            Defaults to `"softmax"`.
        **kwargs: The arguments of every Keras layer.

    Input shape:
        `(batch, ..., classes)`.

    Output shape:
        `(batch, ..., classes)`, values in [0, 1].

    Raises:
        ValueError: any other activation.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> weighted = np.array([[1.0, 3.0, 0.0]], dtype="float32")
    >>> np.array(kf.layers.NormalizeProbabilities()(weighted)).round(2).tolist()
    [[0.25, 0.75, 0.0]]
    """

    @property
    def predicts(self):
        """How what it makes is read where a network ends in it."""
        return self.activation

    def call(self, inputs):
        p = ops.cast(inputs, "float32")
        if self.activation == "softmax":
            p = ops.maximum(p, _SMALLEST)
            p = p / ops.sum(p, axis=-1, keepdims=True)
        else:
            p = ops.clip(p, 0.0, 1.0)
        return ops.cast(p, self.compute_dtype)
