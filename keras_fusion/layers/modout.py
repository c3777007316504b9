"""Modout: a joint dense layer whose connections between modalities are dropped at random."""

import keras
import numpy as np
from keras import ops

from keras_fusion._checks import check_activation, check_bool, check_int, check_rate, check_seed
from keras_fusion._replica import draw_uniform
from keras_fusion.layers.fusion_layer import FusionLayer


@keras.saving.register_keras_serializable(package="keras_fusion")
class Modout(FusionLayer):
    """A dense layer on all modalities, whose connections from one to another come and go.

    Use it as a joint layer where it is open which modalities should meet, and in several of them
    in a row, at which depth: it learns how much every modality hears of every other one
    (`probabilities()`). ModDrop drops a modality as a whole; Modout what it tells one other.
    Every modality j has units of its own, and

        y_j = f(x_j W_jj + sum_{i != j} m_ij x_i W_ij + b_j),    m_ij ~ Bernoulli(p_ij)

    for every sample anew, in training; afterwards p_ij stands in place of m_ij, so that what
    enters f has its expected value. A modality's own block is never dropped: p_ii = 1.

    That blocks of connections between pairs of modalities are dropped, with probabilities that
    are learned, is the original's. How these learn is our choice, as we know it from descriptions
    only: p_ij = sigmoid(s_ij), and the gradient of m_ij is taken for that of p_ij
    (straight-through). So are the same units for all modalities, and a draw for every sample.

    Args:
        units: Positive integer, the units of every modality.
        activation: String or function, f. Defaults to `"relu"`.
        rate: Float in [0, 1), how often each connection is dropped, 1 - p_ij, at the start of the
            training. Defaults to `0.5`.
        learned: Boolean, whether the probabilities are trained, from `rate` above 0 on. With
            `False` they stay. Defaults to `True`.
        seed: Integer, for draws that can be repeated (on one and the same backend), or `None`.
            Defaults to `None`.
        **kwargs: `name`, `dtype` and the other arguments of every Keras layer.

    Call arguments:
        modalities: List of two or more vectors.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1, in the order of
            `modalities`. Of an absent modality, NaN included, nothing enters; its own units hear
            of the others.
        training: Boolean. Without it nothing is dropped.

    Input shape:
        List of `(batch, features_k)`.

    Output shape:
        List of `(batch, units)`, so that layers can follow each other.

    Raises:
        TypeError, ValueError: arguments out of their range, or anything but a list of vectors.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> modout = kf.layers.Modout(units=4, rate=0.2)
    >>> image, sound = modout([np.ones((2, 6)), np.ones((2, 3))])
    >>> image.shape == sound.shape == (2, 4)
    True
    >>> print(modout.probabilities().round(2))
    [[1.  0.8]
     [0.8 1. ]]
    >>> nets = {"image": kf.backbones.mlp(6), "sound": kf.backbones.mlp(3)}
    >>> model = kf.build_fusion(nets, kf.layers.Modout(16), dropout=0.5)

    Reference:
        Li, Neverova, Wolf & Taylor (2016), Modout: Learning to Fuse Modalities via Stochastic
        Regularization; the same (2017), Modout: Learning Multi-modal Architectures by Stochastic
        Regularization.
    """

    min_modalities = 2
    ranks = (2,)

    def __init__(self, units, activation="relu", rate=0.5, learned=True, seed=None, **kwargs):
        super().__init__(**kwargs)
        units = check_int("units", units)
        check_activation("activation", activation)
        rate = check_rate("rate", rate)
        learned = check_bool("learned", learned)
        seed = check_seed("seed", seed)
        if learned and rate == 0:
            raise ValueError(
                "rate: expected a float above 0 with learned=True, as probabilities that start at "
                f"1 do not learn. Received: {rate!r}"
            )
        self.units = units
        self.activation = keras.activations.get(activation)
        self.rate = rate
        self.learned = learned
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, modalities_shape=(), present_shape=None):
        super().build(modalities_shape, present_shape=present_shape)
        n = len(self.widths)
        self.kernel = self.add_weight((sum(self.widths), n * self.units), name="kernel")
        self.bias = self.add_weight((n * self.units,), "zeros", name="bias")
        if self.learned:
            start = keras.initializers.Constant(float(np.log((1 - self.rate) / self.rate)))
            self.scores = self.add_weight((n * (n - 1),), start, dtype="float32", name="scores")

    def call(self, modalities, present=None, training=False):
        sources, keep = self.mask_absent(modalities, present), self._probabilities()[None]
        n = len(sources)
        if training:
            shape = (ops.shape(sources[0])[0], n, n)
            drawn = ops.cast(draw_uniform(shape, self.seed_generator) < keep, "float32")
            keep = drawn + (keep - ops.stop_gradient(keep))
        keep = ops.cast(keep, self.compute_dtype)[..., None]
        bias = ops.reshape(ops.cast(self.bias, self.compute_dtype), (n, self.units))
        total, row = bias[None], 0
        for i, x in enumerate(sources):
            sent = ops.matmul(x, self.kernel[row : row + self.widths[i]])
            total = total + keep[:, i] * ops.reshape(sent, (-1, n, self.units))
            row += self.widths[i]
        hidden = self.activation(total)
        return [hidden[:, j] for j in range(n)]

    def _probabilities(self):
        """p, `(n, n)` in float32, from row to column."""
        n = len(self.widths)
        if not self.learned:
            return ops.convert_to_tensor(np.where(np.eye(n), 1, 1 - self.rate).astype("float32"))
        # The scores are those of the places off the diagonal, row by row.
        places = np.eye(n * n, dtype="float32")[~np.eye(n, dtype=bool).ravel()]
        learned = ops.matmul(ops.sigmoid(self.scores)[None], places)
        return ops.add(ops.reshape(learned, (n, n)), np.eye(n, dtype="float32"))

    def probabilities(self):
        """How often every connection is there: NumPy array `(n, n)`, from row to column."""
        self.check_built("probabilities")
        return ops.convert_to_numpy(self._probabilities())

    def compute_output_shape(self, modalities_shape=(), present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        return [(shape[0], self.units) for shape in shapes]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "rate": self.rate,
            "learned": self.learned,
            "seed": self.seed,
        }
