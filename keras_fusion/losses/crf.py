"""The likelihood of whole sequences of labels."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_fusion")
class CRFLoss(keras.losses.Loss):
    """The negative log-likelihood of whole sequences of labels under a CRF.

    Use it to train a model of `build_crf_fusion(per="step")`: `compile(loss=CRFLoss())`. The loss
    of a sequence is -log p(y | x) of `LinearChainCRF`, the sum over its steps; of a batch it is the
    mean over its sequences, and a sample weight is that of a sequence. The model hands this loss
    what the marginals, its prediction, were made of: emissions, transitions and the mask. Metrics
    get the marginals.

    Args:
        reduction, name, dtype: As in every Keras loss.

    Call arguments:
        y_true: Class indices, `(batch, steps)` or `(batch, steps, 1)`; any valid class at steps
            that are masked.
        y_pred: The model's; a loss that `compile` of a `FusionModel` has not seen is an error.
        sample_weight: Optional array `(batch,)`, one weight for each sequence.

    Example:

    >>> import keras
    >>> import keras_fusion as kf
    >>> conv = keras.layers.Conv1D
    >>> nets = [
    ...     keras.Sequential([keras.Input((6, n)), conv(4, 3, padding="same", activation="relu")])
    ...     for n in (2, 3)
    ... ]
    >>> model = kf.build_crf_fusion(nets, per="step", num_classes=3)
    >>> model.compile("adam", loss=kf.losses.CRFLoss(), metrics=["accuracy"])

    Reference:
        Lafferty, McCallum & Pereira (2001), Conditional Random Fields: Probabilistic Models for
        Segmenting and Labeling Sequence Data.
    """

    # What labels are checked as.
    labels_of = "sparse_categorical_crossentropy"

    def __init__(self, reduction="sum_over_batch_size", name="crf_loss", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self._layer = None

    def bound_to(self, layer):
        """A copy that takes its scores from a layer.

        Args:
            layer: `LinearChainCRF`.

        Returns:
            `CRFLoss`.
        """
        copy = type(self).from_config(self.get_config())
        copy._layer = layer
        return copy

    def call(self, y_true, y_pred):
        if self._layer is None:
            raise ValueError(
                'CRFLoss: expected the compile of a model of build_crf_fusion(per="step"), whose '
                "transitions it needs. Received: a call without"
            )
        labels = ops.reshape(y_true, ops.shape(y_pred)[:2])
        return -self._layer.log_likelihood(labels, y_pred[..., :-1], y_pred[..., -1] > 0.5)
