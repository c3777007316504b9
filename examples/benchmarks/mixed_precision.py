"""What does training in 16 bits cost in accuracy?

    python examples/benchmarks/mixed_precision.py --seeds 5

MM-digits (no download), a LeNet5 for each modality: CentralNet, the Gated Multimodal Unit and the
modality gate, each in float32, mixed_bfloat16 and mixed_float16 from the same seeds. Prints the
accuracy of the central prediction on the 400 test digits, mean and lowest to highest over the
seeds, and the difference of the means in points. Every run is a line in --results; started again,
the command goes on after it.

Time:     about 10 min on two CPU cores, which compute 16 bits slower than 32
Expected: at most one point below float32
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import keras_fusion as kf

METHODS = ("centralnet", "gmu", "modality_gated")
POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
MODALITIES = ("image_a", "image_b")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--results", type=Path, default=Path("runs/mixed_precision"))
    args = parser.parse_args()

    backend = keras.backend.backend()
    log = args.results / f"{backend}-epochs{args.epochs}.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = map(json.loads, log.read_text().splitlines()) if log.exists() else []
    done = {(row["method"], row["policy"], row["seed"]): row for row in lines}
    runs = [(m, p, s) for s in range(args.seeds) for m in args.methods for p in POLICIES]
    data = kf.datasets.mm_digits.load_data()
    waiting = [key for key in runs if key not in done]
    for method, policy, seed in track(waiting, "training", console=Console(stderr=True)):
        row = {"method": method, "policy": policy, "seed": seed}
        done[method, policy, seed] = {**row, **train(method, policy, seed, data, args.epochs)}
        with log.open("a") as file:
            file.write(json.dumps(done[method, policy, seed]) + "\n")
    Console().print(table(done, args, backend))


def train(method, policy, seed, data, epochs):
    """Accuracy on the test digits, and seconds of training."""
    keras.utils.clear_session()
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(seed)
    nets = {m: kf.backbones.lenet5((8, 8, 1), name=m) for m in MODALITIES}
    model = kf.build(method, nets)
    (x, y), (x_test, y_test) = data["train"], data["test"]
    steps = epochs * -(-len(y) // 64)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    begin = time.perf_counter()
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - begin
    scores = model.evaluate(x_test, y_test, return_dict=True, verbose=0)
    return {"accuracy": scores["central_accuracy"], "seconds": seconds}


def table(done, args, backend):
    title = f"Accuracy on 400 test digits in %, {args.seeds} seeds, {backend}"
    found = Table(title=title, title_justify="left")
    for column in ("method", "policy", "mean", "lowest", "highest", "points from float32", "s"):
        found.add_column(column, justify="left" if column in ("method", "policy") else "right")
    for method in args.methods:
        whole = None
        for policy in POLICIES:
            rows = [done[method, policy, seed] for seed in range(args.seeds)]
            values = 100 * np.array([row["accuracy"] for row in rows])
            whole = values.mean() if policy == "float32" else whole
            found.add_row(
                method,
                policy,
                *(f"{f(values):.2f}" for f in (np.mean, np.min, np.max)),
                "" if policy == "float32" else f"{values.mean() - whole:+.2f}",
                f"{np.mean([row['seconds'] for row in rows]):.0f}",
            )
    return found


if __name__ == "__main__":
    main()
