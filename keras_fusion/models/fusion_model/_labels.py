"""Checks of targets: whether they fit the samples, the heads and Keras' own losses.

Keras broadcasts targets of another shape, cuts off fractions of class indices, and clips
probabilities, all without a word. What a loss of the user's own takes is the user's to say.
"""

import keras
import numpy as np

from keras_fusion._arrays import as_array, check_finite

# Names of Keras' losses without underscores, in lower case, by what they take.
_INDICES = ("sparsecategoricalcrossentropy", "categoricalgeneralizedcrossentropy")
_ONE_HOT = ("categoricalcrossentropy", "categoricalfocalcrossentropy")
_PROBABILITIES = (
    *_ONE_HOT,
    *("binarycrossentropy", "binaryfocalcrossentropy", "kldivergence", "dice", "tversky"),
)
_SIGNS = ("hinge", "squaredhinge", "categoricalhinge")
_POSITIVE = ("meansquaredlogarithmicerror", "poisson")


# What to do with labels that are words.
WORDS = (
    ". Turn words into class indices first: "
    "keras.layers.StringLookup(vocabulary=classes, num_oov_indices=0)(y) on TensorFlow, "
    "classes, y = numpy.unique(y, return_inverse=True) everywhere"
)


def keras_name(loss):
    """The name of one of Keras' own losses, without underscores and in lower case, or `None`.

    Of a loss that takes labels as one of these, and says so by `labels_of`, it is that one's.
    """
    loss = getattr(loss, "labels_of", loss)
    try:
        loss = keras.losses.get(loss)
    except (ValueError, TypeError):
        return None
    name = getattr(loss, "__name__", type(loss).__name__)
    own = getattr(keras.losses, name, None)
    if own is None or own not in (loss, type(loss)):
        return None
    return name.lower().replace("_", "")


def check_targets(y, losses, outputs, samples):
    """An error where there is no `y`, or it does not fit the samples or the losses.

    Args:
        y: What was passed to fit or evaluate beside `x`; only arrays and dicts of arrays are
            looked at.
        losses: Dict `{head: loss}`, or `None`.
        outputs: Dict `{head: output}`, a model's own.
        samples: How many there are, or `None`.
    """
    if losses is None:
        return
    if y is None or isinstance(y, (list, tuple, str)):
        words = isinstance(y, (list, tuple)) and any(isinstance(one, (str, bytes)) for one in y)
        raise TypeError(
            "y: expected an array, or a dict keyed by head. Received: "
            f"{'None' if y is None else type(y).__name__}{WORDS if words else ''}"
        )
    for head, output in outputs.items():
        label = "y"
        if isinstance(y, dict):
            label = f'y["{head}"]'
        values = as_array(y.get(head) if isinstance(y, dict) else y)
        if values is None or values.ndim == 0:
            continue
        if values.dtype.kind not in "biuf" and values.dtype.name != "bfloat16":
            hint = WORDS if _holds_words(values) else ""
            raise ValueError(
                f"{label}: expected numbers. Received: an array of {values.dtype}{hint}"
            )
        if samples is not None and len(values) != samples:
            raise ValueError(
                f"{label}: expected {samples} labels, one a sample. Received: {len(values)}"
            )
        name = keras_name(losses.get(head))
        if name is None:
            continue
        check_shape(label, values.shape, name, output.shape, head)
        check_finite(label, values)
        _check_values(label, values, name, losses[head], output.shape[-1], head)


def check_shapes(y, y_pred, losses):
    """`check_shape` for every head, of any data set, as far as shapes are known.

    Args:
        y: Dict `{head: target}`, or what was given instead.
        y_pred: Dict `{head: prediction}`.
        losses: Dict `{head: loss}`, or `None`.
    """
    if not isinstance(y, dict) or losses is None:
        return
    for head, loss in losses.items():
        shape = getattr(y.get(head), "shape", None)
        if shape is None or getattr(shape, "rank", 0) is None or (name := keras_name(loss)) is None:
            continue
        if keras.backend.standardize_dtype(y[head].dtype) == "string":
            raise ValueError(f'y["{head}"]: expected numbers. Received: strings{WORDS}')
        check_shape(f'y["{head}"]', shape, name, y_pred[head].shape, head)


