"""Feature-wise linear modulation (FiLM): a modality scales and shifts the features of another."""

import keras
from keras import layers, ops

from keras_fusion.layers.fusion_layer import FusionLayer, column


@keras.saving.register_keras_serializable(package="keras_fusion")
class FiLM(FusionLayer):
    """Scales and shifts every feature of the first modality, as the others say.

    Use it inside the network of a modality that is to be looked at in the light of others: an
    image and a question about it. What comes out has the shape of the first, a map stays a map.
    `build_film` places it between the stages of a backbone for you.

    With the first modality x, and the others c_k as conditions:

        [dg_k, beta_k] = W_k c_k + b_k
        y = (1 + sum_k dg_k) * x + sum_k beta_k

    one scale and one shift for each of the features, the same at all places and steps. In the
    paper there is one condition, and its text has the 1, without which a small dg would switch
    x off. W_k and b_k start as zeros: at first y is x, so that a trained network is not
    disturbed (the original starts near that, from random weights). The original makes the dg and
    beta of all levels in one dense layer; a layer for each level is the same, as none of its
    columns depends on another.

    Args:
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more tensors, x first, then the conditions, which are vectors.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. An absent condition, NaN included, has dg_k = beta_k = 0; an absent x
            counts as zeros, so that y is the sum of the beta_k.

    Input shape:
        List of `(batch, ..., features)`, then `(batch, features_k)`.

    Output shape:
        That of the first modality.

    Weights:
        `generator_k`, dense layers that hold W_k and b_k, first the part for dg_k.

    Raises:
        TypeError, ValueError: tensors that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> image, question = np.ones((2, 7, 7, 4)), np.ones((2, 6))
    >>> film = kf.layers.FiLM()
    >>> bool(np.all(np.array(film([image, question])) == image))
    True
    >>> film.count_params()  # (6 + 1) * 2 * 4
    56

    Reference:
        Perez et al. (2018), FiLM: Visual Reasoning with a General Conditioning Layer, Sect. 2.1.
    """

    min_modalities = 2

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self.generators = []
        for k, width in enumerate(self.widths[1:], start=1):
            generator = layers.Dense(
                2 * self.widths[0],
                kernel_initializer="zeros",
                dtype=self.dtype_policy,
                name=f"generator_{k}",
            )
            generator.build((None, width))
            self.generators.append(generator)

    def check_shapes(self, modalities_shape, central_shape=None, present_shape=None):
        shapes = super().check_shapes(modalities_shape, central_shape, present_shape)
        if any(len(shape) != 2 for shape in shapes[1:]):
            raise ValueError(
                f"{type(self).__name__}: expected vectors (batch, features) after the first "
                f"modality. Received: {shapes}"
            )
        return shapes

    def call(self, modalities, present=None):
        x, *conditions = self.mask_absent(modalities, present)
        made = [g(c) for g, c in zip(self.generators, conditions, strict=True)]
        if present is not None:  # their biases too
            here = ops.cast(ops.cast(present, "bool"), self.compute_dtype)
            made = [m * column(here, k, 2) for k, m in enumerate(made, start=1)]
        both = ops.reshape(sum(made), (-1, *[1] * (len(x.shape) - 2), 2 * self.widths[0]))
        scale, shift = ops.split(both, 2, axis=-1)
        return (1 + scale) * x + shift

    def compute_mask(self, modalities, mask=None):
        return mask[0] if mask else None

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        return self.check_shapes(modalities_shape, present_shape=present_shape)[0]
