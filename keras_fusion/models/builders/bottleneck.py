"""Attention bottlenecks: the modalities' tokens exchange through, or are read by, a few tokens."""

from keras import layers

from keras_fusion._checks import check_choice, check_int, check_multiple
from keras_fusion.layers import BottleneckFusion, ElementwiseFusion, LatentFusion
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.registry import fusion_method

MODES = ("bottleneck", "latents")


@fusion_method(
    "bottleneck",
    "the modalities' tokens exchange through a few bottleneck tokens",
    source="Nagrani et al. 2021",
    order=205,
    space={
        "dropout": {"min": 0.0, "max": 0.4, "step": 0.1},
        "fusion_units": [32, 64, 128, 256],
        "num_layers": [3, 4, 6],
        "bottlenecks": [1, 2, 4, 8, 16],
        "num_heads": [2, 4, 8],
        "feedforward_units": [64, 128, 256, 512],
        "mode": ["bottleneck", "latents"],
    },
)
def build_bottleneck(
    backbones,
    *,
    mode="bottleneck",
    fusion_units=64,
    bottlenecks=4,
    num_layers=3,
    fusion_layer=1,
    num_heads=4,
    feedforward_units=128,
    positions=True,
    max_tokens=256,
    dropout=0.1,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="bottleneck",
):
    """Lets the modalities' tokens exchange through few tokens, and predicts from what they know.

    Use it where modalities have many tokens, steps of a sequence or places of a map or video, so
    that to let all attend to all is too much. A vector is one token.

    With `mode="bottleneck"` every modality has a Transformer of its own, and from `fusion_layer`
    on they share a few bottleneck tokens (`BottleneckFusion`). The prediction is made of the mean
    of the class tokens of the modalities that are present: the mean of the logits of one dense
    layer on each, as the paper predicts; its training takes the mean of their losses. With
    `mode="latents"` a few learned vectors look at all tokens once, then at each other
    (`LatentFusion`, after the Perceiver): for very many tokens or modalities.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        mode: String, `"bottleneck"` or `"latents"`. Defaults to `"bottleneck"`.
        fusion_units: Positive integer, the width of the tokens, a multiple of `num_heads`. Defaults
            to `64`.
        bottlenecks: Positive integer, how many bottleneck tokens or latents there are. Defaults to
            `4`, as in the paper.
        num_layers: Positive integer. With latents, how often they look at each other. Defaults to
            `3`.
        fusion_layer: Integer from 0 to `num_layers - 2`, the first layer with bottlenecks: to learn
            of each other takes two. Without effect with latents. Defaults to `1`.
        num_heads, feedforward_units, positions: See `BottleneckFusion`.
        max_tokens: Positive integer. Maps and videos with more places are average-pooled evenly
            until they have no more. Defaults to `256`.
        dropout: Float in [0, 1), the rate in the Transformers. Defaults to `0.1`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; see `build_cross_attention`. Defaults
            to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Defaults to `False`.
        name: String, of the model. Defaults to `"bottleneck"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled. Only latents have fusion weights, how much they look at each modality.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((28, 28, 1))
    >>> sound = kf.backbones.lenet5((20, 20, 1))
    >>> model = kf.build_bottleneck({"image": image, "sound": sound}, fusion_units=16)
    >>> [tuple(x.shape[1:]) for x in model.get_layer("fusion_0").input]  # 7x7 and 5x5 tokens
    [(7, 7, 64), (5, 5, 64)]

    Reference:
        Nagrani et al. (2021), Attention Bottlenecks for Multimodal Fusion, Sect. 3. Jaegle et al.
        (2021), Perceiver: General Perception with Iterative Attention.
    """
    check_choice("mode", mode, MODES)
    fusion_units = check_int("fusion_units", fusion_units)
    num_heads = check_int("num_heads", num_heads)
    check_multiple("fusion_units", fusion_units, num_heads)
    bottlenecks = check_int("bottlenecks", bottlenecks)
    fusion_layer = check_int("fusion_layer", fusion_layer, minimum=0)
    options = {
        "num_heads": num_heads,
        "feedforward_units": feedforward_units,
        "dropout": dropout,
        "positions": positions,
        "name": "fusion_0",
    }
    if mode == "latents":
        layer = LatentFusion(fusion_units, bottlenecks, num_layers, **options)
    else:
        layer = BottleneckFusion(fusion_units, num_layers, fusion_layer, bottlenecks, **options)
        if fusion_layer > num_layers - 2:
            raise ValueError(
                f"fusion_layer: expected an int <= num_layers - 2 = {num_layers - 2}, as "
                "modalities learn of each other in the second layer with bottlenecks. "
                f"Received: {fusion_layer}"
            )
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
    x = parts.fuse(layer, parts.tokens(max_tokens))
    if mode == "bottleneck":
        # With absent modalities the sum is that of n modalities too.
        x = parts.call(ElementwiseFusion("sum", name="central_sum"), x)
        x = layers.Rescaling(1 / len(parts.names), name="central_mean")(x)
    return parts.finish(parts.logits(x))
