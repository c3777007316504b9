"""Text-image residual gating: one modality is kept and modified by the others."""

import keras
from keras import layers, ops

from keras_fusion._checks import check_int
from keras_fusion.layers.fusion_layer import FusionLayer


@keras.saving.register_keras_serializable(package="keras_fusion")
class ResidualGating(FusionLayer):
    """Keeps the first modality's features, gated, and adds what the others change (TIRG).

    Use it where one modality is the thing itself and the others say how it differs: an image and
    a sentence about what should be changed in it. What comes out has the shape of the first, a
    map stays a map. `build_residual_gated` places it behind the backbones for you.

    Overview, Eq. (4) to (6), with phi_x the first modality and phi_t the others, concatenated:

        f_gate = sigmoid(W_g2 relu(W_g1 [phi_x, phi_t])) * phi_x
        f_res = W_r2 relu(W_r1 [phi_x, phi_t])
        phi = w_g f_gate + w_r f_res

    The bracket printed in Eq. (4) closes behind phi_x, so that the sigmoid would be of the
    product; in the original, and here, it is of the gate alone. The W are dense layers for
    vectors and convolutions for maps, over which vectors of the others are spread, all with
    biases. The original has batch normalization before each of them: left out here, as in the
    overview's equations.

    Args:
        units: Positive integer, the width of the hidden layers W_g1 and W_r1, or `None` for that
            of [phi_x, phi_t]. Defaults to `None`.
        kernel_size: Positive integer, of the convolutions. Defaults to `3`, as in the original.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more tensors, phi_x first: a vector or a map. The others are
            vectors or, with a map, maps of the same size.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`: an absent modality, NaN included, counts as zeros.

    Input shape:
        List of `(batch, features_k)`; or first `(batch, height, width, features)`, then that or
        vectors.

    Output shape:
        That of the first modality.

    Weights:
        The four W with their biases, and `balance`, `(2,)`: w_g and w_r, which start at 1.

    Raises:
        TypeError, ValueError: arguments out of their range, or tensors that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> image, text = np.ones((2, 7, 7, 4)), np.ones((2, 6))
    >>> kf.layers.ResidualGating()([image, text]).shape == (2, 7, 7, 4)
    True

    Reference:
        Vo et al. (2019), Composing Text and Image for Image Retrieval, Sect. 3.2. Yang et al.
        (2022), An Overview of Multimodal Fusion Learning, Eq. (4) to (6).
    """

    min_modalities = 2
    ranks = (2, 4)

    def __init__(self, units=None, kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        if units is not None:
            units = check_int("units", units)
        kernel_size = check_int("kernel_size", kernel_size)
        self.units = units
        self.kernel_size = kernel_size

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        first = tuple(modalities_shape[0])
        self.is_map = len(first) == 4
        joined = (*first[:-1], sum(self.widths))
        hidden = (*joined[:-1], self.units or joined[-1])
        self.gate_hidden = self._affine(hidden[-1], "gate_hidden", joined, "relu")
        self.gate = self._affine(self.widths[0], "gate", hidden, "sigmoid")
        self.residual_hidden = self._affine(hidden[-1], "residual_hidden", joined, "relu")
        self.residual = self._affine(self.widths[0], "residual", hidden)
        self.balance = self.add_weight(
            shape=(2,), initializer="ones", autocast=False, name="balance"
        )

    def _affine(self, units, name, shape, activation=None):
        options = {"activation": activation, "dtype": self.dtype_policy, "name": name}
        if self.is_map:
            layer = layers.Conv2D(units, self.kernel_size, padding="same", **options)
        else:
            layer = layers.Dense(units, **options)
        layer.build(shape)
        return layer

    def check_shapes(self, modalities_shape, central_shape=None, present_shape=None):
        shapes = super().check_shapes(modalities_shape, central_shape, present_shape)
        if any(len(shape) == 4 and not _same_size(shape, shapes[0]) for shape in shapes):
            raise ValueError(
                f"{type(self).__name__}: expected the modalities to be first a vector or a map "
                "(batch, height, width, features), then vectors or maps of that size. "
                f"Received: {shapes}"
            )
        return shapes

    def call(self, modalities, present=None):
        modalities = self.mask_absent(modalities, present)
        kept, others = modalities[0], [_spread(x, modalities[0]) for x in modalities[1:]]
        joined = ops.concatenate([kept, *others], axis=-1)
        gated = self.gate(self.gate_hidden(joined)) * kept
        balance = ops.cast(self.balance, self.compute_dtype)
        return balance[0] * gated + balance[1] * self.residual(self.residual_hidden(joined))

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        return self.check_shapes(modalities_shape, present_shape=present_shape)[0]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "kernel_size": self.kernel_size}


def _same_size(a, b):
    """Whether two shapes agree but for batch and features; an open size fits any."""
    return len(a) == len(b) and all(
        x == y or x is None or y is None for x, y in zip(a[1:-1], b[1:-1], strict=True)
    )


def _spread(x, like):
    """A vector at every place of a map; anything else as it is."""
    if len(x.shape) == len(like.shape):
        return x
    return x[:, None, None, :] * ops.ones_like(like[..., :1])
