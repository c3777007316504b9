"""Conditional random field over the steps of a sequence: one label per step."""

import keras
from keras import ops

from keras_fusion.layers import _chains


@keras.saving.register_keras_serializable(package="keras_fusion")
class LinearChainCRF(keras.layers.Layer):
    """Predicts a label for every step, with scores for which label follows which.

    Use it where labels follow each other by rules: activities, phonemes, parts of speech.
    `build_crf_fusion` places it for you. With the emissions E (logits of every step), the
    transitions A (from row to column), and scores s and e of the first and last label,

        score(y) = s[y_1] + sum_t E_t[y_t] + sum_{t>1} A[y_{t-1}, y_t] + e[y_T]
        p(y | x) = exp(score(y)) / sum_y' exp(score(y'))

    The output are the marginals p(y_t | x), so that metrics and losses of probabilities work per
    step. `losses.CRFLoss` is -log p(y | x), `decode` the most likely path as a whole (Viterbi).
    Steps that are masked are skipped, wherever they stand: the next step follows the one before.
    Everything is computed in float32. Scores start as zeros, as a softmax per step.

    Args:
        **kwargs: The arguments of every Keras layer.

    Call arguments:
        emissions: Tensor `(batch, steps, classes)`, logits.
        mask: Optional boolean tensor `(batch, steps)`, of the steps that count; what comes out at
            the others means nothing. Defaults to `None`, all of them.

    Input shape:
        `(batch, steps, classes)`; the number of steps may be open.

    Output shape:
        `(batch, steps, classes)`, probabilities.

    Weights:
        `transitions`, A; `start`, s; `end`, e.

    Raises:
        ValueError: anything but a sequence of logits.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> crf = kf.layers.LinearChainCRF()
    >>> emissions = np.array([[[2.0, 0.0], [0.0, 1.0], [2.0, 0.0]]])
    >>> crf(emissions).shape == (1, 3, 2)
    True
    >>> _ = crf.transitions.assign([[1.0, -1.0], [-1.0, 1.0]])  # labels rarely change
    >>> np.array(crf.decode(emissions)).tolist()
    [[0, 0, 0]]

    Reference:
        Lafferty, McCallum & Pereira (2001), Conditional Random Fields: Probabilistic Models for
        Segmenting and Labeling Sequence Data.
    """

    predicts = "softmax"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.supports_jit = _chains.SUPPORTS_JIT
        # Keras would round the logits to the compute dtype first.
        self.autocast = False

    def build(self, emissions_shape):
        shape = tuple(emissions_shape)
        if len(shape) != 3 or shape[-1] is None or shape[-1] < 2:
            raise ValueError(
                "LinearChainCRF: expected logits (batch, steps, classes) of two or more classes. "
                f"Received: {shape}"
            )
        classes = shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: classes})
        self.start = self._scores("start", classes)
        self.transitions = self._scores("transitions", classes, classes)
        self.end = self._scores("end", classes)

    def _scores(self, name, *shape):
        return self.add_weight(shape, "zeros", dtype="float32", autocast=False, name=name)

    def _chain(self, emissions, mask):
        emissions, counts = _chains.counted(emissions, mask)
        weights = (self.start, self.transitions, self.end)
        return emissions, counts, *(ops.convert_to_tensor(w) for w in weights)

    def call(self, emissions, mask=None):
        return ops.cast(_chains.marginals(*self._chain(emissions, mask)), self.compute_dtype)

    def log_likelihood(self, labels, emissions, mask=None):
        """log p(y | x) of every sequence.

        Args:
            labels: Class indices `(batch, steps)`; any at steps that are masked.
            emissions, mask: As in the call.

        Returns:
            Tensor `(batch,)` of float32; 0 for a sequence without steps.
        """
        return _chains.log_likelihood(labels, *self._chain(emissions, mask))

    def log_partition(self, emissions, mask=None):
        """The logarithm of the sum over all paths, for every sequence.

        Args:
            emissions, mask: As in the call.

        Returns:
            Tensor `(batch,)` of float32.
        """
        return _chains.log_partition(*self._chain(emissions, mask))

    def decode(self, emissions, mask=None):
        """The most likely path as a whole, by Viterbi's algorithm.

        Args:
            emissions, mask: As in the call.

        Returns:
            Tensor `(batch, steps)` of int32. A masked step has the label of the next one that
            counts, or 0 if there is none.
        """
        return _chains.best_path(*self._chain(emissions, mask))

    def compute_output_shape(self, emissions_shape):
        return tuple(emissions_shape)
