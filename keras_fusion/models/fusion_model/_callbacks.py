"""What a `fit` tells of itself: data sets hear which epoch it is, callbacks what is trained on."""

import keras


class TellEpoch(keras.callbacks.Callback):
    """Tells a data set which epoch begins, also where a training starts at a later one."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def on_epoch_begin(self, epoch, logs=None):
        self.data.set_epoch(epoch)


def told(callbacks, x, shuffle, steps_per_epoch):
    """The callbacks of a `fit`, in the order in which they run.

    Those with a method `before_fit(callbacks, x, shuffle, steps_per_epoch)` hear about the
    others, and run after them.

    Args:
        callbacks: As for `fit`; a `CallbackList` is left as it is.
        x: What is trained on; told the epoch if it has a method `set_epoch`.
        shuffle: Bool, as for Keras' `fit`.
        steps_per_epoch: Int or None.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    callbacks = keras.tree.flatten(callbacks) if callbacks else []
    last = [callback for callback in callbacks if hasattr(callback, "before_fit")]
    callbacks = [callback for callback in callbacks if callback not in last]
    for callback in last:
        callback.before_fit(callbacks, x, shuffle, steps_per_epoch)
    # With steps_per_epoch an epoch begins in the middle of the data.
    if hasattr(x, "set_epoch") and steps_per_epoch is None:
        callbacks.append(TellEpoch(x))
    return [*callbacks, *last]
