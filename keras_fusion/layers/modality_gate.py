"""The modality gate: one modality says how much of itself and of the others is used."""

import keras
from keras import layers, ops

from keras_fusion.layers.fusion_layer import FusionLayer, masked_softmax


@keras.saving.register_keras_serializable(package="keras_fusion")
class ModalityGate(FusionLayer):
    """Gated concatenation: what the gate lets in of one modality it takes from the other.

    Use it in place of a concatenation where the modalities are not equally informative, such as
    a strong pretrained network on images and one trained from scratch on depth maps.
    `build_modality_gated` places it behind the backbones for you.

    For two modalities A, B, in this order, Eq. (6) and (7) of the paper:

        G = sigmoid(W F^B + theta)
        F^O = [(1 - G) * F^A, G * F^B]

    with * elementwise and [,] the concatenation ("Log-sigmoid" in the paper is the logistic
    sigmoid; the sentence before Eq. (7) names F^B twice, Eq. (7) and Fig. 1 do not).

    Two extensions of ours:

    - Widths that differ: G is as wide as the widest modality, W is
      `(width of B, largest width)`, and a modality of width d is weighed by the first d values of
      its gate. Where the widths are equal that is Eq. (6) as it stands.
    - n modalities: the first is F^A; every other one, k, has a W_k and theta_k, and

          G_k = exp(s_k) / (1 + sum_j exp(s_j)),  s_k = W_k F^k + theta_k,
          and what is left, 1 - sum_k G_k, weighs F^A,

      a softmax with the score 0 for F^A, which for n = 2 is Eq. (6).

    Args:
        **kwargs: The arguments of every Keras layer; it has none of its own.

    Call arguments:
        modalities: List of two or more vectors, F^A first.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. An absent modality, NaN included, leaves zeros in the output and is left
            out of the softmax, so that the gates of those present sum to 1 again: the only one
            present passes unchanged. A sample without any modality gets zeros.

    Input shape:
        List of `(batch, features_k)`.

    Output shape:
        `(batch, sum of all features_k)`.

    Raises:
        TypeError, ValueError: anything but a list of vectors, or `present` of another width.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> gate = kf.layers.ModalityGate()
    >>> image, depth = np.ones((1, 2)), np.zeros((1, 2))
    >>> ops.convert_to_numpy(gate([image, depth])).tolist()  # G = sigmoid(0) = 0.5
    [[0.5, 0.5, 0.0, 0.0]]

    Reference:
        Oyedotun, Aouada & Ottersten (2019), Learning to Fuse Latent Representations for
        Multimodal Data, Eq. (6) and (7), Sect. 3.
    """

    min_modalities = 2
    ranks = (2,)
    fusion_weights_per = "sample"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scores = []

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        for k, width in enumerate(self.widths[1:], start=1):
            dense = layers.Dense(max(self.widths), dtype=self.dtype_policy, name=f"gate_{k}")
            dense.build((None, width))
            self.scores.append(dense)

    def call(self, modalities, present=None):
        modalities = self.mask_absent(modalities, present)
        gates = ops.cast(self._gates(modalities, present), self.compute_dtype)
        parts = [gates[:, k, :width] * modalities[k] for k, width in enumerate(self.widths)]
        return ops.concatenate(parts, axis=-1)

    def _gates(self, modalities, present):
        """The gates of all modalities, `(batch, modalities, largest width)` in float32."""
        of_others = [
            ops.cast(score(x), "float32")
            for score, x in zip(self.scores, modalities[1:], strict=True)
        ]
        scores = ops.stack([ops.zeros_like(of_others[0]), *of_others], axis=1)
        return masked_softmax(scores, present)

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return (shapes[0][0], sum(shape[-1] for shape in shapes))

    def fusion_weights(self, modalities, present=None):
        """The share of every modality, for each sample.

        Args:
            modalities, present: As in the call.

        Returns:
            Tensor `(batch, number of modalities)`: the mean of each modality's gate over those
            units that all modalities have (the first ones, as many as the narrowest is wide);
            floats in [0, 1] that sum to 1 for every sample (zeros for one without any modality).
        """
        self.check_built()
        gates = self._gates(self.mask_absent(modalities, present), present)
        return ops.mean(gates[:, :, : min(self.widths)], axis=-1)
