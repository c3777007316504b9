"""The backbones' tensors at one level, or at their ends, without what lies above them."""

import keras

from keras_fusion.graph import as_functional, call_on, fusion_points, open_at
from keras_fusion.models.assembly._naming import named_backbones
from keras_fusion.models.assembly._streams import pooled


def tensors_below(streams, backbones, position, keep_heads):
    """One tensor per stream: that of its point number `position`.

    Args:
        streams: List of `Stream`.
        backbones: What they were made of.
        position: Int below 0: points are counted from the output end, as levels are paired.
        keep_heads: Whether the model has the unimodal predictions too. If not, the backbones
            are opened anew and end here: layers above would stay in the model without ever
            getting a gradient.

    Returns:
        List of tensors, not aligned, in the order of the streams.
    """
    if keep_heads:
        return [stream.tensors[position] for stream in streams]
    backbones = named_backbones(backbones)
    paths = {s.name: s.points[position].path for s in streams}
    opened, tensors = {}, []
    for stream in streams:
        model = backbones[stream.name]
        if id(model) not in opened:
            of_model = dict.fromkeys(paths[n] for n, other in backbones.items() if other is model)
            end = open_at(model, list(of_model), f"{stream.name}_backbone")
            opened[id(model)] = end, list(of_model)
        end, ends = opened[id(model)]
        outputs = keras.tree.flatten(call_on(end, stream.masked_inputs))
        tensors.append(outputs[ends.index(paths[stream.name])])
    return tensors


def last_tensors(streams, backbones, keep_heads):
    """The last tensor of every stream below its prediction, of any rank.

    That is its last hidden fusion point. A backbone without any gives its output, or its input
    if the output is already the prediction.

    Args:
        streams, backbones: As in `tensors_below`.
        keep_heads: Whether the model has the unimodal predictions too.
    """
    hidden = [s for s in streams if s.points]
    found = tensors_below(hidden, backbones, -1, keep_heads) if hidden else []
    tensors = {s.name: tensor for s, tensor in zip(hidden, found, strict=True)}
    return [tensors[s.name] if s.points else _end(s, backbones[s.name]) for s in streams]


def _end(stream, backbone):
    if fusion_points(backbone)[-1].role == "prediction":
        return stream.masked_inputs
    # A model of its own: the backbone's name may be that of an input.
    name = f"{stream.name}_features"
    graph = as_functional(backbone)
    end = keras.Model(graph._inputs_struct, graph.outputs[0], name=name)
    return call_on(end, stream.masked_inputs)


def last_features(parts, backbones, keep_heads):
    """`last_tensors` as vectors: maps and sequences are averaged."""
    tensors = last_tensors(parts.streams, backbones, keep_heads)
    return [
        pooled(tensor, f"{name}_average_level_0")
        for tensor, name in zip(tensors, parts.names, strict=True)
    ]
