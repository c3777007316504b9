"""Basic fusion at one level: the modalities meet once, then a joint network goes on alone."""

from keras import layers

from keras_fusion._checks import check_choice, check_int, check_rate
from keras_fusion.layers import ElementwiseFusion
from keras_fusion.layers.elementwise_fusion import OPERATIONS
from keras_fusion.models.assembly import (
    ALIGNMENTS,
    Parts,
    align_tensors,
    average_to,
    axes_of,
    cells_above,
    paired_levels,
    pool_to,
    tensors_below,
)


def build_intermediate_fusion(
    backbones,
    *,
    operation="sum",
    level=0,
    num_classes=None,
    units=None,
    head=None,
    taps="auto",
    align="auto",
    central=None,
    kernel_size=3,
    max_width=1024,
    dropout=0.5,
    unimodal_loss_weights=None,
    missing_modalities=False,
    name="intermediate_fusion",
):
    """Fuses the hidden representations of unimodal Keras models at one level, and only there.

    Use it to see at which depth the modalities should meet: close to the data (early fusion), in
    between, or at the prediction. Below that level every modality has its own network, above it
    there is only a joint one, which mirrors the backbones:

        h = sum_k h_k,   h_1 - sum_{k>1} h_k,   prod_k h_k   or   [h_1, ..., h_n]

    Without unimodal heads, the default and the paper's basic fusion, what the backbones have
    above the level is no part of the model.

    Args:
        backbones: Dict `{modality: keras.Model}` or a list of models; see `build_centralnet`.
        operation: "sum" (default), "subtract" (the first modality minus all others; the paper
            has two), "product" or "concat"; see `ElementwiseFusion`.
        level: Int. 0 (default) is the lowest level at which the backbones can meet, the same as
            in CentralNet (the inputs, where their shapes are equal); -1 the highest hidden one;
            one more than that is the prediction, where the logits are fused ("concat": followed by
            one linear layer). LeNet5 has the levels 0 to 4, numbered as in the paper.
        num_classes, units, head: What is predicted, where the backbones do not say it; see
            `build_centralnet`.
        taps: "auto" or a dict `{modality: [layer names]}`; see `build_centralnet`.
        align: "auto", "pad" or "project": how tensors of different widths are brought to one; see
            `build_centralnet`. For "concat" widths may differ, and only sizes are made equal.
        central: Optional list with the cells of the joint network, one for each level from
            `level` to the last hidden one; see `build_centralnet`.
        kernel_size: Int, of the joint convolutions.
        max_width: Int, upper limit of the joint network's width unless `align="pad"`.
        dropout: Float in [0, 1), after the joint dense layers.
        unimodal_loss_weights: None (default): no unimodal heads, as in the paper. A float or
            dict `{modality: float}` >= 0 keeps them, with these weights of their losses.
        missing_modalities: Bool, string or dict. Adds the input `present`; see `FusionModel`. For
            what is done without a modality see `ElementwiseFusion`.
        name: Of the model.

    Returns:
        `FusionModel` with the output "central" (and one per modality if there are unimodal
        heads), not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> nets = [kf.backbones.lenet5((8, 8, 1)), kf.backbones.lenet5((8, 8, 1))]
    >>> model = kf.build_intermediate_fusion(nets, operation="subtract", level=2)
    >>> model.get_layer("fusion_2").output.shape
    (None, 2, 2, 64)

    Reference:
        Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion,
        Fig. 2 (a), Sect. 3.1 and Table 2 ("Fusion Sum", "Subtract", "Prod").
    """
    check_path(operation, align, kernel_size, max_width, dropout)
    parts = Parts(backbones, taps, num_classes, units, head, missing_modalities)
    keep_heads = unimodal_loss_weights is not None
    levels = paired_levels(parts.streams, align, max_width, use_inputs=taps == "auto")
    level = checked_level(level, len(levels))
    fused = fuse_at(parts, backbones, levels, level, operation, align, max_width, keep_heads)
    logits = joint_path(parts, levels, level, operation, fused, central, kernel_size, dropout)
    return parts.finish(parts.head(logits, "central_head"), unimodal_loss_weights, name)


def check_path(operation, align, kernel_size, max_width, dropout):
    """An error that names the argument of a joint path that is out of its range."""
    check_choice("operation", operation, OPERATIONS)
    check_choice("align", align, ALIGNMENTS)
    check_int("kernel_size", kernel_size)
    check_int("max_width", max_width)
    check_rate("dropout", dropout)


def checked_level(level, hidden, prediction=True):
    """A level counted from 0, of `hidden` levels and (if allowed) the prediction above them."""
    highest = hidden if prediction else hidden - 1
    if not isinstance(level, int) or isinstance(level, bool) or not -hidden <= level <= highest:
        what = f" and {hidden} for the prediction" if prediction else ""
        raise ValueError(
            f"level: expected an int from 0 to {hidden - 1} (or -1 to {-hidden}, from above) for "
            f"the hidden levels of these backbones{what}. Received: {level!r}"
        )
    return level + hidden if level < 0 else level


def fuse_at(parts, backbones, levels, level, operation, align, max_width, keep_heads):
    """The fused tensor of one level.

    Args:
        parts, backbones: `Parts`, and what they were made of.
        levels: What `paired_levels` returns.
        level: Int from 0 to `len(levels)`, the prediction.
        operation, align, max_width: See `build_intermediate_fusion`.
        keep_heads: See `tensors_below`.
    """
    streams = parts.streams
    position = level - len(levels)
    if position == 0:
        tensors = [stream.logits for stream in streams]
    elif -position > min(len(stream.tensors) for stream in streams):
        tensors = [stream.masked_inputs for stream in streams]
    else:
        tensors = tensors_below(streams, backbones, position, keep_heads)
        if operation == "concat":
            tensors = _of_one_size(tensors, levels[level], parts.names, level)
        elif not keep_heads:
            tensors = align_tensors(tensors, parts.names, f"level_{level}", align, max_width)
        else:
            tensors = levels[level]
    return parts.call(ElementwiseFusion(operation, name=f"fusion_{level}"), tensors)


def _of_one_size(tensors, aligned, names, level):
    """The tensors with the size and the kind of the aligned ones, and their own widths."""
    size, axes = tuple(aligned[0].shape[1:-1]), axes_of(aligned[0].shape)
    sized = []
    for tensor, name in zip(tensors, names, strict=True):
        tensor = average_to(tensor, axes, f"{name}_average_level_{level}")
        if tuple(tensor.shape[1:-1]) != size:
            tensor = pool_to(tensor, size, "average", f"{name}_pool_level_{level}")
        sized.append(tensor)
    return sized


def joint_path(parts, levels, level, operation, fused, central, kernel_size, dropout):
    """The logits of the joint network that takes the fused tensor of a level."""
    if level < len(levels):
        for cell in cells_above(levels[level:], parts.head, central, kernel_size, dropout):
            fused = cell(fused)
        return fused
    if central:
        raise ValueError(
            "central: expected None or an empty list, as there are no cells above the prediction. "
            f"Received: {central!r}"
        )
    if operation == "concat":
        return layers.Dense(parts.head.units, name="central_logits")(fused)
    return fused
