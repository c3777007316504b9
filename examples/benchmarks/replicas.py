"""How long is a training step of one seed, when many seeds train at the same time?

    KERAS_BACKEND=jax python examples/benchmarks/replicas.py
    KERAS_BACKEND=jax python examples/benchmarks/replicas.py --network lenet --replicas 1 16 64

`kf.training.fit_replicas` on JAX against an ordinary `fit` on JAX, with the same model, batches and
optimizer, for two networks: "mlp", a CentralNet of two MLPs on features (64 to 64 units), and
"lenet", `kf.presets.centralnet_mm_mnist()` on 28x28 maps. An epoch of --steps batches is repeated;
the first one, which compiles, does not count. `fit` is measured before and after everything else.
Prints the time of a step divided by the replicas, and its ratio to `fit`; below 1 is faster. The
time of the processor (all threads) is printed as well: on a machine that does other work too it
says more than the clock. On a GPU look at the clock.

Time:     about 2 min (mlp) and 10 min (lenet) on two free CPU cores
Expected: on a CPU ratios <= 0.25 for mlp and <= 1.1 for lenet; on a GPU such as an H200 <= 0.125
          for lenet at 64 replicas (not measured yet)
"""

import argparse
import statistics
import time
from pathlib import Path

import keras
import numpy as np

import keras_fusion as kf


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", choices=list(NETWORKS), default="mlp")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--steps", type=int, help="steps of an epoch")
    parser.add_argument("--epochs", type=int, default=6, help="the first does not count")
    parser.add_argument("--convolutions", choices=["patches", "grouped"], default="patches")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks/replicas.jsonl"))
    args = parser.parse_args()
    if keras.backend.backend() != "jax":
        parser.error("start it with KERAS_BACKEND=jax")
    if args.epochs < 2:
        parser.error("--epochs: expected 2 or more")
    build, shapes, batch, steps = NETWORKS[args.network]
    batch, steps = args.batch or batch, args.steps or steps
    x, y = data(shapes, batch * steps)

    print(
        f"{args.network}, batches of {batch}, {steps} steps an epoch, median (best) of the epochs"
    )
    measured = {"fit": of_fit(build, x, y, batch, args.epochs)}
    for count in args.replicas:
        measured[count] = of_replicas(build, x, y, batch, args.epochs, count, args.convolutions)
    measured["fit again"] = of_fit(build, x, y, batch, args.epochs)
    base = [
        statistics.median([*before, *after])
        for before, after in zip(measured["fit"], measured["fit again"], strict=True)
    ]
    rows = []
    for name, (clock, processor) in measured.items():
        count = name if isinstance(name, int) else 1
        row = {"network": args.network, "what": f"replicas: {name}" if count == name else name}
        for kind, values, usual in (("clock", clock, base[0]), ("processor", processor, base[1])):
            per_seed = [1000 * value / steps / count for value in values]
            row[f"{kind}_ms"] = round(statistics.median(per_seed), 4)
            row[f"{kind}_ms_best"] = round(min(per_seed), 4)
            row[f"{kind}_ratio"] = round(statistics.median(per_seed) * steps / 1000 / usual, 4)
        rows.append({**row, "batch": batch, "steps": steps, "convolutions": args.convolutions})
        print(
            f"{row['what']:<14} clock {row['clock_ms']:9.3f} ms ({row['clock_ms_best']:9.3f}), "
            f"ratio {row['clock_ratio']:.3f}   processor {row['processor_ms']:9.3f} ms "
            f"({row['processor_ms_best']:9.3f}), ratio {row['processor_ratio']:.3f}"
        )
    args.output.parent.mkdir(parents=True, exist_ok=True)
    about = kf.evaluation.environment()
    earlier = kf.evaluation.read_results(args.output) if args.output.exists() else []
    kf.evaluation.write_results(args.output, [*earlier, *({**row, **about} for row in rows)])
    print(f"Added to {args.output}")


def lenet():
    return compiled(kf.presets.centralnet_mm_mnist())


def mlp():
    return compiled(kf.build_centralnet({name: kf.backbones.mlp(64, (64,)) for name in "ab"}))


def compiled(model):
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# Builder, shapes of the inputs, batch, steps of an epoch.
NETWORKS = {
    "mlp": (mlp, {"a": (64,), "b": (64,)}, 64, 100),
    "lenet": (lenet, {"image_a": (28, 28, 1), "image_b": (28, 28, 1)}, 128, 4),
}


def data(shapes, count):
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(count, *shape)).astype("float32") for name, shape in shapes.items()}
    return x, rng.integers(0, 10, count)


class Clock(keras.callbacks.Callback):
    """Notes the time at the beginning of every epoch."""

    def __init__(self):
        super().__init__()
        self.times = []

    def on_epoch_begin(self, epoch, logs=None):
        self.times.append((time.perf_counter(), time.process_time()))

    def learning_rate(self, epoch):
        """As `fit_replicas` asks for it, once before every epoch."""
        self.on_epoch_begin(epoch)
        return 1e-3

    def epochs(self):
        """Seconds of every epoch but the first and the last, by the clock and of the processor."""
        return [np.diff(times)[1:].tolist() for times in zip(*self.times, strict=True)]


def of_fit(build, x, y, batch, epochs):
    clock = Clock()
    build().fit(x, y, batch, epochs + 1, verbose=0, callbacks=[clock])
    return clock.epochs()


def of_replicas(build, x, y, batch, epochs, count, convolutions):
    clock = Clock()
    options = {"learning_rate": clock.learning_rate, "convolutions": convolutions}
    kf.training.fit_replicas(build, x, y, range(count), epochs + 1, batch, **options)
    return clock.epochs()


if __name__ == "__main__":
    main()
