"""Late-fusion Transformer: a class token attends to one or more tokens of every modality."""

from keras_fusion._checks import check_choice, check_int, check_multiple
from keras_fusion.layers import TransformerFusion
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.registry import fusion_method

TOKENS = ("one", "all")


@fusion_method(
    "late_transformer",
    "class token attends to one token per modality, or to all of them",
    source="Rheude et al. 2025",
    order=104,
    space={
        "dropout": [0.0, 0.1, 0.2],
        "fusion_units": [32, 64, 128, 256, 512],
        "num_layers": [2, 4, 6, 8],
        "num_heads": [4, 8, 16],
        "feedforward_units": [128, 256, 512, 1024],
        "norm": ["post", "pre"],
    },
)
def build_late_transformer(
    backbones,
    *,
    fusion_units=64,
    num_layers=2,
    num_heads=4,
    feedforward_units=128,
    norm="post",
    tokens="one",
    positions="modality",
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
    name="late_transformer",
):
    """Fuses the modalities' features in a small Transformer, and predicts from its class token.

    Use it as the baseline that a new fusion has to beat: the study found no method that reliably
    does. It takes any number of modalities, their order does not matter, and a missing one is not
    attended to. `model.fusion_weights(x, per_sample=True)` says how much the class token attends
    to each.

    The study's network has `fusion_units=512, num_layers=4, num_heads=8, feedforward_units=256,
    dropout=0.2, positions="sequence"`; the smaller defaults are ours, for small backbones. It
    searched 32 to 512 units, 2 to 8 layers, 4 to 16 heads, a feed-forward width of 256 to 2048 and
    dropout 0 to 0.2.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        fusion_units: Positive integer, the width of the tokens, a multiple of `num_heads`. Defaults
            to `64`.
        num_layers, num_heads, feedforward_units, norm, positions: Of the Transformer, see
            `TransformerFusion`.
        tokens: String. `"one"`: a modality's features are one token, its last hidden fusion point,
            a map or sequence averaged to a vector; a backbone without hidden layers gives what it
            outputs, or what it gets if it consists of its prediction alone. `"all"`: the steps
            of a sequence and the places of a map or video are a token each; see `taps` of
            `build_cross_attention`. Defaults to `"one"`.
        max_tokens: Positive integer, with `tokens="all"`. Maps and videos with more places are
            average-pooled evenly until they have no more. Defaults to `256`.
        dropout: Float in [0, 1), the rate in the Transformer. Defaults to `0.1`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Defaults to `False`.
        name: String, of the model. Defaults to `"late_transformer"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(20)}
    >>> model = kf.build_late_transformer(nets, fusion_units=16)
    >>> x = {"image": np.zeros((3, 8, 8, 1)), "sound": np.zeros((3, 20))}
    >>> sorted(model.fusion_weights(x)["level_0"])
    ['image', 'sound']

    Reference:
        Rheude, Eils & Wild (2025), Fusion or Confusion? Multimodal Complexity Is Not All You Need.
    """
    check_choice("tokens", tokens, TOKENS)
    fusion_units = check_int("fusion_units", fusion_units)
    num_heads = check_int("num_heads", num_heads)
    check_multiple("fusion_units", fusion_units, num_heads)
    max_tokens = check_int("max_tokens", max_tokens)
    transformer = TransformerFusion(
        *(fusion_units, num_layers, num_heads, feedforward_units, dropout, norm, positions),
        name="fusion_0",
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
    tensors = parts.features() if tokens == "one" else parts.tokens(max_tokens)
    return parts.finish(parts.logits(parts.fuse(transformer, tensors)))
