"""Models and data of tiny comparisons, picklable."""

import os
import signal

import keras
import numpy as np
from helpers.tiny import vector_net
from keras import layers

import keras_fusion as kf

COUNT = 12


class Fused:
    """Builds two networks on vectors that are fused; with `nets` always of the same layers."""

    def __init__(self, method="gmu", units=4, learning_rate=0.1, metrics=("accuracy",), nets=None,
                 loss="sparse_categorical_crossentropy", momentum=0.0):  # fmt: skip
        self.method, self.units, self.metrics, self.nets = method, units, metrics, nets
        self.learning_rate, self.loss, self.momentum = learning_rate, loss, momentum

    def __call__(self):
        return compiled(kf.build(self.method, self.nets or networks(self.units)), self.loss,
                        self.learning_rate, self.metrics, self.momentum)  # fmt: skip


class Plain:
    """Builds a plain Keras model, whose output has no name."""

    def __init__(self, metrics=("accuracy",)):
        self.metrics = metrics

    def __call__(self):
        inputs = {name: keras.Input((5,), name=name) for name in "ab"}
        outputs = layers.Dense(3, activation="softmax")(layers.Add()(list(inputs.values())))
        model = keras.Model(inputs, outputs)
        return compiled(model, "sparse_categorical_crossentropy", 0.1, self.metrics)


def networks(units=4):
    return {name: vector_net(f"net_{name}", units=(units,)) for name in "ab"}


def compiled(model, loss, learning_rate, metrics, momentum=0.0):
    # What is compiled for a step or two takes far longer than they do.
    quick = {"run_eagerly": True} if keras.backend.backend() == "tensorflow" else {}
    optimizer = keras.optimizers.SGD(learning_rate, momentum)
    model.compile(optimizer, loss, metrics=list(metrics), **quick)
    return model


def part(seed=0, count=COUNT, classes=3):
    rng = np.random.default_rng(seed)
    x = {name: rng.normal(size=(count, 5)).astype("float32") for name in "ab"}
    return x, rng.integers(0, classes, count)


def parts():
    return {"train": part(0), "test": part(1)}


class Kills:
    """A builder that kills its worker: always, or the first time."""

    def __init__(self, parent, path=None):
        self.parent, self.path, self.build = parent, path, Fused()

    def __call__(self):
        if os.getpid() != self.parent and not (self.path and os.path.exists(self.path)):
            if self.path:
                with open(self.path, "w"):
                    pass
            os.kill(os.getpid(), signal.SIGKILL)
        return self.build()
