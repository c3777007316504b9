"""Which way is better, for callbacks that watch a head: Keras finds no metric of such a name."""

import keras

from keras_fusion._keras import direction_of

_WATCHING = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ReduceLROnPlateau,
)


def give_directions(callbacks, model):
    """Sets `mode` where it is "auto" and `monitor` a head's, as in "val_central_accuracy".

    Keras, which looks for a metric of that name, and heads' metrics have none, would fail after
    the first epoch.

    Args:
        callbacks: List of callbacks of any kind, or a `CallbackList`.
        model: `FusionModel`, compiled.

    Raises:
        ValueError: the metric does not say whether more is better.
    """
    for callback in getattr(callbacks, "callbacks", callbacks):
        if not isinstance(callback, _WATCHING) or callback.mode != "auto":
            continue
        name, known = callback.monitor.removeprefix("val_"), _directions(model._fusion)
        if name in known and known[name] is None:
            raise ValueError(
                f'callbacks: expected mode="max" or mode="min" of {type(callback).__name__}, as '
                f'{callback.monitor!r} does not say whether more is better. Received: mode="auto"'
            )
        callback.mode = known.get(name, "auto")


def _directions(state):
    """`{name in the logs: "min", "max" or None}` of all heads."""
    losses = state.losses or {}
    found = {f"{head}_loss": "min" for head, loss in losses.items() if loss is not None}
    for of_heads in state.metrics:
        for head, given in of_heads.items():
            for metric in given or ():
                name, direction = _read(metric)
                # The second where the same is given in `metrics` and in `weighted_metrics`.
                found |= dict.fromkeys((f"{head}_{name}", f"{head}_weighted_{name}"), direction)
    return found


def _read(metric):
    """Name and direction of a metric as `compile` takes it."""
    if metric in ("accuracy", "acc"):  # which of several, Keras sees in the first batch
        return metric, "max"
    made = keras.metrics.get(metric)
    name = metric if isinstance(metric, str) else getattr(made, "name", None) or made.__name__
    if not isinstance(made, keras.metrics.Metric):
        made = keras.metrics.MeanMetricWrapper(made)
    return name, direction_of(made)
