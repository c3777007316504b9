"""Reads the graph of a Keras model, nested models included, and opens it at chosen tensors."""

import weakref
from collections import namedtuple

import keras

from keras_fusion._keras import inputs_struct, is_optional, made_of, nodes_by_depth

Step = namedtuple("Step", "path operation node tensors inputs")
"""One call in a model's graph: `path` ("vgg16/block1_pool"), what was called, its `node`, the
tensors that came out, and the tensors that went in."""


# Making a view of a large network takes as long as making a few of its blocks.
_VIEWS = weakref.WeakKeyDictionary()


def steps(model):
    """The calls of a model's graph in topological order, inputs first; not into nested models.

    A layer that is called several times has several steps of one path.
    """
    nodes = nodes_by_depth(as_functional(model))
    return [
        Step(node.operation.name, node.operation, node, node.output_tensors, node.input_tensors)
        for depth in sorted(nodes, reverse=True)
        for node in nodes[depth]
    ]


def as_functional(model, label="model"):
    """A functional view on the graph of `model`, or an error that says why there is none."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"{label}: expected a keras.Model. Received: {type(model).__name__}")
    if model in _VIEWS:
        return _VIEWS[model]
    inputs, outputs = tensors_of(model, "inputs"), tensors_of(model, "outputs")
    if not inputs or not outputs:
        raise ValueError(
            f'backbone "{model.name}": expected a model whose graph Keras knows: functional, or '
            "Sequential that starts with keras.Input. Received: a "
            f"{type(model).__name__} without one. Call it on keras.Input tensors and wrap that: "
            "keras.Model(inputs, model(inputs))"
        )
    if len(outputs) > 1:
        outputs = _end(model, outputs)
    structure = inputs_struct(model)
    # A dict of inputs stays one, so that the view is called as the model is.
    view = keras.Model(structure if isinstance(structure, dict) else inputs, outputs)
    if structure is not None:  # not of a Sequential, which may grow
        _VIEWS[model] = view
    return view


def _end(model, outputs):
    """The central one of a fusion model's outputs, or that which was made of all the others, if
    there is one, as in a text encoder that gives its sequence and what it pools that to."""
    if has_central_output(model):
        return [model.output["central"]]
    for output in outputs:
        made_of = ancestors(output)
        if all(id(other) in made_of for other in outputs):
            return [output]
    return outputs


def has_central_output(model):
    """Whether it is a fusion model, or one that names its outputs as these do."""
    output = getattr(model, "output", None)  # a Sequential may have none
    return isinstance(output, dict) and "central" in output


def tensors_of(operation, which="outputs"):
    """The inputs or outputs of a model with a graph that Keras knows; none of anything else."""
    try:
        found = getattr(operation, which, None)
    except ValueError:  # Sequential, before it knows its input
        return []
    # A subclassed model may call a layer of its own so.
    is_graph = isinstance(found, list) and all(isinstance(t, keras.KerasTensor) for t in found)
    return found if is_graph and isinstance(operation, keras.Model) else []


def ancestors(tensor):
    """The ids of a tensor and of all tensors that it is computed from."""
    found, waiting = set(), [tensor]
    while waiting:
        tensor = waiting.pop()
        if id(tensor) not in found:
            found.add(id(tensor))
            waiting += made_of(tensor)
    return found


def is_nested(operation):
    """Whether a step is itself a model with a graph of its own that can be opened."""
    return bool(tensors_of(operation, "inputs")) and len(tensors_of(operation)) == 1


def open_at(model, paths, name=None):
    """The same network, weights shared, with the tensors at `paths` as its outputs.

    Args:
        model: Functional or Sequential model.
        paths: List of layer names; "outer/inner" for a layer inside a nested model. The name of
            an input layer stands for the input itself.
        name: Optional string, name of the model that is returned. Defaults to `None`.

    Returns:
        `keras.Model` with the inputs of `model`, a dict if they are one, and a list of outputs, in
        the order of `paths`.
    """
    graph = as_functional(model)
    tensors = {step.path: step.tensors[0] for step in steps(model)}
    if any(path not in tensors for path in paths):
        tensors = _replay(model, paths)
    return keras.Model(inputs_struct(graph), [tensors[path] for path in paths], name=name)


def _replay(model, paths):
    """Tensors by path, with every nested model that a path enters replaced by an opened one.

    Steps above the first such model keep their tensors; those below are called once more, on
    the same layers, so nothing is copied and no weight is made.
    """
    renamed, tensors = {}, {}
    for step in steps(model):
        inner = [p[len(step.path) + 1 :] for p in paths if p.startswith(step.path + "/")]
        args, kwargs = keras.tree.map_structure(
            lambda x: renamed.get(id(x), x), (step.node.arguments.args, step.node.arguments.kwargs)
        )
        if inner and is_nested(step.operation):
            last = steps(step.operation)[-1].path
            opened = open_at(step.operation, [*inner, last], name=step.operation.name)
            outputs = opened(*args, **kwargs)
            tensors.update(
                {f"{step.path}/{p}": t for p, t in zip(inner, outputs[:-1], strict=True)}
            )
            outputs = [outputs[-1]]
        elif any(id(t) in renamed for t in step.inputs):
            outputs = keras.tree.flatten(step.operation(*args, **kwargs))
        else:
            tensors[step.path] = step.tensors[0]
            continue
        tensors[step.path] = outputs[0]
        renamed.update({id(old): new for old, new in zip(step.tensors, outputs, strict=True)})
    return tensors


def inputs_like(model, name):
    """New inputs for a network that is to be one modality of several.

    Args:
        model: Functional or Sequential model.
        name: String, the name of the modality, and of the input. Of several inputs each is named
            after both, as in "text_token_ids".

    Returns:
        `keras.Input`, or a dict `{name of the input: keras.Input}` if there are several.
    """
    graph = as_functional(model)
    structure = inputs_struct(graph)
    if len(graph.inputs) == 1:
        return _input_like(graph.inputs[0], name)
    if not isinstance(structure, dict):
        structure = {tensor.name: tensor for tensor in graph.inputs}
    for key, tensor in structure.items():
        if not isinstance(tensor, keras.KerasTensor):
            raise ValueError(
                f'backbone "{model.name}": expected one input, or a dict or list of inputs. '
                f'Received: a dict in which "{key}" is {type(tensor).__name__} itself'
            )
    return {key: _input_like(tensor, f"{name}_{key}") for key, tensor in structure.items()}


def _input_like(tensor, name):
    return keras.Input(
        tensor.shape[1:], dtype=tensor.dtype, name=name, optional=is_optional(tensor)
    )


def call_on(model, inputs):
    """Calls a network on a tensor, or on a dict of several as `inputs_like` makes it."""
    structure = inputs_struct(model)
    if isinstance(inputs, dict) and not isinstance(structure, dict):
        inputs = list(inputs.values())
    elif not isinstance(inputs, dict) and isinstance(structure, dict):
        inputs = dict.fromkeys(structure, inputs)  # a dict of one
    return model(inputs)
