"""Shared-specific feature transfer between the modalities of a sample."""

import keras
from keras import layers, ops

from keras_fusion._checks import check_factor, check_int, is_number, plain
from keras_fusion.layers.fusion_layer import FusionLayer, masked_softmax


@keras.saving.register_keras_serializable(package="keras_fusion")
class SharedSpecificTransfer(FusionLayer):
    """Splits every modality into what all share and what is its own, and passes both on.

    Use it where modalities say partly the same and partly not, and where some may be absent: what
    a modality lacks it gets from those that say the like. `build_shared_specific` places it
    behind the backbones for you.

    For modalities k, j of one sample (the overview gives no equations; these are ours, after
    Lu et al., Sect. 3, whose symbols differ):

        s_k = S silu(E_k x_k)              shared part; one S for all modalities
        p_k = P_k x_k                      specific part
        a_kj = exp(cos(s_k, s_j) / t) / sum_i exp(cos(s_k, s_i) / t)       affinities
        f_k = [p_k, sum_(j != k) a_kj p_j, sum_j a_kj s_j]

    and the output is [f_1, ..., f_n]. What differs from the original:

    - There the affinities are between all samples of a batch, of either modality, of which the
      nearest are kept. Here every sample is a graph of its own, its modalities the nodes, as
      samples of a batch must not depend on each other and the modalities of one sample are
      already paired. The softmax stands for choosing the nearest.
    - There affinities within a modality are of shared and specific parts together. Here that is
      only the affinity of a node with itself, which counts as 1 = cos(s_k, s_k).
    - The parts come from convolutional networks there, and a layer with a nonlinearity follows.
      Here E_k, S and P_k are affine; what follows is up to the classifier.
    - Shared parts become alike, and differ from the specific ones, by adversarial training there.
      Here two losses of Domain Separation Networks do it, per sample and scaled to [0, 2] and
      [0, 1], each with its weight:

          similarity  mean over pairs k < j of  1 - cos(s_k, s_j)
          difference  mean over k of            cos(s_k, p_k)^2

      They come on top of the model's loss, as mean over the batch. The reconstruction of the
      x_k, which both papers have too, is left out.

    Args:
        units: Positive integer, the width of the shared and of the specific parts.
        temperature: Positive float, t. Small ones transfer only between modalities whose shared
            parts agree. Defaults to `1.0`.
        similarity_weight: Float not below 0. Defaults to `0.1`.
        difference_weight: Float not below 0. Defaults to `0.1`. Both are small beside a
            classifier's loss, and above 0, as nothing else makes the shared parts shared and the
            others specific.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. An absent modality k, NaN included, has p_k = 0, as s_k the mean of the
            shared parts of those present, and gets the rest of f_k from them alone: a_jk = 0 for
            all j. It counts in no loss. A sample without any modality gets zeros.

    Input shape:
        List of `(batch, features_k)`.

    Output shape:
        `(batch, number of modalities * 3 * units)`.

    Raises:
        TypeError, ValueError: arguments out of their range, or anything but a list of vectors.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> transfer = kf.layers.SharedSpecificTransfer(units=4)
    >>> image, text = np.ones((2, 6)), np.ones((2, 3))
    >>> transfer([image, text], present=np.array([[1, 1], [1, 0]])).shape == (2, 24)
    True
    >>> transfer.affinities([image, text]).shape == (2, 2, 2)
    True

    Reference:
        Lu et al. (2020), Cross-modality Person Re-identification with Shared-Specific Feature
        Transfer. Bousmalis et al. (2016), Domain Separation Networks. Yang et al. (2022), An
        Overview of Multimodal Fusion Learning, Sect. 3.2.
    """

    min_modalities = 2
    ranks = (2,)

    def __init__(
        self, units, temperature=1.0, similarity_weight=0.1, difference_weight=0.1, **kwargs
    ):
        super().__init__(**kwargs)
        units = check_int("units", units)
        if not is_number(temperature) or not temperature > 0:
            raise ValueError(f"temperature: expected a float > 0. Received: {temperature!r}")
        similarity_weight = check_factor("similarity_weight", similarity_weight)
        difference_weight = check_factor("difference_weight", difference_weight)
        self.units = units
        self.temperature = plain(temperature)
        self.similarity_weight = similarity_weight
        self.difference_weight = difference_weight

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self.entries = [
            self._dense(f"entry_{k}", width, "silu") for k, width in enumerate(self.widths)
        ]
        self.shared = self._dense("shared", self.units)
        self.specific = [self._dense(f"specific_{k}", width) for k, width in enumerate(self.widths)]

    def _dense(self, name, width, activation=None):
        dense = layers.Dense(self.units, activation, dtype=self.dtype_policy, name=name)
        dense.build((None, width))
        return dense

    def call(self, modalities, present=None):
        shared, specific = self._parts(modalities, present)
        cosines = _cosines(shared, shared)
        self._add_losses(cosines, shared, specific, present)
        affinities = ops.cast(self._affinities(cosines, present), self.compute_dtype)
        others = affinities * (1 - ops.eye(len(self.widths), dtype=self.compute_dtype))
        found = [specific, ops.matmul(others, specific), ops.matmul(affinities, shared)]
        return ops.reshape(ops.concatenate(found, axis=-1), (-1, len(self.widths) * 3 * self.units))

    def _parts(self, modalities, present):
        """The s_k and the p_k of all modalities, `(batch, modalities, units)` each."""
        modalities = self.mask_absent(modalities, present)
        pairs = list(zip(self.entries, self.specific, modalities, strict=True))
        shared = ops.stack([self.shared(entry(x)) for entry, _, x in pairs], axis=1)
        specific = ops.stack([own(x) for _, own, x in pairs], axis=1)
        if present is None:
            return shared, specific
        here = ops.cast(present, "bool")[:, :, None]
        specific = ops.where(here, specific, ops.zeros_like(specific))
        known = ops.where(here, shared, ops.zeros_like(shared))
        # In place of their mean: only its direction is ever used.
        total = ops.sum(known, axis=1, keepdims=True)
        return ops.where(here, known, total), specific

    def _affinities(self, cosines, present):
        """a_kj at `[:, k, j]` in float32; the rows sum to 1."""
        # `masked_softmax` is over axis 1. The cosines are symmetric: only what comes out is turned.
        return ops.transpose(masked_softmax(cosines / self.temperature, present), (0, 2, 1))

    def _add_losses(self, cosines, shared, specific, present):
        n = len(self.widths)
        if present is None:
            here = ops.ones_like(cosines[:, :, 0])
        else:
            here = ops.cast(ops.cast(present, "bool"), "float32")
        if self.similarity_weight:
            pairs = here[:, :, None] * here[:, None, :] * (1.0 - ops.eye(n))  # each twice
            distances = ops.sum(pairs * (1.0 - cosines), axis=(1, 2)) / (n * (n - 1))
            self.add_loss(self.similarity_weight * ops.mean(distances))
        if self.difference_weight:
            squares = _cosines(shared, specific, own=True) ** 2
            self.add_loss(self.difference_weight * ops.mean(squares))

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return (shapes[0][0], len(shapes) * 3 * self.units)

    def affinities(self, modalities, present=None):
        """How much every modality gets of every other.

        Args:
            modalities, present: As in the call.

        Returns:
            Tensor `(batch, modalities k, modalities j)`, the a_kj: floats in [0, 1] that sum to 1
            over j (zeros for a sample without any modality).
        """
        self.check_built("affinities")
        shared, _ = self._parts(modalities, present)
        return self._affinities(_cosines(shared, shared), present)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "temperature": self.temperature,
            "similarity_weight": self.similarity_weight,
            "difference_weight": self.difference_weight,
        }


def _cosines(a, b, own=False):
    """Cosines of all pairs of rows in `(batch, rows, units)`, or of every row with its `own`.

    In float32; 0 where a row is 0.
    """
    a, b = (_unit(ops.cast(x, "float32")) for x in (a, b))
    return ops.sum(a * b, axis=-1) if own else ops.matmul(a, ops.transpose(b, (0, 2, 1)))


def _unit(x):
    # Not through a norm: its gradient at 0 is none.
    return x * ops.rsqrt(ops.sum(x * x, axis=-1, keepdims=True) + 1e-12)
