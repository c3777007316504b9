"""Which hyperparameters a method has: the arguments of its builder, and those of the training."""

import inspect

from keras_fusion.models import methods
from keras_fusion.models.builders.hybrid_fusion import build_hybrid_fusion
from keras_fusion.models.builders.intermediate_fusion import build_intermediate_fusion

TRAINING = ("backbone_dropout", "fusion_levels", "learning_rate")
# What a builder is given once, or what says nothing about how good the model is.
_FIXED = {
    "adapt_on",
    "backbones",
    "head",
    "inputs",
    "missing_modalities",
    "name",
    "num_classes",
    "taps",
    "units",
}
# Builders that hand their `**kwargs` on, and what they refuse of it.
_HANDED_ON = {
    "early": (build_intermediate_fusion, {"operation", "level"}),
    "fusion_ensemble": (build_hybrid_fusion, {"rule", "priors"}),
}
_PER_MODALITY = {"kernels", "rate", "unimodal_loss_weights"}


def builder_arguments(method):
    """Dict `{argument: its default}` of a method's builder, without the backbones."""
    builder = next(m.builder for m in methods() if m.name == method)
    parameters = dict(inspect.signature(builder).parameters)
    if method in _HANDED_ON:
        further, refused = _HANDED_ON[method]
        parameters.pop("kwargs")
        own = inspect.signature(further).parameters
        parameters = {n: p for n, p in own.items() if n not in refused} | parameters
    # What makes it this method and no other.
    bound = {"operation", "rule"} & set(getattr(builder, "keywords", {}))
    return {n: p.default for n, p in parameters.items() if n != "backbones" and n not in bound}


def searchable(method):
    """Names of the hyperparameters of a method, sorted."""
    names = builder_arguments(method)
    training = [n for n in TRAINING if n != "fusion_levels" or "taps" in names]
    return sorted({*names, *training} - _FIXED)


def check_names(label, method, names, per_modality):
    """An error that names a hyperparameter that the method does not have.

    Args:
        label: For the error.
        method: Name of the method.
        names: The hyperparameters of a space.
        per_modality: Those that are searched for every modality by itself.
    """
    known = searchable(method)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(
            f"{label}: expected hyperparameters of {method!r}, {known}. Received: {unknown}"
        )
    single = sorted(set(per_modality) - _PER_MODALITY)
    if single:
        raise ValueError(
            f'{label}: expected "per_modality" at {sorted(_PER_MODALITY)} only. Received: {single}'
        )
