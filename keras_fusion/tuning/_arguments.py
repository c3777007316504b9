"""Which hyperparameters a method has: the arguments of its builder, and those of the training."""

from keras_fusion.models import methods

TRAINING = ("backbone_dropout", "fusion_levels", "learning_rate")
# What a builder is given once, or what says nothing about how good the model is.
_FIXED = {
    "adapt_on",
    "ends_in",
    "head",
    "inputs",
    "missing_modalities",
    "name",
    "num_classes",
    "taps",
    "units",
}


def builder_arguments(method):
    """Dict `{argument: its default}` of a method's builder, without the backbones."""
    return _method(method).arguments


def _method(name):
    return next(m for m in methods() if m.name == name)


def searchable(method):
    """Names of the hyperparameters of a method, sorted."""
    names = builder_arguments(method)
    training = [n for n in TRAINING if n != "fusion_levels" or "taps" in names]
    return sorted({*names, *training} - _FIXED)


def check_names(label, method, names, per_modality):
    """An error that names a hyperparameter that the method does not have.

    Args:
        label: String, for the error.
        method: String, name of the method.
        names: Iterable of strings, the hyperparameters of a space.
        per_modality: List of those that are searched for every modality by itself.
    """
    known = searchable(method)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(
            f"{label}: expected hyperparameters of {method!r}, {known}. Received: {unknown}"
        )
    allowed = sorted(_method(method).per_modality)
    single = sorted(set(per_modality) - set(allowed))
    if single:
        raise ValueError(f'{label}: expected "per_modality" at {allowed} only. Received: {single}')
