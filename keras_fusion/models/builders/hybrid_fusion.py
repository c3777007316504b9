"""Hybrid fusion: a joint network in the middle, and its prediction fused with the unimodal ones."""

from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.builders.intermediate_fusion import check_path, joint_logits
from keras_fusion.models.builders.late_fusion import check_rule, combine
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "hybrid",
    "intermediate and late fusion combined",
    source="overview of fusion, Sect. 3",
    order=150,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "unimodal_loss_weights": {"min": 0.0, "max": 2.0, "step": 0.1},
        "level": [0, -1],
        "operation": ["sum", "product", "concat"],
        "rule": ["mean", "product", "weighted_mean"],
    },
)
def build_hybrid_fusion(
    backbones,
    *,
    rule="weighted_mean",
    operation="concat",
    level=-1,
    priors=None,
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
    unimodal_loss_weights=1.0,
    balance=None,
    missing_modalities=False,
    name="hybrid_fusion",
):
    """Intermediate and late fusion in one: a joint prediction combined with the unimodal ones.

    Use it where some samples need the modalities seen together and others are decided by a
    single one. The modalities' hidden representations are fused at one level, as in
    `build_intermediate_fusion`, and a joint network predicts from there; its prediction and the
    unimodal ones are then combined, as in `build_late_fusion`:

        p = rule(p_1, ..., p_n, p_joint)

    The overview describes this as a blend of early and late fusion and gives neither an
    operation nor a rule; those here are defaults and nothing more. All networks train
    together, on the loss of the combined prediction and on the unimodal ones.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        rule: String, how the predictions are combined: `"weighted_mean"`, `"mean"`, `"max"`,
            `"product"`, `"vote"` or `"concat"`; see `build_late_fusion`. With `"vote"` the joint
            network gets no gradient. Defaults to `"weighted_mean"`.
        operation: String, `"concat"`, `"sum"`, `"subtract"` or `"product"`; see
            `build_intermediate_fusion`. Defaults to `"concat"`.
        level: Integer, the hidden level of the joint fusion: 0 is the lowest (early fusion), -1 the
            highest. Defaults to `-1`.
        priors: Optional sequence of floats, for the rule `"product"`; see `ScoreRule`. Defaults to
            `None`.
        align, central, kernel_size, max_width, dropout: Of the joint network; see
            `build_centralnet`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; see `build_centralnet`. Defaults to
            `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0; `None` for a model
            without unimodal heads (their predictions are combined all the same). Defaults to `1.0`.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            The joint prediction counts for every sample, the unimodal ones where their modality is
            present. Defaults to `False`.
        name: String, of the model. Defaults to `"hybrid_fusion"`.

    Returns:
        `FusionModel` with the output "central", and one per modality unless
        `unimodal_loss_weights` is None; not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(20)}
    >>> model = kf.build_hybrid_fusion(nets)
    >>> {source: round(share, 2) for source, share in model.fusion_weights()["level_1"].items()}
    {'image': 0.33, 'sound': 0.33, 'central': 0.33}

    Reference:
        The overview of multimodal fusion methods, Sect. 3.1 and Fig. 2 (c), without equations.
    """
    check_path(operation, align, kernel_size, max_width, dropout)
    check_rule(rule, priors)
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
    joint, depth = joint_logits(
        parts, operation, level, align, max_width, central, kernel_size, dropout, joint_only=False
    )
    return parts.finish(prediction=combine(parts, rule, depth, joint, priors))
