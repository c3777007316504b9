"""The spaces: what is searched for each method, as plain dicts.

An entry of a space is one of

- `{"min": 0.0, "max": 0.8, "step": 0.1, "sampling": "log", "default": 0.5}`: a range, of ints if
  both ends are; step and sampling ("linear", "log", "reverse_log") may be left out;
- `[64, 128, 256]`, or `{"values": [64, 128, 256], "default": 128}`: a choice, of anything that can
  be written as JSON;
- any other value: fixed, not searched.

With `"per_modality": True` in its dict an entry is searched for every modality by itself. The
defaults are those of the builders, so that a space's default configuration is `build(method)`.
"""

import copy

from keras_fusion._checks import check_choice

# Of the training and of the backbones; every method has these two.
_TRAINING = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log", "default": 1e-3},
    "backbone_dropout": {"min": 0.0, "max": 0.7, "step": 0.05, "default": 0.5},
}
_DROPOUT = {"dropout": {"min": 0.0, "max": 0.7, "step": 0.05, "default": 0.5}}
_NO_DROPOUT = {"dropout": {"min": 0.0, "max": 0.7, "step": 0.05, "default": 0.0}}
# The betas of Eq. (2), of the methods whose unimodal losses weigh 1 by default.
_BETA = {"unimodal_loss_weights": {"min": 0.0, "max": 2.0, "step": 0.1, "default": 1.0}}
_WIDTH = {"hidden_units": {"values": [32, 64, 128, 256], "default": 128}}
_LEVEL = {"level": {"values": [0, -1], "default": 0}}
_ONE_LEVEL = _TRAINING | _DROPOUT | _LEVEL
_SCORES = _TRAINING | _BETA

SPACES = {
    "centralnet": _TRAINING
    | _DROPOUT
    | _BETA
    | {
        "fusion_levels": ["auto", 1, 2, 3],
        "fuse": ["logits", "probabilities"],
        "modality_scale": [True, False],
    },
    "early": _TRAINING | _DROPOUT,
    "sum": _ONE_LEVEL,
    "subtract": _ONE_LEVEL,
    "product": _ONE_LEVEL,
    "late_mean": _SCORES,
    "late_max": _SCORES,
    "late_product": _SCORES,
    "late_vote": _SCORES,
    "weighted_mean": _TRAINING,
    "concat": _TRAINING | {"fuse": ["logits", "probabilities"]},
    "concat_multitask": _SCORES | {"fuse": ["logits", "probabilities"]},
    "fusion_ensemble": _ONE_LEVEL | _BETA | {"operation": ["sum", "product", "concat"]},
    "ensemble": _SCORES,
    "hybrid": _TRAINING
    | _DROPOUT
    | _BETA
    | {
        "level": {"values": [0, -1], "default": -1},
        "operation": {"values": ["sum", "product", "concat"], "default": "concat"},
        "rule": {"values": ["mean", "product", "weighted_mean"], "default": "weighted_mean"},
    },
    "moddrop": _TRAINING
    | _DROPOUT
    | {
        "rate": {"min": 0.0, "max": 0.8, "step": 0.02, "default": 0.5},
        "hidden_units": [None, [128], [512]],
    },
    "gmu": _TRAINING
    | _NO_DROPOUT
    | {
        "hidden_units": {"values": [64, 128, 256, 512], "default": 512},
        "gate_on": ["inputs", "projections"],
        "classifier": ["dense", "maxout"],
    },
    "modality_gated": _TRAINING
    | _DROPOUT
    | {"hidden_units": {"values": [[128, 128], [256, 256], [512, 512]], "default": [512, 512]}},
    "residual_gated": _TRAINING | _NO_DROPOUT,
    "cross_attention": _TRAINING
    | _NO_DROPOUT
    | _WIDTH
    | {
        "num_heads": {"values": [1, 2, 4, 8], "default": 4},
        "attention_dropout": {"min": 0.0, "max": 0.5, "step": 0.05, "default": 0.0},
    },
    "interactive_memory": _TRAINING
    | _NO_DROPOUT
    | _WIDTH
    | {"hops": {"min": 1, "max": 5, "default": 3}},
    "shared_specific": _TRAINING
    | _DROPOUT
    | {
        "transfer_units": {"values": [16, 32, 64, 128], "default": 64},
        "similarity_weight": {"min": 0.01, "max": 1.0, "sampling": "log", "default": 0.1},
        "difference_weight": {"min": 0.01, "max": 1.0, "sampling": "log", "default": 0.1},
    },
    "kernel_fusion": _TRAINING
    | {
        "kernels": {"values": ["rbf", "linear"], "default": "rbf"},
        "landmarks": {"values": [16, 32, 64, 128], "default": 64},
        "hidden_units": {"values": [32, 64, 128], "default": 64},
    },
    "xflow": _TRAINING
    | _DROPOUT
    | {
        "cross": [True, False],
        "residual": [True, False],
        "hidden_units": {"values": [64, 128, 256, 512], "default": 512},
    },
    "dtn": _TRAINING
    | _BETA
    | {
        "sharing_weight": {"min": 1e-3, "max": 1e-1, "sampling": "log", "default": 1e-2},
        "pair_weight": {"min": 1e-7, "max": 1e-4, "sampling": "log", "default": 1e-6},
    },
}
"""The default space of every method of `kf.methods()`."""

