"""CentralNet paper, Table 7: the four F1 scores of 8 methods on MM-IMDb.

    KERAS_BACKEND=jax python examples/papers/centralnet_table7.py
    python examples/papers/centralnet_table7.py --quick

Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion, Sect. 3.4.

Protocol: features of the plot (300) and of the poster (4096), one of 23 genres or several;
perceptrons of 2048, 512 and 23 (Table 6; the text says 4096 for the first) with batch normalization
and dropout 0.5; Adam with learning rate 0.01, batches of 128; binary cross-entropy with weight 2 on
positives; early stopping on the validation part. ModDrop drops with probability 0.25. F1 on the
test part in four averages, threshold 0.5, read once per trained model; mean of 64 runs.

What the paper leaves open: early stopping watches the macro F1 of the central prediction, as the
Gated Multimodal Unit's authors do, and the weights of its best epoch are kept; 200 epochs at most,
--patience 20 (theirs is 200); the weighted loss is the text's, not the printed Eq. (4), which
would not weigh anything; the unit has 512 hidden units on the perceptrons' last hidden features;
ModDrop does not start from trained networks.

The last row, not in the paper, is the Gated Multimodal Unit by its authors' protocol: their
network on the features themselves (512 hidden units, gate on the projections, maxout classifier,
batch normalization, dropout 0.5: the defaults of their code, 3,849,327 parameters) and the plain
cross-entropy. They search 25 settings at random and evaluate with the statistics of the whole
test part; here the defaults are trained, with moving averages and Keras' initial weights.

--quick: 2,000 training movies, 3 epochs, 1 seed. Memory: about 350 MB for the features.
Data: `multimodal_imdb.hdf5` (8 GB); see `kf.datasets.info("mm_imdb")`.
"""

import _options
import _table
import keras
import numpy as np
from _licensed import alone, load_or_explain, part_of, predicted

import keras_fusion as kf

QUICK = {"epochs": 3, "seeds": 1, "samples": 2000}
OPTIONS = (
    ("--samples", 15552, "training movies"),
    ("--patience", 20, "epochs without a better macro F1 before a run stops"),
)
SIZES = {"text": 300, "image": 4096}
HIDDEN, GENRES = (2048, 512), 23
METRICS = {
    f"f1_{average}": f"{average} F1" for average in ("micro", "macro", "weighted", "samples")
}


def networks(names=None):
    """A perceptron for each name, by default for both modalities."""
    return {
        name: kf.backbones.mlp(SIZES[name], HIDDEN, GENRES, 0.5, "sigmoid", name=f"mlp_{name}")
        for name in (SIZES if names is None else names)
    }


def authors_gmu():
    """The network of the Gated Multimodal Unit's authors."""

    def prediction(size):
        layer = keras.layers.Dense(GENRES, activation="sigmoid", name="prediction")
        return keras.Sequential([keras.Input((size,)), layer])

    # A network that is its prediction alone gives its input to the unit.
    backbones = {name: prediction(size) for name, size in SIZES.items()}
    how = {"gate_on": "projections", "normalize": True, "classifier": "maxout", "dropout": 0.5}
    return kf.build("gmu", backbones, fusion_units=512, **how)


def methods():
    """`{row: (published, function that builds it, modality, weight of positives)}`."""

    def fusion(method, **arguments):
        return lambda: kf.build(method, networks(), **arguments)

    def single(modality):
        return lambda: alone(modality, networks([modality])[modality]), modality

    return {
        "Text (alone)": ("0.602 0.489 0.585 0.606", *single("text")),
        "Image (alone)": ("0.478 0.256 0.421 0.484", *single("image")),
        "Weighted mean": ("0.635 0.550 0.626 0.634", fusion("weighted_mean")),
        "Concat": ("0.611 0.506 0.599 0.614", fusion("concat")),
        "Concat + Multi-Task": ("0.623 0.528 0.613 0.622", fusion("concat_multitask")),
        "Moddrop": ("0.624 0.526 0.614 0.625", fusion("moddrop", rate=0.25, allow_none=True)),
        "Gated Multimodal Unit": (
            "0.630 0.541 0.617 0.630",
            fusion("gmu", fusion_units=HIDDEN[-1]),
        ),
        "CentralNet": ("0.639 0.561 0.631 0.639", kf.presets.centralnet_mm_imdb),
        "GMU, its authors' protocol": ("", authors_gmu, None, 1.0),
    }


def trained(build, data, seeds, args, backup_dir, modality=None, positive_weight=2.0):
    """Replicas trained by the protocol above; the arguments are those of `row`."""

    def compiled():
        model = build()
        model.compile(
            keras.optimizers.Adam(0.01),
            kf.losses.WeightedBinaryCrossentropy(positive_weight),
            metrics=[kf.metrics.F1("macro")],
        )
        return model

    watched = "val_f1_macro" if modality is not None else "val_central_f1_macro"
    stopping = keras.callbacks.EarlyStopping(
        watched, patience=args.patience, mode="max", restore_best_weights=True
    )
    return kf.training.fit_replicas(
        compiled, *data["train"], seeds, args.epochs, 128, data["validation"],
        early_stopping=stopping, backup_dir=backup_dir,
    )  # fmt: skip


def row(name, published, build, modality=None, positive_weight=2.0):
    """A row of this table, or of another one with this protocol.

    Args:
        name: Of the row.
        published: Dict of the paper's scores.
        build: Function that returns a new model, not compiled.
        modality: The one that the model takes, or None for all.
        positive_weight: Float, of positives in the loss.
    """

    def run(data, seeds, args, fold, backup_dir):
        replicas = trained(build, data, seeds, args, backup_dir, modality, positive_weight)
        found = []
        for k in range(len(seeds)):
            scores = predicted(replicas.replica(k), data["test"], 500)
            scores = kf.evaluation.f1_scores(data["test"][1], scores)
            scores = {f"f1_{average}": score for average, score in scores.items()}
            found.append({**scores, "epoch": int(replicas.best_epochs[k])})
        return found

    return _table.Row(name, run, published, part_of(modality))


def load(args):
    """The features, in memory; of the training part the first `--samples` movies."""

    def read():
        found = {}
        for part, (x, y) in kf.datasets.mm_imdb.load_data(args.data_dir).items():
            count = min(args.samples, len(y)) if part == "train" else len(y)
            found[part] = {name: np.asarray(rows[:count]) for name, rows in x.items()}, y[:count]
        return found

    return load_or_explain("mm_imdb", read)


def main():
    args = _options.arguments(__doc__, epochs=200, seeds=64, quick=QUICK, options=OPTIONS)
    rows = []
    for name, (published, *about) in methods().items():
        rows.append(row(name, dict(zip(METRICS, published.split(), strict=False)), *about))
    table = _table.Table(
        name="centralnet_table7",
        title="CentralNet, Table 7: F1 scores on the test part of MM-IMDb",
        rows=rows,
        metrics=METRICS,
        reference="Concat + Multi-Task",
        note="The paper's widest interval is about ± 0.001.",
    )
    _table.run(table, lambda: load(args), args)


if __name__ == "__main__":
    main()
