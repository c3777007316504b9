"""Basic fusion at one level: the modalities meet once, then a joint network goes on alone."""

from keras_fusion._checks import check_choice, check_int, check_rate, is_int
from keras_fusion.layers import ElementwiseFusion
from keras_fusion.layers.elementwise_fusion import OPERATIONS
from keras_fusion.models.assembly import (
    ALIGNMENTS,
    FusionBuilder,
    align_tensors,
    average_to,
    axes_of,
    sized,
)
from keras_fusion.models.registry import fusion_method

_SPACE = {"dropout": {"min": 0.0, "max": 0.7, "step": 0.05}, "level": [0, -1]}


@fusion_method(
    "sum",
    "features added at one level, then one network",
    source="Vielzeuf et al. 2018, Table 2",
    order=30,
    space=_SPACE,
    operation="sum",
)
@fusion_method(
    "subtract",
    "features subtracted at one level, then one network",
    source="Vielzeuf et al. 2018, Table 2",
    order=40,
    space=_SPACE,
    operation="subtract",
)
@fusion_method(
    "product",
    "features multiplied at one level, then one network",
    source="Vielzeuf et al. 2018, Table 2",
    order=50,
    space=_SPACE,
    operation="product",
)
def build_intermediate_fusion(
    backbones,
    *,
    operation="sum",
    level=0,
    align="auto",
    central=None,
    kernel_size=3,
    max_width=1024,
    dropout=0.5,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
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
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        operation: String, `"sum"`, `"subtract"` (the first modality minus all others; the paper has
            two), `"product"` or `"concat"`; see `ElementwiseFusion`. Defaults to `"sum"`.
        level: Integer. 0 is the lowest level at which the backbones can meet, the same as in
            CentralNet (the inputs, where their shapes are equal); -1 the highest hidden one; one
            more than that is the prediction, where the logits are fused (`"concat"`: followed by
            one linear layer). LeNet5 has the levels 0 to 4, numbered as in the paper. Defaults to
            `0`.
        align: String, how tensors of different widths are brought to one; see `build_centralnet`.
            For `"concat"` widths may differ, and only sizes are made equal. Defaults to `"auto"`.
        central: Optional list with the cells of the joint network, one for each level from `level`
            to the last hidden one; see `build_centralnet`. Defaults to `None`.
        kernel_size: Positive integer, of the joint convolutions. Defaults to `3`.
        max_width: Positive integer, upper limit of the joint network's width unless `align="pad"`.
            Defaults to `1024`.
        dropout: Float in [0, 1), the rate after the joint dense layers. Defaults to `0.5`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; see `build_centralnet`. Defaults to
            `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            For what is done without a modality see `ElementwiseFusion`. Defaults to `False`.
        name: String, of the model. Defaults to `"intermediate_fusion"`.

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
    parts = FusionBuilder(
        backbones,
        num_classes,
        units,
        head,
        ends_in,
        taps,
        unimodal_loss_weights,
        balance,
        missing_modalities,
        name,
    )
    logits, _ = joint_logits(
        parts, operation, level, align, max_width, central, kernel_size, dropout
    )
    return parts.finish(logits)


def check_path(operation, align, kernel_size, max_width, dropout):
    """An error that names the argument of a joint path that is out of its range."""
    check_choice("operation", operation, OPERATIONS)
    check_choice("align", align, ALIGNMENTS)
    kernel_size = check_int("kernel_size", kernel_size)
    max_width = check_int("max_width", max_width)
    dropout = check_rate("dropout", dropout)


def joint_logits(
    parts,
    operation,
    level,
    align,
    max_width,
    central,
    kernel_size,
    dropout,
    joint_only=True,
):
    """The logits of a network that goes on from one fused level, and how many levels there are.

    Args:
        parts: `FusionBuilder`.
        operation, level, align, max_width, central, kernel_size, dropout: See
            `build_intermediate_fusion`.
        joint_only: Boolean, whether nothing else predicts. Then the level may be the prediction
            too, and backbones without heads end where they are fused. Defaults to `True`.
    """
    keep_heads = parts.keep_heads or not joint_only
    levels = parts.levels(align, max_width)
    level = _checked_level(level, len(levels), prediction=joint_only)
    tensors = _tensors_of(parts, operation, levels, level, align, max_width, keep_heads)
    fused = parts.fuse(ElementwiseFusion(operation, name=f"fusion_{level}"), tensors, level)
    if level < len(levels):
        for cell in parts.cells(levels[level:], central, kernel_size, dropout):
            fused = cell(fused)
        return fused, len(levels)
    if central:
        raise ValueError(
            "central: expected None or an empty list, as there are no cells above the prediction. "
            f"Received: {central!r}"
        )
    return parts.logits(fused) if operation == "concat" else fused, len(levels)


def _checked_level(level, hidden, prediction):
    """A level counted from 0, of `hidden` levels and (if allowed) the prediction above them."""
    highest = hidden if prediction else hidden - 1
    if not is_int(level) or not -hidden <= level <= highest:
        what = f" and {hidden} for the prediction" if prediction else ""
        raise ValueError(
            f"level: expected an int from 0 to {hidden - 1} (or -1 to {-hidden}, from above) for "
            f"the hidden levels of these backbones{what}. Received: {level!r}"
        )
    return level + hidden if level < 0 else level


def _tensors_of(parts, operation, levels, level, align, max_width, keep_heads):
    """What meets at a level counted from 0; `len(levels)` is the prediction."""
    streams, position = parts.streams, level - len(levels)
    if position == 0:
        return [stream.logits for stream in streams]
    if -position > min(len(stream.tensors) for stream in streams):
        return [stream.masked_inputs for stream in streams]
    tensors = parts.tensors_at(position, keep_heads)
    if operation == "concat":
        return _of_one_size(tensors, levels[level], parts.names, f"level_{level}", align)
    if keep_heads:
        return levels[level]
    return align_tensors(tensors, parts.names, f"level_{level}", align, max_width)


def _of_one_size(tensors, aligned, names, level, align):
    """The tensors with the size and the kind of the aligned ones, and their own widths."""
    size, axes = tuple(aligned[0].shape[1:-1]), axes_of(aligned[0].shape)
    met = []
    for tensor, name in zip(tensors, names, strict=True):
        tensor = average_to(tensor, axes, f"{name}_average_{level}")
        met.append(sized(tensor, size, name, level, align))
    return met
