"""Tensor fusion: the products of the modalities' features, all of them, as one vector."""

import math

import keras
from keras import ops

from keras_fusion._checks import check_int
from keras_fusion.layers.fusion_layer import FusionLayer


@keras.saving.register_keras_serializable(package="keras_fusion")
class TensorFusion(FusionLayer):
    """Multiplies every value of each modality with every value of each other one.

    Use it on a few short vectors whose values act on each other. What comes out is as wide as the
    product of their widths; where that is too much, `LowRankFusion` has the same products in a
    form of low rank. `build_tensor_fusion` places it behind the backbones for you.

    With the features h_k of n modalities, each with a one in front:

        z = [1, h_1] (x) [1, h_2] (x) ... (x) [1, h_n],    flattened, the last modality's index
                                                           running fastest

    The ones keep the modalities by themselves, and the products of every subset of them. The
    first value is always 1. There are no weights.

    Args:
        max_size: Positive integer. More values than that are refused, as the layer after them
            has a weight for each of them and each of its units. Defaults to `65536`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors.
        present: Optional tensor `(batch, number of modalities)` of booleans or 0 and 1, in the
            order of `modalities`. Of an absent modality, NaN included, the one alone is left:
            what the others say by themselves and together stays, and all else is 0.

    Input shape:
        List of `(batch, features_k)`.

    Output shape:
        `(batch, product of all (features_k + 1))`.

    Raises:
        TypeError, ValueError: arguments out of their range, anything but a list of vectors, or
            more products than `max_size`.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> image, text = np.array([[2.0, 3.0]]), np.array([[5.0]])
    >>> np.array(kf.layers.TensorFusion()([image, text])).tolist()
    [[1.0, 5.0, 2.0, 10.0, 3.0, 15.0]]

    Reference:
        Zadeh et al. (2017), Tensor Fusion Network for Multimodal Sentiment Analysis, Sect. 4.2.
    """

    min_modalities = 2
    ranks = (2,)

    def __init__(self, max_size=65536, **kwargs):
        super().__init__(**kwargs)
        max_size = check_int("max_size", max_size)
        self.max_size = max_size

    def check_shapes(self, modalities_shape, central_shape=None, present_shape=None):
        shapes = super().check_shapes(modalities_shape, central_shape, present_shape)
        size = math.prod(shape[-1] + 1 for shape in shapes)
        if size > self.max_size:
            factors = " * ".join(str(shape[-1] + 1) for shape in shapes)
            raise ValueError(
                f"{type(self).__name__}: expected vectors with at most max_size={self.max_size} "
                f"products. Received: {factors} = {size}. Give narrower vectors, or use "
                "LowRankFusion"
            )
        return shapes

    def call(self, modalities, present=None):
        first, *others = [_with_one(x) for x in self.mask_absent(modalities, present)]
        for x in others:
            products = first[:, :, None] * x[:, None, :]
            first = ops.reshape(products, (-1, first.shape[1] * x.shape[1]))
        return first

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return (shapes[0][0], math.prod(shape[-1] + 1 for shape in shapes))

    def get_config(self):
        return {**super().get_config(), "max_size": self.max_size}


def _with_one(x):
    return ops.pad(x, ((0, 0), (1, 0)), constant_values=1)
