"""What two streams of an XFlow network do at one depth: send, add, concatenate."""

from keras import layers


def connect(maps, vector, cross=None, residual=None, names=("image", "audio"), depth=1):
    """Reads both streams for the cross-connections, then adds the residual ones to them.

    Args:
        maps: Tensor of the 2-D stream.
        vector: Tensor of the 1-D stream.
        cross: Optional pair of functions on tensors, 2-D to 1-D and 1-D to 2-D. Defaults to `None`.
        residual: Optional pair of tensors, of the shape of `vector` and of that of `maps`. Defaults
            to `None`.
        names: Pair of strings, of the streams, 2-D first. Defaults to `("image", "audio")`.
        depth: Integer, counted from 1. Defaults to `1`.

    Returns:
        Four tensors: maps and vector with what the residual connections bring, and what the
        cross-connections bring to the maps and to the vector (None without).
    """
    to_vector = to_maps = None
    if cross is not None:
        to_vector, to_maps = cross[0](maps), cross[1](vector)  # before anything is added
    if residual is not None:
        for_vector, for_maps = residual
        maps = layers.Add(name=f"{names[0]}_add_{depth}")([maps, for_maps])
        vector = layers.Add(name=f"{names[1]}_add_{depth}")([vector, for_vector])
    return maps, vector, to_maps, to_vector


def concatenated(tensors, name, norm=None, dropout=0.0):
    """Concatenates those of `tensors` that are not None; normalizes and drops if asked to.

    Args:
        tensors: List of tensors and Nones, at least one of them a tensor.
        name: String, of the place; the layers are called `<name>_concat`, `_bn` and `_dropout`.
        norm: Optional dict of arguments of the batch normalization. Defaults to `None`.
        dropout: Float in [0, 1). Defaults to `0.0`.
    """
    tensors = [t for t in tensors if t is not None]
    x = layers.Concatenate(name=f"{name}_concat")(tensors) if len(tensors) > 1 else tensors[0]
    if norm is not None:
        x = layers.BatchNormalization(**norm, name=f"{name}_bn")(x)
    return layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x
