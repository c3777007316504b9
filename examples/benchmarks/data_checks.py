"""What do the checks of the data before training cost, beside an epoch?

`fit` looks at every number of the arrays for NaN and infinity, at the labels and at the weights.
By turns, in one process: `fit` for no epoch, which checks and prepares the data and trains nothing;
the same without the checks, by `keras.Model.fit`; and `fit` for one epoch. The checks' share is
the difference of the first two over the third.

Command:  python examples/benchmarks/data_checks.py
Time:     2 min on 2 CPU cores
Expected: a share below 0.02
"""

import argparse
import time

import keras
import numpy as np
from _report import interval

import keras_fusion as kf

NETWORKS = {
    "MLPs on vectors of 784": lambda: kf.backbones.mlp(784, (64,), num_classes=10),
    "LeNets on images of 28x28": lambda: kf.backbones.lenet5((28, 28, 1)),
}


def seconds(fit, model, x, y, epochs):
    start = time.perf_counter()
    fit(model, x, y, batch_size=128, epochs=epochs, verbose=0)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=4096)
    args = parser.parse_args()

    print(f"backend {keras.backend.backend()}, {args.rounds} rounds, {args.samples} samples")
    rng = np.random.default_rng(0)
    for label, network in NETWORKS.items():
        model = kf.build_centralnet({name: network() for name in "ab"})
        shape = model.input["a"].shape[1:]
        x = {name: rng.normal(size=(args.samples, *shape)).astype("float32") for name in "ab"}
        y = rng.integers(0, 10, args.samples)
        model.compile("adam", "sparse_categorical_crossentropy")
        own, plain = type(model).fit, keras.Model.fit
        seconds(own, model, x, y, 1)  # compiles
        times = np.array([visit(own, plain, model, x, y) for _ in range(args.rounds)])
        checks, epoch = times[:, 0] - times[:, 1], times[:, 2]
        low, high = interval(checks / epoch)
        print(
            f"{label}: checks {1000 * np.median(checks):.1f} ms, epoch {np.median(epoch):.2f} s, "
            f"share {np.median(checks / epoch):.4f} [{low:.4f}, {high:.4f}]"
        )


def visit(own, plain, model, x, y):
    """Seconds of `fit` without an epoch, of Keras' own, and with an epoch; best of five, of one."""
    without = min(seconds(own, model, x, y, 0) for _ in range(5))
    of_keras = min(seconds(plain, model, x, y, 0) for _ in range(5))
    return without, of_keras, seconds(own, model, x, y, 1)


if __name__ == "__main__":
    main()
