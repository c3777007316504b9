"""Every fusion method on the same data and the same backbones: one word changes, nothing else.

    python examples/compare_methods.py --seeds 3
    python examples/compare_methods.py --seeds 3 --data grid_digits

mm_digits (no download): two views of scikit-learn's handwritten digits, a LeNet5 for each; XFlow,
which needs a vector beside a map, gets the second view flattened. grid_digits (from the folder
named by KERAS_FUSION_DATA): video of the lips and sound with noise of the same power, a LeNet5 on
the frames (as channels) and an MLP on the log-mel spectrogram. Prints one table: test accuracy of
the central prediction (mean, lowest, highest over the seeds) and of the modalities' own heads,
parameters, seconds an epoch, fusion weights in a word. "alone" is the modality that does better
without the other. Every run is a line in --results; started again, the command goes on after it.
About 6 minutes a seed and data set on two CPU cores.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", choices=list(DATA), default="mm_digits")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--methods", nargs="+", default=[m.name for m in kf.methods()])
    parser.add_argument("--results", type=Path, default=Path("runs/compare_methods"))
    args = parser.parse_args()

    data = DATA[args.data][0]()
    log = args.results / f"{args.data}-epochs{args.epochs}.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = map(json.loads, log.read_text().splitlines()) if log.exists() else []
    done = {(row["method"], row["seed"]): row for row in lines}
    methods = ["alone", *args.methods]
    runs = [(m, seed) for m in methods for seed in range(args.seeds) if (m, seed) not in done]
    for method, seed in track(runs, description="training", console=Console(stderr=True)):
        row = {"method": method, "seed": seed, **run(args.data, method, seed, data, args.epochs)}
        done[method, seed] = row
        with log.open("a") as file:
            file.write(json.dumps(row) + "\n")
    report(args, {m: [done[m, seed] for seed in range(args.seeds)] for m in methods})


def load_grid_digits():
    """Frames at half their size as channels of a map; the log-mel spectrogram as a vector."""
    data = kf.datasets.grid_digits.load_data(noise_db=0, spectrogram=True)
    return {
        part: ({"lips": frames(x["lips"]), "audio": x["audio"].reshape(len(y), -1)}, y)
        for part, (x, y) in data.items()
    }


def frames(lips):
    clips, count, height, width, _ = lips.shape
    small = lips.reshape(clips, count, height // 2, 2, width // 2, 2).mean(axis=(3, 5))
    return np.moveaxis(small, 1, -1)


def mm_digits_backbones(method):
    second = kf.backbones.lenet5((8, 8, 1), name="image_b")
    if method == "xflow":
        second = kf.backbones.mlp(64, (128, 128), name="image_b")
    return {"image_a": kf.backbones.lenet5((8, 8, 1), name="image_a"), "image_b": second}


def grid_digits_backbones(method):
    return {
        "lips": kf.backbones.lenet5((16, 24, 12), name="lips"),
        "audio": kf.backbones.mlp(24 * 25, (256, 256), name="audio"),
    }


DATA = {
    "mm_digits": (kf.datasets.mm_digits.load_data, mm_digits_backbones),
    "grid_digits": (load_grid_digits, grid_digits_backbones),
}


def run(name, method, seed, data, epochs):
    """Trains one method, or each modality alone; returns what the table needs."""
    keras.utils.clear_session()  # or the models before it stay in memory
    keras.utils.set_random_seed(seed)
    backbones = DATA[name][1](method)
    if method == "alone":
        rows = [fit(model, data, epochs, lambda x, m=m: x[m]) for m, model in backbones.items()]
        return max(rows, key=lambda row: row["accuracy"])

    def shaped(x):
        return {m: x[m].reshape(-1, *model.input_shape[1:]) for m, model in backbones.items()}

    return fit(kf.build(method, backbones), data, epochs, shaped)


def fit(model, data, epochs, select):
    (x, y), (x_test, y_test) = data["train"], data["test"]
    x, x_test = select(x), select(x_test)
    steps = epochs * -(-len(y) // 64)
    loss = "sparse_categorical_crossentropy"
    if model.name == "trusted":  # learns evidence
        loss = kf.losses.EvidentialLoss(annealing_steps=max(steps // 2, 1))
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss=loss,
        metrics=["accuracy"],
    )
    model.fit(x, y, batch_size=64, epochs=1, verbose=0)  # compiles
    begin = time.perf_counter()
    model.fit(x, y, batch_size=64, epochs=epochs, initial_epoch=1, verbose=0)
    seconds = (time.perf_counter() - begin) / max(epochs - 1, 1)
    scores = model.evaluate(x_test, y_test, return_dict=True, verbose=0)
    row = {"heads": {}, "weights": "", "parameters": model.count_params(), "seconds": seconds}
    if not isinstance(model, kf.FusionModel):
        return {**row, "accuracy": scores["accuracy"]}
    heads = {h: scores[f"{h}_accuracy"] for h in model.heads}
    weights = in_a_word(model.fusion_weights(x_test))
    return {**row, "accuracy": heads.pop("central"), "heads": heads, "weights": weights}


def in_a_word(weights):
    """The last level's shares."""
    if not weights:
        return ""
    level, shares = list(weights.items())[-1]
    return f"{level}: " + ", ".join(f"{source} {100 * s:.0f} %" for source, s in shares.items())


def report(args, results):
    table = Table(title=f"{args.data}, test split, {args.seeds} seed(s), {args.epochs} epochs")
    for column in ("method", "central", "lowest", "highest", "heads", "parameters", "s/epoch"):
        table.add_column(column, justify="left" if column == "method" else "right")
    table.add_column("fusion weights (seed 0)")
    for method, rows in results.items():
        heads = (np.mean([row["heads"][head] for row in rows]) for head in rows[0]["heads"])
        table.add_row(
            method,
            *(f"{100 * f([row['accuracy'] for row in rows]):.1f}" for f in (np.mean, min, max)),
            " / ".join(f"{100 * accuracy:.1f}" for accuracy in heads),
            f"{rows[0]['parameters']:,}",
            f"{np.mean([row['seconds'] for row in rows]):.2f}",
            rows[0]["weights"],
        )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
