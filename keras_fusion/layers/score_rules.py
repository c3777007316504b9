"""Late fusion by rule: mean, maximum, product and majority vote of predictions."""

import keras
import numpy as np
from keras import ops

from keras_fusion._checks import check_choice
from keras_fusion.layers.fusion_layer import FusionLayer

ACTIVATIONS = ("softmax", "sigmoid", "linear")
RULES = ("mean", "max", "product", "vote")
_SMALLEST = 1e-7
_TIE_BREAK = 0.01  # divided by the number of votes: together less than half a vote


@keras.saving.register_keras_serializable(package="keras_fusion")
class ScoreRule(FusionLayer):
    """Fuses the predictions of several classifiers by a fixed rule.

    Use it as the simplest late fusion: it has no weights, so it needs no training and serves as
    the baseline that a learned fusion has to beat. `build_late_fusion` places it for you.

    With the probabilities p_k(c) of n classifiers for class c:

        mean     p(c) = 1/n sum_k p_k(c)
        max      p(c) ~ max_k p_k(c)
        product  p(c) ~ prod_k p_k(c) / P(c)^(n-1)
        vote     p(c) = share of the classifiers whose largest probability is that of c

    where "~" means: divided by its sum over the classes. The product is Bayes' rule for
    modalities that are independent of each other given the class, with the classes' prior
    probabilities P. It is computed from logarithms, with p_k cut off below 1e-7. Votes are often
    equal (with two classifiers whenever they differ), so a hundredth of a vote goes by the mean
    of the probabilities: it decides between equal numbers of votes and never against the
    majority. With `activation="sigmoid"` every class is a decision of its own: the maximum
    is not normalized, the product is Bayes' rule for yes and no, and a classifier votes for every
    class above 0.5. No gradient goes through votes.

    Args:
        rule: String, one of `"mean"`, `"max"`, `"product"` and `"vote"`. Defaults to `"mean"`.
        activation: String, what made the predictions: `"softmax"` (one of several classes),
            `"sigmoid"` (each class apart) or `"linear"` (regression; with the rule `"mean"`
            only). Defaults to `"softmax"`.
        priors: Sequence of positive floats, one for each class, for the rule `"product"`: how
            frequent the classes are. With `"softmax"` they are divided by their sum, with
            `"sigmoid"` they have to be smaller than 1. `None`: all classes alike (1/2 with
            `"sigmoid"`). Defaults to `None`.
        **kwargs: `name`, `dtype` and the other arguments of every Keras layer.

    Call arguments:
        modalities: List of one or more tensors of equal shape, predictions in [0, 1].
        central: Optional tensor of that shape: one more prediction, of a joint network, which
            every sample has.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1: which modalities
            each sample has. The rule goes over these alone; whatever stands in the others, NaN
            included, reaches nothing. A sample without any prediction gets the same probability for
            every class (the product: the priors), 0 in regression.

    Input shape:
        `modalities`: list of `(batch, ..., classes)`; `central`: `(batch, ..., classes)`.

    Output shape:
        `(batch, ..., classes)`.

    Raises:
        ValueError: an unknown rule, tensors of different shapes, or priors that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> image, sound = np.array([[0.6, 0.4]]), np.array([[0.2, 0.8]])
    >>> fused = np.array(kf.layers.ScoreRule("product")([image, sound]))
    >>> np.allclose(fused, np.array([[0.12, 0.32]]) / 0.44)
    True

    Reference:
        Kittler et al. (1998), On Combining Classifiers, Sect. 2, for the rules; the overview of
        multimodal fusion methods, Sect. 3.1 (late fusion).
    """

    equal = "shape"
    open_features = True

    def __init__(self, rule="mean", activation="softmax", priors=None, **kwargs):
        super().__init__(**kwargs)
        check_choice("rule", rule, RULES)
        check_choice("activation", activation, ACTIVATIONS)
        if activation == "linear" and rule != "mean":
            raise ValueError(
                f'rule: expected "mean", as the rule "{rule}" needs probabilities and not the '
                f'values of a regression (activation="linear"). Received: {rule!r}'
            )
        if priors is not None and rule != "product":
            raise ValueError(
                f'priors: expected None, as only the rule "product" has them. Received: {priors!r} '
                f'with rule="{rule}"'
            )
        self.rule = rule
        self.activation = activation
        self.priors = None if priors is None else _checked_priors(priors, activation)
        # Keras would round the inputs to the compute dtype first: 0.9999 to 1 in float16.
        self.autocast = False

    @property
    def predicts(self):
        """How what it makes is read where a network ends in it."""
        return self.activation

    def call(self, modalities, central=None, present=None):
        n, rank = len(modalities), len(modalities[0].shape)
        # The filling is a probability whose logarithm exists: its gradient is 0, not NaN.
        scores = self.mask_absent(modalities, present, central, fill=0.5, dtype="float32")
        if present is None:
            here = ops.ones((n,) + (1,) * rank)
        else:
            here = ops.transpose(ops.cast(ops.cast(present, "bool"), "float32"))
            here = ops.reshape(here, (n, -1) + (1,) * (rank - 1))
        if central is not None:
            here = ops.concatenate([here, ops.ones_like(here[:1])], axis=0)
        fused = self._apply(ops.stack(scores), here)
        return ops.cast(fused, self.compute_dtype)

    def _apply(self, p, here):
        """The rule over the first axis of `p`, where `here` is 1."""
        if self.rule == "product":
            return self._product(p, here)
        count = ops.sum(here, axis=0)
        none = value_of_nothing(self.activation, p.shape[-1])
        if self.rule == "max":
            best = ops.max(p * here, axis=0)
            if self.activation == "softmax":
                best = best / ops.maximum(ops.sum(best, axis=-1, keepdims=True), _SMALLEST)
            return ops.where(count > 0, best, none)
        count_or_1 = ops.maximum(count, 1.0)
        mean = ops.sum(p * here, axis=0) / count_or_1
        if self.rule == "vote":
            if self.activation == "softmax":
                # Not by Keras' argmax, which looks at bits: ONNX has no such operation.
                highest = ops.cast(ops.equal(p, ops.max(p, axis=-1, keepdims=True)), "float32")
                votes = highest * ops.cast(ops.equal(ops.cumsum(highest, axis=-1), 1), "float32")
            else:
                votes = ops.cast(p > 0.5, "float32")
            share = ops.sum(votes * here, axis=0) / count_or_1
            weight = _TIE_BREAK / p.shape[0]
            mean = ops.stop_gradient((1 - weight) * share + weight * mean)
        return ops.where(count > 0, mean, none)

    def _product(self, p, here):
        others = ops.sum(here, axis=0) - 1.0
        if self.activation == "softmax":
            prior = 0.0 if self.priors is None else np.log(self.priors / np.sum(self.priors))
            logs = ops.log(ops.maximum(p, _SMALLEST))
            return ops.softmax(ops.sum(logs * here, axis=0) - others * _constant(prior))
        prior = 0.0 if self.priors is None else np.log(self.priors) - np.log1p(-self.priors)
        # Not clipped at 1 - 1e-7: no float32, so that a sure yes and a sure no would not be even.
        logits = ops.log(ops.maximum(p, _SMALLEST)) - ops.log(ops.maximum(1 - p, _SMALLEST))
        return ops.sigmoid(ops.sum(logits * here, axis=0) - others * _constant(prior))

    def check_shapes(self, modalities_shape, central_shape=None, present_shape=None):
        shapes = super().check_shapes(modalities_shape, central_shape, present_shape)
        if self.priors is not None and shapes[0][-1] != len(self.priors):
            raise ValueError(
                f"priors: expected one value for each of the {shapes[0][-1]} classes. "
                f"Received: {list(self.priors)}"
            )
        return shapes

    def compute_output_shape(self, modalities_shape, central_shape=None, present_shape=None):
        return self.check_shapes(modalities_shape, central_shape, present_shape)[0]

    def get_config(self):
        return {
            **super().get_config(),
            "rule": self.rule,
            "activation": self.activation,
            "priors": None if self.priors is None else self.priors.tolist(),
        }


def value_of_nothing(activation, classes):
    """What a prediction says without any modality: every class alike; 0 in regression."""
    return {"softmax": 1 / classes, "sigmoid": 0.5, "linear": 0.0}[activation]


def _constant(values):
    return ops.convert_to_tensor(values, dtype="float32")


def _checked_priors(priors, activation):
    try:
        values = np.asarray(priors, dtype="float64")
    except (TypeError, ValueError):
        values = np.empty(())
    highest = np.inf if activation == "softmax" else 1.0
    if values.ndim != 1 or not np.all((values > 0) & (values < highest)):
        raise ValueError(
            "priors: expected one float > 0 per class"
            + (", each below 1" if activation == "sigmoid" else "")
            + f". Received: {priors!r}"
        )
    return values
