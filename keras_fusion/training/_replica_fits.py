"""Any backend: every replica by one ordinary `fit`, with callbacks, and with any data."""

import copy
import os
import weakref

import keras
import numpy as np

from keras_fusion._arrays import on_disk
from keras_fusion.models import FusionModel
from keras_fusion.training._identity import model_digest
from keras_fusion.training._replica_data import Ordered, is_data_set
from keras_fusion.training._replica_epochs import check_model, say
from keras_fusion.training._replica_loop import set_learning_rate, values
from keras_fusion.training._state import seed_torch, set_torch_seed
from keras_fusion.training.backup_and_restore import BackupAndRestore
from keras_fusion.training.replica_result import Replicas


def fits(build, starts, first, seeds, data, validation, plan, backup_dir, made, class_weight):
    """Yields `Replicas` of every seed, each of a model of its own.

    Args:
        build: Function that returns a compiled model.
        starts: The `Starts` that calls it.
        first: What it returned for the first seed.
        seeds: List of integers.
        data: `(x, y)` or `(x, y, sample_weight)` of arrays, or a data set.
        validation: The same, or `None`.
        plan: `Plan` of the training.
        backup_dir: Optional path.
        made: `MadeCallbacks`.
        class_weight: Optional dict, of a data set.
    """
    model, shapes = first, [tuple(weight.shape) for weight in first.weights]
    try:
        for k, seed in enumerate(seeds):
            if k:
                model = starts(build, seed)
                check_model(model)
                if [tuple(weight.shape) for weight in model.weights] != shapes:
                    raise ValueError(
                        "build: expected the same architecture for every seed. Received: other "
                        f"weights for seed {seed} than for seed {seeds[0]}"
                    )
            x = data if is_data_set(data) else Ordered(data, seed, plan.batch_size, plan.shuffle)
            own = made()
            stopping = [] if plan.early_stopping is None else [copy.copy(plan.early_stopping)]
            callbacks = [*own, _Epochs(seed, k, plan, x), *stopping]
            if backup_dir is not None:
                if isinstance(x, Ordered):
                    x.identity.update(plan.identity, model=model_digest(model))
                folder, known = os.path.join(backup_dir, f"replica_{seed}"), {}
                if not isinstance(model, FusionModel):  # whose `fit` says what is trained on
                    known = {"callbacks": [*own, *stopping], "data": x}
                callbacks.append(BackupAndRestore(folder, delete_checkpoint=False, **known))
            # Keras shuffles the batches of a PyDataset, and warns for others.
            shuffles = isinstance(x, keras.utils.PyDataset) and not hasattr(x, "set_epoch")
            history = model.fit(
                x,
                epochs=plan.epochs,
                verbose=0,
                callbacks=callbacks,
                shuffle=shuffles and plan.shuffle,
                class_weight=class_weight,
                **_validation(validation, plan.batch_size),
            )
            trained = len(history.epoch)
            best = [one.best_epoch for one in stopping if one.best_weights is not None]
            yield Replicas(
                build,
                [seed],
                _rows(history.history),
                values(model),
                np.array(best or [trained - 1]),
                np.array([trained]),
                starts,
                model,
            )
    finally:
        starts.put_back(model)


class MadeCallbacks:
    """Calls the user's function for new callbacks, and checks what it returns.

    It is called once at once, so that a mistake is found before training.
    """

    def __init__(self, function):
        if function is not None and (isinstance(function, (list, tuple)) or not callable(function)):
            raise TypeError(
                "callbacks: expected a function that returns a new list of callbacks, since "
                "instances would carry what they know from seed to seed. "
                f"Received: {type(function).__name__}"
            )
        self._function, self._seen = function, []
        self._next = self._new()

    def _new(self):
        found = [] if self._function is None else self._function()
        if not isinstance(found, (list, tuple)) or not all(
            isinstance(callback, keras.callbacks.Callback) for callback in found
        ):
            raise TypeError(
                "callbacks: expected a function that returns a list of keras.callbacks.Callback. "
                f"Received: {found!r}"
            )
        if any(callback is seen() for callback in found for seen in self._seen):
            raise ValueError(
                "callbacks: expected a function that returns new callbacks at every call. "
                f"Received: those of an earlier call, {found!r}"
            )
        # Not the callbacks themselves, which hold their models.
        self._seen += [weakref.ref(callback) for callback in found]
        return list(found)

    def __call__(self):
        found, self._next = self._next, None
        return self._new() if found is None else found


class _Epochs(keras.callbacks.Callback):
    """The seed, order and learning rate of every epoch, and the line after it."""

    def __init__(self, seed, k, plan, data):
        super().__init__()
        self._seed, self._k, self._plan, self._data = seed, k, plan, data

    def on_train_begin(self, logs=None):
        set_torch_seed(self._seed)  # where a BackupAndRestore after this one finds it

    def on_epoch_begin(self, epoch, logs=None):
        seed_torch(self._seed, epoch)
        if hasattr(self._data, "set_epoch"):
            self._data.set_epoch(epoch)
        if self._plan.rates is not None:
            set_learning_rate(self.model.optimizer, self._plan.rates(epoch)[self._k])

    def on_epoch_end(self, epoch, logs=None):
        stopping = self._plan.early_stopping
        if stopping is not None and stopping.monitor not in logs:
            raise ValueError(
                f"early_stopping: expected monitor= to be one of {sorted(logs)}. "
                f"Received: {stopping.monitor!r}"
            )
        if self._plan.verbose:
            now = {name: rows[:, 0] for name, rows in _rows({n: [logs[n]] for n in logs}).items()}
            say(epoch, self._plan.epochs, [self._seed], now, np.array([True]))


def _rows(history):
    """The records of a history that are numbers, `(1, epochs)`."""
    return {
        name: np.array([values], "float32")
        for name, values in history.items()
        if all(np.ndim(value) == 0 and np.asarray(value).dtype.kind in "biuf" for value in values)
    }


def _validation(validation, batch_size):
    if validation is None:
        return {}
    if is_data_set(validation):
        return {"validation_data": validation}
    if any(on_disk(array) for array in keras.tree.flatten(validation)):
        return {"validation_data": Ordered(validation, 0, batch_size, shuffle=False)}
    return {"validation_data": validation, "validation_batch_size": batch_size}
