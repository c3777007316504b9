"""Modality gating: a concatenation of features in which one modality weighs them all."""

from keras_fusion._checks import check_rate, check_widths
from keras_fusion.layers import ModalityGate
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "modality_gated",
    "one modality's gate weighs both, then concatenation",
    source="modality gate, Eq. (7)",
    order=180,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "head_units": [[128, 128], [256, 256], [512, 512]],
    },
)
def build_modality_gated(
    backbones,
    *,
    main=None,
    head_units=(512, 512),
    dropout=0.5,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="modality_gated",
):
    """Gates the modalities' features, concatenates them, and puts dense layers on top.

    Use it instead of a plain concatenation (`build_concat_features`) where one modality is much
    stronger than the others: the gate takes as much from the one as it lets in of the other, for
    every sample anew (`model.fusion_weights(x, per_sample=True)`). The features of a modality are
    its last hidden fusion point, a map or sequence averaged to a vector; a backbone without hidden
    layers gives what it outputs, or what it gets if it consists of its prediction alone.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        main: Optional string, the modality that is F^A in Eq. (7), and has no gate of its own. In
            the paper RGB images are, and depth maps are F^B. Defaults to `None`, the first one.
        head_units: Sequence of positive integers, one fully connected layer each (with batch
            normalization, ReLU and dropout), before the prediction. The paper has two and does not
            give their widths. An empty one leaves the prediction alone. Defaults to `(512, 512)`,
            our choice.
        dropout: Float in [0, 1), the rate after each of these layers. Defaults to `0.5`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Defaults to `False`.
        name: String, of the model. Defaults to `"modality_gated"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> rgb = kf.backbones.lenet5((8, 8, 3))
    >>> depth = kf.backbones.mlp(20, hidden_units=(32,))
    >>> model = kf.build_modality_gated(
    ...     {"depth": depth, "rgb": rgb}, main="rgb", head_units=(16, 8)
    ... )
    >>> model.fusion_levels  # 1024 + 32
    {'level_0': '1056'}

    Reference:
        Oyedotun, Aouada & Ottersten (2019), Learning to Fuse Latent Representations for
        Multimodal Data, Eq. (6) and (7), Fig. 1.
    """
    dropout = check_rate("dropout", dropout)
    head_units = check_widths("head_units", head_units)
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
        main=main,
    )
    x = parts.fuse(ModalityGate(name="fusion_0"), parts.features())
    return parts.finish(parts.logits(parts.hidden(x, head_units, dropout)))
