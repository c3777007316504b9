"""Multimodal MNIST: one CentralNet against each LeNet5 alone and an ensemble of three.

    python examples/mm_mnist.py --epochs 3 --seeds 1

CentralNet paper, Sect. 3.1, Table 2 (energy 0.5, share ratio 0.5; errors in 10,000 test digits
after 100 epochs, mean of 64 runs): one modality alone 230, ensemble of three LeNet5 on the
original images 60, CentralNet 53. The protocol here is shorter: Adam with a cosine decay from
0.001 to 0 over the epochs (the paper: 0.01, constant), batches of 128, 55,000 training pairs;
the test set is read once per model, at the end. An ensemble (mean of the probabilities) has as
many parameters as CentralNet: three LeNet5 on the two modalities (a, b and a second one on a),
and, as in the paper, three on the original images, which hold more than both modalities.

MNIST comes from --data-dir, from KERAS_FUSION_DATA, or from Keras' download. About 40 s an
epoch and LeNet5 on two CPU cores, 110 s an epoch of CentralNet. Every finished model is a row
in --results with its test probabilities beside it; run again, the command goes on after the
last one.
"""

import argparse
import csv
import os
import platform
import time
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import keras_fusion as kf

# name: modality it sees (None: both), offset of its seed
MODELS = {
    "image_a": ("image_a", 0),
    "image_b": ("image_b", 0),
    "centralnet": (None, 0),
    "image_a again": ("image_a", 100),
    "original 1": ("original", 200),
    "original 2": ("original", 300),
    "original 3": ("original", 400),
}
ENSEMBLES = {
    "ensemble of three, two modalities": ("image_a", "image_b", "image_a again"),
    "ensemble of three, original images": ("original 1", "original 2", "original 3"),
}
PAPER = {
    "image_a": "230 ± 2.7",
    "image_b": "230 ± 2.7",
    "centralnet": "53 ± 1.2",
    "ensemble of three, original images": "60 ± 1.0",
}
FIELDS = ("model", "seed", "epochs", "errors", "parameters", "seconds", "keras", "backend",
          "machine")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--data-dir", type=Path, default=None)
    parser.add_argument("--results", type=Path, default=Path("runs/mm_mnist"))
    parser.add_argument("--limit", type=int, default=None, help="training pairs, to try it out")
    args = parser.parse_args()
    args.results.mkdir(parents=True, exist_ok=True)

    data = load(args.data_dir, args.limit)
    table = args.results / "results.csv"
    for seed in range(args.seeds):
        for name in args.models:
            done = probabilities_file(args, name, seed)
            if not done.exists():
                row = run(name, seed, data, args.epochs, done)
                add_row(table, row)
    report(args, data["test"][1])


def load(data_dir, limit):
    """The two modalities and the original images, `{part: (x, y)}`."""
    data = kf.datasets.mm_mnist.load_data(data_dir)
    whole = kf.datasets.mm_mnist.load_data(data_dir, energy=1.0, share_ratio=1.0)
    for part, (x, _) in data.items():
        x["original"] = whole[part][0]["image_a"]
    if limit:
        x, y = data["train"]
        data["train"] = {name: images[:limit] for name, images in x.items()}, y[:limit]
    return data


def run(name, seed, data, epochs, path):
    """Trains one model, writes its test probabilities, returns its row."""
    modality, offset = MODELS[name]
    keras.utils.set_random_seed(seed + offset)
    model = kf.presets.centralnet_mm_mnist() if modality is None else kf.backbones.lenet5()
    select = (lambda x: x) if modality is None else (lambda x: x[modality])
    x, y = data["train"]
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(y) // 128))
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    print(f"{name}, seed {seed}", flush=True)
    begin = time.perf_counter()
    model.fit(select(x), y, batch_size=128, epochs=epochs, verbose=2)
    seconds = time.perf_counter() - begin
    x, y = data["test"]
    predicted = model.predict(select(x), batch_size=500, verbose=0)
    predicted = predicted["central"] if modality is None else predicted
    save(path, predicted)
    values = (name, seed, epochs, errors(predicted, y), model.count_params(), round(seconds),
              keras.__version__, keras.backend.backend(), platform.machine())  # fmt: skip
    if modality is None:
        kf.plot_fusion_weights(model, path=path.with_suffix(".png"))
        model.save(path.with_suffix(".keras"))
    return dict(zip(FIELDS, values, strict=True))


def errors(probabilities, y):
    return int((probabilities.argmax(-1) != y).sum())


def probabilities_file(args, name, seed):
    return args.results / f"{name.replace(' ', '_')}-seed{seed}-epochs{args.epochs}.npy"


def save(path, array):
    partial = path.with_suffix(".partial.npy")
    np.save(partial, array)
    os.replace(partial, path)


def add_row(path, row):
    """Appends a row; the file is replaced as a whole, so that it is never half-written."""
    rows = list(csv.DictReader(path.open())) if path.exists() else []
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows([*rows, row])
    os.replace(partial, path)


def report(args, y):
    table = Table(
        title=f"Errors in {len(y):,} test digits, {args.epochs} epochs, {args.seeds} seed(s)",
        title_justify="left",
    )
    for column in ("model", "mean", "each seed", "paper, 100 epochs"):
        table.add_column(column, justify="left" if column == "model" else "right")
    rows = {name: (name,) for name in args.models if " " not in name} | ENSEMBLES
    for name, members in rows.items():
        counts = []
        for seed in range(args.seeds):
            files = [probabilities_file(args, member, seed) for member in members]
            if all(file.exists() for file in files):
                counts.append(errors(np.mean([np.load(file) for file in files], axis=0), y))
        if counts:
            each = ", ".join(map(str, counts))
            table.add_row(name, f"{np.mean(counts):.0f}", each, PAPER.get(name, ""))
    Console().print(table)


if __name__ == "__main__":
    main()
