"""The loss of evidence: expected cross-entropy, and a price on wrong evidence."""

import math

import keras
from keras import ops

from keras_fusion._checks import check_int
from keras_fusion.losses._gamma import digamma_and_excess


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
