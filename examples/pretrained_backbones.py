"""A network of keras.applications and a network for sound, fused: which digit is being said?

    python examples/pretrained_backbones.py
    python examples/pretrained_backbones.py --weights imagenet --trainable 4

Data: GRID digits, from the folder named by KERAS_FUSION_DATA: 999 digits said by one talker. Three
frames of the lips make the three channels of an image for --network, which takes values from 0 to
255 as they are, and the log-mel spectrogram of the sound, with noise of its own power, is the input
of an `audio_cnn`. Each is trained alone, then new ones as a CentralNet; no layer is named.
--weights imagenet downloads 2 MB; without it the network starts at random, and --trainable, the
stage from which on it trains (see `kf.fusion_points`), is better left alone. Accuracies are those
of the 200 test clips. Three to five minutes on two CPU cores. Measured (one seed, TensorFlow): lips
alone 74.0 %, audio alone 86.0 %, CentralNet 96.0 %.
"""

import argparse
import time

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import keras_fusion as kf


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", default="mobilenet_v2")
    parser.add_argument("--alpha", type=float, default=0.35, help="width of a MobileNet")
    parser.add_argument("--weights", default=None, help='"imagenet" or a file')
    parser.add_argument("--trainable", type=stage, default=True, help="a stage, or 0: the head")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--limit", type=int, default=None, help="training clips, to try it out")
    args = parser.parse_args()

    data = load(args.limit)
    keras.utils.set_random_seed(0)
    print(kf.fusion_points(backbones(args)["lips"]))
    rows = {}
    for seed in range(args.seeds):
        for name in ("lips", "audio", "CentralNet"):
            keras.utils.set_random_seed(seed)
            nets = backbones(args)
            model = kf.build_centralnet(nets) if name == "CentralNet" else nets[name]
            begin = time.perf_counter()
            accuracies = fit(model, data, name, args.epochs)
            seconds = time.perf_counter() - begin
            for row, accuracy in accuracies.items():
                weights = model.count_params() if row == next(iter(accuracies)) else None
                rows.setdefault(row, []).append((accuracy, seconds, weights))
    print(model.fusion_levels)
    report(args, rows, len(data["test"][1]))


def stage(text):
    return False if text == "0" else int(text) if text.isdigit() else text


def backbones(args):
    """New networks, each ending in its own prediction."""
    width = {"alpha": args.alpha} if args.network.startswith("mobilenet") else {}
    lips = kf.backbones.pretrained(
        args.network,
        (32, 48, 3),
        num_classes=10,
        weights=args.weights,
        trainable=args.trainable,
        dropout=0.2,
        momentum=0.9,  # Keras' own lags behind in training as short as this
        **width,
    )
    return {"lips": lips, "audio": kf.backbones.audio_cnn((24, 25, 1), 10)}


def load(limit):
    """Images from 0 to 255 and standardized spectrograms, `{part: (x, y)}`."""
    found = {}
    for part, (x, y) in kf.datasets.grid_digits.load_data(noise_db=0, spectrogram=True).items():
        images = 255 * np.moveaxis(x["lips"][:, 3:10:3, :, :, 0], 1, -1)
        found[part] = {"lips": images, "audio": x["audio"][..., None]}, y
    if limit:
        x, y = found["train"]
        found["train"] = {name: array[:limit] for name, array in x.items()}, y[:limit]
    return found


def fit(model, data, name, epochs):
    """Trains; the test accuracy of every head."""
    (x, y), (x_test, y_test) = data["train"], data["test"]
    if name != "CentralNet":
        x, x_test = x[name], x_test[name]
    steps = epochs * -(-len(y) // 32)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    scores = model.evaluate(x_test, y_test, return_dict=True, verbose=0)
    if name != "CentralNet":
        return {f"{name} alone": scores["accuracy"]}
    found = {"CentralNet": scores["central_accuracy"]}
    return {**found, **{f"its head {m}": scores[f"{m}_accuracy"] for m in ("lips", "audio")}}


def report(args, rows, clips):
    table = Table(
        title=f"Test accuracy on {clips} clips, {args.seeds} seed(s), {args.epochs} epochs, "
        f"{args.network} with weights={args.weights}, trainable={args.trainable}",
        title_justify="left",
    )
    for column in ("model", "mean", "lowest", "highest", "parameters", "seconds"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for row, runs in rows.items():
        accuracies, seconds, (weights, *_) = zip(*runs, strict=True)
        table.add_row(
            row,
            *(f"{100 * f(accuracies):.1f} %" for f in (np.mean, min, max)),
            "" if weights is None else f"{weights:,}",
            "" if weights is None else f"{np.mean(seconds):.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
