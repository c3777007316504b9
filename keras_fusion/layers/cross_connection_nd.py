"""XFlow's connection between streams of the same dimension."""

import keras
import numpy as np
from keras import layers, ops

from keras_fusion._checks import check_rate, check_seed, is_int


@keras.saving.register_keras_serializable(package="keras_fusion")
class CrossConnectionND(keras.layers.Layer):
    """Takes features to a stream of the same kind: vector to vector, steps to steps, maps to maps.

    Use it between two networks whose hidden tensors are of one kind but of other sizes, its output
    concatenated with the other stream's tensor (a cross-connection, which reads a hidden layer) or
    added to it (a residual connection, which reads the raw input). `build_xflow` places both.

        PReLU(K maxpool(X) + b)

    with a dense layer K over the features (on maps a 1x1 convolution). This is the paper's
    connection from maps to vectors (`CrossConnection2D1D`, Sect. II-A-1) without the flattening
    that takes it to another dimension. Pooling is adaptive: place i of n reads the places from
    floor(i m / n) to ceil((i + 1) m / n) of the m that come in, which repeats them where n > m.
    The slopes start at 0 as for ReLU; there is one per element, and on steps one per feature.

    Args:
        target_shape: Tuple of the output's sizes without the batch: `(features,)`,
            `(steps, features)` or `(height, width, features)`. Steps of None stay as many as come
            in.
        dropout: Float in [0, 1), before the dense layer. Defaults to `0.0`.
        seed: Optional integer, of the dropout. Defaults to `None`.
        **kwargs: `name`, `dtype` and the other arguments of every Keras layer.

    Call arguments:
        inputs: Tensor with as many axes as the output.
        training: Optional boolean, whether dropout drops.

    Input shape:
        `(batch, features)`, `(batch, steps, features)` or `(batch, height, width, features)`.

    Output shape:
        `(batch, *target_shape)`.

    Raises:
        ValueError: an argument out of its range, or an input of another kind or with an open size
            where the target's is fixed.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> connection = kf.layers.CrossConnectionND(target_shape=(4, 3, 16))
    >>> tuple(connection(np.ones((2, 14, 3, 8), "float32")).shape)
    (2, 4, 3, 16)

    Reference:
        Cangea et al. (2017), XFlow: Cross-modal Deep Neural Networks for Audiovisual
        Classification, Sect. II-A, for connections between dimensions. Those within one are ours.
    """

    def __init__(self, target_shape, dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        is_shape = isinstance(target_shape, (tuple, list)) and len(target_shape) in (1, 2, 3)
        is_open = is_shape and len(target_shape) == 2 and target_shape[0] is None
        if not is_shape or not all(is_int(n) and n > 0 for n in target_shape[is_open:]):
            raise ValueError(
                "target_shape: expected (features,), (steps, features) or (height, width, "
                f"features). Received: {target_shape!r}"
            )
        sizes = [int(n) for n in target_shape[is_open:]]
        self.target_shape = (None, *sizes) if is_open else tuple(sizes)
        self.dropout = check_rate("dropout", dropout)
        self.seed = check_seed("seed", seed)
        own = {"dtype": self.dtype_policy}
        self.drop = layers.Dropout(self.dropout, seed=self.seed, **own, name="dropout")
        self.dense = layers.Dense(self.target_shape[-1], **own, name="dense")
        shared = [1] if len(self.target_shape) == 2 else None  # for sequences of any length
        self.prelu = layers.PReLU(shared_axes=shared, **own, name="prelu")

    def build(self, input_shape):
        shape = self.compute_output_shape(input_shape)
        self.dense.build((*shape[:-1], input_shape[-1]))
        self.prelu.build(shape)

    def call(self, inputs, training=None):
        self.compute_output_shape(inputs.shape)  # again, as build sees only the first call
        x = inputs
        for axis, size in enumerate(self.target_shape[:-1], start=1):
            if size not in (None, x.shape[axis]):
                x = ops.max(ops.take(x, _windows(x.shape[axis], size), axis), axis + 1)
        return self.prelu(self.dense(self.drop(x, training=training)))

    def compute_output_shape(self, input_shape):
        shape, target = tuple(input_shape)[1:], self.target_shape
        fits = len(shape) == len(target) and shape[-1] is not None
        pairs = zip(shape[:-1], target[:-1], strict=False)
        if not fits or any(size is None and goal is not None for size, goal in pairs):
            raise ValueError(
                f"CrossConnectionND: expected an input with the axes of {('batch', *target)}, "
                f"none of them open that is fixed there. Received: {tuple(input_shape)}"
            )
        return (input_shape[0], *(target if target[0] is not None else (shape[0], *target[1:])))

    def get_config(self):
        return {
            **super().get_config(),
            "target_shape": self.target_shape,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def _windows(size, target):
    """The places that each of `target` places reads of `size`, a row each; the last is repeated."""
    starts = np.arange(target) * size // target
    last = -(-(np.arange(target) + 1) * size // target) - 1  # rounded up
    width = np.max(last - starts) + 1
    return np.minimum(starts[:, None] + np.arange(width), last[:, None]).astype("int32")
