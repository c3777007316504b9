"""Every run starts from its own weights, also where a builder returns layers that it keeps."""

import sys
import weakref

import keras

from keras_fusion._keras import flat_layers


class Starts:
    """Builds models whose shared variables have the values with which they were first seen.

    `build = lambda: kf.build("gmu", backbones)` returns the same layers at every call: without
    this, a run would go on from the weights of the run before. Models that are gone are forgotten.
    """

    def __init__(self):
        self._values = {}  # of variables
        self._layers = {}
        self._optimizers = {}
        self._said = set()

    def say(self, line):
        """Prints a line on stderr, once for all runs."""
        if line not in self._said:
            self._said.add(line)
            print(line, file=sys.stderr)

    def __call__(self, build, seed):
        """The model that `build` returns after `keras.utils.set_random_seed(seed)`.

        Raises:
            ValueError: an optimizer that an earlier call returned, or a layer that an earlier call
                returned before it had its weights.
        """
        keras.utils.set_random_seed(seed)
        model = build()
        if not isinstance(model, keras.Model):
            return model
        optimizer = getattr(model, "optimizer", None)
        # Keras wraps the user's own where floats are of 16 bits.
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if _known(self._optimizers, optimizer):
            raise ValueError(
                "build: expected a new optimizer at every call. Received: the one of an earlier "
                f'call, {type(optimizer).__name__} "{optimizer.name}"'
            )
        layers = list(flat_layers(model))
        for layer in layers:
            if _known(self._layers, layer) and not all(
                _known(self._values, weight) for weight in layer.weights
            ):
                raise ValueError(
                    "build: expected layers that have their weights when they are returned, such "
                    f'as those of a model with keras.Input. Received: "{layer.name}", which an '
                    "earlier call returned without them"
                )
        self.put_back(model)
        if optimizer is not None:
            _remember(self._optimizers, optimizer)
        for layer in layers:
            _remember(self._layers, layer)
        for variable in model.variables:
            if not _known(self._values, variable):
                # A copy: what NumPy sees of PyTorch's memory changes with it.
                _remember(self._values, variable, keras.ops.convert_to_numpy(variable).copy())
        return model

    def put_back(self, model):
        """Gives a model's variables the values with which they were first seen."""
        for variable in model.variables:
            if _known(self._values, variable):
                variable.assign(self._values[id(variable)][1])


def _known(table, thing):
    return id(thing) in table


def _remember(table, thing, value=None):
    # By identity, as variables compare their values; gone before another can have the same id.
    key = id(thing)
    table[key] = weakref.ref(thing, lambda _: table.pop(key, None)), value
