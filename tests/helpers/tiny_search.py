"""A search of a second; as a script it waits in the middle of a trial, to be killed there."""

import sys
import time

import keras
import numpy as np

import keras_fusion as kf

CLASSES = 3
SPACE = {
    "learning_rate": {"min": 0.01, "max": 1.0, "sampling": "log", "default": 0.1},
    "backbone_dropout": [0.0, 0.5],
    "rate": {"min": 0.0, "max": 0.8, "step": 0.1, "default": 0.5},
    "head_units": [[4]],
}


def net(features, dropout=0.0):
    return kf.backbones.mlp(features, (4,), CLASSES, dropout=dropout)


def image(dropout=0.0):
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 3, padding="same", activation="relu", name="conv")(inputs)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(keras.layers.Flatten(name="flatten")(x))
    x = keras.layers.Dense(CLASSES, activation="softmax", name="prediction")(x)
    return keras.Model(inputs, x, name="image")


def vectors(dropout=0.0):
    return {"a": net(4, dropout), "b": net(6, dropout)}


def data(count=12, modalities=("a", "b"), seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"a": (4,), "b": (6,), "image": (4, 4, 1)}
    x = {m: rng.normal(size=(count, *shapes[m])).astype("float32") for m in modalities}
    return x, np.arange(count) % CLASSES


def hypermodel(method="moddrop", space=None, backbones=vectors, **options):
    # Steps run one operation at a time: a few of them are done before a graph is.
    options = {"optimizer": "sgd", "compile_arguments": {"run_eagerly": True}, **options}
    return kf.tuning.FusionHyperModel(method, backbones, space or SPACE, **options)


def tuner(folder, model=None, **options):
    options = {"max_trials": 3, "project_name": "search", **options}
    return kf.tuning.make_tuner(model or hypermodel(), directory=folder, **options)


def search(tuner, epochs=1, **options):
    x, y = data()
    tuner.search(x, y, validation_data=data(6, seed=1), epochs=epochs, batch_size=6, **options)
    return kf.tuning.read_trials(tuner.project_dir)


class Wait(keras.callbacks.Callback):
    """Says that it is in the middle of a trial, and stays there."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1 and len(kf.tuning.read_trials(f"{sys.argv[1]}/search")) == int(sys.argv[2]):
            print("RUNNING", flush=True)
            time.sleep(600)


if __name__ == "__main__":
    search(tuner(sys.argv[1]), epochs=3, callbacks=[Wait()])
