"""Reads the graph of a Keras model, nested models included, and opens it at chosen tensors."""

from collections import namedtuple

import keras

Step = namedtuple("Step", "path operation node tensors inputs")
"""One call in a model's graph: `path` ("vgg16/block1_pool"), what was called, its `node`, the
tensors that came out, and the tensors that went in."""


def steps(model):
    """The calls of a model's graph in topological order, inputs first; not into nested models.

    A layer that is called several times has several steps of one path.
    """
    graph = as_functional(model)
    ordered = sorted(graph._nodes_by_depth, reverse=True)
    return [
        Step(node.operation.name, node.operation, node, node.output_tensors, node.input_tensors)
        for depth in ordered
        for node in graph._nodes_by_depth[depth]
    ]


def as_functional(model):
    """A functional view on the graph of `model`, or an error that says why there is none."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"expected a keras.Model. Received: {type(model).__name__}")
    try:
        inputs, outputs = model.inputs, model.outputs
    except (AttributeError, ValueError):
        inputs = outputs = None
    if not inputs or not outputs:
        raise ValueError(
            f'backbone "{model.name}": expected a model whose graph Keras knows: functional, or '
            "Sequential that starts with keras.Input. Received: a "
            f"{type(model).__name__} without one. Call it on keras.Input tensors and wrap that: "
            "keras.Model(inputs, model(inputs))"
        )
    return keras.Model(inputs, outputs)


def is_nested(operation):
    """Whether a step is itself a model with a graph of its own that can be opened."""
    if not isinstance(operation, keras.Model):
        return False
    try:
        return len(operation.inputs or ()) == 1 and len(operation.outputs or ()) == 1
    except (AttributeError, ValueError):
        return False


def open_at(model, paths, name=None):
    """The same network, weights shared, with the tensors at `paths` as its outputs.

    Args:
        model: Functional or Sequential model.
        paths: List of layer names; "outer/inner" for a layer inside a nested model. The name of
            an input layer stands for the input itself.
        name: Of the model that is returned.

    Returns:
        `keras.Model` with the inputs of `model` and a list of outputs, in the order of `paths`.
    """
    graph = as_functional(model)
    tensors = {step.path: step.tensors[0] for step in steps(model)}
    if any(path not in tensors for path in paths):
        tensors = _replay(model, paths)
    return keras.Model(graph.inputs, [tensors[path] for path in paths], name=name)


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
