"""A joint network that starts as the last layers of trained backbones side by side."""

from dataclasses import dataclass

import numpy as np
from keras import layers

from keras_fusion._keras import history, made_of
from keras_fusion.backbones import dropped
from keras_fusion.graph import as_functional

# Layers of which every unit is for itself, so that those of several networks can be one.
_UNITWISE = (
    *(layers.BatchNormalization, layers.Activation, layers.ReLU, layers.LeakyReLU),
    *(layers.ELU, layers.Dropout),
)
_ACROSS = ("softmax", "log_softmax", "sparsemax", "glu")  # activations of which they are not
_ENDS = (layers.Activation, layers.Softmax)


@dataclass(frozen=True)
class Tail:
    """The last two dense layers of a backbone.

    Attributes:
        path: Name of the layer before them.
        hidden: The first one.
        between: List of the layers between them, without dropout.
        last: The second one, which makes the logits.
    """

    path: str
    hidden: layers.Dense
    between: list
    last: layers.Dense


def tails_of(backbones):
    """`{modality: Tail}`; an error that names a backbone which does not end like the others."""
    tails = {name: _tail(name, model) for name, model in backbones.items()}
    (first, kinds), *others = ((name, _kinds(name, tail)) for name, tail in tails.items())
    for name, found in others:
        if found != kinds:
            raise ValueError(
                'backbones: expected the same layers at the end of all, which start="block_'
                f'diagonal" puts side by side. Received: {kinds} in "{first}", {found} in "{name}"'
            )
    return tails


def _tail(name, model):
    tensor, dense, between = as_functional(model).outputs[0], [], []
    while len(dense) < 2:
        operation, before = history(tensor)[0], made_of(tensor)
        if isinstance(operation, layers.Dense):
            dense.append(operation)
        elif dense and isinstance(operation, _UNITWISE):
            between.insert(0, operation)
        elif dense or not isinstance(operation, _ENDS):
            before = ()
        if len(before) != 1 or len(tensor.shape) != 2:
            raise ValueError(
                f'backbones["{name}"]: expected a network that ends in a hidden dense layer (with '
                "batch normalization, activation, dropout) and the dense layer of its prediction, "
                f'for start="block_diagonal". Received: "{operation.name}" '
                f"({type(operation).__name__})"
            )
        (tensor,) = before
    between = [layer for layer in between if not isinstance(layer, layers.Dropout)]
    return Tail(history(tensor)[0].name, dense[1], between, dense[0])


def _kinds(name, tail):
    """What is the same in layers that can be one."""
    found = []
    for layer in (tail.hidden, *tail.between):
        config = layer.get_config()
        if config.get("activation") in _ACROSS:
            raise ValueError(
                f'backbones["{name}"]: expected a hidden layer whose units are each for itself, '
                f'for start="block_diagonal". Received: {config["activation"]} in "{layer.name}"'
            )
        of_units = ("name", "trainable", "dtype")
        kept = {key: value for key, value in config.items() if key not in of_units}
        kept = {"activation": config["activation"]} if layer is tail.hidden else kept
        found.append((type(layer).__name__, kept))
    return found


def joint_network(x, tails, dropout):
    """The logits of the joint network: at the start, the mean of what the tails make each.

    Args:
        x: Tensor `(batch, features of all modalities)`.
        tails: List of `Tail`, in the order of the features.
        dropout: Float, the rate after the hidden layer.

    Returns:
        Tensor `(batch, classes)`.
    """
    hidden, last = ([getattr(tail, which) for tail in tails] for which in ("hidden", "last"))
    units = sum(layer.units for layer in hidden)
    use_bias = any(layer.use_bias for layer in hidden)
    dense = layers.Dense(units, hidden[0].activation, use_bias, name="central_cell_0")
    x = dense(x)
    dense.kernel.assign(_block_diagonal([layer.get_weights()[0] for layer in hidden]))
    if use_bias:
        dense.bias.assign(np.concatenate([_bias(layer) for layer in hidden]))
    for i, same in enumerate(zip(*(tail.between for tail in tails), strict=True)):
        config = same[0].get_config()
        layer = type(same[0]).from_config({**config, "name": f"central_cell_0_{i}"})
        x = layer(x)
        weights = zip(*(one.get_weights() for one in same), strict=True)
        layer.set_weights([np.concatenate(values) for values in weights])
    x = dropped(x, dropout, "central_cell_0_dropout")
    dense = layers.Dense(last[0].units, name="central_logits")
    logits = dense(x)
    kernel = np.concatenate([layer.get_weights()[0] for layer in last])
    dense.set_weights([kernel / len(last), np.mean([_bias(layer) for layer in last], axis=0)])
    return logits


def _bias(layer):
    return layer.get_weights()[1] if layer.use_bias else np.zeros(layer.units)


def _block_diagonal(kernels):
    whole = np.zeros(np.sum([kernel.shape for kernel in kernels], axis=0))
    row = column = 0
    for kernel in kernels:
        rows, columns = kernel.shape
        whole[row : row + rows, column : column + columns] = kernel
        row, column = row + rows, column + columns
    return whole
