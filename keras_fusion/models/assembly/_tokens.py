"""The backbones' features as tokens, for methods that attend to places and steps."""

import math

from keras import layers

from keras_fusion._checks import check_int
from keras_fusion.models.assembly._alignment import pool_to
from keras_fusion.models.assembly._features import last_tensors


def last_tokens(parts, backbones, taps, keep_heads, max_tokens):
    """The last tensor of every stream that still has steps or places, as an attention needs them.

    With `taps="auto"` that is the last hidden fusion point which is a sequence, map or video. A
    backbone without one, or that reads its sequence to a vector with a recurrent layer, gives its
    last hidden fusion point, as in the other builders.

    Args:
        parts: `Parts` of the model; with "auto", points that are not used are taken off.
        backbones, taps, keep_heads: As in `Parts` and `last_tensors`.
        max_tokens: Int >= 1: maps and videos with more places are averaged to fewer.
    """
    check_int("max_tokens", max_tokens)
    if isinstance(taps, str):
        for stream in parts.streams:
            _cut_to_tokens(stream, backbones[stream.name])
    tensors = last_tensors(parts.streams, backbones, keep_heads)
    return [
        _at_most(tensor, max_tokens, f"{name}_pool_level_0")
        for tensor, name in zip(tensors, parts.names, strict=True)
    ]


def _cut_to_tokens(stream, backbone):
    if any(_reads_to_vector(layer) for layer in backbone._flatten_layers()):
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
