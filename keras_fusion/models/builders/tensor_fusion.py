"""Tensor fusion: all products of the modalities' features, then a joint classifier."""

from keras import layers

from keras_fusion._checks import check_int, check_rate, check_widths
from keras_fusion.backbones import dropped
from keras_fusion.layers import TensorFusion
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.registry import fusion_method

_MOST_UNITS = 32


@fusion_method(
    "tensor_fusion",
    "all products of the features, of every subset of modalities",
    source="Zadeh et al. 2017",
    order=255,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "fusion_units": [None, 4, 8],
        "head_units": [[32], [128], [128, 128]],
    },
    per_modality=["fusion_units"],
)
def build_tensor_fusion(
    backbones,
    *,
    fusion_units=None,
    max_size=65536,
    head_units=(128, 128),
    dropout=0.5,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="tensor_fusion",
):
    """Multiplies all of the modalities' features with each other, and predicts from the products.

    Use it where modalities act on each other, and there are few of them: with d_k values each
    there are (d_1 + 1) (d_2 + 1) ... products. `build_low_rank_fusion` has the same products at a
    fraction of the size. The features of a modality are its last hidden fusion point, a map or
    sequence averaged to a vector; a backbone without hidden layers gives what it outputs, or what
    it gets if it consists of its prediction alone. A dense layer with ReLU brings each of them to
    a short vector, as the original's networks of the modalities end in one. For the features as
    they are: `build_fusion(backbones, kf.layers.TensorFusion())`.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        fusion_units: Positive integer, or a dict `{modality: int}`: how many values of each
            modality are multiplied. Defaults to `None`, for all the largest number up to 32 with
            which there are not more products than `max_size`: 32 for two and three modalities, 15
            for four, 8 for five.
        max_size: Positive integer; more products are refused. Defaults to `65536`.
        head_units: Sequence of positive integers, one fully connected layer each (with batch
            normalization and ReLU), between the products and the prediction. Defaults to
            `(128, 128)`, the original's two, to which the batch normalization is ours.
        dropout: Float in [0, 1), the rate of the products, as in the original. Defaults to `0.5`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`. Of
            an absent modality the one alone is left. Defaults to `False`.
        name: String, of the model. Defaults to `"tensor_fusion"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled. The method has no weights that are shares of the modalities:
        `fusion_weights()` is empty.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(20)}
    >>> model = kf.build_tensor_fusion(nets, fusion_units={"image": 9, "sound": 4})
    >>> model.get_layer("fusion_0").output.shape  # 10 * 5
    (None, 50)

    Reference:
        Zadeh et al. (2017), Tensor Fusion Network for Multimodal Sentiment Analysis, Sect. 4.
    """
    max_size = check_int("max_size", max_size)
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
    widths = _widths(fusion_units, parts.names, max_size)
    vectors = [
        layers.Dense(width, activation="relu", name=f"{modality}_project")(x)
        for modality, width, x in zip(parts.names, widths, parts.features(), strict=True)
    ]
    x = parts.fuse(TensorFusion(max_size, name="fusion_0"), vectors)
    x = parts.hidden(dropped(x, dropout, "fusion_dropout"), head_units, 0.0)
    return parts.finish(parts.logits(x))


def _widths(fusion_units, names, max_size):
    """How wide each modality is to be, in the order of `names`."""
    if fusion_units is None:
        fitting = [u for u in range(2, _MOST_UNITS + 1) if (u + 1) ** len(names) <= max_size]
        fusion_units = fitting[-1] if fitting else 1
    if not isinstance(fusion_units, dict):
        return [check_int("fusion_units", fusion_units)] * len(names)
    if set(fusion_units) != set(names):
        raise ValueError(
            f"fusion_units: expected the modalities {sorted(names)}. "
            f"Received: {sorted(fusion_units)}"
        )
    return [check_int(f'fusion_units["{name}"]', fusion_units[name]) for name in names]
