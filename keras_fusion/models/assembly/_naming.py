"""Names of modalities, given or taken from the models."""

import re

from keras_fusion._checks import check_choice
from keras_fusion.models.fusion_model import check_names

RESERVED = ("central", "present")
_OURS = ("central_", "fusion_")
_TAKE = r"take(_\d+)?"  # the operation that orders the columns of `present`; Keras names it
_SUFFIX = (
    r"_(backbone|mask|head|logits|flat|norm|dropout|features|dense_\d+"
    r"|(average|pool|pad|project)_level_\d+)"
)


def named_backbones(backbones):
    """A dict `{modality: model}` in the order given, whatever form it was given in.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models; these are named after
            themselves, with `_2`, `_3` ... added where a name comes again.

    Raises:
        TypeError: neither a dict nor a list.
        ValueError: fewer than two backbones, or names that cannot be used.
    """
    if not isinstance(backbones, (dict, list, tuple)):
        raise TypeError(
            "backbones: expected a dict {modality: keras.Model} or a list of models. "
            f"Received: {type(backbones).__name__}"
        )
    if len(backbones) < 2:
        raise ValueError(
            "backbones: expected two or more, one per modality. "
            f"Received: {len(backbones)} ({list(backbones)})"
        )
    if not isinstance(backbones, dict):
        backbones = _after_their_models(backbones)
    for name in backbones:
        _check(name, backbones)
    return dict(backbones)


def with_first(backbones, main):
    """The dict with the modality `main` first (None: as it is)."""
    if main is None:
        return backbones
    check_choice("main", main, list(backbones))
    return {main: backbones[main], **backbones}


def _after_their_models(models):
    named = {}
    for model in models:
        base = name = getattr(model, "name", "modality")
        count = 1
        while name in named:
            count += 1
            name = f"{base}_{count}"
        named[name] = model
    return named


def _check(name, names):
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError(
            f"backbones: expected modality names that are non-empty strings without '/'. "
            f"Received: {name!r}"
        )
    check_names("backbones", [name])
    if name in RESERVED or name.startswith(_OURS) or re.fullmatch(_TAKE, name):
        raise ValueError(
            f"backbones: the names {', '.join(RESERVED)}, take and those that begin with "
            f"{', '.join(_OURS)} are reserved. Received: {name!r}"
        )
    if any(re.fullmatch(re.escape(str(other)) + _SUFFIX, name) for other in names):
        raise ValueError(
            f"backbones: {name!r} is the name of a layer that another modality needs. "
            f"Received: {list(names)}"
        )
