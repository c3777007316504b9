"""The backbones' tensors at one level, for models that use nothing of what lies above it."""

import keras

from keras_fusion.backbones.graph import open_at
from keras_fusion.models.naming import named_backbones


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
        outputs = keras.tree.flatten(end(stream.masked_inputs))
        tensors.append(outputs[ends.index(paths[stream.name])])
    return tensors
