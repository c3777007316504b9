"""Every fusion method on the same data and the same backbones: one word changes, nothing else.

    python examples/compare_methods.py --seeds 3

Data: MM-digits, two modalities made of scikit-learn's handwritten digits (no download). XFlow
needs a vector beside a map, so there the second modality is flattened. Prints one table: test
accuracy of the central prediction and of the weakest and best single head, parameters, seconds
an epoch, fusion weights in a word. About four minutes a seed on two CPU cores.
"""

import argparse
import time

import keras
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import keras_fusion as kf


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--methods", nargs="+", default=[m.name for m in kf.methods()])
    args = parser.parse_args()

    data = kf.datasets.mm_digits.load_data()
    table = Table(title=f"MM-digits, 400 test digits, {args.seeds} seed(s), {args.epochs} epochs")
    for column in ("method", "central", "lowest", "highest", "heads", "parameters", "s/epoch"):
        table.add_column(column, justify="left" if column == "method" else "right")
    table.add_column("fusion weights")
    runs = [(name, seed) for name in ("alone", *args.methods) for seed in range(args.seeds)]
    results = {}
    for name, seed in track(runs, description="training", console=Console(stderr=True)):
        results.setdefault(name, []).append(run(name, seed, data, args.epochs))
    for name, rows in results.items():
        accuracies = [row["accuracy"] for row in rows]
        heads = " / ".join(
            f"{100 * np.mean([row['heads'][head] for row in rows]):.1f}"
            for head in rows[0]["heads"]
        )
        table.add_row(
            name,
            *(f"{100 * f(accuracies):.1f}" for f in (np.mean, min, max)),
            heads,
            f"{rows[0]['parameters']:,}",
            f"{np.mean([row['seconds'] for row in rows]):.2f}",
            rows[0]["weights"],
        )
    Console(width=140).print(table)


def backbones(name):
    """Two LeNet5; for XFlow a LeNet5 and an MLP of the same depth."""
    image = kf.backbones.lenet5((8, 8, 1), name="image_a")
    if name == "xflow":
        return {"image_a": image, "image_b": kf.backbones.mlp(64, (128, 128), name="image_b")}
    return {"image_a": image, "image_b": kf.backbones.lenet5((8, 8, 1), name="image_b")}


def run(name, seed, data, epochs):
    """Trains one method, or the better of the two modalities alone; returns its row."""
    keras.utils.set_random_seed(seed)
    if name == "alone":
        models = backbones(name)
        rows = [fit(model, lambda x, m=m: x[m], data, epochs) for m, model in models.items()]
        return max(rows, key=lambda row: row["accuracy"])
    model = kf.build(name, backbones(name))
    flat = name == "xflow"

    def select(x):
        return {**x, "image_b": x["image_b"].reshape(-1, 64)} if flat else x

    return fit(model, select, data, epochs)


def fit(model, select, data, epochs):
    (x, y), (x_test, y_test) = data["train"], data["test"]
    steps = epochs * -(-len(y) // 64)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(select(x), y, batch_size=64, epochs=1, verbose=0)  # compiles
    begin = time.perf_counter()
    model.fit(select(x), y, batch_size=64, epochs=epochs, initial_epoch=1, verbose=0)
    seconds = (time.perf_counter() - begin) / max(epochs - 1, 1)
    scores = model.evaluate(select(x_test), y_test, return_dict=True, verbose=0)
    if not isinstance(model, kf.FusionModel):
        accuracy, heads, weights = scores["accuracy"], {}, ""
    else:
        accuracy = scores["central_accuracy"]
        heads = {h: scores[f"{h}_accuracy"] for h in model.heads if h != "central"}
        weights = in_a_word(model.fusion_weights(select(x_test)))
    return {
        "accuracy": accuracy,
        "heads": heads,
        "weights": weights,
        "parameters": model.count_params(),
        "seconds": seconds,
    }


def in_a_word(weights):
    """The last level's shares."""
    if not weights:
        return ""
    level, shares = list(weights.items())[-1]
    return f"{level}: " + ", ".join(f"{source} {100 * s:.0f} %" for source, s in shares.items())


if __name__ == "__main__":
    main()
