"""Reading a built model: its fusion weights, and what a layer of it is called on."""

import inspect

import keras
import numpy as np
from keras import ops

from keras_fusion.graph import steps
from keras_fusion.models.fusion_model._inputs import count_samples


def fusion_weights_of(model, levels, x, per_sample, prepared):
    """The share of every source at every level; see `FusionModel.fusion_weights`.

    Args:
        model: `FusionModel`.
        levels: List of dicts, see `FusionModel`.
        x, per_sample: As in `FusionModel.fusion_weights`.
        prepared: Function that makes of `x` what the model's graph takes.

    Raises:
        ValueError: weights that are all zero or no numbers; `weights` of the error are the shares.
    """
    weights, undefined = {}, []
    for level in levels:
        layer = model.get_layer(level["layer"])
        if layer.fusion_weights_per == "sample":
            samples = _of_samples(model, layer, x, prepared)
            shares = _mean(samples)
            found = np.moveaxis(samples, -1, 0) if per_sample else shares.tolist()
        else:
            found = shares = layer.fusion_weights()
            found = [np.full(count_samples(x), share) for share in found] if per_sample else found
        weights[level["name"]] = {
            source: share if per_sample else float(share)
            for source, share in zip(level["sources"], found, strict=True)
        }
        if not (np.isfinite(shares).all() and np.any(shares)):
            undefined.append(f'"{level["name"]}" (layer "{layer.name}"): {np.asarray(shares)}')
    if undefined:
        error = ValueError(
            "fusion_weights: expected numbers that are finite and not all zero, as there are no "
            f"shares of nothing. Received at the level {'; '.join(undefined)}; has training "
            "diverged?"
        )
        error.weights = weights  # for records of a training, which go on
        raise error
    return weights


def _mean(shares):
    """The mean over all that comes before the last axis, steps that are padding left out."""
    if shares.ndim == 2:
        return shares.mean(0)
    total = shares.reshape(-1, shares.shape[-1]).sum(0)
    return total / (total.sum() or 1.0)


def _of_samples(model, layer, x, prepared):
    """The fusion weights `(samples, ..., sources)` of a layer whose depend on the sample."""
    if x is None:
        raise ValueError(
            f'x: expected a dict of inputs, because the weights of "{layer.name}" depend on '
            "the sample. Received: None"
        )
    args, kwargs = called_on(model, layer, prepared(x))
    return ops.convert_to_numpy(layer.fusion_weights(*args, **kwargs))


class MaskOf(keras.layers.Layer):
    """Which steps of a tensor count, bool: the mask that Keras carries with it, or ones."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        return ops.ones_like(x[..., 0], dtype="bool") if mask is None else ops.cast(mask, "bool")


def called_on(model, layer, inputs, compute=None):
    """The arguments `(args, kwargs)` that `layer` gets in the model's graph.

    They are arrays; or what `compute(graph, inputs)` gives, where `inputs` are tensors. With the
    masks that Keras carries with tensors, if the layer's `fusion_weights` takes them.
    """
    (node,) = (step.node for step in steps(model) if step.operation is layer)
    arguments = (node.arguments.args, node.arguments.kwargs)
    weights = getattr(layer, "fusion_weights", None)
    if weights is not None and "mask" in inspect.signature(weights).parameters:
        masks = [MaskOf()(x) if len(x.shape) > 2 else None for x in arguments[0][0]]
        arguments = (arguments[0], {**arguments[1], "mask": masks})
    graph = keras.Model(model.input, tensors_in(arguments))
    found = compute(graph, inputs) if compute else graph.predict(inputs, verbose=0)
    return filled(arguments, keras.tree.flatten(found))  # of a single tensor predict gives no list


def tensors_in(arguments):
    """The symbolic tensors of a structure, as a list."""
    leaves = keras.tree.flatten(arguments)
    return [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]


def filled(arguments, values):
    """The structure with values in place of its symbolic tensors."""
    leaves, values = keras.tree.flatten(arguments), iter(values)
    found = [next(values) if isinstance(leaf, keras.KerasTensor) else leaf for leaf in leaves]
    return keras.tree.pack_sequence_as(arguments, found)
