"""A training on one device and the same on two; as a program, as that needs a process of its own.

    python distributed.py OUT.json two            one device, then two, of this process
    python distributed.py OUT.json process 0 PORT PORT     one of two JAX processes of one device

Writes, for every setting, what `train` returned on one device (where that was trained) and on two.
"""

import json
import os
import sys

BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
MODE = sys.argv[2] if __name__ == "__main__" else None
if BACKEND == "tensorflow" and MODE:
    import tensorflow as tf

    parts = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
elif MODE == "two":
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count=2"

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

import keras_fusion as kf  # noqa: E402

BATCH = 8
# JAX always computes the statistics of the whole batch.
SYNCHRONIZED = {"synchronized": True} if BACKEND == "tensorflow" else {}
# samples, options of `build`
SETTINGS = {
    "weighted losses, absent modalities, batch statistics": (24, {"norm": True, "missing": True}),
    "ModDrop and dropout": (24, {"drop": True}),
    "a last batch of 4": (20, {}),
    "a last batch of 5": (21, {}),
    "a last batch of 1": (17, {}),
}
# Batches of JAX have to divide; TensorFlow's random layers draw otherwise on two devices.
WANTED = list(SETTINGS)[:3] if BACKEND == "jax" else [list(SETTINGS)[i] for i in (0, 3, 4)]


def network(name, features, norm, drop):
    inputs = keras.Input((features,))
    x = layers.Dense(6, activation="tanh", kernel_regularizer="l2", name="dense")(inputs)
    if norm:
        x = layers.BatchNormalization(momentum=0.8, name="norm", **SYNCHRONIZED)(x)
    if drop:
        x = layers.Dropout(0.3, name="dropout")(x)
        (x,) = kf.layers.ModDrop(0.4, allow_none=True, name="moddrop")([x])
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="out")(x), name=name)


def build(norm=False, drop=False, missing=False):
    keras.utils.set_random_seed(0)
    nets = {n: network(n, f, norm, drop) for n, f in (("image", 5), ("sound", 4))}
    model = kf.build_centralnet(nets, missing_modalities=missing)
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        unimodal_loss_weights={"image": 0.3, "sound": 0.7},
    )
    return model


def data(count, missing=False):
    rng = np.random.default_rng(0)
    x = {"image": rng.normal(size=(count, 5)), "sound": rng.normal(size=(count, 4))}
    if missing:
        x["present"] = np.ones((count, 2))
        x["present"][::3, 0] = x["present"][1::3, 1] = 0
    return keras.tree.map_structure(lambda a: a.astype("float32"), x), rng.integers(0, 3, count)


def train(samples, options, scope=None, part=slice(None), batch=BATCH):
    """Two epochs: history, weights and predictions, as lists."""
    if scope is not None:
        with scope():
            model = build(**options)
    else:
        model = build(**options)
    x, y = data(samples, options.get("missing", False))
    rows = np.arange(samples).reshape(-1, BATCH)[:, part].reshape(-1) if batch != BATCH else ...
    x, y = {name: a[rows] for name, a in x.items()}, y[rows]
    history = model.fit(x, y, batch_size=batch, epochs=2, shuffle=False, verbose=0).history
    found = {"history": history, "weights": [np.array(w).tolist() for w in model.get_weights()]}
    if batch == BATCH and samples == 24:
        found["scores"] = model.evaluate(x, y, batch_size=BATCH, verbose=0, return_dict=True)
        predicted = model.predict(x, batch_size=BATCH, verbose=0)
        found["predictions"] = {name: p.tolist() for name, p in predicted.items()}
        odd = {name: a[:3] for name, a in x.items()}
        found["of 3"] = model.predict(odd, verbose=0)["central"].tolist()
    return found


def main(out, mode, process=None, *ports):
    scope, part, batch = None, slice(None), BATCH
    wanted = {name: SETTINGS[name] for name in WANTED}
    if BACKEND == "tensorflow":
        scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope
    if mode == "process":
        import jax

        number, batch = int(process), BATCH // 2
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
        keras.distribution.initialize(addresses, num_processes=2, process_id=number)
        part = slice(number * batch, (number + 1) * batch)
        wanted = {name: setting for name, setting in wanted.items() if setting[0] == 24}
    one = {}
    if mode == "two":
        one = {name: train(*setting) for name, setting in wanted.items()}
    if BACKEND == "jax":
        devices = keras.distribution.list_devices()
        assert len(devices) == 2, devices
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
        )
    two = {name: train(*setting, scope, part, batch) for name, setting in wanted.items()}
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"one": one, "two": two}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
