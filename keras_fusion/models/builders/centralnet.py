"""CentralNet: a central network between the unimodal ones, fused at every level."""

from keras_fusion._checks import check_choice, check_int, check_rate
from keras_fusion.layers import CentralFusion, NormalizeProbabilities
from keras_fusion.models.assembly import ALIGNMENTS, FusionBuilder
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "centralnet",
    "a central network, fed by learned weighted sums at every level",
    source="Vielzeuf et al. 2018, Eq. (3)",
    order=10,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "unimodal_loss_weights": {"min": 0.0, "max": 2.0, "step": 0.1},
        "fusion_levels": ["auto", 1, 2, 3],
        "fuse": ["logits", "probabilities"],
        "modality_scale": [True, False],
    },
)
def build_centralnet(
    backbones,
    *,
    align="auto",
    central=None,
    kernel_size=3,
    max_width=1024,
    dropout=0.5,
    modality_scale=True,
    fuse="logits",
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=1.0,
    balance=None,
    missing_modalities=False,
    name="centralnet",
):
    """Wires unimodal Keras models together into a CentralNet.

    At every level a `CentralFusion` adds the modalities' hidden representations and the central
    network's own, with learned weights, and a cell of the central network takes the sum to the
    next level. The last sum is that of the predictions. All networks train together, on the
    central loss plus the unimodal ones, Eq. (2). The backbones keep their weights, share them
    with the new model, and stay frozen where `trainable=False`.

    Backbones that end in a softmax or sigmoid over the last axis of a sequence or map predict for
    every step or place (labelling, segmentation), and so does the model: their maps may grow again
    towards the output, by whole factors, and padded steps that are masked reach no others. With
    `ends_in="features"` such an end is features, and the sample has one prediction.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models (then named after them). Two
            or more, each with one input and one output: functional, Sequential, keras.applications,
            nested; a `FusionModel` counts with its central prediction. One and the same model under
            two names shares its weights between them. If they end in predictions (softmax or
            sigmoid), nothing else is needed.
        align: String, how tensors of different widths are brought to one: `"pad"`, zero-padding;
            `"project"`, a learned projection; or `"auto"`, padding up to `max_width` and projection
            down to it. Sizes are pooled to the smallest and kinds averaged (a video over time where
            it meets a map, a map to a vector where it meets one). `"time"` is `"auto"`, but for
            sequences and videos that last equally long at different rates: they are brought to the
            fewest steps by `ResampleTime`. Defaults to `"auto"`.
        central: Optional list with one cell per level, from the lowest to the last, which makes the
            central prediction's logits: a layer or a function on tensors, or `None` for one that
            mirrors the backbones. A cell's output has the shape of the next level. Defaults to
            `None`.
        kernel_size: Positive integer, of the central convolutions; the presets use the paper's 5.
            Defaults to `3`.
        max_width: Positive integer, upper limit of the central network's width unless
            `align="pad"`. Defaults to `1024`.
        dropout: Float in [0, 1), the rate after the central dense layers. Defaults to `0.5`.
        modality_scale: Boolean, Eq. (3) of the paper or (`False`) Eq. (1); see `CentralFusion`.
            Defaults to `True`.
        fuse: String. `"logits"`: the last sum is that of the logits, followed by the head's
            activation; `"probabilities"`: that of the probabilities, normalized again. Defaults to
            `"logits"`.
        num_classes: Optional positive integer, number of classes, for backbones that end in
            features: they get heads of their own. A last Dense without activation with as many
            units is taken as logits. Defaults to `None`.
        units: Optional positive integer, the same for regression. Defaults to `None`.
        head: Optional string, `"softmax"`, `"sigmoid"` or `"linear"`. Given alone it says that
            backbones whose last layers show neither a prediction nor features end in logits.
            Defaults to `None`: `"softmax"` for classes, `"sigmoid"` for one class (give it for
            several labels at once), `"linear"` with `units`.
        ends_in: Optional string or dict `{modality: string}`, what the backbones end in where their
            last layers do not show it (a subclassed model, a custom layer) or where you use it as
            something else: `"probabilities"` (after their own softmax or sigmoid), `"logits"`
            (before one; for regression the values) or `"features"`. Defaults to `None`, as they
            show it.
        taps: `"auto"` (see `fusion_points`; paired from the output end, so the deeper network
            begins alone; the inputs are a level where their shapes are equal), or a dict
            `{modality: [layer names]}`, lowest first, lists of one length. Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: the betas of Eq.
            (2), loss = central + sum_k beta_k * unimodal_k, used by `compile` unless it is given
            others; `None` for a model without unimodal heads. Defaults to `1.0`, as in the paper.
        balance: Optional string, or a dict of one with its number, how a modality that learns
            faster is kept from leaving the others behind. `"blend"`: the losses of all heads,
            "central" among them, are weighed anew after every epoch by how much they generalize,
            online Gradient-Blending; it needs validation data in `fit`. `"ogm"` for
            `{"ogm": 0.1}`, its alpha: the gradient of the networks that are ahead is made smaller,
            on-the-fly gradient modulation; it needs classes. `"pmr"` for `{"pmr": 1.0}`, its
            weight: a loss draws the features of those that are behind to prototypes of their
            classes; it needs classes. The first two need unimodal heads. See `FusionModel`.
            Defaults to `None`, not at all.
        missing_modalities: Boolean, string or dict. Adds the input `present`,
            `(batch, number of modalities)` in the order of the sorted names; see `FusionModel`.
            Defaults to `False`.
        name: String, of the model. Defaults to `"centralnet"`.

    Returns:
        `FusionModel` with the inputs `{modality: ...}` and the outputs
        `{"central": ..., modality: ...}`, not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((8, 8, 1))
    >>> sound = kf.backbones.mlp(20, hidden_units=(64, 32))
    >>> model = kf.build_centralnet({"image": image, "sound": sound})
    >>> sorted(model.output)
    ['central', 'image', 'sound']
    >>> model.fusion_weights()["level_0"]
    {'image': 0.5, 'sound': 0.5}

    Reference:
        Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion, Sect. 2.
    """
    _check(align, fuse, kernel_size, max_width, dropout)
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
        per_place=True,
    )
    levels = parts.levels(align, max_width)
    cells = parts.cells(levels, central, kernel_size, dropout)

    hidden = None
    for i, (tensors, cell) in enumerate(zip(levels, cells, strict=True)):
        fusion = CentralFusion(modality_scale, name=f"fusion_{i}")
        hidden = cell(parts.fuse(fusion, tensors, i, central=hidden))

    fusion = CentralFusion(modality_scale, name=f"fusion_{len(levels)}")
    return parts.finish(prediction=_fuse_predictions(parts, fusion, hidden, len(levels), fuse))


def _check(align, fuse, kernel_size, max_width, dropout):
    check_choice("align", align, ALIGNMENTS)
    check_choice("fuse", fuse, ("logits", "probabilities"))
    check_int("kernel_size", kernel_size)
    check_int("max_width", max_width)
    check_rate("dropout", dropout)


def _fuse_predictions(parts, fusion, logits, level, fuse):
    """The last sum, of the unimodal predictions and the central one."""
    head, streams = parts.head, parts.streams
    if head.activation == "linear" or fuse == "logits":
        fused = parts.fuse(fusion, [s.logits for s in streams], level, "prediction", logits)
        return head(fused, "central_head")
    probabilities = head(logits, "central_probabilities")
    predictions = [s.prediction for s in streams]
    fused = parts.fuse(fusion, predictions, level, "prediction", probabilities)
    return NormalizeProbabilities(head.activation, dtype="float32", name="central_head")(fused)
