"""Cross-modal attention: each modality looks at the others' tokens, then a joint classifier."""

from keras import layers

from keras_fusion._checks import check_int, check_multiple, check_rate
from keras_fusion.layers import CrossModalAttention
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "cross_attention",
    "each modality attends to the others' tokens",
    source="overview of fusion, Sect. 3.2",
    order=200,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "fusion_units": [32, 64, 128, 256],
        "num_heads": [1, 2, 4, 8],
        "attention_dropout": {"min": 0.0, "max": 0.5, "step": 0.05},
    },
)
def build_cross_attention(
    backbones,
    *,
    fusion_units=128,
    num_heads=4,
    residual=True,
    attention_dropout=0.0,
    dropout=0.0,
    max_tokens=256,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="cross_attention",
):
    """Lets the tokens of each modality attend to those of the others, and predicts from the means.

    Use it where parts of one modality belong to parts of another: words and image regions, frames
    and sounds. Tokens are the steps of a sequence and the places of a map or video; a vector is
    one token, to which all attention goes. What comes out of the attention is averaged over the
    tokens of each modality, concatenated, and classified by a dense layer; that is ours, as the
    overview describes the attention alone. Masks that Keras carries with a sequence
    (`Embedding(mask_zero=True)`, `Masking`) are respected throughout.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        fusion_units: Positive integer, the width of the attention, a multiple of `num_heads`.
            Defaults to `128`.
        num_heads, residual: Of the attention, see `CrossModalAttention`.
        attention_dropout: Float in [0, 1), the rate at which attention weights are dropped.
            Defaults to `0.0`.
        dropout: Float in [0, 1), the rate before the prediction. Defaults to `0.0`.
        max_tokens: Positive integer. Maps and videos with more places are average-pooled evenly
            until they have no more: the cost grows with the product of two modalities' tokens.
            Defaults to `256`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`: the last hidden fusion point that is a sequence, map or video; where there
            is none, or a recurrent layer reads the sequence to a vector, the last hidden one; of a
            backbone without hidden layers what it outputs, or what it gets if it consists of its
            prediction alone. Or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Needs `residual=True`, without which nothing is left of a modality alone. Defaults to
            `False`.
        name: String, of the model. Defaults to `"cross_attention"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled. The method has no weights that are shares of the modalities:
        `fusion_weights()` is empty.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((28, 28, 1))
    >>> sound = kf.backbones.lenet5((20, 20, 1))
    >>> model = kf.build_cross_attention({"image": image, "sound": sound}, fusion_units=32)
    >>> [tuple(x.shape[1:]) for x in model.get_layer("fusion_0").input]  # 7x7 and 5x5 tokens
    [(7, 7, 64), (5, 5, 64)]

    Reference:
        Yang et al. (2022), An Overview of Multimodal Fusion Learning, Sect. 3.2. Vaswani et al.
        (2017), Attention Is All You Need, Eq. (1).
    """
    fusion_units = check_int("fusion_units", fusion_units)
    num_heads = check_int("num_heads", num_heads)
    check_multiple("fusion_units", fusion_units, num_heads)
    attention_dropout = check_rate("attention_dropout", attention_dropout)
    dropout = check_rate("dropout", dropout)
    if missing_modalities and residual is False:
        raise ValueError(
            "residual: expected True with missing_modalities=True, as the attention gives nothing "
            "for a modality that is alone. Received: False"
        )
    attention = CrossModalAttention(
        fusion_units, num_heads, attention_dropout, residual, pooling="mean", name="fusion_0"
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
    means = parts.fuse(attention, parts.tokens(max_tokens))
    x = layers.Concatenate(name="central_concat")(means)
    return parts.finish(parts.logits(x, dropout))
