"""Hidden conditional random field: one label per sequence, with states in between."""

import keras
from keras import layers, ops

from keras_fusion._checks import check_int
from keras_fusion.layers import _chains


@keras.saving.register_keras_serializable(package="keras_fusion")
class HiddenCRF(keras.layers.Layer):
    """Logits of a sequence's classes, each of which has a chain of hidden states of its own.

    Use it to classify sequences by what follows what: gestures, kinds of a meeting's actions.
    `build_crf_fusion` places it for you. With the states h of class c at every step, emissions
    E_c from a dense layer on the step's features, and scores A_c, s_c and e_c as in
    `LinearChainCRF`, the logits are

        z_c = log sum_h exp(s_c[h_1] + sum_t E_ct[h_t] + sum_{t>1} A_c[h_{t-1}, h_t] + e_c[h_T])

    and p(c | x) their softmax. Everything behind the dense layer is in float32. Steps that are
    masked are skipped, wherever they stand.

    Args:
        num_classes: Positive integer, the number of classes.
        states: Positive integer, the number of states of each class. Defaults to `3`.
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        sequence: Tensor `(batch, steps, features)`.
        mask: Optional boolean tensor `(batch, steps)`, of the steps that count. Defaults to `None`,
            all of them.

    Input shape:
        `(batch, steps, features)`; the number of steps may be open.

    Output shape:
        `(batch, num_classes)`.

    Raises:
        ValueError: arguments out of their range; anything but a sequence.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> crf = kf.layers.HiddenCRF(num_classes=4, states=2)
    >>> crf(np.zeros((5, 7, 3))).shape == (5, 4)
    True

    Reference:
        Quattoni, Collins & Darrell (2004), Conditional Random Fields for Object Recognition.
        Gunawardana et al. (2005), Hidden Conditional Random Fields for Phone Classification.
    """

    def __init__(self, num_classes, states=3, **kwargs):
        super().__init__(**kwargs)
        num_classes = check_int("num_classes", num_classes)
        states = check_int("states", states)
        self.num_classes = num_classes
        self.states = states
        self.supports_masking = True
        self.supports_jit = _chains.SUPPORTS_JIT

    def build(self, sequence_shape):
        shape = tuple(sequence_shape)
        if len(shape) != 3 or shape[-1] is None:
            raise ValueError(
                f"HiddenCRF: expected a sequence (batch, steps, features). Received: {shape}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: shape[-1]})
        sizes = (self.num_classes, self.states)
        self.emissions = layers.Dense(
            self.num_classes * self.states, dtype=self.dtype_policy, name="emissions"
        )
        self.emissions.build(shape)
        self.start = self._scores("start", *sizes)
        self.transitions = self._scores("transitions", *sizes, self.states)
        self.end = self._scores("end", *sizes)

    def _scores(self, name, *shape):
        start = keras.initializers.RandomUniform(-0.1, 0.1)
        return self.add_weight(shape, start, dtype="float32", autocast=False, name=name)

    def call(self, sequence, mask=None):
        emissions = self.emissions(sequence)
        steps = ops.shape(emissions)[1]
        emissions = ops.reshape(emissions, (-1, steps, self.num_classes, self.states))
        emissions, counts = _chains.counted(emissions, mask)
        scores = (ops.convert_to_tensor(w) for w in (self.start, self.transitions, self.end))
        return ops.cast(_chains.log_partition(emissions, counts, *scores), self.compute_dtype)

    def compute_mask(self, sequence, mask=None):
        return None

    def compute_output_shape(self, sequence_shape):
        return (sequence_shape[0], self.num_classes)

    def get_config(self):
        config = {"num_classes": self.num_classes, "states": self.states}
        return {**super().get_config(), **config}
