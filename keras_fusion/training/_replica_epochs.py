"""The epochs of replicas on any engine: order of samples, early stopping, history, files."""

import copy
import types
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np

from keras_fusion._arrays import on_disk
from keras_fusion.models import FusionModel
from keras_fusion.models.fusion_model import give_directions
from keras_fusion.training._replica_files import write


@dataclass(frozen=True)
class Plan:
    """How replicas are trained; `rates` gives the learning rates of an epoch."""

    epochs: int
    batch_size: int
    samples: int
    shuffle: bool
    rates: Callable | None
    early_stopping: keras.callbacks.EarlyStopping | None
    validation: bool
    verbose: int
    identity: dict = field(default_factory=dict)  # of data and model, for files


def check_model(model):
    """An error unless it is a model that can be trained."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"build: expected it to return a keras.Model. Received: {model!r}")
    if not model.compiled or model.optimizer is None:
        raise ValueError(
            "build: expected it to return a compiled model, with optimizer and loss. Received: "
            f'"{model.name}", not compiled'
        )


def prepared(model, data, batch_size):
    """The model with the variables of its metrics and optimizer made; an error if it cannot fit."""
    check_model(model)
    first = keras.tree.map_structure(lambda array: array[: min(batch_size, 8)], data)
    eager, model.run_eagerly = model.run_eagerly, True  # or it is compiled, for this alone
    model.test_on_batch(*first)
    model.run_eagerly, model.test_function = eager, None
    model.reset_metrics()
    model.optimizer.build(model.trainable_variables)
    return model


def arrays(x, y, sample_weight, model):
    """`(x, y)` or `(x, y, sample_weight)` as arrays, with what the model reads and no more."""
    if isinstance(model, FusionModel):
        if model.compiled:
            x, y, sample_weight = model._data(x, y, sample_weight, in_batches=True)
        else:
            x = model._checked(x)
    given = (x, y) if sample_weight is None else (x, y, sample_weight)
    given = keras.tree.map_structure(lambda a: a if on_disk(a) else np.asarray(a), given)
    shapes = [array.shape for array in keras.tree.flatten(given)]
    if not all(shapes):
        raise TypeError("x, y: expected arrays, or dicts of arrays. Received: a list or a number")
    counts = {shape[0] for shape in shapes}
    if len(counts) != 1:
        raise ValueError(f"x, y: expected equally many samples. Received: {sorted(counts)}")
    return given


def order(seed, epoch, samples, shuffle=True):
    """The order of an epoch's samples: the same on every backend and machine."""
    if not shuffle:
        return np.arange(samples, dtype="int32")
    return np.random.default_rng([seed, epoch]).permutation(samples).astype("int32")


class Stopping:
    """`keras.callbacks.EarlyStopping` for one replica; the callback decides, not this class.

    Args:
        callback: The callback as the user made it, or None: never stops.
        model: From whose metrics the callback learns which way is better.
    """

    def __init__(self, callback, model):
        self.stopped = False
        self.trained = 0  # epochs
        self._improved = False
        self._callback = copy.copy(callback)
        if callback is not None:
            self._model = types.SimpleNamespace(
                metrics=model.metrics, stop_training=False, get_weights=self._note
            )
            if isinstance(model, FusionModel):
                give_directions([self._callback], model)
            self._callback.set_model(self._model)
            self._callback.on_train_begin()

    def _note(self):
        # The callback asks for the weights when they are the best so far.
        self._improved = True
        return ()

    def after(self, epoch, logs):
        """Whether the state is to be kept: the best so far, or the last of a stopped replica."""
        self.trained = epoch + 1
        if self._callback is None:
            return False
        monitor = self._callback.monitor
        if monitor not in logs:
            raise ValueError(
                f"early_stopping: expected monitor= to be one of {sorted(logs)}. "
                f"Received: {monitor!r}"
            )
        self._improved = False
        self._callback.on_epoch_end(epoch, logs)
        self.stopped = bool(self._model.stop_training)
        if self._callback.restore_best_weights:
            return self._improved
        return self.stopped

    @property
    def takes_kept(self):
        """Whether the state that was kept last is the replica's, and not the latest one."""
        if self._callback is None:
            return False
        best = self._callback.restore_best_weights and self._callback.best_weights is not None
        return self.stopped or best

    @property
    def best_epoch(self):
        """The epoch of the replica's state."""
        if self._callback is None or not self._callback.restore_best_weights:
            return self.trained - 1
        seen = self._callback.best_weights is not None
        return self._callback.best_epoch if seen else self.trained - 1

    def record(self):
        """The state of early stopping as plain values, for `resume`."""
        state = {"stopped": self.stopped, "trained": self.trained}
        if self._callback is None:
            return state
        best = self._callback.best
        return {
            **state,
            "best": None if best is None else float(best),
            "wait": self._callback.wait,
            "best_epoch": self._callback.best_epoch,
            "seen": self._callback.best_weights is not None,
        }

    def resume(self, record):
        """Goes on from a record."""
        self.stopped, self.trained = record["stopped"], record["trained"]
        if self._callback is not None:
            self._callback.best = record["best"]
            self._callback.wait = record["wait"]
            self._callback.best_epoch = record["best_epoch"]
            self._callback.best_weights = () if record["seen"] else None


