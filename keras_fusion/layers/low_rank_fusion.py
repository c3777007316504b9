"""Low-rank tensor fusion: products of the modalities' features, without their whole tensor."""

import math

import keras
from keras import layers, ops

from keras_fusion._checks import check_int
from keras_fusion.layers.fusion_layer import FusionLayer


@keras.saving.register_keras_serializable(package="keras_fusion")
class LowRankFusion(FusionLayer):
    """Sum of products of linear maps of the modalities: a tensor fusion of low rank.

    Use it where modalities act on each other, each value of the one with each of the others, as in
    a tensor fusion, whose size is the product of all widths; here it is their sum.
    `build_low_rank_fusion` places it behind the backbones for you.

    With the features h_k of n modalities, each with a one in front, for every output o:

        z_o = b_o + sum_r w_r prod_k ([1, h_k] . F_k[r, :, o])

    Without the ones only products of all modalities were left; with them those of every subset are
    there too. The paper adds up the products as they are; the weights w_r are those of its authors'
    code. The row of F_k that belongs to the one starts as ones, the others with the variance
    1 / (n features_k), and w_r as 1 / rank, so that the products neither vanish nor explode with
    the number of modalities: of features with mean square 1 their mean square is below e at first.
    That is ours.

    Args:
        units: Positive integer, the width of the output.
        rank: Positive integer, the number of products in the sum. Defaults to `4`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors.
        present: Optional tensor `(batch, number of modalities)` of booleans or 0 and 1, in the
            order of `modalities`. Of an absent modality, NaN included, the one alone is left: what
            the others say by themselves and together stays.

    Input shape:
        List of `(batch, features_k)`.

    Output shape:
        `(batch, units)`.

    Weights:
        `factor_k`, dense layers that hold F_k, with the ones' rows as their biases; `rank_weights`,
        w; `bias`, b.

    Raises:
        TypeError, ValueError: arguments out of their range, or anything but a list of vectors.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> fusion = kf.layers.LowRankFusion(units=3, rank=2)
    >>> image, text = np.ones((5, 4)), np.ones((5, 2))
    >>> fusion([image, text]).shape == (5, 3)
    True
    >>> fusion.count_params()  # 2 * 3 * (5 + 3) + 2 + 3
    53

    Reference:
        Liu et al. (2018), Efficient Low-rank Multimodal Fusion with Modality-Specific Factors,
        Sect. 3. Zadeh et al. (2017), Tensor Fusion Network for Multimodal Sentiment Analysis.
    """

    min_modalities = 2
    ranks = (2,)

    def __init__(self, units, rank=4, **kwargs):
        super().__init__(**kwargs)
        units = check_int("units", units)
        rank = check_int("rank", rank)
        self.units = units
        self.rank = rank

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self.factors = []
        small = {"class_name": "VarianceScaling", "config": {"scale": 1 / len(self.widths)}}
        for k, width in enumerate(self.widths):
            factor = layers.Dense(
                self.rank * self.units,
                kernel_initializer=small,
                bias_initializer="ones",
                dtype=self.dtype_policy,
                name=f"factor_{k}",
            )
            factor.build((None, width))
            self.factors.append(factor)
        start = keras.initializers.Constant(1 / self.rank)
        self.rank_weights = self.add_weight((self.rank,), start, name="rank_weights")
        self.bias = self.add_weight((self.units,), "zeros", name="bias")

    def call(self, modalities, present=None):
        modalities = self.mask_absent(modalities, present)
        product = math.prod(f(x) for f, x in zip(self.factors, modalities, strict=True))
        product = ops.reshape(product, (-1, self.rank, self.units))
        return ops.sum(product * self.rank_weights[:, None], axis=1) + self.bias

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return (shapes[0][0], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "rank": self.rank}
