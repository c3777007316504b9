"""Trusted fusion: Dempster's rule on the modalities' evidence."""

import math

import keras
from keras import ops

from keras_fusion.layers.fusion_layer import FusionLayer

_NO_LOGIT = -1e9  # whose evidence is 0
_LARGEST = 60.0  # log of the largest evidence: finite in float32, and so are its sums


@keras.saving.register_keras_serializable(package="keras_fusion")
class EvidenceFusion(FusionLayer):
    """Makes evidence of every modality's logits, combines it, and predicts by what is combined.

    Use it where a model shall say when it does not know: a modality that has no evidence leaves the
    decision to the others. `build_trusted` places it for you. The modalities' evidence for K
    classes is e_k = softplus(z_k), its Dirichlet distribution has alpha_k = e_k + 1 and
    S_k = sum_c alpha_kc. Dempster's rule for any number of modalities at once, and what comes of
    it, are

        e_c = K (prod_k (1 + e_kc / K) - 1),    p_c = (e_c + 1) / S,    u = K / S

    with the expected probabilities p, which are the output, and the uncertainty u between 0 and 1.
    This equals the paper's rule for two, used again and again in any order. To combine only lowers
    u: two modalities that contradict each other do not raise it. Everything is computed in float32,
    products and probabilities from logarithms, as evidence soon leaves the range of half
    precision.

    Args:
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of one or more vectors of logits, of two or more classes.
        central: Optional vector of logits, of a joint network, which every sample has; it counts as
            one more modality. Defaults to `None`.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. An absent modality, NaN included, has no evidence, so that all is as
            without it. A sample without any has the same probability for every class, and u = 1.
        training: Boolean. Every call in training is counted in `steps`. Defaults to `False`.

    Input shape:
        List of `(batch, classes)`.

    Output shape:
        `(batch, classes)`, probabilities.

    Weights:
        `steps`, not trained: the number of steps of training, for `losses.EvidentialLoss`.

    Raises:
        TypeError, ValueError: anything but a list of vectors of one width, two or more.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> fusion = kf.layers.EvidenceFusion()
    >>> image, sound = np.array([[9.0, -9.0]]), np.array([[-9.0, -9.0]])
    >>> found = ops.convert_to_numpy(fusion([image, sound]))
    >>> np.allclose(found, [[10 / 11, 1 / 11]], atol=1e-3)
    True
    >>> found = ops.convert_to_numpy(fusion.uncertainty([image, sound]))
    >>> np.allclose(found, [[2 / 11, 2 / 11, 1]], atol=1e-3)  # combined, image, sound
    True

    Reference:
        Han et al. (2021), Trusted Multi-View Classification.
    """

    ranks = (2,)
    equal = "shape"
    fusion_weights_per = "sample"
    predicts = "softmax"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # Keras would round the logits to the compute dtype first.
        self.autocast = False

    def build(self, modalities_shape=(), central_shape=None, present_shape=None):
        super().build(modalities_shape, central_shape=central_shape, present_shape=present_shape)
        self.steps = self.add_weight(
            (),
            "zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
            name="steps",
        )

    def call(self, modalities, central=None, present=None, training=False):
        if training:
            self.steps.assign_add(1.0)
        growth = sum(self._growths(modalities, central, present))
        return ops.cast(ops.softmax(self._log_alpha(growth)), self.compute_dtype)

    def _growths(self, modalities, central, present):
        """log(1 + e_k / K) of every source, which the rule adds up."""
        logits = self.mask_absent(modalities, present, central, _NO_LOGIT, "float32")
        return [ops.log1p(ops.softplus(z) / z.shape[-1]) for z in logits]

    def _log_alpha(self, growth):
        """log(1 + K (exp(growth) - 1)), whatever the size of growth."""
        # Not by expm1: ONNX has no such operation, and near 1 alpha is as exact without.
        return growth + ops.log1p((growth.shape[-1] - 1) * (1 - ops.exp(-growth)))

    def evidence(self, modalities, central=None, present=None):
        """The combined evidence, what `losses.EvidentialLoss` takes.

        Args:
            modalities, central, present: As in the call.

        Returns:
            Tensor `(batch, classes)` of float32, from 0 to 1e26 times the number of classes.
        """
        growth = sum(self._growths(modalities, central, present))
        return growth.shape[-1] * ops.expm1(ops.minimum(growth, _LARGEST))

    def uncertainty(self, modalities, central=None, present=None):
        """K / S of what is combined, and of every source alone.

        Args:
            modalities, central, present: As in the call.

        Returns:
            Tensor `(batch, 1 + number of sources)`: floats from 0 to 1, that of the combination
            first, then the modalities in their order and `central`. 1 for an absent modality.
        """
        growths = self._growths(modalities, central, present)
        log_alpha = self._log_alpha(ops.stack([sum(growths), *growths], axis=1))
        log_s = ops.logsumexp(log_alpha, axis=-1)
        return ops.exp(math.log(log_alpha.shape[-1]) - log_s)

    def fusion_weights(self, modalities, central=None, present=None):
        """The share of every source, for each sample: how sure it is, 1 - u_k, over the sum of all.

        Args:
            modalities, central, present: As in the call.

        Returns:
            Tensor `(batch, number of sources)`: floats in [0, 1] that sum to 1 for every sample
            (zeros for one without any evidence).
        """
        self.check_built()
        growths = ops.stack(self._growths(modalities, central, present), axis=1)
        # e / (K + e), as 1 - u is no number near 0.
        total = ops.sum(ops.expm1(ops.minimum(growths, _LARGEST)), axis=-1)
        sure = total / (1 + total)
        return sure / ops.maximum(ops.sum(sure, axis=1, keepdims=True), 1e-30)

    def check_shapes(self, modalities_shape, central_shape=None, present_shape=None):
        shapes = super().check_shapes(modalities_shape, central_shape, present_shape)
        if shapes[0][-1] < 2:
            raise ValueError(
                f"EvidenceFusion: expected logits of two or more classes. Received: {shapes}"
            )
        return shapes

    def compute_output_shape(self, modalities_shape, central_shape=None, present_shape=None):
        return self.check_shapes(modalities_shape, central_shape, present_shape)[0]
