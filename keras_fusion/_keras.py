"""Every private name of Keras and KerasTuner that this package uses.

Each was read in Keras 3.12 and 3.15, those of KerasTuner in 1.4.8. tests/test_keras.py holds them
against what is installed, and fails on such a name in any other file of the package.
"""

import contextlib

import keras


def nodes_by_depth(graph):
    """`Functional._nodes_by_depth`: dict `{depth: [node]}`, the output's depth being 0."""
    return graph._nodes_by_depth


def inputs_struct(model):
    """`Functional._inputs_struct`: the inputs as they were given; `None` for a Sequential model."""
    given = getattr(model, "_inputs_struct", None)
    # That of a FeatureSpace is a tracked dict, which Keras finds to be unlike what is fed.
    return dict(given) if isinstance(given, dict) else given


def history(tensor):
    """`KerasTensor._keras_history`: `(operation, index of its node, index among its tensors)`."""
    return tensor._keras_history


def mask_of(tensor):
    """`KerasTensor._keras_mask`: which steps count, as far as the layers before say; or `None`."""
    return getattr(tensor, "_keras_mask", None)


def arguments_of(tensor):
    """`Operation._inbound_nodes`: `(args, kwargs)` of the call that made `tensor`."""
    operation, node, _ = history(tensor)
    arguments = operation._inbound_nodes[node].arguments
    return arguments.args, arguments.kwargs


def made_of(tensor):
    """`Operation._inbound_nodes`: the tensors that went into the call that made `tensor`."""
    operation, node, _ = history(tensor)
    return operation._inbound_nodes[node].input_tensors


def flat_layers(model):
    """`Layer._flatten_layers`: the model itself and all layers in it, nested ones too."""
    return model._flatten_layers()


def set_initial_epoch(model, epoch):
    """`Trainer._initial_epoch`: where the `fit` that is starting begins; `None` takes it back."""
    model._initial_epoch = epoch


def forget_jax_state(model, synced_only=False):
    """`Trainer._jax_state`, `_jax_state_synced` (JAX): drops the values that a step handed on.

    Args:
        model: `keras.Model`.
        synced_only: Boolean, whether to keep values that are not in the variables yet. Defaults
            to `False`.
    """
    if model._jax_state_synced or not synced_only:
        model._jax_state = None


def value_of(variable):
    """`Variable._value`: the array itself; `None` while a step of JAX has it."""
    return variable._value


def count_processes(distribution):
    """`Distribution._num_process` (3.12); Keras 3.15 has `num_processes` instead, a public name."""
    if hasattr(distribution, "num_processes"):
        return distribution.num_processes
    return distribution._num_process


def metrics_of_heads(model, metrics):
    """Like `Trainer._compile_metrics`, what `compile(weighted_metrics=)` makes, of other metrics.

    Args:
        model: `keras.Model`, compiled with metrics or an empty list of them.
        metrics: Dict `{head: list of metrics or None}`.
    """
    return type(model._compile_metrics)(None, metrics, output_names=model.output_names)


def build_compiled(model, y, more_metrics=None):
    """`Trainer._compile_loss`, `_compile_metrics`, `_distribute_strategy`: no variable in a step.

    On TensorFlow Keras makes the variables of losses and metrics in the first step, and a function
    that makes variables is traced twice. Other backends, and strategies, have them made before.

    Args:
        model: `keras.Model`, compiled with dicts of losses and metrics.
        y: Dict `{head: array}`: targets, of which the shapes are read.
        more_metrics: Optional result of `metrics_of_heads`. Defaults to `None`.
    """
    if keras.backend.backend() != "tensorflow" or model._distribute_strategy is not None:
        return
    for made in (model._compile_loss, model._compile_metrics, more_metrics):
        if made is not None and not made.built:
            made.build(y, model.output)


@contextlib.contextmanager
def weighted_losses(model, y, y_pred, weights):
    """`Trainer._compile_loss`, its `_flat_losses`: other weights of the losses for a while.

    Args:
        model: `keras.Model`, compiled with a dict of losses.
        y, y_pred: Dicts `{head: tensor}`, with which the losses are made if they are not yet.
        weights: Dict `{head: scalar tensor}`.
    """
    losses = model._compile_loss
    if not losses.built:
        losses.build(y, y_pred)
    kept = losses._flat_losses
    losses._flat_losses = [one._replace(loss_weights=weights[one.path[0]]) for one in kept]
    try:
        yield
    finally:
        losses._flat_losses = kept


def with_logits_of(new, old, change):
    """`tensor._keras_logits` (TensorFlow): those a loss takes in place of a softmax or sigmoid.

    Args:
        new: Tensor, made of `old` and of the same values.
        old: Tensor, maybe of probabilities.
        change: Function on tensors that made it.

    Returns:
        `new`, with the same done to the logits of `old`, if it has any.
    """
    logits = getattr(old, "_keras_logits", None)
    if logits is not None:
        new._keras_logits = change(logits)
    return new


def direction_of(metric):
    """`Metric._direction`: "max" or "min", which is better; `None` where it says neither."""
    return {"up": "max", "down": "min"}.get(getattr(metric, "_direction", None))


def set_direction(metric, direction):
    """`Metric._direction`, "max" or "min": what callbacks with `mode="auto"` go by."""
    metric._direction = {"max": "up", "min": "down"}[direction]


def is_optional(tensor):
    """`InputLayer.optional`, of the layer behind a `keras.Input`: undocumented as an attribute."""
    return getattr(history(tensor).operation, "optional", False)


# KerasTuner's own private methods and attributes, by the class that has them. Those that
# keras_fusion.tuning overrides, calls or sets stand in its subclasses and cannot be moved here.
KERAS_TUNER = {
    "Tuner": ("_build_and_fit_model", "_get_tuner_fname", "_is_worker", "_populate_initial_space"),
    "oracles.GridSearchOracle": (
        *("_compare", "_get_trial_dir", "_ordered_ids", "_populate_next", "_project_dir"),
        "_save_trial",
    ),
    "oracles.BayesianOptimizationOracle": ("_random_state",),
}
