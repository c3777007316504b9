"""The weighted mean of predictions, with learned weights."""

import keras
from keras import ops

from keras_fusion._checks import check_choice
from keras_fusion.layers.fusion_layer import FusionLayer, column
from keras_fusion.layers.score_rules import ACTIVATIONS, value_of_nothing


@keras.saving.register_keras_serializable(package="keras_fusion")
class WeightedMean(FusionLayer):
    """Mean of the modalities' predictions with one learned weight each.

    Use it for late fusion where some modalities are better than others: it has one parameter per
    modality, a mean of distributions is a distribution again, and the weights tell how much each
    modality counts. `build_late_fusion(rule="weighted_mean")` places it for you.

        p = sum_k w_k * p_k,    w = softmax(alpha)

    The paper averages the scores with weights that are learned with the rest of the model, and
    does not say how they are kept a mean. Here they are the softmax of free parameters alpha:
    positive, with the sum 1, all equal at the start.

    Args:
        activation: String, what made the predictions: `"softmax"`, `"sigmoid"` or `"linear"`. It
            only says what a sample without any modality gets: 1 / classes, 0.5 or 0. Defaults to
            `"linear"`.
        **kwargs: `name`, `dtype` and the other arguments of every Keras layer.

    Call arguments:
        modalities: List of one or more tensors of equal shape, any rank from 2 up.
        central: Optional tensor of that shape: one more prediction, of a joint network, which
            every sample has.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1: which modalities
            each sample has. The weights of these alone are divided by their sum, so that it is 1
            again; whatever stands in the others, NaN included, reaches neither the output nor a
            gradient.

    Input shape:
        `modalities`: list of `(batch, ..., classes)`; `central`: `(batch, ..., classes)`.

    Output shape:
        `(batch, ..., classes)`.

    Weights:
        `alpha`: one vector in the order modalities, central (if given).

    Raises:
        ValueError: no tensor, tensors of different shapes, or `present` of another width.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> mean = kf.layers.WeightedMean()
    >>> image, sound = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    >>> keras.ops.convert_to_numpy(mean([image, sound])).tolist()
    [[0.75, 0.25]]
    >>> mean.fusion_weights().tolist()
    [0.5, 0.5]

    Reference:
        Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion,
        Sect. 3, (a) "Weighted mean".
    """

    equal = "shape"
    open_features = True
    fusion_weights_per = "layer"

    def __init__(self, activation="linear", **kwargs):
        super().__init__(**kwargs)
        check_choice("activation", activation, ACTIVATIONS)
        self.activation = activation

    @property
    def predicts(self):
        """How what it makes is read where a network ends in it."""
        return self.activation

    def build(self, modalities_shape=(), central_shape=None, present_shape=None):
        super().build(modalities_shape, central_shape=central_shape, present_shape=present_shape)
        self.has_central = central_shape is not None
        self.alpha = self.add_weight(
            shape=(len(self.widths) + self.has_central,),
            initializer="zeros",
            autocast=False,  # cast in call, after the softmax, which needs float32
            name="alpha",
        )

    def call(self, modalities, central=None, present=None):
        scores = self.mask_absent(modalities, present, central)
        weights = ops.cast(self._weights(present), self.compute_dtype)
        total = None
        for k, p in enumerate(scores):
            term = p * (weights[k] if present is None else column(weights, k, len(p.shape)))
            total = term if total is None else total + term
        if present is None or self.has_central or self.activation == "linear":
            return total
        some = ops.any(ops.cast(present, "bool"), axis=-1, keepdims=True)
        none = ops.full_like(total, value_of_nothing(self.activation, total.shape[-1]))
        return ops.where(column(some, 0, len(total.shape)), total, none)

    def _weights(self, present):
        """`(sources,)`, or `(batch, sources)` where some may be absent; their sum is 1 (or 0)."""
        alpha = ops.cast(self.alpha, "float32")
        if present is None:
            return ops.softmax(alpha)
        here = ops.cast(present, "bool")
        if self.has_central:
            here = ops.concatenate([here, ops.ones_like(here[:, :1])], axis=1)
        # Against the largest of those present: the others' may be far above it.
        largest = ops.max(ops.where(here, alpha, -1e9), axis=-1, keepdims=True)
        powers = ops.exp(ops.where(here, alpha - ops.stop_gradient(largest), 0.0))
        powers = powers * ops.cast(here, "float32")
        return powers / ops.maximum(ops.sum(powers, axis=-1, keepdims=True), 1e-7)

    def compute_output_shape(self, modalities_shape, central_shape=None, present_shape=None):
        return self.check_shapes(modalities_shape, central_shape, present_shape)[0]

    def fusion_weights(self):
        """The weights w: NumPy array in the order modalities, central; their sum is 1."""
        self.check_built()
        weights = ops.convert_to_numpy(self._weights(None)).astype("float64")
        return weights / weights.sum()

    def get_config(self):
        return {**super().get_config(), "activation": self.activation}
