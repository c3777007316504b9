"""A fusion model around a fusion layer of the user's own."""

import keras
from keras import layers

from keras_fusion._checks import check_choice, check_rate, check_widths
from keras_fusion.models.assembly import FusionBuilder, pooled

FUSED_TENSORS = ("features", "tokens", "levels")


def build_fusion(
    backbones,
    layer,
    *,
    on="features",
    head_units=(),
    dropout=0.0,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="fusion",
):
    """Fuses unimodal Keras models in a layer of your own.

    Use it where the fusion layer is all that is new: taps, heads, missing modalities, the report of
    fusion weights, saving and export come with it, as for every method. What the layer returns
    goes, as a vector, through `head_units` to the prediction; of a list of tensors all of them do,
    side by side.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        layer: Keras layer that takes a list with one tensor per modality, such as a
            `layers.FusionLayer` or `keras.layers.Concatenate()`. It is used as it is, not copied,
            except with `on="levels"`. If its call has an argument `present`, it gets the mask of
            the modalities that are there; if not, absent modalities are zeros.
        on: String, what the layer is called on. `"features"`: the last hidden tensor of every
            backbone as a vector; `"tokens"`: the last one that still has steps or places;
            `"levels"`: the hidden tensors of every level brought to one shape, and the predictions'
            logits, with a copy of the layer at each and a central network from level to level, as
            in `build_centralnet`: what it makes enters the next level as `central=`, if the layer's
            call has that argument, and else as one more tensor of the list. Defaults to
            `"features"`.
        head_units: Sequence of positive integers, one hidden layer each (with batch normalization,
            ReLU and dropout) between the fusion and the prediction; not with `on="levels"`, whose
            central network has its own. Defaults to `()`.
        dropout: Float in [0, 1), the rate after these layers, or before the prediction if there
            are none. Defaults to `0.0`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; but for `on="levels"` the last one
            of several counts. Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Defaults to `False`.
        name: String, of the model. Defaults to `"fusion"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras
    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(20)}
    >>> model = kf.build_fusion(nets, kf.layers.GatedMultimodalUnit(32), head_units=(16,))
    >>> model.fusion_levels
    {'level_0': '32'}
    >>> plain = kf.build_fusion(nets, keras.layers.Concatenate(), missing_modalities=True)
    >>> sorted(plain.input)
    ['image', 'present', 'sound']
    """
    if not isinstance(layer, keras.layers.Layer):
        raise TypeError(f"layer: expected a Keras layer. Received: {layer!r}")
    check_choice("on", on, FUSED_TENSORS)
    head_units = check_widths("head_units", head_units)
    dropout = check_rate("dropout", dropout)
    if on == "levels" and head_units:
        raise ValueError(f'head_units: expected () with on="levels". Received: {head_units!r}')
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
    if on == "levels":
        return parts.finish(_over_levels(parts, layer, dropout))
    tensors = parts.features() if on == "features" else parts.tokens()
    fused = keras.tree.flatten(parts.fuse(layer, tensors))
    vectors = [pooled(x, f"central_average_{i}") for i, x in enumerate(fused)]
    x = layers.Concatenate(name="central_concat")(vectors) if len(vectors) > 1 else vectors[0]
    if head_units:
        return parts.finish(parts.logits(parts.hidden(x, head_units, dropout)))
    return parts.finish(parts.logits(x, dropout))


def _over_levels(parts, layer, dropout):
    """The logits of a central network with a copy of the layer at every level."""

    def fused(i, tensors, central, label=None):
        copy = type(layer).from_config({**layer.get_config(), "name": f"{layer.name}_{i}"})
        return parts.fuse(copy, tensors, i, label, central)

    levels, hidden = parts.levels(), None
    cells = parts.cells(levels, dropout=dropout)
    for i, (tensors, cell) in enumerate(zip(levels, cells, strict=True)):
        hidden = cell(fused(i, tensors, hidden))
    logits = fused(len(levels), [s.logits for s in parts.streams], hidden, "prediction")
    is_prediction = tuple(logits.shape[1:]) == (parts.head.units,)
    return logits if is_prediction else parts.logits(logits, name="central_scores")
