"""The network for one modality, and the call that makes it by hand."""

import keras
import numpy as np
from keras import layers

from keras_fusion.backbones.lenet import audio_cnn, lenet5
from keras_fusion.backbones.perceptron import mlp
from keras_fusion.backbones.sequences import cnn_1d, gru
from keras_fusion.backbones.text import text_encoder, text_vectorizer
from keras_fusion.datasets.encoding import input_name

_SAMPLES = 2000  # that means and variances are taken of
_LONG = 32  # steps, or pixels, from which deeper networks are taken


def network(part, values, present, end):
    """A network, and what it is in words.

    Args:
        part: What the encoder knows of the modality.
        values: Its training data, encoded.
        present: Array of booleans `(samples,)`, the samples that have it; `None` for all.
        end: Dict with `num_classes` and `activation`.
    """
    if getattr(part, "strings", False):
        return _of_strings(part, values, end)
    kind = getattr(part, "kind", None) or type(part).__name__.lower()
    if kind in ("text", "ids"):
        size = len(part.words) + 2 if kind == "text" else int(np.asarray(values).max()) + 1
        return _made(text_encoder, (max(2, size), int(values.shape[1])), end)
    shape = tuple(int(size) for size in values.shape[1:])
    inputs = x = keras.Input(shape, name="input")
    if kind == "image" and len(shape) == 2:
        shape = (*shape, 1)
        x = layers.Reshape(shape, name="channel")(x)
    x = normalization(values, present, shape[-1])(x)
    function, arguments = _function(kind, shape)
    inner, said = _made(function, arguments, end)
    return keras.Model(inputs, inner(x), name=inner.name), f"Normalization, {said}"


def _function(kind, shape):
    if len(shape) == 2:
        return (cnn_1d if shape[0] >= _LONG else gru), (shape,)
    if len(shape) == 1:
        return mlp, (shape[0],)
    if min(shape[:2]) < 4:  # too small for a convolution
        return mlp, (shape,)
    return (lenet5 if min(shape[:2]) < _LONG else audio_cnn), (shape,)


def _made(function, arguments, end):
    given = [*map(str, arguments), f"num_classes={end['num_classes']}"]
    if end["activation"] != "softmax":
        given.append(f"activation={end['activation']!r}")
    return function(*arguments, **end), f"{function.__name__}({', '.join(given)})"


def normalization(values, present, width):
    """A `Normalization` with mean 0 and variance 1 on the samples; flags are left as they are."""
    rows = np.arange(len(values)) if present is None else np.flatnonzero(present)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLES)).astype(int)]
    sample = np.asarray(values[rows]).astype("float64").reshape(-1, width)
    sample = sample[np.isfinite(sample).all(axis=1)]
    if not len(sample):
        raise ValueError(
            "x: expected finite numbers in some sample of each modality. Received: none"
        )
    mean, variance = sample.mean(axis=0), sample.var(axis=0)
    # What never changed may do so later, by any amount.
    variance[variance < 1e-12 * np.maximum(1, mean**2)] = 1
    flags = np.isin(sample, (0, 1)).all(axis=0)
    mean[flags], variance[flags] = 0, 1
    return layers.Normalization(
        axis=-1, mean=mean.tolist(), variance=variance.tolist(), name="normalization"
    )


def _of_strings(part, values, end):
    """A network that begins with strings: a text, or a table with categories."""
    if hasattr(part, "words"):
        vectorizer = text_vectorizer(values, len(part.words) + 2, part.length)
        arguments = (vectorizer.vocabulary_size(), part.length)
        inner, said = _made(text_encoder, arguments, end)
        inputs = keras.Input((), dtype="string", name="input")
        return keras.Model(inputs, inner(vectorizer(inputs)), name=inner.name), (
            f"TextVectorization, {said}"
        )
    learnt = {
        input_name(name): learnt["values"]
        for name, learnt in zip(part.columns, part.learnt, strict=True)
        if learnt["kind"] == "category"
    }
    inputs, parts = {}, []
    for k, (name, words) in enumerate(learnt.items()):
        inputs[name] = keras.Input((), dtype="string", name=name)
        lookup = layers.StringLookup(
            vocabulary=words, output_mode="one_hot", name=f"categories_{k}"
        )
        parts.append(lookup(inputs[name]))
    if "numbers" in values:
        width = values["numbers"].shape[1]
        inputs["numbers"] = keras.Input((width,), name="numbers")
        parts.append(normalization(values["numbers"], None, width)(inputs["numbers"]))
    x = layers.Concatenate(name="columns")(parts) if len(parts) > 1 else parts[0]
    inner, said = _made(mlp, (x.shape[-1],), end)
    return keras.Model(inputs, inner(x), name=inner.name), f"StringLookup, Normalization, {said}"
