"""Losses of queries and their targets, for retrieval."""

import keras
from keras import ops

from keras_fusion._checks import is_number


class _OfPairs(keras.losses.Loss):
    """A loss of queries and their targets, among the batch."""

    def __init__(self, scale, reduction, name, dtype):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not is_number(scale) or not 0 < scale < 1e30:
            raise ValueError(f"scale: expected a float > 0. Received: {scale!r}")
        self.scale = float(scale)

    def call(self, y_true, y_pred):
        pairs = ops.cast(y_pred, "float32")
        if len(pairs.shape) != 3 or pairs.shape[1] != 2:
            raise ValueError(
                f"{type(self).__name__}: expected pairs of a query and its target, "
                f"(batch, 2, units). Received: {tuple(pairs.shape)}"
            )
        squares = ops.sum(ops.square(pairs), axis=-1, keepdims=True)
        pairs = pairs / ops.sqrt(ops.maximum(squares, 1e-12))
        y = ops.reshape(y_true, (-1,))
        return self.of(pairs[:, 0], pairs[:, 1], ops.expand_dims(y, 1) != ops.expand_dims(y, 0))

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="keras_fusion")
class BatchClassification(_OfPairs):
    """Cross-entropy of finding each query's target among the targets of the batch (TIRG).

    Use it to learn embeddings for retrieval: a fused query (an image and an instruction) and what
    it asks for. With the cosine s_ij of query i and target j of the batch:

        loss_i = - log(exp(scale s_ii) / sum_j exp(scale s_ij))

    the sum being over j = i and all j whose labels are not that of i: a target that would be right
    too is no wrong answer. The original leaves none out. It learns the scale, from 4 on.

    Args:
        scale: Positive float; a larger one looks more at the hardest targets. Defaults to `4.0`.
        reduction, name, dtype: As in every Keras loss.

    Call arguments:
        y_true: `(batch,)`, integers below 2**24, what the target is: its class, or the number of
            its pair where no two targets are the same.
        y_pred: Embeddings of any length, `(batch, 2, units)`: query and target, as
            `keras.ops.stack([query, target], axis=1)`.

    Raises:
        ValueError: an argument out of its range, or predictions that are no pairs.

    Example:

    >>> import numpy as np
    >>> import keras_fusion.losses
    >>> loss = keras_fusion.losses.BatchClassification()
    >>> round(float(loss(np.arange(8), np.ones((8, 2, 5)))), 4)  # log 8: nothing is told apart
    2.0794

    Reference:
        Vo et al. (2019), Composing Text and Image for Image Retrieval, Sect. 3.3.
    """

    def __init__(
        self, scale=4.0, reduction="sum_over_batch_size", name="batch_classification", dtype=None
    ):
        super().__init__(scale, reduction, name, dtype)

    def of(self, queries, targets, other):
        scores = self.scale * ops.matmul(queries, ops.transpose(targets))
        own = ops.diagonal(scores)
        others = ops.logsumexp(ops.where(other, scores, -1e9), axis=1)
        return ops.softplus(others - own)


@keras.saving.register_keras_serializable(package="keras_fusion")
class SoftTriplet(_OfPairs):
    """Asks that partners are nearer to each other than to the rest of the batch (TIRG).

    Use it as `BatchClassification`, for small batches: each of the 2 B queries and targets is an
    anchor a, its partner the positive p, all of other labels the negatives n. With squared
    distances D of embeddings of the length `scale`:

        loss = mean over n of log(1 + exp(D_ap - D_an)), and over both anchors of a pair

    The original draws three negatives for an anchor, of which this is the expectation.

    Args:
        scale, reduction, name, dtype: As in `BatchClassification`.

    Call arguments:
        y_true, y_pred: As in `BatchClassification`.

    Raises:
        ValueError: an argument out of its range, or predictions that are no pairs.

    Example:

    >>> import numpy as np
    >>> import keras_fusion.losses
    >>> loss = keras_fusion.losses.SoftTriplet()
    >>> round(float(loss(np.arange(8), np.ones((8, 2, 5)))), 4)  # log 2: nothing is told apart
    0.6931

    Reference:
        Vo et al. (2019), Composing Text and Image for Image Retrieval, Sect. 3.3.
    """

    def __init__(self, scale=4.0, reduction="sum_over_batch_size", name="soft_triplet", dtype=None):
        super().__init__(scale, reduction, name, dtype)

    def of(self, queries, targets, other):
        other = ops.cast(ops.tile(other, (1, 2)), "float32")  # of queries and targets alike
        own = ops.sum(queries * targets, axis=1, keepdims=True)
        items = ops.transpose(ops.concatenate([queries, targets]))
        losses = 0.0
        for anchors in (queries, targets):
            nearer = 2 * self.scale**2 * (ops.matmul(anchors, items) - own)  # D_ap - D_an
            losses = losses + ops.sum(other * ops.softplus(nearer), axis=1) / 2
        return losses / ops.maximum(ops.sum(other, axis=1), 1)
