"""TensorFlow: one CentralNet on all GPUs of a machine.

    python examples/distributed/mirrored.py
    python examples/distributed/mirrored.py --cpus 2     no GPU: the CPU as two devices

Data: MM-digits (no download). Every GPU takes a part of every batch; weights, losses and batch
statistics are those of one device with the whole batch. Started again after a kill, it goes on
with the last whole epoch. About a minute on two CPU cores. Expected: test accuracy of the central
head above 0.94.
"""

import argparse
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import tensorflow as tf

import keras_fusion as kf


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cpus", type=int, default=0, help="logical CPU devices instead of GPUs")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64, help="of all devices together")
    parser.add_argument("--backup", default="runs/mirrored")
    args = parser.parse_args()

    names = None  # all GPUs
    if args.cpus:
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * args.cpus
        tf.config.set_logical_device_configuration(cpu, parts)
        names = [f"CPU:{i}" for i in range(args.cpus)]
    strategy = tf.distribute.MirroredStrategy(names)
    data = kf.datasets.mm_digits.load_data()
    keras.utils.set_random_seed(0)
    with strategy.scope():  # whatever makes variables: building and compiling
        model = kf.build_centralnet({m: network(m) for m in ("image_a", "image_b")})
        model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    batches = kf.datasets.as_pydataset(data["train"], args.batch, seed=0)
    backup = kf.training.BackupAndRestore(args.backup)
    model.fit(batches, epochs=args.epochs, callbacks=[backup], verbose=2)
    scores = model.evaluate(*data["test"], verbose=0, return_dict=True)
    print(f"{strategy.num_replicas_in_sync} devices, accuracy {scores['central_accuracy']:.3f}")


def network(name):
    """Batch normalization is synchronized: without it every device takes its own statistics."""
    inputs = keras.Input((8, 8, 1))
    x = inputs
    for i, filters in enumerate((32, 64)):
        x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{i}")(x)
        x = keras.layers.BatchNormalization(momentum=0.9, synchronized=True, name=f"norm{i}")(x)
        x = keras.layers.MaxPooling2D(2, name=f"pool{i}")(keras.layers.ReLU(name=f"relu{i}")(x))
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Dense(10, activation="softmax", name="out")(x)
    return keras.Model(inputs, x, name=name)


if __name__ == "__main__":
    main()