PRESETS = {
    # CentralNet, Sect. 3.1 to 3.4: "a random grid search" of ModDrop's learning rate and drop
    # probability, and of GMU's dropout. The paper tells what was found (MM-MNIST: 0.05 and 0.2;
    # AV-MNIST: 0.005 and 0.32; Montalbano: 0.5; MM-IMDb: 0.25; GMU's dropout 0.25 and 0.35), not
    # the grid: the values between those are ours.
    "centralnet-paper": {
        "moddrop": {
            "learning_rate": {"values": [0.001, 0.005, 0.01, 0.05, 0.1], "default": 0.01},
            "rate": {"values": [0.1, 0.2, 0.25, 0.32, 0.4, 0.5], "default": 0.5},
            "backbone_dropout": 0.5,
        },
        "gmu": {
            "learning_rate": 0.01,
            "backbone_dropout": {"values": [0.15, 0.25, 0.35, 0.5], "default": 0.5},
        },
    },
    # The authors' code draws 25 of these at random: give max_trials=25. It also draws the range
    # of every initial weight and a max-norm of every layer, which `build_gmu` does not have.
    "gmu-paper": {
        "gmu": {
            "learning_rate": {"min": 1e-3, "max": 1e-1, "sampling": "log", "default": 0.01},
            "dropout": {"min": 0.3, "max": 0.7, "default": 0.5},
            "hidden_units": {"values": [64, 128, 256, 512], "default": 512},
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
    check_choice("method", method, list(SPACES))
    return copy.deepcopy(SPACES[method])


def spaces_of(methods, space):
    """`({method: its space}, space shared by all of them)`, from what the user gave.

    Args:
        methods: List of names.
        space: None, the name of a preset, or a dict: with one method its space; with several
            `{method: space, ..., hyperparameter: entry shared by those that have it}`.
    """
    if isinstance(space, str):
        check_choice("space", space, list(PRESETS))
        without = [method for method in methods if method not in PRESETS[space]]
        if without:
            raise ValueError(
                f"space: expected one of the methods {list(PRESETS[space])} with {space!r}. "
                f"Received: {without}"
            )
        return {method: copy.deepcopy(PRESETS[space][method]) for method in methods}, {}
    if space is not None and not isinstance(space, dict):
        raise TypeError(
            f"space: expected None, the name of a preset or a dict. Received: {space!r}"
        )
    if space is None:
        own = {method: default_space(method) for method in methods}
        if len(methods) == 1:
            return own, {}
        shared = {name: own[methods[0]].get(name) for name in _TRAINING}
        return {m: {n: e for n, e in own[m].items() if n not in shared} for m in methods}, shared
    if len(methods) == 1 and methods[0] not in space:
        return {methods[0]: copy.deepcopy(space)}, {}
    own = {method: copy.deepcopy(space.get(method, {})) for method in methods}
    for method, entries in own.items():
        if not isinstance(entries, dict):
            raise TypeError(f"space[{method!r}]: expected a dict. Received: {entries!r}")
    others = set(SPACES) - set(methods)
    shared = {name: entry for name, entry in space.items() if name not in own}
    if others & set(shared):
        raise ValueError(
            f"space: expected the methods that are searched, {methods}, and hyperparameters. "
            f"Received: {sorted(others & set(shared))}"
        )
    return own, copy.deepcopy(shared)
