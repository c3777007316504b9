"""A training that was killed goes on after its last whole epoch, and ends as if it had not been."""

import os

import keras

from keras_fusion._checks import check_bool
from keras_fusion._files import remove_left_overs
from keras_fusion._keras import set_initial_epoch
from keras_fusion.training._state import (
    GROUPS,
    groups,
    numbered,
    read_arrays,
    seed_torch,
    write_arrays,
)
from keras_fusion.training.fusion_weights_history import FusionWeightsHistory
from keras_fusion.training.modality_balance import ModalityBalance

_FORMAT = 1
# The state of callbacks, beyond their arguments.
_STATE = {
    keras.callbacks.EarlyStopping: ("best", "best_epoch", "stopped_epoch", "wait"),
    keras.callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
    keras.callbacks.ModelCheckpoint: ("best",),
    FusionWeightsHistory: ("epochs", "logs", "weights"),
    ModalityBalance: ("epochs", "gradient_norms", "scores"),
}


class BackupAndRestore(keras.callbacks.Callback):
    """Keeps the state of a training after every epoch; the same `fit` goes on from it.

    Use it where a training may be killed, run out of memory or disk, or be stopped by Ctrl-C: the
    same program, started again, repeats the epoch that was cut off and ends with the weights of a
    training that nobody disturbed. On the same machine and backend they are equal to the last bit,
    as far as the backend computes the same twice. With `keras.callbacks.BackupAndRestore` they are
    not, as the order of the data, the records of callbacks and a program without a seed start
    anew.

    One file holds all variables of model and optimizer, the states of random layers among them
    (`Dropout`, `ModDrop`), the history of `fit`, and what `EarlyStopping`, `ReduceLROnPlateau`,
    `ModelCheckpoint`, `FusionWeightsHistory` and `ModalityBalance` know. It is first written
    before training, and is replaced as a whole: a kill or a full disk leaves the one before.

    Data have to come in an order that is a function of the epoch: a data set of
    `datasets.as_pydataset` or `as_dataset`, `BalancedBatches`, or `fit(..., shuffle=False)`.
    Arrays that `fit` shuffles are an error. Of other data sets nothing is known: their order
    should not depend on how often they were read before. What draws from NumPy's or Python's
    global generators is not covered. Where several processes train one model (JAX), the first
    one writes the file and all of them read it: the folder has to be one that they share.

    Args:
        backup_dir: Path of a folder of its own for this training; made if it does not exist.
        callbacks: Sequence of the other callbacks. Only for models other than a `FusionModel`,
            whose `fit` knows them: there, place this callback last. Defaults to `()`.
        data: The data set that is trained on, for the same models; give `shuffle=False` to their
            `fit`. Defaults to `None`.
        delete_checkpoint: Boolean, whether the file is deleted at the end of training, so that the
            next `fit` starts anew. With `False` the same `fit` returns at once, with the trained
            model and its history; with more `epochs` it goes on. Defaults to `True`.

    Raises:
        TypeError, ValueError: arguments that are not as above; when training starts, data without
            a fixed order, or a file of another model, other data or another batch size.
        OSError: a file that cannot be written.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> model = kf.build_centralnet({"image": kf.backbones.mlp(4), "sound": kf.backbones.mlp(6)})
    >>> model.compile("adam", loss="sparse_categorical_crossentropy")
    >>> x, y = {"image": np.ones((8, 4)), "sound": np.ones((8, 6))}, np.zeros(8)
    >>> batches = kf.datasets.as_pydataset((x, y), batch_size=4, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     backup = kf.training.BackupAndRestore(folder + "/backup")
    ...     history = model.fit(batches, epochs=2, verbose=0, callbacks=[backup])
    >>> len(history.history["loss"])
    2
    """

    def __init__(self, backup_dir, callbacks=(), data=None, delete_checkpoint=True):
        super().__init__()
        if not isinstance(backup_dir, (str, os.PathLike)) or not os.fspath(backup_dir):
            raise TypeError(f"backup_dir: expected a path. Received: {backup_dir!r}")
        check_bool("delete_checkpoint", delete_checkpoint)
        if not isinstance(callbacks, (list, tuple)):
            raise TypeError(f"callbacks: expected a sequence. Received: {callbacks!r}")
        self.backup_dir = os.fspath(backup_dir)
        self.delete_checkpoint = delete_checkpoint
        self.path = os.path.join(self.backup_dir, "backup.npz")
        self._callbacks, self._data = list(callbacks), data
        self._given = bool(callbacks) or data is not None
        self._finished = None  # epochs of the file

    def before_fit(self, callbacks, x, shuffle, steps_per_epoch):
        """Called by `fit` of a `FusionModel`: the other callbacks, and what is trained on."""
        if self._given:
            raise ValueError(
                "BackupAndRestore: expected callbacks= and data= to be left out, as `fit` of a "
                "FusionModel passes them. Received: them"
            )
        self._callbacks, self._data = callbacks, x
        arrays = isinstance(x, (dict, list, tuple)) or hasattr(x, "shape")
        if shuffle and (arrays or hasattr(x, "set_epoch")):
            raise ValueError(
                "x: expected data in an order that is a function of the epoch, such as "
                "keras_fusion.datasets.as_pydataset((x, y), batch_size, seed=0), or "
                "shuffle=False. Received: data that fit() shuffles"
            )
        if steps_per_epoch is not None:
            raise ValueError(
                "steps_per_epoch: expected None, so that an epoch begins with the first batch. "
                f"Received: {steps_per_epoch!r}"
            )

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer
        if not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        self._history, self._epochs, self._torch_seed = {}, [], _torch_seed()
        self._resumed = False
        if _writes():
            os.makedirs(self.backup_dir, exist_ok=True)
            remove_left_overs(self.backup_dir, age=0)  # nobody else has business here
        if os.path.exists(self.path):
            self._restore()
        else:
            self._write(0)

    def on_epoch_begin(self, epoch, logs=None):
        self._after_start()
        seed_torch(self._torch_seed, epoch)
        if self._given and hasattr(self._data, "set_epoch"):
            self._data.set_epoch(epoch)

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(value)
        self._epochs.append(epoch)
        self._write(epoch + 1)

    def on_train_end(self, logs=None):
        self._after_start()
        if self.delete_checkpoint and _writes():
            os.remove(self.path)
            if not os.listdir(self.backup_dir):
                os.rmdir(self.backup_dir)

    def _after_start(self):
        """Once `fit` has read at which epoch to begin, and emptied its history."""
        if not self._resumed:
            return
        self._resumed = False
        set_initial_epoch(self.model, None)  # or the next fit would begin there, too
        self.model.history.history = {n: list(rows) for n, rows in self._history.items()}
        self.model.history.epoch = list(self._epochs)

    # ---- the file

    def _identity(self):
        """The properties in which a training and a file have to agree."""
        shapes = [[list(v.shape) for v in group] for group in groups(self.model)]
        data = getattr(self._data, "identity", None)
        return {"format": _FORMAT, "variables": shapes, "data": data}

    def _write(self, epochs):
        if not _writes():
            return
        states, arrays = {}, {}
        for key, callback, names in self._known():
            states[key] = {name: getattr(callback, name, None) for name in names}
            for i, value in enumerate(getattr(callback, "best_weights", None) or ()):
                arrays[f"{key}_{i}"] = value
        about = {
            **self._identity(),
            "epochs": epochs,
            "stopped": bool(self.model.stop_training),
            "torch_seed": self._torch_seed,
            "history": self._history,
            "epochs_of_history": self._epochs,
            "callbacks": states,
        }
        for group, variables in zip(GROUPS, groups(self.model), strict=True):
            for i, variable in enumerate(variables):
                arrays[f"{group}_{i}"] = keras.ops.convert_to_numpy(variable.value)
        try:
            write_arrays(self.path, about, arrays)
        except OSError as error:
            last = "there is none"
            if self._finished is not None:
                last = f"the one after {self._finished} epochs is whole, and training can go on"
            raise OSError(
                error.errno,
                f"backup_dir: expected space for the state after {epochs} epochs; {last}. "
                f"Received: {error.strerror}",
                self.path,
            ) from error
        self._finished = epochs

    def _restore(self):
        about, arrays = read_arrays(self.path, "BackupAndRestore")
        for name, expected in self._identity().items():
            if about.get(name) != expected:
                raise ValueError(
                    f"backup_dir: expected {self.path} to be of this training, with "
                    f"{name}={expected}. Received: {about.get(name)}. Remove it to start anew"
                )
        for group, variables in zip(GROUPS, groups(self.model), strict=True):
            for variable, value in zip(variables, numbered(arrays, group), strict=True):
                variable.assign(value)
        for key, callback, names in self._known():
            state = about["callbacks"].get(key)
            if state is not None:
                for name in names:
                    setattr(callback, name, state[name])
                if hasattr(callback, "best_weights"):
                    callback.best_weights = numbered(arrays, key) or None
        self._history, self._epochs = about["history"], about["epochs_of_history"]
        self._torch_seed, self._finished = about["torch_seed"], about["epochs"]
        # A training that its callbacks had stopped has nothing more to do.
        stopped = about["stopped"]
        set_initial_epoch(self.model, self.params["epochs"] if stopped else about["epochs"])
        self._resumed = True

    def _known(self):
        """`(key, callback, names of what it knows)` for callbacks whose state is kept."""
        found, count = [], {}
        for callback in self._callbacks:
            for kind, names in _STATE.items():
                if isinstance(callback, kind):
                    count[kind] = count.get(kind, 0) + 1
                    found.append((f"{kind.__name__}_{count[kind]}", callback, names))
        return found


def _writes():
    """Whether this is the process that writes, of several that train one model."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_index() == 0


def _torch_seed():
    if keras.backend.backend() != "torch":
        return None
    import torch

    return torch.initial_seed()
