"""Hybrid fusion: a joint network in the middle, and its prediction fused with the unimodal ones."""

from keras_fusion.models.assembly import Parts, paired_levels
from keras_fusion.models.builders.intermediate_fusion import (
    check_path,
    checked_level,
    fuse_at,
    joint_path,
)
from keras_fusion.models.builders.late_fusion import check_rule, combine


def build_hybrid_fusion(
    backbones,
    *,
    rule="weighted_mean",
    operation="concat",
    level=-1,
    priors=None,
    num_classes=None,
    units=None,
    head=None,
    taps="auto",
    align="auto",
    central=None,
    kernel_size=3,
    max_width=1024,
    dropout=0.5,
    unimodal_loss_weights=1.0,
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
        backbones: Dict `{modality: keras.Model}` or a list of models; see `build_centralnet`.
        rule: How the predictions are combined: "weighted_mean" (default), "mean", "max",
            "product", "vote" or "concat"; see `build_late_fusion`. With "vote" the joint network
            gets no gradient.
        operation: "concat" (default), "sum", "subtract" or "product"; see
            `build_intermediate_fusion`.
        level: Int, the hidden level of the joint fusion: 0 is the lowest (early fusion), -1
            (default) the highest.
        priors: For the rule "product"; see `ScoreRule`.
        num_classes, units, head: What is predicted, where the backbones do not say it; see
            `build_centralnet`.
        taps, align, central, kernel_size, max_width, dropout: Of the joint network; see
            `build_intermediate_fusion`.
        unimodal_loss_weights: Float or dict `{modality: float}` >= 0, by default 1.0; None for a
            model without unimodal heads (their predictions are combined all the same).
        missing_modalities: Bool, string or dict. Adds the input `present`; see `FusionModel`. The
            joint prediction counts for every sample, the unimodal ones where their modality is
            present.
        name: Of the model.

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
    parts = Parts(backbones, taps, num_classes, units, head, missing_modalities)
    levels = paired_levels(parts.streams, align, max_width, use_inputs=taps == "auto")
    level = checked_level(level, len(levels), prediction=False)
    fused = fuse_at(parts, backbones, levels, level, operation, align, max_width, keep_heads=True)
    logits = joint_path(parts, levels, level, operation, fused, central, kernel_size, dropout)
    output = combine(parts, rule, len(levels), logits, priors)
    return parts.finish(output, unimodal_loss_weights, name)
