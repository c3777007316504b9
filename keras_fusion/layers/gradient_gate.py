"""Lets a tensor pass as it is, and a part of its gradient."""

import keras
from keras import ops

from keras_fusion._keras import with_logits_of


@keras.saving.register_keras_serializable(package="keras_fusion")
class GradientGate(keras.layers.Layer):
    """Multiplies the gradient that goes back through it, and leaves values as they are.

    Use it behind a network that learns too fast beside others: with all of its outputs behind one
    gate, the gradient of each of its weights is that many times its own. A builder called with
    `balance="ogm"` places these layers for you, and the model sets their coefficients.

        forward:   y = x
        backward:  dL/dx = kappa dL/dy,    made as  y = sg(x) + kappa (x - sg(x))

    with sg for a stopped gradient. In training only; afterwards the layer hands on what it gets.
    `coefficient` is kappa, a weight that is not trained, 1 at first; it is saved with the model.
    A step uses what was assigned before it.

    With `balance="ogm"` a step multiplies the gradient of every weight of modality k's backbone,
    that of its own head's loss included, by a coefficient which the step before has found from the
    heads' predictions. With s_k for the mean probability of the right class over the samples of a
    batch that have the modality:

        rho_k = mean_{j != k} s_k / s_j
        kappa_k = 1 - tanh(alpha rho_k) where rho_k > 1, else 1

    There is no noise, unlike in the original. What layers inside a backbone add to the loss
    (regularizers, `add_loss`) is not slowed. Of three modalities the second best may be slowed,
    too. Where heads have the weight 0, they have to learn from the central loss (as in CentralNet),
    or s_k says nothing.

    Args:
        **kwargs: The arguments of every Keras layer. Values keep their dtype whatever the
            layer's own.

    Call arguments:
        inputs: Tensor of floats `(batch, ...)`, or a list of them, of any shapes. Values have to be
            finite in training.
        training: Boolean. Without it nothing is done.

    Input shape:
        `(batch, ...)`, or a list.

    Output shape:
        That of `inputs`.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> gate = kf.layers.GradientGate()
    >>> np.array(gate(np.array([[1.5, -2.0]]), training=True)).tolist()
    [[1.5, -2.0]]
    >>> float(gate.coefficient)
    1.0

    Reference:
        Peng et al. (2022), Balanced Multimodal Learning via On-the-fly Gradient Modulation, Eq. (9)
        and (10), for what it is used for.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.supports_masking = True

    def build(self, inputs_shape):
        del inputs_shape
        self.coefficient = self.add_weight(
            shape=(),
            initializer="ones",
            trainable=False,
            dtype="float32",
            aggregation="mean",  # copies on several devices each find their own
            name="coefficient",
        )

    def call(self, inputs, training=False):
        if not training:
            return inputs
        # A copy: PyTorch refuses the backward pass where the weight itself is assigned before it.
        kappa = ops.stop_gradient(ops.convert_to_tensor(self.coefficient)) * 1.0

        def gated(x):
            still = ops.stop_gradient(x)
            return still + ops.cast(kappa, x.dtype) * (x - still)

        return keras.tree.map_structure(lambda x: with_logits_of(gated(x), x, gated), inputs)

    def compute_output_spec(self, inputs, training=False):
        return keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), inputs)

    def compute_output_shape(self, inputs_shape):
        return inputs_shape

    def compute_mask(self, inputs, mask=None):
        return mask
