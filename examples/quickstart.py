"""The main job: two Keras models, each good at one modality, become one model.

    python examples/quickstart.py

Data: scikit-learn's 1,797 handwritten digits, each seen through two sets of singular vectors (no
download). Trains a LeNet5 on each modality alone, and of both a CentralNet and the simple fusion
that is hard to beat, a small Transformer over their features, with several seeds; prints a table
and the fusion weights; writes two figures, the model (.keras) and a SavedModel into --output, loads
the SavedModel in a process without keras_fusion and compares. Two to four minutes on two CPU cores.
Expected: both fusions beat both single modalities.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import keras_fusion as kf

MODALITIES = ("image_a", "image_b")
FUSIONS = {"late_transformer": "late Transformer", "centralnet": "CentralNet"}
SERVE = """
import sys, numpy as np, tensorflow as tf
inputs = dict(np.load(sys.argv[2]))
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
np.save(sys.argv[3], serve(**{k: tf.constant(v) for k, v in inputs.items()})["central"])
assert "keras_fusion" not in sys.modules
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--output", type=Path, default=Path("runs/quickstart"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    console = Console()

    data = kf.datasets.mm_digits.load_data()
    rows, seconds, parameters = {}, {}, {}
    with Progress(console=console) as progress:
        for seed in range(args.seeds):
            for name in (*MODALITIES, *FUSIONS):
                task = progress.add_task(f"seed {seed}: {name}", total=args.epochs)
                keras.utils.set_random_seed(seed)
                model, weights = build(name), kf.training.FusionWeightsHistory()
                begin = time.perf_counter()
                scores = train(model, data, args.epochs, progress, task, weights)
                seconds.setdefault(name, []).append(time.perf_counter() - begin)
                parameters[name] = model.count_params()
                for head, accuracy in scores.items():
                    row = FUSIONS.get(name, f"{name} alone")
                    row = row if head in ("central", name) else f"its head {head}"
                    rows.setdefault((name, row), []).append(accuracy)
                progress.remove_task(task)

    table = Table(title=f"Test accuracy on 400 digits, {args.seeds} seeds", title_justify="left")
    for column in ("model", "mean", "lowest", "highest", "parameters", "seconds"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for (name, row), values in rows.items():
        own = not row.startswith("its head")
        table.add_row(
            row,
            *(f"{100 * f(values):.1f} %" for f in (np.mean, min, max)),
            f"{parameters[name]:,}" if own else "",
            f"{np.mean(seconds[name]):.1f}" if own else "",
        )
    console.print(table)
    shares = Table(title="Fusion weights of the last CentralNet", title_justify="left")
    for column in ("level", *MODALITIES, "central"):
        shares.add_column(column, justify="left" if column == "level" else "right")
    for level, weight in model.fusion_weights().items():
        percent = (
            f"{100 * weight[s]:.0f} %" if s in weight else "" for s in (*MODALITIES, "central")
        )
        shares.add_row(f"{level} ({model.fusion_levels[level]})", *percent)
    console.print(shares)

    kf.plot_fusion_weights(model, path=args.output / "fusion_weights.png")
    kf.plots.plot_fusion_history(weights, path=args.output / "fusion_history.png")
    model.save(args.output / "model.keras")
    if keras.backend.backend() == "torch":
        console.print("No SavedModel: Keras cannot write one from PyTorch.")
    else:
        serve(model, data["test"][0], args.output, console)
    console.print(f"Figures and models are in {args.output}")


def build(name):
    """A LeNet5 for one modality, or a fusion of two LeNet5."""
    if name in MODALITIES:
        return kf.backbones.lenet5((8, 8, 1), name=name)
    return kf.build(name, {m: kf.backbones.lenet5((8, 8, 1), name=m) for m in MODALITIES})


def train(model, data, epochs, progress, task, weights):
    """Fits with one target for every head; returns the test accuracy of each head."""
    inputs = {
        part: x if isinstance(model, kf.FusionModel) else x[model.name]
        for part, (x, _) in data.items()
    }
    targets = {part: y for part, (_, y) in data.items()}
    steps = epochs * -(-len(targets["train"]) // 64)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: progress.advance(task))]
    if model.name == "centralnet":  # the Transformer's depend on the sample
        callbacks.append(weights)
    model.fit(
        inputs["train"],
        targets["train"],
        batch_size=64,
        epochs=epochs,
        validation_data=(inputs["validation"], targets["validation"]),
        callbacks=callbacks,
        verbose=0,
    )
    scores = model.evaluate(inputs["test"], targets["test"], return_dict=True, verbose=0)
    if "accuracy" in scores:
        return {model.name: scores["accuracy"]}
    return {head: scores[f"{head}_accuracy"] for head in model.heads}


def serve(model, x, output, console):
    """Exports the model, serves the test digits in a fresh process, compares with Keras."""
    folder = output / "served" / f"{int(time.time())}"
    kf.export_saved_model(model, folder)
    np.savez(output / "inputs.npz", **x)
    answer = output / "answer.npy"
    files = [str(folder), str(output / "inputs.npz"), str(answer)]
    subprocess.run([sys.executable, "-c", SERVE, *files], check=True, capture_output=True)
    difference = np.abs(np.load(answer) - model.predict(x, verbose=0)["central"]).max()
    console.print(
        f"SavedModel in a process without keras_fusion: largest difference {difference:.1e}"
    )
    if difference > 1e-5:
        raise SystemExit("The SavedModel and Keras disagree.")


if __name__ == "__main__":
    main()
