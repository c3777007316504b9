"""The cells of a central network: from one fusion level's shape to the next one's."""

from keras import layers

from keras_fusion.backbones import conv_block, dense_block
from keras_fusion.graph import shape_name
from keras_fusion.layers import ZeroMaskedSteps
from keras_fusion.models.assembly._alignment import average_to, axes_of, grown, pool_to
from keras_fusion.models.assembly._streams import pooled

_FLATTEN_UP_TO = 8192  # values; above it a dense layer would outgrow the rest of the network


def central_cell(x, target, kernel_size=3, dropout=0.5, name="central_cell", per_place=False):
    """The default cell: it mirrors what lies between two levels of the backbones.

    Between maps (or sequences, or videos): convolution, batch normalization, ReLU and
    max-pooling to the size of the next level. To a vector: flattening (or the mean, where that
    is more than 8192 values or has no fixed size), then dense layer, batch normalization, ReLU
    and dropout.

    Args:
        x: Tensor, the fused one of a level.
        target: Tuple, shape of the next level without the batch axis.
        kernel_size: Positive integer, of the convolution. Defaults to `3`.
        dropout: Float in [0, 1), the rate after dense layers. Defaults to `0.5`.
        name: String, prefix of the layers' names. Defaults to `"central_cell"`.
        per_place: Boolean, whether every step or place has a prediction: then maps may grow again
            towards it, and padded steps reach no others. Defaults to `False`.

    Returns:
        Tensor of shape `(batch, *target)`.
    """
    if len(target) == 1:
        return dense_block(flat(x, f"{name}_flat"), target[-1], dropout, name)
    axes = axes_of((None, *target))
    if any(axis not in axes_of(x.shape) for axis in axes):
        raise ValueError(
            f"{name}: expected levels that go from maps to vectors. Received: "
            f"{shape_name(x.shape[1:])} before {shape_name(target)}. Choose other layers with "
            "taps=, or give the cells with central=[...]"
        )
    x = average_to(x, axes, f"{name}_average")
    if per_place:
        x = _ready(x, target[:-1], name)
    x = conv_block(x, target[-1], kernel_size, name=name)
    return x if x.shape[1:-1] == target[:-1] else pool_to(x, target[:-1], "max", f"{name}_pool")


def _ready(x, size, name):
    """The tensor without what stands in padded steps, and as large as the next level."""
    if len(size) == 1:
        x = ZeroMaskedSteps(name=f"{name}_steps")(x)
    pairs = list(zip(x.shape[1:-1], size, strict=True))
    grows = any(a is not None and b is not None and b > a for a, b in pairs)
    if not grows or any(b % a for a, b in pairs):
        return x  # of sizes between, `pool_to` says what is wrong
    return grown(x, size, f"{name}_grown")


def flat(x, name):
    """A vector of all values of a tensor, or its mean over space and time if they are many."""
    size = 1
    for length in x.shape[1:]:
        size = None if size is None or length is None else size * length
    if len(x.shape) == 2:
        return x
    if size is None or size > _FLATTEN_UP_TO:
        return pooled(x, name)
    return layers.Flatten(name=name)(x)
