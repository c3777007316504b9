"""A training with everything that draws or remembers; as a program, one that kills itself.

    python survival.py FOLDER [EPOCH BATCH | EPOCH write]

goes on with the backup in FOLDER, gets SIGKILL before that batch, or while the state after that
epoch is written, and writes weights and history to FOLDER/done.npz at the end.
"""

import json
import os
import signal
import sys

import keras
import numpy as np
from keras import layers

import keras_fusion as kf
from keras_fusion.training import BackupAndRestore, _state

EPOCHS, SAMPLES, BATCH = 3, 11, 4


def network(name, features):
    """Batch normalization, dropout and ModDrop."""
    inputs = keras.Input((features,))
    x = layers.Dense(6, use_bias=False, name="dense")(inputs)
    x = layers.BatchNormalization(momentum=0.8, name="norm")(x)
    x = layers.Dropout(0.3, name="dropout")(layers.Activation("tanh", name="tanh")(x))
    (x,) = kf.layers.ModDrop(0.3, allow_none=True, name="moddrop")([x])
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="out")(x), name=name)


def build(seed=0, **arguments):
    """A compiled CentralNet; the seed is that of the weights and of all that is drawn."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(seed)
    model = kf.build_centralnet({"image": network("image", 5), "sound": network("sound", 4)})
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **arguments)
    return model


def split():
    rng = np.random.default_rng(0)
    x = {"image": rng.normal(size=(SAMPLES, 5)), "sound": rng.normal(size=(SAMPLES, 4))}
    return keras.tree.map_structure(lambda a: a.astype("float32"), x), rng.integers(0, 3, SAMPLES)


def batches(**arguments):
    return kf.datasets.as_pydataset(split(), **{"batch_size": BATCH, "seed": 3, **arguments})


def weights(model):
    """All that makes up the state of a training, the states of random layers too."""
    variables = [v for group in _state.groups(model) for v in group]
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables]


class At(keras.callbacks.Callback):
    """Calls a function before a batch of an epoch."""

    def __init__(self, epoch, batch, cut):
        super().__init__()
        self.place, self.cut = (epoch, batch), cut

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            self.cut()


def at_write(epoch, cut):
    """Calls a function when the file of the state after an epoch is written, but has no name."""
    savez = np.savez

    def then_cut(file, **contents):
        savez(file, **contents)
        if json.loads(str(contents["about"]))["epochs"] == epoch + 1:
            cut()

    np.savez = then_cut


def main(folder, epoch=None, place=None):
    def kill():
        print(f"SIGKILL in epoch {int(epoch) + 1}: {place}", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    # Without a seed: a program that goes on takes it all from the file.
    model = build(seed=0 if not os.path.exists(f"{folder}/backup") else os.getpid())
    record = kf.training.FusionWeightsHistory(f"{folder}/weights.csv")
    callbacks = [record, BackupAndRestore(f"{folder}/backup")]
    if place == "write":
        at_write(int(epoch), kill)
    elif epoch is not None:
        callbacks.append(At(int(epoch), int(place), kill))
    history = model.fit(batches(), epochs=EPOCHS, verbose=2, callbacks=callbacks)
    about = json.dumps([history.epoch, history.history, record.epochs, record.weights])
    np.savez(f"{folder}/done.npz", *weights(model), about=np.array(about))


if __name__ == "__main__":
    main(*sys.argv[1:])
