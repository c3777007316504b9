"""Dense layers, one per modality, that are drawn towards each other: weak sharing."""

import keras
from keras import layers, ops

from keras_fusion._checks import check_activation, check_factor, check_int
from keras_fusion.layers.fusion_layer import FusionLayer


@keras.saving.register_keras_serializable(package="keras_fusion")
class WeaklySharedDense(FusionLayer):
    """One dense layer per modality, whose weights are kept similar without being the same.

    Use it where modalities of one width should learn what they have in common and still keep
    what is their own: between layers shared strictly and layers not shared at all. `build_dtn`
    places it for you. With the weights W_k, b_k of modality k,

        h_k = f(W_k x_k + b_k)
        Omega = sum_{k<l} ||W_k - W_l||^2 + ||b_k - b_l||^2  (squared Frobenius and 2-norm)

    gamma Omega is added to the loss (deep transfer networks; for two modalities there is one
    pair, all pairs of more are our extension).

    Args:
        units: Positive integer, the width of every output.
        activation: String or function, f. Defaults to `"relu"`.
        sharing_weight: Float not below 0, gamma: 0 shares nothing, a large one all. Defaults to
            `0.01`, XFlow's.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors of one width.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. An absent modality's output is zero, and whatever stands in its input,
            NaN included, reaches nothing.

    Input shape:
        List of `(batch, features)`, all of one width.

    Output shape:
        List of `(batch, units)`.

    Raises:
        TypeError, ValueError: arguments out of their range, or anything but a list of vectors of
            one width.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> dense = kf.layers.WeaklySharedDense(units=4)
    >>> image, sound = dense([np.ones((2, 6)), np.zeros((2, 6))])
    >>> image.shape == sound.shape == (2, 4)
    True
    >>> dense.set_weights([np.ones((6, 4)), np.zeros(4), np.zeros((6, 4)), np.ones(4)])
    >>> round(float(ops.convert_to_numpy(sum(dense.losses))), 4)  # 0.01 * (24 + 4)
    0.28

    Reference:
        Shu, Qi, Tang & Wang (2015), Weakly-Shared Deep Transfer Networks for
        Heterogeneous-Domain Knowledge Propagation; Cangea et al. (2017), XFlow, Sect. III-A-3.
    """

    min_modalities = 2
    ranks = (2,)
    equal = "shape"

    def __init__(self, units, activation="relu", sharing_weight=0.01, **kwargs):
        super().__init__(**kwargs)
        units = check_int("units", units)
        check_activation("activation", activation)
        sharing_weight = check_factor("sharing_weight", sharing_weight)
        self.units = units
        self.activation = keras.activations.get(activation)
        self.sharing_weight = sharing_weight

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        self.dense = []
        for k, width in enumerate(self.widths):
            dense = layers.Dense(
                self.units,
                self.activation,
                kernel_regularizer=_Distance([d.kernel for d in self.dense], self.sharing_weight),
                bias_regularizer=_Distance([d.bias for d in self.dense], self.sharing_weight),
                dtype=self.dtype_policy,
                name=f"dense_{k}",
            )
            dense.build((None, width))
            self.dense.append(dense)

    def call(self, modalities, present=None):
        seen = self.mask_absent(modalities, present)
        hidden = [dense(x) for dense, x in zip(self.dense, seen, strict=True)]
        return self.mask_absent(hidden, present)

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return [(shape[0], self.units) for shape in shapes]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "sharing_weight": self.sharing_weight,
        }


class _Distance(keras.regularizers.Regularizer):
    """Of one modality's weight to those of the modalities before, squared, times a factor."""

    # A regularizer, as inside the call weights come in half precision.
    def __init__(self, others, factor):
        self.others = others
        self.factor = factor

    def __call__(self, weight):
        apart = [ops.sum(ops.square(ops.subtract(weight, other))) for other in self.others]
        return self.factor * sum(apart, ops.zeros(()))
