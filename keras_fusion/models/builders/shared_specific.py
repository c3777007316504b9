"""Shared-specific transfer: parts that the modalities share, parts of their own, both passed on."""

from keras_fusion._checks import check_choice, check_int, check_rate, check_widths
from keras_fusion.layers import SharedSpecificFusion, SharedSpecificTransfer
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "shared_specific",
    "shared and specific parts, passed on between modalities",
    source="Lu et al. 2020",
    order=220,
    space={
        "variant": ["transfer", "residual"],
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "fusion_units": [16, 32, 64, 128],
        "similarity_weight": {"min": 0.01, "max": 1.0, "sampling": "log"},
        "difference_weight": {"min": 0.01, "max": 1.0, "sampling": "log"},
    },
)
def build_shared_specific(
    backbones,
    *,
    variant="transfer",
    fusion_units=64,
    temperature=1.0,
    similarity_weight=0.1,
    difference_weight=0.1,
    head_units=(128,),
    dropout=0.5,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="shared_specific",
):
    """Splits features into a shared and a specific part, and transfers them between modalities.

    Use it where the modalities say partly the same, and above all where some are absent: what an
    absent modality would have said is taken from those that are there. The features of a
    modality are its last hidden fusion point, a map or sequence averaged to a vector; a backbone
    without hidden layers gives what it outputs, or what it gets if it consists of its prediction
    alone.

    The original transfers between the samples of a batch, for person re-identification; here it
    is between the modalities of each sample, for classification or regression. See
    `SharedSpecificTransfer` for the equations and all that is simplified. `variant="residual"` is
    another way to the same (ShaSpec): the shared parts' mean stands for an absent modality, and
    nothing else changes; see `SharedSpecificFusion`.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        variant: String, `"transfer"` or `"residual"`, see above. Defaults to `"transfer"`.
        fusion_units: Positive integer, the width of the shared and of the specific parts. Defaults
            to `64`.
        temperature, similarity_weight, difference_weight: Of `SharedSpecificTransfer`. With
            `variant="residual"` there is no temperature, and the last is `domain_weight` of
            `SharedSpecificFusion`, for which its paper has 0.02. The two losses are part of what
            `fit` and `evaluate` report as "loss".
        head_units: Sequence of positive integers, one fully connected layer each (with batch
            normalization, ReLU and dropout), before the prediction. An empty one leaves the
            prediction alone. Defaults to `(128,)`.
        dropout: Float in [0, 1), the rate after each of these layers. Defaults to `0.5`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Defaults to `False`.
        name: String, of the model. Defaults to `"shared_specific"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled. The method has no weights that are shares of the modalities:
        `fusion_weights()` is empty. Who gets how much of whom, for each sample, is in the
        `affinities` of its layer "fusion_0" (not with `variant="residual"`).

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((8, 8, 1))
    >>> sound = kf.backbones.mlp(20, hidden_units=(32,))
    >>> model = kf.build_shared_specific({"image": image, "sound": sound}, fusion_units=8)
    >>> model.get_layer("fusion_0").output.shape  # 2 modalities, 3 parts of 8 values each
    (None, 48)

    Reference:
        Lu et al. (2020), Cross-modality Person Re-identification with Shared-Specific Feature
        Transfer. Yang et al. (2022), An Overview of Multimodal Fusion Learning, Sect. 3.2. Wang et
        al. (2023), Multi-modal Learning with Missing Modality via Shared-Specific Feature
        Modelling.
    """
    check_choice("variant", variant, ("transfer", "residual"))
    fusion_units = check_int("fusion_units", fusion_units)
    dropout = check_rate("dropout", dropout)
    head_units = check_widths("head_units", head_units)
    transfer = SharedSpecificTransfer(
        fusion_units, temperature, similarity_weight, difference_weight, name="fusion_0"
    )
    if variant == "residual":
        if temperature != 1.0:
            raise ValueError(
                'temperature: expected 1.0 with variant="residual", which has none. '
                f"Received: {temperature}"
            )
        transfer = SharedSpecificFusion(
            fusion_units, similarity_weight, difference_weight, name="fusion_0"
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
    x = parts.fuse(transfer, parts.features())
    return parts.finish(parts.logits(parts.hidden(x, head_units, dropout)))
