"""Reads a model from Keras' own graph: which layer made a tensor, and what lies between two."""

import keras

from keras_fusion.layers import CentralFusion


def maker(tensor):
    """The layer that made a tensor, entering a nested model; and what that layer was given."""
    operation, node, index = tensor._keras_history
    if isinstance(operation, keras.Model):
        inside, _ = maker(operation.outputs[index])
        return inside, []
    return operation, list(operation._inbound_nodes[node].input_tensors)


def chain_above(tensor, stop):
    """Layers from a layer of type `stop` (left out) down to the one that made `tensor`."""
    found = []
    while True:
        layer, before = maker(tensor)
        if isinstance(layer, stop):
            return found, layer
        found.insert(0, layer)
        (tensor,) = before


def fusions(model):
    return [layer for layer in model.layers if isinstance(layer, CentralFusion)]


def sources(fusion):
    """The tensors that a fusion takes: the list of the modalities', and the central one."""
    arguments = fusion._inbound_nodes[0].arguments
    (modalities,) = arguments.args
    return list(modalities), arguments.kwargs.get("central")