def run_epochs(engine, plan, seeds, path=None, saved=None):
    """Trains the replicas of `engine` and returns their history and final state.

    Args:
        engine: A `Program` or `SingleFit`.
        plan: The `Plan` of the training.
        seeds: List of integers, those of the engine's replicas.
        path: Optional path of a file to write after every epoch. Defaults to `None`.
        saved: Optional `SavedReplicas` that `read` returned for that file. Defaults to `None`.

    Returns:
        `{name: [(replicas,) for every epoch]}`, lists of arrays with the replicas in front, and
        the epoch of which they are and how many epochs were trained, both `(replicas,)`.
    """
    stopping = [Stopping(plan.early_stopping, engine.model) for _ in seeds]
    history, begin = {}, 0
    if saved is not None:
        history = {name: list(rows) for name, rows in saved.history.items()}
        begin = saved.epochs
        for one, record in zip(stopping, saved.stopping, strict=True):
            one.resume(record)
        if saved.kept is not None:
            engine.load_kept(saved.kept)
    for epoch in range(begin, plan.epochs):
        active = np.array([not one.stopped for one in stopping])
        if not active.any():
            break
        if plan.rates is not None:
            engine.set_learning_rates(plan.rates(epoch))
        orders = [order(seed, epoch, plan.samples, plan.shuffle) for seed in seeds]
        logs = engine.train(np.stack(orders), epoch)
        if plan.validation:
            logs.update({f"val_{name}": value for name, value in engine.evaluate().items()})
        engine.end_epoch(logs)
        keep = np.zeros(len(seeds), "bool")
        for k in np.flatnonzero(active):
            keep[k] = stopping[k].after(epoch, {n: float(v[k]) for n, v in logs.items()})
        if keep.any():
            engine.keep(keep)
        for name, value in logs.items():
            history.setdefault(name, []).append(np.where(active, value, np.nan))
        if plan.verbose:
            say(epoch, plan.epochs, seeds, logs, active)
        if path is not None:
            records = [one.record() for one in stopping]
            write(path, plan, seeds, epoch + 1, history, records, engine.values(), engine.kept())
    found = np.array([[one.best_epoch, one.trained] for one in stopping])
    return history, _final(engine, stopping), found[:, 0], found[:, 1]


def _final(engine, stopping):
    """The state of every replica: the one that was kept for it, else the last."""
    kept, values = engine.kept(), engine.values()
    if kept is None:
        return values
    which = np.array([one.takes_kept for one in stopping])

    def choose(a, b):
        return np.where(which.reshape(-1, *[1] * (np.ndim(a) - 1)), np.asarray(a), np.asarray(b))

    return [
        [choose(a, b) for a, b in zip(*groups, strict=True)]
        for groups in zip(kept, values, strict=True)
    ]


def rates(learning_rate, replicas, epoch):
    """The learning rates of an epoch, `(replicas,)`."""
    value = learning_rate(epoch) if callable(learning_rate) else learning_rate
    try:
        found = np.asarray(value, "float32")
    except (TypeError, ValueError):
        found = np.array(np.nan)
    if found.shape not in ((), (replicas,)) or not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError(
            f"learning_rate: expected a float >= 0, or {replicas} of them, one for each seed. "
            f"Received: {value!r}"
        )
    return np.broadcast_to(found, (replicas,))


def say(epoch, epochs, seeds, logs, active):
    """Prints the line of an epoch: means over the replicas that still train, lowest and highest."""
    words = []
    for name, value in logs.items():
        value = np.asarray(value)[active]
        words.append(f"{name} {value.mean():.4f} ({value.min():.4f} to {value.max():.4f})")
    print(
        f"epoch {epoch + 1}/{epochs}, {active.sum()} of {len(seeds)} replicas: " + ", ".join(words),
        flush=True,
    )
