"""Any backend: one replica, trained by ordinary calls of `fit`."""

import keras
import numpy as np

from keras_fusion.training._replica_epochs import prepared
from keras_fusion.training._replica_program import learning_rate_index
from keras_fusion.training._state import groups, seed_torch


class SingleFit:
    """One replica behind the methods of `Program`; the replicas' axis has length 1.

    Args:
        model: Compiled model, with the initial values of its seed.
        seed: Integer.
        data: `(x, y)` or `(x, y, sample_weight)` of the training.
        validation: The same, or `None`.
        batch_size: Positive integer.
    """

    def __init__(self, model, seed, data, validation, batch_size):
        self.model = prepared(model, data, batch_size)
        self.batch_size, self._seed = batch_size, seed
        self._data, self._validation = data, validation
        self._kept = None
        self._scores = None

    def restart(self, seed, build, starts):
        """Goes on with another replica, from the values that its seed gives.

        The model stays, as what `fit` compiled for it does; compiling takes seconds.
        """
        other = starts(build, seed)
        other.optimizer.build(other.trainable_variables)
        initial = values(other)
        shapes = [[[a.shape for a in group] for group in v] for v in (self.values(), initial)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "build: expected the same architecture for every seed. Received: other weights "
                f"for seed {seed} than for seed {self._seed}"
            )
        self._seed, self._kept = seed, None
        self.model.stop_training = False
        self.load(initial)

    def _options(self, data):
        x, y, *weight = data
        return {
            "x": x,
            "y": y,
            "sample_weight": weight[0] if weight else None,
            "batch_size": self.batch_size,
            "verbose": 0,
        }

    def train(self, orders, epoch):
        (order,) = orders
        seed_torch(self._seed, epoch)
        data = keras.tree.map_structure(lambda array: array[order], self._data)
        options = {**self._options(data), "shuffle": False}
        if getattr(self.model, "balance", None) == "blend":  # `fit` sets it by the validation
            options["validation_data"] = self._validation
            options["validation_batch_size"] = self.batch_size
        logs = self.model.fit(**options).history
        logs = {name: np.array(value, "float32") for name, value in logs.items()}
        scores = {n: logs.pop(n) for n in list(logs) if n.startswith("val_")}
        self._scores = {name.removeprefix("val_"): value for name, value in scores.items()}
        return logs

    def end_epoch(self, logs):
        """Nothing more to do: `fit` ends its epochs itself."""

    def evaluate(self):
        if self._scores:
            return self._scores
        logs = self.model.evaluate(**self._options(self._validation), return_dict=True)
        return {name: np.array([value], "float32") for name, value in logs.items()}

    def set_learning_rates(self, rates):
        set_learning_rate(self.model.optimizer, rates[0])

    def values(self):
        return values(self.model)

    def load(self, values):
        assign(self.model, values, 0)

    def kept(self):
        return self._kept

    def load_kept(self, kept):
        self._kept = kept

    def keep(self, which):
        self._kept = self.values()


def set_learning_rate(optimizer, rate):
    """Sets the learning rate of an optimizer that has a number for it."""
    optimizer.variables[learning_rate_index(optimizer)].assign(rate)


def values(model):
    """Copies of a model's state, with an axis of length 1 in front."""
    return [
        [np.array(keras.ops.convert_to_numpy(v.value))[None] for v in group]
        for group in groups(model)
    ]


def assign(model, values, k):
    """Gives a model the state of replica `k`."""
    for variables, arrays in zip(groups(model), values, strict=True):
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array[k])
