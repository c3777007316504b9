"""The weighted sum with which CentralNet fuses one level."""

import keras
import numpy as np
from keras import ops

from keras_fusion._checks import check_bool
from keras_fusion.layers.fusion_layer import FusionLayer, column


@keras.saving.register_keras_serializable(package="keras_fusion")
class CentralFusion(FusionLayer):
    """Learned weighted sum of the modalities' tensors and the central one.

    Use it at every level of a CentralNet: the modalities' hidden representations meet here with
    the central network's own previous output, and training finds how much of each is used.
    `build_centralnet` places these layers for you.

    With `modality_scale=True` this is Eq. (3) of the paper, which its authors found better and
    more stable:

        h = alpha_C * h_C + alpha_modalities * sum_k alpha_k * h_k

    and with `modality_scale=False` Eq. (1), the same without the common factor
    `alpha_modalities`. At the first level there is no central tensor and its term is left out.
    The weights start so that the sum is the plain average of the tensors: every alpha is
    1 / (number of tensors), the common factor is 1.

    Args:
        modality_scale: Boolean, whether the modalities share one more trainable factor, Eq. (3),
            or not, Eq. (1). Defaults to `True`.
        **kwargs: `name`, `dtype` and the other arguments of every Keras layer.

    Call arguments:
        modalities: List of one or more tensors of equal shape, any rank from 2 up.
        central: Tensor of that shape, or None at the first level.
        present: Optional tensor of shape `(batch, number of modalities)`, booleans or 0/1: which
            modalities each sample really has, in the order of `modalities`. Whatever stands in an
            absent modality's tensor, NaN included, reaches neither the output nor the gradient of
            the weights. The terms of the modalities that are present are multiplied by sum|alpha| /
            sum over the present |alpha| (the alphas are signed: their plain sum may be near zero);
            the central term stays as it is. A sample without any modality gets the central term
            alone, zeros at the first level.

    Input shape:
        `modalities`: list of `(batch, ..., features)`; `central`: `(batch, ..., features)`.

    Output shape:
        `(batch, ..., features)`, that of one input.

    Weights:
        `alpha`: one vector in the order modalities, central (from the second level on), common
        factor (if `modality_scale`).

    Raises:
        ValueError: no tensor, tensors of different shapes, or `present` of another width.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> fusion = kf.layers.CentralFusion()
    >>> image, audio = np.ones((2, 3)), 3 * np.ones((2, 3))
    >>> keras.ops.convert_to_numpy(fusion([image, audio])).tolist()
    [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]
    >>> fusion.fusion_weights().tolist()
    [0.5, 0.5]

    Reference:
        Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion,
        Eq. (1) and (3), Sect. 2.1 and 2.3.
    """

    equal = "shape"
    open_features = True
    fusion_weights_per = "layer"

    def __init__(self, modality_scale=True, **kwargs):
        super().__init__(**kwargs)
        modality_scale = check_bool("modality_scale", modality_scale)
        self.modality_scale = modality_scale

    def build(self, modalities_shape=(), central_shape=None, present_shape=None):
        super().build(modalities_shape, central_shape=central_shape, present_shape=present_shape)
        self.has_central = central_shape is not None
        sources = len(modalities_shape) + self.has_central
        start = [1 / sources] * sources + [1.0] * self.modality_scale
        # One vector, not scalars: stacking scalar variables fails on TensorFlow (Keras 3.15).
        self.alpha = self.add_weight(
            shape=(len(start),),
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(start, dtype=dtype),
            autocast=False,  # cast in call, after the arithmetic that needs float32
            name="alpha",
        )

    def call(self, modalities, central=None, present=None):
        n = len(self.widths)
        sources = self.mask_absent(modalities, present, central)
        weights = self._modality_weights(present)
        total = None
        for k, hidden in enumerate(sources[:n]):
            weight = weights[k] if present is None else column(weights, k, len(hidden.shape))
            # A chain of multiply-adds: XLA fuses it, where stack + tensordot is twice as slow.
            term = weight * hidden
            total = term if total is None else total + term
        if self.has_central:
            total = total + ops.cast(self.alpha, self.compute_dtype)[n] * sources[n]
        return total

    def _modality_weights(self, present):
        """The modalities' factors: `(n,)`, or `(batch, n)` where some may be absent."""
        n = len(self.widths)
        # float32 whatever the policy: quotients of alphas overflow float16 easily.
        alpha = ops.cast(self.alpha, "float32")
        weights = alpha[:n] * alpha[-1] if self.modality_scale else alpha[:n]
        if present is not None:
            here = ops.cast(ops.cast(present, "bool"), "float32")
            size = ops.abs(alpha[:n])
            of_present = ops.sum(here * size, axis=-1, keepdims=True)
            found = of_present > 0
            rescale = ops.where(found, ops.sum(size) / ops.where(found, of_present, 1.0), 0.0)
            weights = here * weights * rescale
        return ops.cast(weights, self.compute_dtype)

    def compute_output_shape(self, modalities_shape, central_shape=None, present_shape=None):
        return self.check_shapes(modalities_shape, central_shape, present_shape)[0]

    def fusion_weights(self, normalize=True):
        """The share of every source, as the paper's Fig. 3 shows it.

        A source enters the sum with its own alpha, times the common factor for the modalities.
        The paper gives percentages and does not say what it does with signs; a share here is
        the absolute value of that product over the sum of all of them, because a tensor that is
        subtracted is used as much as one that is added.

        Args:
            normalize: Boolean, `False` gives the signed products themselves. Defaults to
                `True`.

        Returns:
            NumPy float array, in the order modalities, central. Shares are in [0, 1] and sum
            to 1; all zeros if every weight is zero, NaN if one is NaN or infinite (of which
            `FusionModel.fusion_weights` makes an error).
        """
        self.check_built()
        alpha = np.array(ops.convert_to_numpy(self.alpha), dtype="float64")
        n = len(self.widths)
        values = alpha[: n + self.has_central].copy()
        if self.modality_scale:
            values[:n] *= alpha[-1]
        if not normalize:
            return values
        size = np.abs(values)
        with np.errstate(invalid="ignore"):  # infinity / infinity
            return size / (size.sum() or 1.0)

    def get_config(self):
        return {**super().get_config(), "modality_scale": self.modality_scale}
