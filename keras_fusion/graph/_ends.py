"""What a network ends in, as far as its last layers show."""

from keras import layers

_KERAS = ("keras.", "keras_hub.")
# They hand on what they get, or its mean, which is a prediction where that is one.
_PASSING = (
    *(layers.Dropout, layers.Flatten, layers.Identity, layers.Reshape),
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D),
)
# What they make is neither a probability nor a logit.
_HIDDEN = (
    *(layers.BatchNormalization, layers.LayerNormalization, layers.UnitNormalization),
    *(layers.RNN, layers.Bidirectional, layers.Embedding, layers.ReLU, layers.LeakyReLU),
)
_SHOWN = {"softmax": "softmax", "sigmoid": "sigmoid", "linear": "linear", "log_softmax": "linear"}
_OPERATIONS = {"Softmax": "softmax", "Sigmoid": "sigmoid", "LogSoftmax": "linear"}
# Predictions of another kind, or parts of a larger layer: who knows.
_OTHERS = {"sparsemax", "sparse_sigmoid", "hard_sigmoid", "log_sigmoid", ""}


def end_of(chain):
    """How a chain ends: `(activation, place of the link that shows it)`.

    The activation is "softmax" or "sigmoid" of a prediction, "linear" of a layer whose output may
    be logits or features, None of features, and "unknown" where the layers do not show it.
    """
    last = at = len(chain) - 1
    while at > 1 and len(chain[at].operations) == 1 and _passes(chain[at].operations[0]):
        at -= 1
    shown = _shown_by(chain[at].operations[-1])
    return shown, at if shown in _SHOWN else last


def is_per_place(chain, at):
    """Whether what link number `at` makes is there for every step or place of the output."""
    made, last = chain[at], chain[-1]
    if len(last.shape) < 2 or len(made.shape) < 2 or made.shape[-1] != last.shape[-1]:
        return False
    axis = getattr(made.operations[-1], "axis", -1)
    return axis in (-1, len(made.shape))


def _passes(operation):
    if isinstance(operation, layers.Activation):
        return _name(operation.activation) == "linear"
    return isinstance(operation, _PASSING)


def _shown_by(operation):
    kind = type(operation)
    if isinstance(operation, _HIDDEN) or "Pooling" in kind.__name__:
        return None
    if isinstance(operation, layers.Wrapper):
        return _shown_by(operation.layer)
    if isinstance(operation, layers.Softmax):
        return "softmax"
    if hasattr(operation, "predicts"):  # this package's layers that make predictions
        return operation.predicts
    if not isinstance(operation, layers.Layer):  # keras.ops.softmax and others
        return _OPERATIONS.get(kind.__name__, "unknown")
    if not kind.call.__module__.startswith(_KERAS) or not hasattr(operation, "activation"):
        return "unknown"
    name = _name(operation.activation)
    return _SHOWN.get(name, "unknown" if name in _OTHERS else None)


def _name(activation):
    """The name of an activation, if it is one of Keras' own."""
    own = getattr(activation, "__module__", "").startswith(_KERAS)
    return getattr(activation, "__name__", "") if own else ""
