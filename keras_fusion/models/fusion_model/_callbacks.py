"""Callbacks that `fit` adds, and the order in which all of them run."""

import keras

from keras_fusion.models.fusion_model._balance import BlendLosses


class SetEpoch(keras.callbacks.Callback):
    """Sets the epoch of a data set, also where a training starts at a later one."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def on_epoch_begin(self, epoch, logs=None):
        self.data.set_epoch(epoch)


def fit_callbacks(callbacks, x, shuffle, steps_per_epoch, balance=None, validates=False):
    """The callbacks of a `fit`, in the order in which they run.

    A method `before_fit(callbacks, x, shuffle, steps_per_epoch)` of a callback is called with the
    others, after which that callback runs.

    Args:
        callbacks: As for `fit`; a `CallbackList` is left as it is.
        x: What is trained on; its method `set_epoch`, if it has one, is called at every epoch.
        shuffle: Boolean, as for Keras' `fit`.
        steps_per_epoch: Optional integer.
        balance: Optional balance of the model; "blend" is set by a callback, before all others, so
            that those which save find it set. Defaults to `None`.
        validates: Boolean, whether there are validation data. Defaults to `False`.
    """
    blends = balance is not None and balance.kind == "blend"
    if blends and not validates:
        raise ValueError(
            'validation_data: expected some, or validation_split=, with balance="blend", whose '
            "loss weights depend on them. Received: neither"
        )
    if isinstance(callbacks, keras.callbacks.CallbackList):
        if blends and not any(isinstance(one, BlendLosses) for one in callbacks.callbacks):
            callbacks.append(BlendLosses(balance))
        return callbacks
    callbacks = keras.tree.flatten(callbacks) if callbacks else []
    if blends:
        callbacks = [BlendLosses(balance), *callbacks]
    last = [callback for callback in callbacks if hasattr(callback, "before_fit")]
    callbacks = [callback for callback in callbacks if callback not in last]
    for callback in last:
        callback.before_fit(callbacks, x, shuffle, steps_per_epoch)
    # With steps_per_epoch an epoch begins in the middle of the data.
    if hasattr(x, "set_epoch") and steps_per_epoch is None:
        callbacks.append(SetEpoch(x))
    return [*callbacks, *last]
