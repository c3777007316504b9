"""The Gated Multimodal Unit."""

import keras
from keras import layers, ops

from keras_fusion._checks import check_bool, check_choice, check_int
from keras_fusion.layers.fusion_layer import FusionLayer, masked_softmax

GATES_ON = ("inputs", "projections")


@keras.saving.register_keras_serializable(package="keras_fusion")
class GatedMultimodalUnit(FusionLayer):
    """Gated sum of the modalities: for every sample and unit, how much of each is let in.

    Use it where one modality is right for some samples and another for others. `build_gmu`
    places it behind the backbones for you. The modalities may differ in width. On sequences and
    maps every step or place has gates of its own, made by the same weights.

    Two modalities share one gate, n > 2 have one each (GMU paper, Sect. 3.1; its equations have
    no numbers):

        h_k = tanh(W_k x_k)
        two:  h = z * h_1 + (1 - z) * h_2,  z = sigmoid(W_z [x_1, x_2])
        n:    h = sum_k z_k * h_k,          z_k = sigmoid(W_zk [x_1, ..., x_n])

    The authors' code differs from their paper in what the gate sees: the projections W_k x_k
    before the tanh in place of the inputs x_k. `gate_on` offers both. Neither has biases.

    Args:
        units: Positive integer, the width of the output.
        gate_on: String, `"inputs"` (the paper: the gates see all features) or `"projections"` (the
            authors' code: smaller gates, as they see `units` values of each modality). Defaults
            to `"inputs"`.
        use_bias: Boolean, whether every projection and gate has a bias. Defaults to `False`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors, sequences or maps, of equal shape but for the
            last axis.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. An absent modality, NaN included, counts as zeros, and its gate is shut.
            In every unit the gates of those present are multiplied by
            (sum of all gates) / (sum of the gates of those present), so that of two modalities
            the only one present gets gate 1. A sample without any modality gets zeros.

    Input shape:
        List of `(batch, ..., features_k)`.

    Output shape:
        `(batch, ..., units)`, values in (-1, 1) for two modalities and (-n, n) for n.

    Raises:
        TypeError, ValueError: arguments out of their range, or anything but such a list.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> gmu = kf.layers.GatedMultimodalUnit(units=4)
    >>> image, text = np.ones((2, 6)), np.zeros((2, 3))
    >>> gmu([image, text]).shape == (2, 4)
    True
    >>> shares = ops.convert_to_numpy(gmu.fusion_weights([image, text]))
    >>> shares.shape, np.allclose(shares.sum(axis=1), 1)
    ((2, 2), True)

    Reference:
        Arevalo et al. (2017), Gated Multimodal Units for Information Fusion, Sect. 3.1.
    """

    min_modalities = 2
    equal = "all but features"
    fusion_weights_per = "sample"

    def __init__(self, units, gate_on="inputs", use_bias=False, **kwargs):
        super().__init__(**kwargs)
        units = check_int("units", units)
        check_choice("gate_on", gate_on, GATES_ON)
        use_bias = check_bool("use_bias", use_bias)
        self.units = units
        self.gate_on = gate_on
        self.use_bias = use_bias

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        n = len(self.widths)
        self.projections = [self._dense(self.units, f"projection_{k}") for k in range(n)]
        for projection, width in zip(self.projections, self.widths, strict=True):
            projection.build((None, width))
        self.gate = self._dense(self.units if n == 2 else n * self.units, "gate")
        self.gate.build((None, sum(self.widths) if self.gate_on == "inputs" else n * self.units))

    def _dense(self, units, name):
        return layers.Dense(units, use_bias=self.use_bias, dtype=self.dtype_policy, name=name)

    def call(self, modalities, present=None):
        hidden, log_gates = self._hidden_and_gates(modalities, present)
        gates = ops.exp(log_gates)
        if present is not None:
            gates = masked_softmax(log_gates, present) * ops.sum(gates, axis=-2, keepdims=True)
        gates = ops.cast(gates, self.compute_dtype)
        return sum(gates[..., k, :] * ops.tanh(h) for k, h in enumerate(hidden))

    def _hidden_and_gates(self, modalities, present):
        """The projections before the tanh, and log z, `(..., modalities, units)` in float32."""
        modalities = self.mask_absent(modalities, present)
        hidden = [p(x) for p, x in zip(self.projections, modalities, strict=True)]
        seen = modalities if self.gate_on == "inputs" else hidden
        # Logarithms: a gate may be so near 0 that a quotient of gates is none.
        scores = ops.cast(self.gate(ops.concatenate(seen, axis=-1)), "float32")
        if len(hidden) == 2:
            return hidden, ops.stack([ops.log_sigmoid(scores), ops.log_sigmoid(-scores)], axis=-2)
        scores = ops.stack(ops.split(scores, len(hidden), axis=-1), axis=-2)
        return hidden, ops.log_sigmoid(scores)

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return (*shapes[0][:-1], self.units)

    def compute_mask(self, modalities, mask=None):
        # Of vectors it would be a mask of samples, which losses would count.
        return None if len(modalities[0].shape) == 2 else super().compute_mask(modalities, mask)

    def fusion_weights(self, modalities, present=None, mask=None):
        """The share of every modality, for each sample, and each step or place that it has.

        In every unit a modality's share is its gate over the sum of all gates (for two
        modalities the gate itself: z and 1 - z); what is returned is the mean over the units.

        Args:
            modalities, present: As in the call.
            mask: Optional list with a bool tensor `(batch, ...)` or `None` for each modality, the
                steps that count. Defaults to `None`.

        Returns:
            Tensor `(batch, ..., number of modalities)`: floats in [0, 1] that sum to 1 for every
            sample, step or place (zeros for one without any modality, and for padded steps).
        """
        self.check_built()
        _, log_gates = self._hidden_and_gates(modalities, present)
        shares = ops.mean(masked_softmax(log_gates, present), axis=-1)
        counts = self.compute_mask(modalities, mask)
        return shares if counts is None else shares * ops.cast(counts, shares.dtype)[..., None]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "gate_on": self.gate_on,
            "use_bias": self.use_bias,
        }
