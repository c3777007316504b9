"""Quality-aware fusion: logits weighed by how low their energy is."""

import keras
from keras import ops

from keras_fusion._checks import check_factor
from keras_fusion.layers.fusion_layer import FusionLayer


@keras.saving.register_keras_serializable(package="keras_fusion")
class EnergyFusion(FusionLayer):
    """Sum of the modalities' logits, each weighed for every sample by its own confidence.

    Use it to compare with, where a modality is noise for some samples. `build_quality_aware` places
    it for you, and says what was measured. With the logits z_k of n modalities and the energy
    E_k = -logsumexp(z_k),

        z = sum_k w_k z_k,    w_k = -scale E_k = scale logsumexp(z_k)

    The weights are not normalized, and negative where all logits are well below 0. They depend on
    the level of the logits, which a softmax does not see: adding a constant to z_k changes w_k, so
    that logits taken from finished models, or from probabilities, are of no use here. Computed in
    float32.

    Args:
        scale: Float not below 0. Defaults to `0.1`, the authors' code's.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of one or more vectors of logits.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. An absent modality, NaN included, has weight 0.

    Input shape:
        List of `(batch, classes)`.

    Output shape:
        `(batch, classes)`, logits.

    Raises:
        TypeError, ValueError: a negative scale, or anything but a list of vectors of one width.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> fusion = kf.layers.EnergyFusion()
    >>> image, sound = np.array([[20.0, 0.0]]), np.array([[0.0, 10.0]])
    >>> ops.convert_to_numpy(fusion([image, sound])).round(2).tolist()  # weights 2 and 1
    [[40.0, 10.0]]

    Reference:
        Zhang et al. (2023), Provable Dynamic Fusion for Low-Quality Multimodal Data.
    """

    ranks = (2,)
    equal = "shape"
    fusion_weights_per = "sample"

    def __init__(self, scale=0.1, **kwargs):
        super().__init__(**kwargs)
        scale = check_factor("scale", scale)
        self.scale = scale
        # Keras would round the logits to the compute dtype first.
        self.autocast = False

    def call(self, modalities, present=None):
        logits = self.mask_absent(modalities, present, dtype="float32")
        weights = self._weights(logits, present)
        fused = sum(weights[:, k : k + 1] * z for k, z in enumerate(logits))
        return ops.cast(fused, self.compute_dtype)

    def _weights(self, logits, present):
        weights = self.scale * ops.stack([ops.logsumexp(z, axis=-1) for z in logits], axis=1)
        return weights if present is None else ops.where(ops.cast(present, "bool"), weights, 0.0)

    def fusion_weights(self, modalities, present=None):
        """The share of every modality, for each sample: |w_k| over the sum of all.

        A negative weight counts by its size too, as the modality enters the sum by as much.

        Args:
            modalities, present: As in the call.

        Returns:
            Tensor `(batch, number of modalities)`: floats in [0, 1] that sum to 1 for every
            sample (zeros for one without any modality).
        """
        self.check_built()
        logits = self.mask_absent(modalities, present, dtype="float32")
        weights = ops.abs(self._weights(logits, present))
        return weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1e-30)

    def compute_output_shape(self, modalities_shape, present_shape=None):
        return self.check_shapes(modalities_shape, present_shape=present_shape)[0]

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}
