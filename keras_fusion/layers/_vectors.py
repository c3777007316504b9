"""What layers over a list of vectors share: checks, absent modalities, and shares."""

from keras import ops

from keras_fusion.layers._modalities import check_present


def check_vectors(layer, shapes, present_shape):
    """The widths of two or more vectors; an error for any other inputs."""
    what = f"{type(layer).__name__}: expected a list of two or more vectors (batch, features)"
    if not isinstance(shapes, (list, tuple)) or any(
        not isinstance(shape, (list, tuple)) for shape in shapes
    ):
        raise TypeError(f"{what}. Received shape: {shapes}")
    if len(shapes) < 2 or any(len(s) != 2 or s[-1] is None for s in shapes):
        raise ValueError(f"{what}. Received shapes: {[tuple(s) for s in shapes]}")
    check_present(present_shape, len(shapes))
    return [shape[-1] for shape in shapes]


def check_one_width(layer, shapes, present_shape):
    """The widths of two or more vectors, all the same; an error for any other inputs."""
    widths = check_vectors(layer, shapes, present_shape)
    if len(set(widths)) > 1:
        raise ValueError(
            f"{type(layer).__name__}: expected vectors of one width. Received widths: {widths}"
        )
    return widths


def check_built(layer, method="gates"):
    """An error if the layer has no weights yet."""
    if not layer.built:
        raise ValueError(
            f"{method}: expected a layer that has been built. Received: {layer.name}, which has "
            "not been called yet"
        )


def vectors(layer, modalities, present):
    """A call's tensors in the layer's compute dtype, zeros in place of what is absent."""
    if not isinstance(modalities, (list, tuple)):
        raise TypeError(
            f"modalities: expected a list of tensors. Received: {type(modalities).__name__}"
        )
    # Here again, as build sees only the first call.
    widths = check_vectors(
        layer, [tuple(x.shape) for x in modalities], None if present is None else present.shape
    )
    if widths != layer.widths:
        raise ValueError(
            f"modalities: this layer was built for the widths {layer.widths}. Received: {widths}"
        )
    modalities = [ops.cast(x, layer.compute_dtype) for x in modalities]
    if present is None:
        return modalities
    here = ops.cast(present, "bool")
    return [ops.where(here[:, k : k + 1], x, ops.zeros_like(x)) for k, x in enumerate(modalities)]


def masked_softmax(scores, present=None):
    """Shares `(batch, modalities, units)` that sum to 1 over the modalities that are present."""
    if present is None:
        return ops.softmax(scores, axis=1)
    here = ops.cast(present, "bool")[:, :, None]
    shares = ops.softmax(ops.where(here, scores, -1e30), axis=1)
    return ops.where(here, shares, 0.0)
