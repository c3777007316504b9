"""Binary cross-entropy with a weight on the positive labels."""

import keras
from keras import ops

from keras_fusion._checks import check_bool, is_number


@keras.saving.register_keras_serializable(package="keras_fusion")
class WeightedBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy in which a positive label counts more than a negative one.

    Use it where every sample has few of many labels (23 genres of films), to trade precision for
    recall; `compile(loss=WeightedBinaryCrossentropy())` serves all heads of a `FusionModel`.

    For a label y, a logit p and the weight w, averaged over the labels:

        loss = - w y log(sigmoid(p)) - (1 - y) log(1 - sigmoid(p))

    CentralNet says "a weight of 2.0 on the positives terms", which this is with w = 2, but prints
    `-log(2 sigmoid(p)) y - ...` as Eq. (4). That differs from the plain cross-entropy by the
    constant y log 2 only, so that it would train as without a weight. We follow the text.

    Args:
        positive_weight: Positive float; 1 is the plain cross-entropy. Defaults to `2.0`, the
            paper's.
        from_logits: Boolean, whether predictions are logits, and not probabilities, as those of a
            `FusionModel` with sigmoid heads. Logits are exact even where the probability is 0 or 1
            in float32; probabilities are clipped to `[epsilon, 1 - epsilon]`,
            `keras.config.epsilon()`, and have no gradient beyond. Defaults to `False`.
        reduction, name, dtype: As in every Keras loss.

    Call arguments:
        y_true: Labels in [0, 1], `(batch, labels)`; a single label may come as `(batch,)`.
        y_pred: Predictions, `(batch, labels)`.

    Raises:
        TypeError, ValueError: arguments out of their range, or shapes that differ.

    Example:

    >>> import numpy as np
    >>> import keras_fusion.losses
    >>> loss = keras_fusion.losses.WeightedBinaryCrossentropy(positive_weight=2)
    >>> round(float(loss(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]))), 4)  # 1.5 log 2
    1.0397

    Reference:
        Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion,
        Sect. 3.4, Eq. (4).
    """

    def __init__(
        self,
        positive_weight=2.0,
        from_logits=False,
        reduction="sum_over_batch_size",
        name="weighted_binary_crossentropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not is_number(positive_weight) or not 0 < positive_weight < 1e30:
            raise ValueError(
                f"positive_weight: expected a float > 0. Received: {positive_weight!r}"
            )
        self.positive_weight = float(positive_weight)
        self.from_logits = check_bool("from_logits", from_logits)

    def call(self, y_true, y_pred):
        y_pred = ops.convert_to_tensor(y_pred)
        y_true = ops.cast(y_true, y_pred.dtype)
        if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
            y_true = ops.expand_dims(y_true, -1)
        if len(y_true.shape) != len(y_pred.shape) or y_true.shape[-1] != y_pred.shape[-1]:
            raise ValueError(
                "WeightedBinaryCrossentropy: expected labels and predictions of one shape, "
                f"(batch, labels). Received: {tuple(y_true.shape)} and {tuple(y_pred.shape)}"
            )
        if self.from_logits:
            positive, negative = ops.log_sigmoid(y_pred), ops.log_sigmoid(-y_pred)
        else:
            epsilon = keras.config.epsilon()
            y_pred = ops.clip(y_pred, epsilon, 1 - epsilon)
            positive, negative = ops.log(y_pred), ops.log(1 - y_pred)
        losses = -self.positive_weight * y_true * positive - (1 - y_true) * negative
        return ops.mean(losses, axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "positive_weight": self.positive_weight,
            "from_logits": self.from_logits,
        }
