"""The backbones' last tensors, or those at one fusion point, without what comes after them."""

import math

import keras
from keras import layers

from keras_fusion._checks import check_int
from keras_fusion._keras import flat_layers, history, inputs_struct, made_of
from keras_fusion.graph import as_functional, call_on, open_at
from keras_fusion.models.assembly._alignment import pool_to


def tensors_at(streams, position, keep_heads):
    """One tensor per stream: that of its point number `position`.

    Args:
        streams: List of `Stream`.
        position: Negative integer: points are counted from the output end, as levels are paired.
        keep_heads: Whether the model has the unimodal predictions too. If not, the backbones
            are opened anew and end here: later layers would stay in the model without ever
            getting a gradient.

    Returns:
        List of tensors, not aligned, in the order of the streams.
    """
    if keep_heads:
        return [stream.tensors[position] for stream in streams]
    paths = {s.name: s.points[position].path for s in streams}
    opened, tensors = {}, []
    for stream in streams:
        model = stream.model
        if id(model) not in opened:
            of_model = dict.fromkeys(paths[s.name] for s in streams if s.model is model)
            end = open_at(model, list(of_model), f"{stream.name}_backbone")
            opened[id(model)] = end, list(of_model)
        end, ends = opened[id(model)]
        outputs = keras.tree.flatten(call_on(end, stream.masked_inputs))
        tensors += stream.leave(stream.name, [outputs[ends.index(paths[stream.name])]], 0)
    return tensors


def last_tensors(streams, keep_heads):
    """The last tensor of every stream before its prediction, of any rank.

    That is its last hidden fusion point. A backbone without any gives its output; or its input if
    it has a single one and consists of its prediction alone, which of a subclassed model nobody
    knows.
    """
    hidden = [s for s in streams if s.points]
    found = tensors_at(hidden, -1, keep_heads) if hidden else []
    tensors = {s.name: tensor for s, tensor in zip(hidden, found, strict=True)}
    return [tensors[s.name] if s.points else _end(s, keep_heads) for s in streams]


def _end(stream, keep_heads):
    inputs, graph = stream.masked_inputs, as_functional(stream.model)
    end = graph.outputs[0]
    is_known = stream.ends_in == "probabilities" and stream.found.head != "unknown"
    if is_known and not isinstance(inputs, dict) and inputs.dtype != "string":
        return inputs
    if keep_heads:  # Keras does not load a model in which two others share layers
        return stream.end
    if is_known:  # what a FeatureSpace or a StringLookup makes of several inputs, or of text
        end = _before_prediction(end)
    # A model of its own: the backbone's name may be that of an input.
    end = keras.Model(inputs_struct(graph), end, name=f"{stream.name}_features")
    return stream.leave(stream.name, [call_on(end, inputs)], 0)[0]


def _before_prediction(end):
    """The tensor that the dense layer of a prediction gets, or `end` where there is none."""
    tensor = end
    while len(made_of(tensor)) == 1:
        (before,), operation = made_of(tensor), history(tensor)[0]
        if isinstance(operation, (layers.Dense, layers.EinsumDense)):
            return before
        tensor = before
    return end


def last_tokens(streams, taps, keep_heads, max_tokens):
    """The last tensor of every stream that still has steps or places; see `FusionBuilder.tokens`.

    With `taps="auto"` the points of the streams that come after it are taken off.
    """
    max_tokens = check_int("max_tokens", max_tokens)
    if isinstance(taps, str):
        for stream in streams:
            _cut_to_tokens(stream)
    return [
        _at_most(tensor, max_tokens, f"{stream.name}_pool_level_0")
        for tensor, stream in zip(last_tensors(streams, keep_heads), streams, strict=True)
    ]


def _cut_to_tokens(stream):
    if any(_reads_to_vector(layer) for layer in flat_layers(stream.model)):
        return
    with_tokens = [i for i, point in enumerate(stream.points) if len(point.shape) > 1]
    if with_tokens:
        end = with_tokens[-1] + 1
        stream.points, stream.tensors = stream.points[:end], stream.tensors[:end]


def _reads_to_vector(layer):
    recurrent = isinstance(layer, (layers.RNN, layers.Bidirectional))
    return recurrent and not layer.return_sequences


def _at_most(tensor, max_tokens, name):
    """A map or video of fixed size, pooled evenly. Sequences stay: they may have a mask."""
    size = tuple(tensor.shape[1:-1])
    if len(size) < 2 or None in size or math.prod(size) <= max_tokens:
        return tensor
    factor = 2
    while math.prod(-(-length // factor) for length in size) > max_tokens:
        factor += 1
    return pool_to(tensor, tuple(-(-length // factor) for length in size), "average", name)
