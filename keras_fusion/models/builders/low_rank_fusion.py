"""Low-rank tensor fusion: products of the modalities' features, then a joint classifier."""

from keras_fusion._checks import check_int, check_rate, check_widths
from keras_fusion.layers import LowRankFusion
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "low_rank_fusion",
    "sum of products of the features: a tensor fusion of low rank",
    source="Liu et al. 2018",
    order=260,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "fusion_units": [16, 32, 64, 128],
        "rank": [1, 4, 8, 16],
    },
)
def build_low_rank_fusion(
    backbones,
    *,
    fusion_units=64,
    rank=4,
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
    name="low_rank_fusion",
):
    """Multiplies the modalities' features with each other, and predicts from the products.

    Use it where modalities act on each other: a smile with a bitter word. It has all products of a
    tensor fusion, in a form of low rank, and is small. The features of a modality are its last
    hidden fusion point, a map or sequence averaged to a vector; a backbone without hidden layers
    gives what it outputs, or what it gets if it consists of its prediction alone.

    In the original the products are the prediction itself (`head_units=()` and as many
    `fusion_units` as classes come nearest); here they are features, classified by a dense layer.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        fusion_units: Positive integer, the width of the fusion. Defaults to `64`.
        rank: Positive integer, see `LowRankFusion`; the authors tried 1, 4, 8 and 16. Defaults to
            `4`.
        head_units: Sequence of positive integers, one fully connected layer each (with batch
            normalization, ReLU and dropout), before the prediction. Defaults to `()`.
        dropout: Float between 0 and 1, the rate after each of these layers, or before the
            prediction if there are none. Defaults to `0.0`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Defaults to `False`.
        name: String, of the model. Defaults to `"low_rank_fusion"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled. The method has no weights that are shares of the modalities:
        `fusion_weights()` is empty.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(20)}
    >>> model = kf.build_low_rank_fusion(nets, fusion_units=16)
    >>> model.get_layer("fusion_0").output.shape
    (None, 16)

    Reference:
        Liu et al. (2018), Efficient Low-rank Multimodal Fusion with Modality-Specific Factors.
    """
    fusion_units = check_int("fusion_units", fusion_units)
    rank = check_int("rank", rank)
    head_units = check_widths("head_units", head_units)
    dropout = check_rate("dropout", dropout)
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
    x = parts.fuse(LowRankFusion(fusion_units, rank, name="fusion_0"), parts.features())
    if head_units:
        x, dropout = parts.hidden(x, head_units, dropout), 0.0
    return parts.finish(parts.logits(x, dropout))
