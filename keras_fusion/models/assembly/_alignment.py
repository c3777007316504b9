"""Brings the tensors that meet at one fusion level to one shape.

A tensor is a vector `(batch, features)`, a sequence `(batch, time, features)`, a map
`(batch, height, width, features)` or a video `(batch, time, height, width, features)`. Where
kinds differ, the richer one is averaged over the axes that the other lacks. Sizes are pooled to
the smallest, widths padded or projected to one.
"""

from keras import layers

from keras_fusion.layers import AverageAxes, MaskedAverage, PadFeatures, ResampleTime

ALIGNMENTS = ("auto", "pad", "project", "time")
_AXES = {2: "", 3: "t", 4: "hw", 5: "thw"}


def align_tensors(tensors, names, level, align="auto", max_width=1024):
    """Aligned versions of the tensors of one level, in the same order.

    Args:
        tensors: List of Keras tensors.
        names: List of strings, the modalities' names, one per tensor: they name the layers added
            here.
        level: String, of the level, for the layers' names and for errors.
        align: String. `"pad"`: features are padded with zeros to the widest (no weights, no upper
            limit); `"project"`: every tensor of another width than the target is projected by a
            Dense layer (on maps a 1x1 convolution); `"auto"`: wider ones than `max_width` are
            projected down to it, narrower ones than the target padded; `"time"`: as "auto", and
            sequences and videos are resampled to the shortest, where "auto" pools them, with
            windows of whole steps. Defaults to `"auto"`.
        max_width: Positive integer, the largest target width with `"auto"` and `"project"`.
            Defaults to `1024`.

    Raises:
        ValueError: tensors of kinds or sizes that cannot be brought together.
    """
    shapes = [tuple(t.shape[1:]) for t in tensors]
    _check(shapes, names, level)
    axes = _common_axes(shapes)
    tensors = [
        average_to(t, axes, f"{n}_average_{level}") for t, n in zip(tensors, names, strict=True)
    ]
    sizes = _smallest([tuple(t.shape[1:-1]) for t in tensors], names, level)
    tensors = [sized(t, sizes, n, level, align) for t, n in zip(tensors, names, strict=True)]
    widths = [t.shape[-1] for t in tensors]
    target = max(widths) if align == "pad" else min(max(widths), max_width)
    aligned = []
    for tensor, name in zip(tensors, names, strict=True):
        width = tensor.shape[-1]
        if width > target or (width < target and align == "project"):
            tensor = layers.Dense(target, use_bias=False, name=f"{name}_project_{level}")(tensor)
        elif width < target:
            tensor = PadFeatures(target, name=f"{name}_pad_{level}")(tensor)
        aligned.append(tensor)
    return aligned


def _check(shapes, names, level):
    for shape, name in zip(shapes, names, strict=True):
        if len(shape) + 1 not in _AXES or shape[-1] is None:
            raise ValueError(
                f"{level}: expected vectors, sequences, maps or videos (batch, ..., features) with "
                f'a fixed number of features. Received: (batch, {shape}) from "{name}". Choose '
                "other layers with taps="
            )


def _common_axes(shapes):
    """The axes that all tensors have: time, height and width as "t", "h", "w"."""
    kinds = [_AXES[len(shape) + 1] for shape in shapes]
    return "".join(axis for axis in "thw" if all(axis in kind for kind in kinds))


def average_to(tensor, axes, name):
    """The mean over those axes of `tensor` that are not in `axes`, a string such as "hw"."""
    own = axes_of(tensor.shape)
    if own == axes:
        return tensor
    if own == "t":
        return MaskedAverage(name=name)(tensor)
    gone = [i for i, axis in enumerate(own, start=1) if axis not in axes]
    return AverageAxes(gone, name=name)(tensor)


def axes_of(shape):
    """Which axes a tensor of that shape (batch included) has: "", "t", "hw" or "thw"."""
    return _AXES[len(shape)]


def _smallest(sizes, names, level):
    """The smallest size along every common axis; None where no tensor has a fixed one."""
    target = []
    for axis, column in enumerate(zip(*sizes, strict=True)):
        if None in column and any(size is not None for size in column):
            raise ValueError(
                f"{level}: expected fixed sizes, or the same open one everywhere, so that they can "
                f"be pooled to the smallest. Received: {dict(zip(names, sizes, strict=True))} "
                f"(axis {axis}). Give the backbone an input of fixed size"
            )
        target.append(None if None in column else min(column))
    return tuple(target)


def sized(tensor, size, name, level, align="auto"):
    """`tensor` with the sizes `size`, pooled, or over time resampled if `align` is "time"."""
    if align == "time" and axes_of(tensor.shape)[:1] == "t" and tensor.shape[1] != size[0]:
        tensor = ResampleTime(size[0], name=f"{name}_time_{level}")(tensor)
    if tuple(tensor.shape[1:-1]) == size:
        return tensor
    return pool_to(tensor, size, "average", f"{name}_pool_{level}")


def pool_to(tensor, target, kind="max", name=None):
    """Pools a sequence, map or video to the size `target`, each of it not above its own.

    Args:
        tensor: Tensor `(batch, *size, features)`.
        target: Tuple of positive integers.
        kind: String, `"max"` or `"average"`. Defaults to `"max"`.
        name: Optional string, of the pooling layer. Defaults to `None`.
    """
    size = tuple(tensor.shape[1:-1])
    if any(a is None or b is None or b > a for a, b in zip(size, target, strict=True)):
        raise ValueError(
            f"{name}: expected a target size not above {size}. Received: {target}. "
            "Choose other layers with taps=, whose maps do not grow towards the output"
        )
    prefix = "Max" if kind == "max" else "Average"
    pooling = getattr(layers, f"{prefix}Pooling{len(size)}D")
    strides = tuple(-(-a // b) for a, b in zip(size, target, strict=True))
    if tuple(-(-a // s) for a, s in zip(size, strides, strict=True)) == target:
        return pooling(strides, padding="same", name=name)(tensor)
    # Windows that overlap: stride and width are chosen so that exactly `target` of them fit.
    strides = tuple(a // b for a, b in zip(size, target, strict=True))
    windows = tuple(a - (b - 1) * s for a, b, s in zip(size, target, strides, strict=True))
    return pooling(windows, strides, padding="valid", name=name)(tensor)


def at_places(x, places, name):
    """A tensor brought to the size `places`: averaged, or repeated by whole factors.

    Args:
        x: Tensor `(batch, *size, features)`.
        places: Tuple of integers, or `None` where a size is open.
        name: String, of the layer that may be needed.
    """
    size = tuple(x.shape[1:-1])
    if size == places:
        return x
    if len(size) == len(places) and None not in size + places:
        if all(a >= b for a, b in zip(size, places, strict=True)):
            return pool_to(x, places, "average", name)
        if all(b % a == 0 for a, b in zip(size, places, strict=True)):
            return grown(x, places, name)
    raise ValueError(
        f"{name}: expected a tensor of the size {places}, of which every step or place has a "
        f"prediction, or one that can be pooled or repeated to it. Received: size {size}. Choose "
        "another layer with taps="
    )


def grown(x, size, name):
    """A sequence, map or video whose steps and places are repeated, by whole factors, to `size`."""
    factors = tuple(b // a for a, b in zip(x.shape[1:-1], size, strict=True))
    layer = getattr(layers, f"UpSampling{len(factors)}D")
    return layer(factors if len(factors) > 1 else factors[0], name=name)(x)
