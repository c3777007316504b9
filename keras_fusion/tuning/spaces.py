"""The spaces: what is searched for each method, as plain dicts.

An entry of a space is one of

- `{"min": 0.0, "max": 0.8, "step": 0.1, "sampling": "log", "default": 0.5}`: a range, of ints if
  both ends are; step and sampling ("linear", "log", "reverse_log") may be left out;
- `[64, 128, 256]`, or `{"values": [64, 128, 256], "default": 128}`: a choice, of anything that can
  be written as JSON;
- any other value: fixed, not searched.

With `"per_modality": True` in its dict an entry is searched for every modality by itself. A method
says what is to be searched where it is registered; what is searched of the training and of the
backbones is said here. The search starts from the builder's own defaults, so that a space's default
configuration is `build(method)`.
"""

import copy

from keras_fusion._checks import check_choice
from keras_fusion.models import methods
from keras_fusion.tuning._entries import with_default

# Of the training and of the backbones; every method has these two.
_TRAINING = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log", "default": 1e-3},
    "backbone_dropout": {"min": 0.0, "max": 0.7, "step": 0.05, "default": 0.5},
}

PRESETS = {
    # CentralNet, Sect. 3.1 to 3.4: "a random grid search" of ModDrop's learning rate and drop
    # probability, and of GMU's dropout. The paper says what was found (MM-MNIST: 0.05 and 0.2;
    # AV-MNIST: 0.005 and 0.32; Montalbano: 0.5; MM-IMDb: 0.25; GMU's dropout 0.25 and 0.35), not
    # the grid: the values between those are ours.
    "centralnet-paper": {
        "moddrop": {
            "learning_rate": {"values": [0.001, 0.005, 0.01, 0.05, 0.1], "default": 0.01},
            "rate": [0.1, 0.2, 0.25, 0.32, 0.4, 0.5],
            "backbone_dropout": 0.5,
        },
        "gmu": {
            "learning_rate": 0.01,
            "backbone_dropout": {"values": [0.15, 0.25, 0.35, 0.5], "default": 0.5},
        },
    },
    # CentralNet, Sect. 3.1, Fig. 4: which operation at which of LeNet5's depths, 0 (the inputs) to
    # 4 (the prediction), and how many of them CentralNet needs. The ensemble's fusion is a hidden
    # one, so that its other members stay what they are.
    "centralnet-depth": {
        **{
            operation: {"learning_rate": 0.01, "backbone_dropout": 0.5, "level": [0, 1, 2, 3, 4]}
            for operation in ("sum", "subtract", "product")
        },
        "fusion_ensemble": {
            "learning_rate": 0.01,
            "backbone_dropout": 0.5,
            "operation": ["sum", "subtract", "product"],
            "level": [0, 1, 2, 3],
        },
        "centralnet": {
            "learning_rate": 0.01,
            "backbone_dropout": 0.5,
            "fusion_levels": ["auto", 1, 2, 3],
        },
    },
    # The authors' code draws 25 of these at random: give max_trials=25. It also draws the range
    # of every initial weight and a max-norm of every layer, which `build_gmu` does not have.
    "gmu-paper": {
        "gmu": {
            "learning_rate": {"min": 1e-3, "max": 1e-1, "sampling": "log", "default": 0.01},
            "dropout": {"min": 0.3, "max": 0.7, "default": 0.5},
            "fusion_units": [64, 128, 256, 512],
            "gate_on": "projections",
            "normalize": True,
            "classifier": "maxout",
        },
    },
}
"""Searches of papers, by name, then by method."""


def default_space(method):
    """A copy of the default space of a method, to be changed and given to `FusionHyperModel`.

    Args:
        method: String, a name of `kf.methods()`.

    Returns:
        Dict `{hyperparameter: entry}`; an entry is a range, a choice or a fixed value.

    Raises:
        ValueError: no such method.

    Example:

    >>> import keras_fusion as kf
    >>> kf.tuning.default_space("moddrop")["rate"]
    {'min': 0.0, 'max': 0.8, 'step': 0.02, 'default': 0.5}
    """
    known = {m.name: m for m in methods()}
    check_choice("method", method, list(known))
    return _with_defaults(known[method], _TRAINING | known[method].space)


def _with_defaults(method, space):
    """A copy of the space whose entries start from what the method's builder does by itself."""
    return {
        name: with_default(copy.deepcopy(entry), method.arguments.get(name))
        for name, entry in space.items()
    }


def spaces_of(names, space):
    """`({method: its space}, space shared by all of them)`, from what the user gave.

    Args:
        names: List of strings, the methods.
        space: Optional string, the name of a preset, or dict: with one method its space; with
            several `{method: space, ..., hyperparameter: entry shared by those that have it}`.
    """
    if isinstance(space, str):
        check_choice("space", space, list(PRESETS))
        without = [method for method in names if method not in PRESETS[space]]
        if without:
            raise ValueError(
                f"space: expected one of the methods {list(PRESETS[space])} with {space!r}. "
                f"Received: {without}"
            )
        known = {m.name: m for m in methods()}
        return {name: _with_defaults(known[name], PRESETS[space][name]) for name in names}, {}
    if space is not None and not isinstance(space, dict):
        raise TypeError(
            f"space: expected None, the name of a preset or a dict. Received: {space!r}"
        )
    if space is None:
        own = {method: default_space(method) for method in names}
        if len(names) == 1:
            return own, {}
        shared = {name: own[names[0]].get(name) for name in _TRAINING}
        return {m: {n: e for n, e in own[m].items() if n not in shared} for m in names}, shared
    if len(names) == 1 and names[0] not in space:
        return {names[0]: copy.deepcopy(space)}, {}
    own = {method: copy.deepcopy(space.get(method, {})) for method in names}
    for method, entries in own.items():
        if not isinstance(entries, dict):
            raise TypeError(f"space[{method!r}]: expected a dict. Received: {entries!r}")
    others = {m.name for m in methods()} - set(names)
    shared = {name: entry for name, entry in space.items() if name not in own}
    if others & set(shared):
        raise ValueError(
            f"space: expected the methods that are searched, {names}, and hyperparameters. "
            f"Received: {sorted(others & set(shared))}"
        )
    return own, copy.deepcopy(shared)
