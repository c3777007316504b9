"""What the fusion layers share: checks of their lists of tensors, and the mask `present`."""

from keras import ops

UNINFORMED = ("softmax", "sigmoid", "linear")


def as_list(tensors):
    """The tensors as a list, or an error."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(
            f"modalities: expected a list of tensors. Received: {type(tensors).__name__}"
        )
    return list(tensors)


def check_shapes(layer, modalities, central=None, present=None, equal=slice(None)):
    """The modalities' shapes as tuples; an error if a layer cannot take them.

    Args:
        layer: Its name, for the message.
        modalities: Shapes of the modalities' tensors.
        central, present: Shapes of these arguments, or None.
        equal: Which axes have to be equal: `slice(None)` for all, `slice(-1)` for all but the
            last.
    """
    if not isinstance(modalities, (list, tuple)) or any(
        not isinstance(shape, (list, tuple)) for shape in modalities
    ):
        raise TypeError(f"modalities: expected a list of tensors. Received shape: {modalities}")
    if not modalities:
        raise ValueError("modalities: expected a list of one or more tensors. Received: []")
    shapes = [tuple(shape) for shape in modalities]
    sources = shapes if central is None else [*shapes, tuple(central)]
    for shape in sources:
        if len(shape) < 2 or len(shape) != len(shapes[0]) or not _fit(shape, shapes[0], equal):
            what = (
                "one and the same shape"
                if equal == slice(None)
                else "one shape but for the last axis,"
            )
            raise ValueError(
                f"{layer}: expected tensors of {what} (batch, ..., features). "
                f"Received: modalities={shapes}, central={central}"
            )
    check_present(present, len(shapes))
    return shapes


def check_present(present, count):
    """An error if that shape is not one of a mask of so many modalities (None: no mask)."""
    if present is not None and tuple(present)[1:] != (count,):
        raise ValueError(
            f"present: expected shape (batch, {count}), one column per modality. "
            f"Received: {tuple(present)}"
        )


def _fit(a, b, equal):
    # The batch is left out: it may be 1 where a model is built and open elsewhere.
    pairs = list(zip(a, b, strict=True))[equal][1:]
    return all(x == y or x is None or y is None for x, y in pairs)


def shape_of(tensor):
    """Its shape as a tuple, or None for None."""
    return None if tensor is None else tuple(tensor.shape)


def column(table, k, rank):
    """Column `k` of a `(batch, n)` tensor, shaped to broadcast over a tensor of that rank."""
    return ops.reshape(table[:, k], (-1,) + (1,) * (rank - 1))


def without_absent(modalities, present, dtype, fill=0.0):
    """The tensors in `dtype`, with `fill` for the samples that do not have the modality."""
    cast = [ops.cast(hidden, dtype) for hidden in modalities]
    if present is None:
        return cast
    here = ops.cast(present, "bool")
    return [
        ops.where(column(here, k, len(h.shape)), h, ops.full_like(h, fill))
        for k, h in enumerate(cast)
    ]


def any_mask(mask):
    """Keras' mask of a fusion: a step counts where any source has it, or everywhere."""
    masks = [] if mask is None else as_list(mask)
    if not masks or any(m is None for m in masks):
        return None
    combined = masks[0]
    for other in masks[1:]:
        combined = ops.logical_or(combined, other)
    return combined


def uninformed(activation, classes):
    """What a prediction says without any modality: every class alike; 0 in regression."""
    return {"softmax": 1 / classes, "sigmoid": 0.5, "linear": 0.0}[activation]
