"""AV-MNIST: a digit that is hard to see and hard to hear, and a CentralNet of both.

    python examples/audio_visual.py --epochs 3

CentralNet paper, Sect. 3.2, Table 4 (accuracy after 100 epochs on 10,000 test pairs): disturbed
image 72.8, audio 86.1, CentralNet 95.0. Builds the 70,000 pairs once from mnist.npz,
fsdd/recordings and ESC-50 or esc10 in --data-dir or KERAS_FUSION_DATA (see
kf.datasets.info("av_mnist")) and keeps them in --cache; writes one of the noisy digits as a wav
file and some pairs as a figure; trains LeNet5 on the images, the six-layer CNN on the
spectrograms, and CentralNet, each with Adam and a cosine decay from 0.001, batches of 128. The
paper's noise, singular vectors and spectrograms are not published, so its numbers are beside
ours to show the order of things.

Every finished model leaves its test probabilities in --results; run again, the command goes on
after the last one. --quick shows in some 15 s that everything runs, and nothing else. Needs
pip install -e ".[audio,examples]".
"""

import argparse
import json
import os
import time
from pathlib import Path

import keras
import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

import keras_fusion as kf

PAPER = {"image": "72.8 ± 0.3", "audio": "86.1 ± 0.15", "centralnet": "95.0 ± 0.12"}
NAMES = {"image": "image alone", "audio": "audio alone", "centralnet": "CentralNet"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the networks, not of the pairs")
    parser.add_argument("--models", nargs="+", default=list(PAPER), choices=list(PAPER))
    parser.add_argument("--noise-db", type=float, default=None, help="default: that of load_data")
    parser.add_argument("--limit", type=int, default=None, help="pairs of each part")
    parser.add_argument("--data-dir", type=Path, default=None)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--results", type=Path, default=Path("runs/audio_visual"))
    parser.add_argument("--quick", action="store_true", help="64 pairs of each part, one epoch")
    args = parser.parse_args()
    if args.quick:
        args.epochs, args.limit = 1, 64
    args.results.mkdir(parents=True, exist_ok=True)
    console = Console()

    chosen = {} if args.noise_db is None else {"noise_db": args.noise_db}
    begin = time.perf_counter()
    data = kf.datasets.av_mnist.load_data(
        args.data_dir, limit=args.limit, cache_dir=args.cache, **chosen
    )
    seconds = time.perf_counter() - begin
    place = Path(data["train"][0]["audio"].filename).parent
    manifest = json.loads((place / "manifest.json").read_text())
    size = sum(file["bytes"] for file in manifest["files"].values()) / 1e6
    console.print(f"{manifest['pairs']} pairs in {seconds:.0f} s, {size:.0f} MB")
    console.print(f"sha256 {manifest['sha256']}")

    mixed = kf.datasets.av_mnist.sound("test", 0, args.data_dir, limit=args.limit, **chosen)
    wav = args.results / f"a_{mixed.digit}_at_{mixed.noise_db:g}_dB.wav"
    soundfile.write(wav, mixed.signal / np.abs(mixed.signal).max(), mixed.sample_rate)
    figure = draw(data["test"], args.results / "pairs.png")
    console.print(f"{wav}: {mixed.recording.name} in {mixed.noise.name}; {figure}: some pairs")

    for name in args.models:
        done = probabilities_file(args, name, manifest)
        if not done.exists():
            train(name, data, args, done, console)
    report(args, data["test"][1], manifest, console)


def draw(part, path):
    """Six pairs: the image above, the spectrogram below, low frequencies at the bottom."""
    import matplotlib.pyplot as plt

    x, y = part
    figure, axes = plt.subplots(2, 6, figsize=(9, 3.4), layout="constrained")
    for column, (above, below) in enumerate(axes.T):
        above.imshow(x["image"][column, ..., 0], cmap="gray")
        above.set_title(str(y[column]))
        below.imshow(x["audio"][column, ..., 0], origin="lower", cmap="magma")
        above.axis("off")
        below.axis("off")
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path


def train(name, data, args, path, console):
    """Trains one model and writes its test probabilities."""
    keras.utils.set_random_seed(args.seed)
    networks = {
        "image": kf.backbones.lenet5,
        "audio": lambda: kf.backbones.audio_cnn((112, 112, 1)),
        "centralnet": kf.presets.centralnet_av_mnist,
    }
    model = networks[name]()
    parts = {
        part: (x if name == "centralnet" else {name: x[name]}, y) for part, (x, y) in data.items()
    }
    batches = {
        part: kf.datasets.as_pydataset(split, 128, shuffle=part == "train")
        for part, split in parts.items()
    }
    if name != "centralnet":  # a backbone takes an array, not a dict
        batches = {part: Only(name, of_part) for part, of_part in batches.items()}
    steps = args.epochs * len(batches["train"])
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    console.print(f"{NAMES[name]}, {model.count_params():,} parameters")
    begin = time.perf_counter()
    model.fit(batches["train"], epochs=args.epochs, validation_data=batches["validation"],
              verbose=2)  # fmt: skip
    console.print(f"{time.perf_counter() - begin:.0f} s")
    probabilities = model.predict(batches["test"], verbose=0)
    if name == "centralnet":
        probabilities = probabilities["central"]
        kf.plot_fusion_weights(model, path=args.results / "fusion_weights.png")
        model.save(args.results / "centralnet.keras")
    partial = path.with_suffix(".partial.npy")
    np.save(partial, probabilities)
    os.replace(partial, path)


class Only(keras.utils.PyDataset):
    """The batches of another PyDataset with one modality as the input itself."""

    def __init__(self, name, batches):
        super().__init__()
        self.name, self.batches = name, batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        x, y = self.batches[index]
        return x[self.name], y

    def on_epoch_end(self):
        self.batches.on_epoch_end()


def probabilities_file(args, name, manifest):
    run = f"{name}-seed{args.seed}-epochs{args.epochs}-{manifest['sha256'][:8]}"
    return args.results / f"{run}.npy"


def report(args, y, manifest, console):
    files = {name: probabilities_file(args, name, manifest) for name in PAPER}
    held = {name: np.load(file) for name, file in files.items() if file.exists()}
    rows = [(NAMES[name], held[name], PAPER[name]) for name in held if name != "centralnet"]
    if {"image", "audio"} <= set(held):
        rows.append(("mean of both", (held["image"] + held["audio"]) / 2, ""))
    if "centralnet" in held:
        rows.append((NAMES["centralnet"], held["centralnet"], PAPER["centralnet"]))
    table = Table(
        title=f"Accuracy on {len(y):,} test pairs, {args.epochs} epoch(s), "
        f"{manifest['pairs']['train']:,} training pairs",
        title_justify="left",
    )
    for column in ("model", "accuracy", "paper, 100 epochs"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name, probabilities, paper in rows:
        accuracy = (probabilities.argmax(-1) == y).mean()
        table.add_row(name, f"{100 * accuracy:.1f} %", paper)
    console.print(table)


if __name__ == "__main__":
    main()
