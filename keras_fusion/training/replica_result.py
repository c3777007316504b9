"""The result of training replicas: their histories and their models."""

import numpy as np

from keras_fusion.training._replica_data import is_data_set
from keras_fusion.training._replica_loop import assign, values
from keras_fusion.training._starts import Starts


class Replicas:
    """The replicas that `fit_replicas` trained.

    Attributes:
        seeds: List of integers.
        history: Dictionary `{name: array (replicas, epochs)}`, the names being those of the history
            of `fit`, with those numbers that callbacks add. NaN after the epoch at which a replica
            stopped.
        best_epochs: Integer array `(replicas,)`: the epoch, from 0, whose weights a replica has.
        trained: Integer array `(replicas,)`: for how many epochs a replica was trained.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> def build():
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     model.compile("sgd", loss="mse")
    ...     return model
    >>> x, y = np.ones((8, 2)), np.ones((8, 1))
    >>> replicas = kf.training.fit_replicas(build, x, y, seeds=[0, 1], epochs=3)
    >>> replicas.history["loss"].shape, replicas.mean("loss").shape
    ((2, 3), (3,))
    >>> replicas.replica(1).predict(x, verbose=0).shape
    (8, 1)
    """

    def __init__(
        self, build, seeds, history, values, best_epochs, trained, starts=None, model=None
    ):
        self.seeds = list(seeds)
        self.history = history
        self.best_epochs, self.trained = best_epochs, trained
        self._build, self._values = build, values
        self._starts, self._model = starts or Starts(), model

    def __len__(self):
        return len(self.seeds)

    def __repr__(self):
        epochs = max((rows.shape[1] for rows in self.history.values()), default=0)
        return f"<Replicas: seeds {self.seeds}, {epochs} epochs, {sorted(self.history)}>"

    def mean(self, name):
        """Mean over the replicas that still trained, `(epochs,)`; NaN if one of them was NaN."""
        rows, active = self._rows(name), self._active(name)
        return np.where(active, rows, 0).sum(axis=0) / active.sum(axis=0)

    def std(self, name):
        """Standard deviation over the replicas (n - 1), `(epochs,)`; NaN where only one trained."""
        rows, active = self._rows(name), self._active(name)
        count = active.sum(axis=0)
        squares = np.where(active, rows - self.mean(name), 0) ** 2
        squares = squares.sum(axis=0)
        return np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)

    def final(self, name):
        """Value of every replica in the epoch whose weights it has, `(replicas,)`."""
        return self._rows(name)[np.arange(len(self)), self.best_epochs]

    def _active(self, name):
        return np.arange(self._rows(name).shape[1]) < self.trained[:, None]

    def _rows(self, name):
        if name not in self.history:
            raise ValueError(f"name: expected one of {sorted(self.history)}. Received: {name!r}")
        return self.history[name]

    def evaluate(self, x, y=None, sample_weight=None, batch_size=32):
        """Scores of every replica on other data.

        Args:
            x, y, sample_weight, batch_size: As for `evaluate` of a Keras model. `x` may be a data
                set, which has batches of its own.

        Returns:
            Dictionary `{name: array (replicas,)}`.
        """
        batch_size, found = None if is_data_set(x) else batch_size, {}
        for _, model in self.models():
            scores = model.evaluate(
                x, y, batch_size, verbose=0, sample_weight=sample_weight, return_dict=True
            )
            for name, score in scores.items():
                found.setdefault(name, []).append(float(score))
        return {name: np.array(scores) for name, scores in found.items()}

    def models(self):
        """One model with the values of every replica in turn, for a loop over `(k, model)`.

        The model is the one that was trained, so that nothing is compiled anew for each replica.
        After the loop it has the values from before the loop.
        """
        model = self.replica(0) if self._model is None else self._model
        before = values(model)
        for k in range(len(self)):
            assign(model, self._values, k)
            yield k, model
        # Not when the loop was left early: the model may still be in use.
        assign(model, before, 0)

    def replica(self, k):
        """An ordinary Keras model with the weights and optimizer of replica number `k`.

        It is built anew at every call, with the replica's seed, and can be saved, evaluated and
        trained further. Keras' random seed is set by it, as in `fit_replicas`. Where `build`
        returns layers of its own at every call, models of several replicas share their weights,
        and only the latest one is what it should be.
        """
        if not isinstance(k, (int, np.integer)) or not 0 <= k < len(self):
            raise ValueError(f"k: expected an int from 0 to {len(self) - 1}. Received: {k!r}")
        model = self._starts(self._build, self.seeds[k])
        model.optimizer.build(model.trainable_variables)
        assign(model, self._values, k)
        return model
