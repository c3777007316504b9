"""Cuts a backbone into the pieces between its fusion points, so that something can come between."""

from collections import namedtuple

import keras
from keras import ops

from keras_fusion._keras import mask_of
from keras_fusion.graph._reading import as_functional, is_nested, steps

_Call = namedtuple("_Call", "operation args kwargs tensors")


def split_at(model, paths, names, with_masks=False):
    """The pieces of a network from its input to the first path, from there to the second ...

    The pieces in a row compute what the network does. They use the layers of `model` itself:
    weights are shared, and stay frozen where they are.

    Args:
        model: Functional or Sequential model with one input.
        paths: List of layer names in the order from input to output, "outer/inner" inside a
            nested model. Every path from input to output has to run through each of them, as it
            does through fusion points.
        names: The names of the pieces, one for each of `paths`.
        with_masks: Boolean, whether pieces hand on which steps of a sequence count. Such a mask
            lies past their first tensor. Defaults to `False`.

    Returns:
        List of `keras.Model`, each with one input and one output; `with_masks` of pairs, of it and
        whether its output has a mask. Then a piece that needs the mask takes `[tensor, mask]`, and
        one that makes it gives this; of the others the mask is that of their input.

    Raises:
        ValueError: a layer past which another path runs.
    """
    found, by_path = [], {}
    _collect(model, "", paths, {}, found, by_path)
    start, path_before, pieces = as_functional(model).inputs[0], "its input", []
    for path, name in zip(paths, names, strict=True):
        end = by_path[path]
        mask_before, mask = (mask_of(t) if with_masks else None for t in (start, end))
        starts = [start] if mask_before is None else [start, mask_before]
        ends = [end] if mask is None or mask is mask_before else [end, mask]
        piece = _piece(model, found, (path_before, starts), (path, ends), name, mask is not None)
        pieces.append((piece, mask is not None) if with_masks else piece)
        start, path_before = end, path
    return pieces


def _collect(model, prefix, paths, renamed, found, by_path):
    """Fills in the calls of a network in their order, nested models on a path opened.

    `renamed` maps the ids of what a nested model takes and makes to the tensors it stands for.
    """
    for step in steps(model):
        args, kwargs = keras.tree.map_structure(
            lambda x: renamed.get(id(x), x), (step.node.arguments.args, step.node.arguments.kwargs)
        )
        path = prefix + step.path
        inside = is_nested(step.operation) and any(p.startswith(path + "/") for p in paths)
        if inside:
            graph = as_functional(step.operation)
            renamed.update(
                {id(a): b for a, b in zip(graph.inputs, _tensors((args, kwargs)), strict=True)}
            )
            # A `training` given in that call is not handed on: Keras' own models ignore it too.
            _collect(step.operation, path + "/", paths, renamed, found, by_path)
            end = graph.outputs[0]
            renamed[id(step.tensors[0])] = renamed.get(id(end), end)
        elif not isinstance(step.operation, keras.layers.InputLayer):
            found.append(_Call(step.operation, args, kwargs, step.tensors))
        by_path[path] = renamed.get(id(step.tensors[0]), step.tensors[0])


def _piece(model, calls, start, end, name, copied=False):
    """A model of the calls that lead from a tensor and its mask to others, both with their paths.

    The first output, if it is `copied`, has lost the mask that Keras hangs on a tensor.
    """
    (start_path, starts), (end_path, ends) = start, end
    maker = {id(t): call for call in calls for t in call.tensors}
    needed, reached, waiting = set(), {id(starts[0])}, [*ends]
    while waiting:
        tensor = waiting.pop()
        if any(tensor is one for one in starts):
            reached.add(id(tensor))
            continue
        if id(maker.get(id(tensor))) in needed:
            continue
        if id(tensor) not in maker:  # arrived at the input of the whole network
            raise ValueError(
                f'backbone "{model.name}": expected layers through which every path from input '
                f'to output runs (see fusion_points). Received: "{start_path}", past which one '
                f'runs to "{end_path}"'
            )
        call = maker[id(tensor)]
        needed.add(id(call))
        waiting += _tensors((call.args, call.kwargs))
    starts = [t for t in starts if id(t) in reached]
    names = ("input", "mask")[: len(starts)]
    inputs = [
        keras.Input(t.shape[1:], dtype=t.dtype, name=n) for t, n in zip(starts, names, strict=True)
    ]
    made = {id(t): own for t, own in zip(starts, inputs, strict=True)}
    for call in calls:
        if id(call) in needed:
            args, kwargs = keras.tree.map_structure(
                lambda x: made.get(id(x), x), (call.args, call.kwargs)
            )
            outputs = keras.tree.flatten(call.operation(*args, **kwargs))
            made.update({id(a): b for a, b in zip(call.tensors, outputs, strict=True)})
    outputs = [made[id(end)] for end in ends]
    if copied:  # TensorFlow's identity would keep it
        outputs[0] = ops.add(outputs[0], 0)
    one = [found[0] if len(found) == 1 else found for found in (inputs, outputs)]
    return keras.Model(*one, name=name)


def _tensors(structure):
    return [x for x in keras.tree.flatten(structure) if isinstance(x, keras.KerasTensor)]
