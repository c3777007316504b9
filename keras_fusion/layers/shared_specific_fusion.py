"""Shared and specific features, of which the shared ones stand in for an absent modality."""

import keras
from keras import layers, ops

from keras_fusion._checks import check_factor, check_int
from keras_fusion.layers.fusion_layer import FusionLayer


@keras.saving.register_keras_serializable(package="keras_fusion")
class SharedSpecificFusion(FusionLayer):
    """Adds to what all modalities share what is a modality's own; an absent one gets the former.

    Use it where modalities are absent in training or later: the features of those that are there
    stay as they are, whoever else is missing. `build_shared_specific` places it behind the
    backbones for you, with `variant="residual"`.

    For the modalities k of one sample:

        r_k = S silu(E_k x_k)              shared part; one S for all modalities
        s_k = P_k x_k                      specific part
        f_k = W [r_k, s_k] + b + r_k       one W and b for all; of an absent k the mean of the r_j
                                           of those present

    and the output is [f_1, ..., f_n]. Two losses come on top of the model's, as means over the
    batch, per sample and of present modalities only; both are 0 where fewer than two are there:

        similarity  mean over pairs k < j of  mean |r_k - r_j|
        domain      mean over k of            cross-entropy of k and softmax(D s_k + d)

    In the original one network reads all modalities, which are images of one shape; here S follows
    a dense layer E_k for each. Its similarity is of neighbours in a ring; its code puts the shared
    part of the first present modality in the absent one's place, where the paper has the mean,
    and counts absent ones in both losses.

    Args:
        units: Positive integer, the width of the shared and of the specific parts.
        similarity_weight: Float not below 0. Defaults to `0.1`, the original's.
        domain_weight: Float not below 0. Defaults to `0.02`, the original's. With 0 there is no D.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. What stands in an absent modality, NaN included, counts nowhere. A
            sample without any modality gets zeros.

    Input shape:
        List of `(batch, features_k)`.

    Output shape:
        `(batch, number of modalities * units)`.

    Raises:
        TypeError, ValueError: arguments out of their range, or anything but a list of vectors.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> fusion = kf.layers.SharedSpecificFusion(units=4)
    >>> image, text = np.ones((2, 6)), np.ones((2, 3))
    >>> fusion([image, text], present=np.array([[1, 1], [1, 0]])).shape == (2, 8)
    True

    Reference:
        Wang et al. (2023), Multi-modal Learning with Missing Modality via Shared-Specific Feature
        Modelling (ShaSpec), Sect. 3.
    """

    min_modalities = 2
    ranks = (2,)

    def __init__(self, units, similarity_weight=0.1, domain_weight=0.02, **kwargs):
        super().__init__(**kwargs)
        units = check_int("units", units)
        similarity_weight = check_factor("similarity_weight", similarity_weight)
        domain_weight = check_factor("domain_weight", domain_weight)
        self.units = units
        self.similarity_weight = similarity_weight
        self.domain_weight = domain_weight

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        widths, units = list(enumerate(self.widths)), self.units
        self.entries = [self._dense(units, f"entry_{k}", width, "silu") for k, width in widths]
        self.shared = self._dense(units, "shared", units)
        self.specific = [self._dense(units, f"specific_{k}", width) for k, width in widths]
        self.projection = self._dense(units, "projection", 2 * units)
        self.domain = self._dense(len(widths), "domain", units) if self.domain_weight else None

    def _dense(self, units, name, width, activation=None):
        dense = layers.Dense(units, activation, dtype=self.dtype_policy, name=name)
        dense.build((None, width))
        return dense

    def call(self, modalities, present=None):
        modalities = self.mask_absent(modalities, present)
        triples = list(zip(self.entries, self.specific, modalities, strict=True))
        shared = ops.stack([self.shared(entry(x)) for entry, _, x in triples], axis=1)
        specific = ops.stack([own(x) for _, own, x in triples], axis=1)
        here = ops.ones_like(shared[:, :, 0])
        if present is not None:
            here = ops.cast(ops.cast(present, "bool"), self.compute_dtype)
        self._add_losses(shared, specific, here)
        fused = self.projection(ops.concatenate([shared, specific], axis=-1)) + shared
        if present is not None:
            column = here[:, :, None]
            count = ops.maximum(ops.sum(column, axis=1, keepdims=True), 1)
            mean = ops.sum(shared * column, axis=1, keepdims=True) / count
            fused = ops.where(column > 0, fused, mean)
        return ops.reshape(fused, (-1, len(self.widths) * self.units))

    def _add_losses(self, shared, specific, here):
        n, here = len(self.widths), ops.cast(here, "float32")
        shared = ops.cast(shared, "float32")
        if self.similarity_weight:
            distances = ops.mean(ops.abs(shared[:, :, None] - shared[:, None]), axis=-1)
            pairs = here[:, :, None] * here[:, None]  # each twice
            distances = ops.sum(pairs * distances, axis=(1, 2)) / (n * (n - 1))
            self.add_loss(self.similarity_weight * ops.mean(distances))
        if self.domain_weight:
            scores = ops.log_softmax(ops.cast(self.domain(specific), "float32"), axis=-1)
            missed = -ops.sum(scores * ops.eye(n), axis=-1)
            several = ops.cast(ops.sum(here, axis=1, keepdims=True) > 1, "float32")
            self.add_loss(self.domain_weight * ops.mean(here * several * missed))

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return (shapes[0][0], len(shapes) * self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "similarity_weight": self.similarity_weight,
            "domain_weight": self.domain_weight,
        }
