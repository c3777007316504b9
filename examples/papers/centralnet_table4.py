"""CentralNet paper, Table 4: accuracy of 8 methods on Audiovisual MNIST.

    KERAS_BACKEND=jax python examples/papers/centralnet_table4.py
    python examples/papers/centralnet_table4.py --quick

Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion, Sect. 3.2.

Protocol: LeNet5 on the disturbed image, the six-layer CNN on the spectrogram, batch normalization
and dropout 0.5, Adam with learning rate 0.001, batches of 128, 55,000 training pairs, 100 epochs,
mean of 64 runs with Student interval (99 %). ModDrop has learning rate 0.005 and drops with
probability 0.32, the Gated Multimodal Unit has dropout 0.35. No epoch is selected; the accuracy on
10,000 test pairs is read once. The pairs are those of `kf.datasets.av_mnist` with its defaults: the
paper's own were not published, so levels are not comparable to the point, but the order is.

--quick: 10,240 training and 5,000 test pairs, images of 14x14 and spectrograms of 56x56 (means of
2x2 pixels), 3 epochs, 3 seeds: 240 steps of training, where the paper has 43,000. About 25 minutes
on one CPU core with TensorFlow.
Data: `mnist.npz`, `fsdd` and `ESC-50` (or `esc10`) in KERAS_FUSION_DATA or --data-dir; the pairs
are built once, 0.9 GB, and kept in Keras' folder.
"""

import inspect
import json
from pathlib import Path

import _options
import _table
from _centralnet import reduced, scores

import keras_fusion as kf

QUICK = {"epochs": 3, "seeds": 3, "samples": 10240, "test": 5000, "size": 14}
OPTIONS = (
    ("--samples", 55000, "training pairs"),
    ("--test", 10000, "test pairs"),
    ("--size", 28, "of the images: 28, 14 or 7; spectrograms are 4 times as large"),
)


def methods(size):
    """`{row: (published, function that builds it, learning rate)}`."""

    def networks(dropout=0.5):
        return {
            "image": kf.backbones.lenet5((size, size, 1), 10, dropout),
            "audio": kf.backbones.audio_cnn((4 * size, 4 * size, 1), 10, dropout),
        }

    def fusion(method, dropout=0.5, **arguments):
        return lambda: kf.build(method, networks(dropout), **arguments)

    return {
        "Disturbed image": ("72.8 ± 0.3", lambda: networks()["image"], 0.001),
        "Audio": ("86.1 ± 0.15", lambda: networks()["audio"], 0.001),
        "Weighted mean": ("94.7 ± 0.12", fusion("weighted_mean"), 0.001),
        "Concat": ("93.7 ± 0.17", fusion("concat"), 0.001),
        "Concat + Multi-Task": ("94.8 ± 0.11", fusion("concat_multitask"), 0.001),
        "Moddrop": ("94.8 ± 0.10", fusion("moddrop", rate=0.32, allow_none=True), 0.005),
        "Gated Multimodal Unit": ("94.1 ± 0.14", fusion("gmu", dropout=0.35), 0.001),
        "CentralNet": ("95.0 ± 0.12", fusion("centralnet", kernel_size=5), 0.001),
    }


def row(name, published, build, learning_rate):
    alone = {"Disturbed image": "image", "Audio": "audio"}.get(name)

    def run(data, seeds, args, fold, backup_dir):
        parts = {part: data[part] for part in ("train", "test")}
        if alone:
            parts = {part: (x[alone], y) for part, (x, y) in parts.items()}
        found = scores(build, parts, seeds, args, backup_dir, learning_rate)
        accuracy = found["accuracy" if alone else "central_accuracy"]
        return [{"accuracy": 100 * float(value)} for value in accuracy]

    return _table.Row(name, run, {"accuracy": published})


def load(args):
    """The pairs, and the hash of the whole set they are of."""
    limit = None if (args.samples, args.test) == (55000, 10000) else max(args.samples, args.test)
    data = kf.datasets.av_mnist.load_data(args.data_dir, limit=limit)
    place = Path(data["train"][0]["audio"].filename).parent
    manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
    sizes = {"image": args.size, "audio": 4 * args.size}
    return {**reduced(data, args, sizes), "sha256": manifest["sha256"][:16]}


def defaults():
    """How the pairs are made, so that a line of the results tells."""
    own = inspect.signature(kf.datasets.av_mnist.load_data).parameters
    left_out = ("data_dir", "cache_dir", "limit", "workers")
    values = {name: found.default for name, found in own.items() if name not in left_out}
    return ", ".join(f"{name} {value}" for name, value in values.items())


def main():
    args = _options.arguments(__doc__, epochs=100, seeds=64, quick=QUICK, options=OPTIONS)
    args.protocol["pairs"] = defaults()
    table = _table.Table(
        name="centralnet_table4",
        title="CentralNet, Table 4: accuracy on Audiovisual MNIST",
        rows=[row(name, *about) for name, about in methods(args.size).items()],
        metrics={"accuracy": "accuracy (%)"},
        reference="Concat + Multi-Task",
    )
    _table.run(table, lambda: load(args), args)


if __name__ == "__main__":
    main()
