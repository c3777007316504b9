"""Text-image residual gating: one modality is kept and modified by the others."""

import keras
from keras import layers, ops

from keras_fusion._checks import check_int


@keras.saving.register_keras_serializable(package="keras_fusion")
class ResidualGating(keras.layers.Layer):
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
        units: Int >= 1 or None, the width of the hidden layers W_g1 and W_r1. By default that of
            [phi_x, phi_t].
        kernel_size: Int >= 1, default 3 as in the original, of the convolutions.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more tensors, phi_x first: a vector or a map. The others are
            vectors or, with a map, maps of the same size.
        present: Optional tensor `(batch, number of modalities)`, bool or 0/1, in the order of
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

    def __init__(self, units=None, kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        if units is not None:
            check_int("units", units)
        check_int("kernel_size", kernel_size)
        self.units = units
        self.kernel_size = kernel_size

    def build(self, modalities_shape=(), present_shape=None):
        shapes = self._check(modalities_shape, present_shape)
        self.widths = [shape[-1] for shape in shapes]
        self.is_map = len(shapes[0]) == 4
        joined = (*shapes[0][:-1], sum(self.widths))
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

    def _check(self, shapes, present_shape):
        if not isinstance(shapes, (list, tuple)) or any(
            not isinstance(shape, (list, tuple)) for shape in shapes
        ):
            raise TypeError(f"modalities: expected a list of tensors. Received shape: {shapes}")
        shapes = [tuple(shape) for shape in shapes]
        if (
            len(shapes) < 2
            or len(shapes[0]) not in (2, 4)
            or any(shape[-1] is None for shape in shapes)
            or any(len(s) != 2 and not _same_size(s, shapes[0]) for s in shapes[1:])
        ):
            raise ValueError(
                "ResidualGating: expected two or more tensors, first a vector (batch, features) "
                "or a map (batch, height, width, features), then vectors or maps of that size. "
                f"Received: {shapes}"
            )
        if present_shape is not None and tuple(present_shape)[1:] != (len(shapes),):
            raise ValueError(
                f"present: expected shape (batch, {len(shapes)}), one column per modality. "
                f"Received: {tuple(present_shape)}"
            )
        return shapes

    def call(self, modalities, present=None):
        if not isinstance(modalities, (list, tuple)):
            raise TypeError(
                f"modalities: expected a list of tensors. Received: {type(modalities).__name__}"
            )
        # Again, as build sees only the first call.
        shapes = self._check(
            [tuple(x.shape) for x in modalities], None if present is None else present.shape
        )
        widths = [shape[-1] for shape in shapes]
        if widths != self.widths or (len(shapes[0]) == 4) != self.is_map:
            raise ValueError(
                f"modalities: this layer was built for {'maps' if self.is_map else 'vectors'} of "
                f"the widths {self.widths}. Received: {shapes}"
            )
        modalities = [ops.cast(x, self.compute_dtype) for x in modalities]
        if present is not None:
            here = ops.cast(present, "bool")
            modalities = [
                ops.where(_column(here, k, len(x.shape)), x, ops.zeros_like(x))
                for k, x in enumerate(modalities)
            ]
        kept, others = modalities[0], [_spread(x, modalities[0]) for x in modalities[1:]]
        joined = ops.concatenate([kept, *others], axis=-1)
        gated = self.gate(self.gate_hidden(joined)) * kept
        balance = ops.cast(self.balance, self.compute_dtype)
        return balance[0] * gated + balance[1] * self.residual(self.residual_hidden(joined))

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        return self._check(modalities_shape, present_shape)[0]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "kernel_size": self.kernel_size}


def _same_size(a, b):
    """Whether two shapes agree but for batch and features; an open size fits any."""
    return len(a) == len(b) and all(
        x == y or x is None or y is None for x, y in zip(a[1:-1], b[1:-1], strict=True)
    )


def _column(table, k, rank):
    """Column `k` of a `(batch, n)` tensor, shaped to broadcast over a tensor of that rank."""
    return ops.reshape(table[:, k], (-1,) + (1,) * (rank - 1))


def _spread(x, like):
    """A vector at every place of a map; anything else as it is."""
    if len(x.shape) == len(like.shape):
        return x
    return x[:, None, None, :] * ops.ones_like(like[..., :1])
