"""Losses of the papers that Keras does not have."""

import math

import keras
from keras import ops

from keras_fusion._checks import check_bool, check_int, is_number
from keras_fusion._gamma import digamma_and_excess

__all__ = ["EvidentialLoss", "WeightedBinaryCrossentropy"]


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


@keras.saving.register_keras_serializable(package="keras_fusion")
class EvidentialLoss(keras.losses.Loss):
    """Cross-entropy expected under a Dirichlet distribution, and a price on wrong evidence.

    Use it to train a model of `build_trusted`: `compile(loss=EvidentialLoss(annealing_steps=...))`
    serves all heads. Their predictions, and with them all metrics, stay probabilities; the model
    hands this loss the evidence that these were made of. With evidence e of K classes,
    alpha = e + 1, S = sum_c alpha_c and the label y, one-hot:

        loss = digamma(S) - sum_c y_c digamma(alpha_c) + lambda_t KL(Dir(a) || Dir(1))
        a = y + (1 - y) alpha
        lambda_t = min(1, t / annealing_steps)

    where t counts the steps of training, from 1. The count is a weight of the model's layers
    (`EvidenceFusion`), is saved with them, and goes on after loading. The authors' code counts
    epochs, 50 until the full price: `annealing_steps=50 * math.ceil(samples / batch_size)`. We
    count steps as these are the same for `fit`, `fit_replicas` and loops of your own. In `evaluate`
    and on validation data lambda_t is what it is then: while it grows, "val_loss" grows with it, so
    let early stopping watch "val_central_accuracy", or begin later.

    Any other loss of probabilities works on such models too, without a price on evidence:
    "sparse_categorical_crossentropy" is then log(S) - log(alpha_y).

    Args:
        annealing_steps: Positive integer, the number of steps of training after which lambda_t
            is 1.
        reduction, name, dtype: As in every Keras loss.

    Call arguments:
        y_true: Class indices, `(batch,)` or `(batch, 1)`.
        y_pred: Evidence, not negative, `(batch, classes)`; or `(batch, views, classes)`, the losses
            of whose views are added up. Outside of a `FusionModel` lambda_t is 1.

    Raises:
        TypeError, ValueError: an argument out of its range; `compile` with a head that is not made
            of evidence.

    Example:

    >>> import numpy as np
    >>> import keras_fusion.losses
    >>> loss = keras_fusion.losses.EvidentialLoss(annealing_steps=100)
    >>> y, evidence = np.array([0]), np.array([[8.0, 0.0, 0.0]])
    >>> round(float(loss(y, evidence)), 4)  # 1/9 + 1/10
    0.2111

    Reference:
        Han et al. (2021), Trusted Multi-View Classification.
    """

    # What labels are checked as.
    labels_of = "sparse_categorical_crossentropy"

    def __init__(
        self,
        annealing_steps,
        reduction="sum_over_batch_size",
        name="evidential_loss",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        annealing_steps = check_int("annealing_steps", annealing_steps)
        self.annealing_steps = annealing_steps
        self._steps = None

    def annealed_by(self, steps):
        """A copy whose lambda_t follows a count of steps.

        Args:
            steps: `keras.Variable`, a float.

        Returns:
            `EvidentialLoss`.
        """
        copy = type(self).from_config(self.get_config())
        copy._steps = steps
        return copy

    def call(self, y_true, y_pred):
        evidence = ops.cast(y_pred, "float32")
        classes, rank = evidence.shape[-1], len(evidence.shape)
        y = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), classes, dtype="float32")
        if rank == 3:
            y = y[:, None]
        wrong = (1 - y) * evidence
        # Of the right class, of all, and of all in Dir(a).
        sums = [ops.sum(e, axis=-1, keepdims=True) for e in (y * evidence, evidence, wrong)]
        right, total, others = sums[0] + 1, sums[1] + classes, sums[2] + classes
        # All at once, as every operation takes time to trace.
        psi, excess = digamma_and_excess(
            ops.concatenate([right, total, others, wrong + 1], axis=-1)
        )
        divergence = (classes - 1) * (psi[..., 2] - 1) - math.lgamma(classes)
        divergence = divergence + ops.sum(excess[..., 3:], axis=-1) - excess[..., 2]
        losses = psi[..., 1] - psi[..., 0] + self._price() * divergence
        return losses if rank == 2 else ops.sum(losses, axis=1)

    def _price(self):
        if self._steps is None:
            return 1.0
        return ops.minimum(self._steps.value / self.annealing_steps, 1.0)

    def get_config(self):
        return {**super().get_config(), "annealing_steps": self.annealing_steps}