def check_shape(label, shape, name, predicted, head):
    """An error where targets of this shape go with predictions of another.

    Args:
        label: String, for the error.
        shape: Tuple, of the targets.
        name: String, `keras_name` of the loss.
        predicted: Tuple, shape of the predictions.
        head: String, for the error.
    """
    given, shape, wanted = tuple(shape), tuple(shape[1:]), tuple(predicted[1:])
    if name == "circle":
        return
    if name == "ctc":
        if len(wanted) < 2:
            raise ValueError(
                f"loss: expected another one than CTC, which aligns sequences, for head {head!r}, "
                f"which predicts {_text(wanted)}. Received: CTC"
            )
        return
    if name in _INDICES:
        if not alike(shape, wanted[:-1]) and not alike(shape, (*wanted[:-1], 1)):
            raise ValueError(
                f"{label}: expected class indices {_text(wanted[:-1])} with a sparse loss; one-hot "
                f'labels go with "categorical_crossentropy". Received shape: {given}'
            )
        return
    # Keras adds and takes away a last axis of size 1.
    accepted = [wanted, (*wanted, 1), *([wanted[:-1]] if wanted[-1:] == (1,) else [])]
    if any(alike(shape, one) for one in accepted):
        return
    if name in _ONE_HOT:
        raise ValueError(
            f"{label}: expected one-hot labels {_text(wanted)} with categorical_crossentropy; class"
            f' indices go with "sparse_categorical_crossentropy". Received shape: {given}'
        )
    raise ValueError(
        f"{label}: expected the shape of what head {head!r} predicts, {_text(wanted)}, which Keras "
        f"would broadcast to. Received shape: {given}"
    )


def alike(found, wanted):
    """Whether two shapes are the same, an open size being like any."""
    return len(found) == len(wanted) and all(
        None in (f, w) or f == w for f, w in zip(found, wanted, strict=True)
    )


def _holds_words(values):
    """Whether an array is of strings, or has some."""
    if values.dtype.kind == "O":
        return any(isinstance(value, (str, bytes)) for value in values.flat)
    return values.dtype.kind in "UST"


def _text(shape):
    return f"({', '.join(map(str, ('samples', *shape)))})".replace("(samples)", "(samples,)")


def _check_values(label, values, name, loss, width, head):
    if not values.size or values.dtype.kind == "b":
        return
    values = np.asarray(values)
    if name in _INDICES or name == "circle":
        fractions = values[values != np.round(values)] if values.dtype.kind not in "iu" else ()
        if len(fractions):
            raise ValueError(
                f"{label}: expected class indices, which are integers. Received: {fractions[0]}"
            )
    if name in _INDICES:
        ignored = getattr(loss, "get_config", dict)().get("ignore_class")
        counted = values if ignored is None else values[values != ignored]
        expected = f"class indices from 0 to {width - 1} for head {head!r}"
        _check_range(label, counted, 0, width - 1, expected)
    elif name in _PROBABILITIES:
        _check_range(label, values, 0, 1, f"labels from 0 to 1 with {name}")
    elif name in _SIGNS:
        odd = values[~np.isin(values, (-1, 0, 1))]
        if odd.size or (values.min() == -1 and 0 in values):
            received = odd.flat[0] if odd.size else "-1, 0 and 1"
            raise ValueError(
                f"{label}: expected labels of -1 and 1, or of 0 and 1, with {name}. "
                f"Received: {received}"
            )
    elif name in _POSITIVE:
        _check_range(label, values, 0, np.inf, f"values >= 0 with {name}")


def _check_range(label, values, low, high, expected):
    if values.size and (values.min() < low or values.max() > high):
        raise ValueError(
            f"{label}: expected {expected}. Received: values from {values.min()} to {values.max()}"
        )
