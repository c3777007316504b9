"""Multi-Level Sensor Fusion paper, Fig. 3: weights and F1 over training, with and without losses.

    KERAS_BACKEND=jax python examples/papers/multilevel_figure3.py --data mm_imdb
    python examples/papers/multilevel_figure3.py --data clothing --quick

Vielzeuf et al. (2018), Multi-Level Sensor Fusion with Deep Learning, Sect. 3.2: the shares of the
fusion weights at each level (normalized to 1) and the micro F1 score of the central prediction on
the test part, after every epoch, of a CentralNet trained with the losses of its unimodal networks
and of one without them. The paper sees weights that converge, and with these losses a faster
convergence and slightly better scores. Here the mean F1 over all epochs stands for the former.

--data mm_imdb: networks, loss and optimizer of `centralnet_table7.py`. The paper does not say how
many epochs its figure has; here 50, without early stopping.

--data clothing needs no licence: reviews of clothes, TF-IDF of the 300 commonest words beside a
table of 7 columns, and their department, as 6 labels of which one is right. Perceptrons of 128 and
32 with the loss and optimizer of MM-IMDb; the paper has no figure of it.

--quick: 10 epochs, 3 seeds.
Data: see `kf.datasets.info("mm_imdb")`, `"womens_clothing"`.
"""

import argparse

import _options
import _table
import centralnet_table7
import keras
import numpy as np
from _licensed import load_or_explain
from matplotlib.figure import Figure

import keras_fusion as kf

WORDS, DEPARTMENTS, HIDDEN = 300, len(kf.datasets.womens_clothing.DEPARTMENTS), (128, 32)
ROWS = {  # weight of the unimodal losses, line, what the paper sees
    "without unimodal losses": (0.0, "--", {}),
    "with unimodal losses": (1.0, "-", {"f1_micro": "slightly better", "f1_mean": "faster"}),
}
METRICS = {
    "f1_micro": "Micro F1 (%) after the last epoch",
    "f1_mean": "Micro F1 (%), mean over the epochs: higher where it converges sooner",
}
COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:red")


def clothing(args):
    """The reviews with text and table as features, and their departments as labels."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    data = kf.datasets.womens_clothing.load_data(args.data_dir)
    vectorizer = TfidfVectorizer(max_features=WORDS, sublinear_tf=True, dtype=np.float32)
    vectorizer.fit(data["train"][0]["text"])
    found = {}
    for part, (x, y) in data.items():
        # As large as the table's numbers, with which it is summed: a mean square of 1.
        text = vectorizer.transform(x["text"]).toarray() * WORDS**0.5
        x = {"text": text.astype("float32"), "table": x["table"]}
        found[part] = x, np.eye(DEPARTMENTS, dtype="float32")[y]
    return found


def clothing_centralnet(**arguments):
    """A CentralNet like that for MM-IMDb: fused at the features too, the table padded."""
    widths = {"text": WORDS, "table": len(kf.datasets.womens_clothing.COLUMNS["department"])}
    networks = {
        name: kf.backbones.mlp(width, HIDDEN, DEPARTMENTS, 0.5, "sigmoid", name=name)
        for name, width in widths.items()
    }
    taps = {name: ["input", "dense1_dropout", "dense2_dropout"] for name in networks}
    return kf.build_centralnet(networks, taps=taps, align="pad", **arguments)


SOURCES = {
    "mm_imdb": ("mm_imdb", centralnet_table7.load, kf.presets.centralnet_mm_imdb),
    "clothing": ("womens_clothing", clothing, clothing_centralnet),
}


def row(name, build):
    weight, _, published = ROWS[name]

    def run(data, seeds, args, fold, backup_dir):
        def compiled():
            model = build(unimodal_loss_weights=weight)
            loss = kf.losses.WeightedBinaryCrossentropy(2.0)
            metrics = {"central": [kf.metrics.F1("micro", name="f1_micro")]}
            model.compile(keras.optimizers.Adam(0.01), loss, metrics=metrics)
            return model

        kept = []

        def callbacks():
            kept.append(kf.training.FusionWeightsHistory())
            return kept[-1:]

        history = kf.training.fit_replicas(
            compiled, *data["train"], seeds, args.epochs, 128, data["test"], callbacks=callbacks
        ).history
        scores = 100 * history["val_central_f1_micro"]
        return [
            {
                "f1_micro": float(curve[-1]),
                "f1_mean": float(curve.mean()),
                "f1_by_epoch": curve.tolist(),
                **shares(record.weights),
            }
            for curve, record in zip(scores, kept[-len(seeds) :], strict=True)
        ]

    return _table.Row(name, run, published)


def shares(weights):
    """`{"level/source": [share before training, after the first epoch, ...]}`."""
    return {
        f"{level}/{source}": [record[level][source] for record in weights]
        for level, found in weights[0].items()
        for source in found
    }


def draw(runs, path, title):
    """A panel of shares for each level, and the F1 scores below; bands reach over all seeds."""
    places = [name.rpartition("/")[::2] for name in runs[0]["scores"] if "/" in name]
    levels = list(dict.fromkeys(level for level, _ in places))
    sources = [*dict.fromkeys(source for _, source in places if source != "central"), "central"]
    colors = dict(zip(sources, (*COLORS[: len(sources) - 1], "#4D4D4D"), strict=True))
    figure = Figure((2.6 * len(levels), 6), layout="constrained")
    top, below = figure.subfigures(2, 1, height_ratios=(1, 1.1))
    panels = top.subplots(1, len(levels), sharey=True, squeeze=False)[0]
    scores = below.subplots()
    for name, (_, line, _) in ROWS.items():
        found = [run["scores"] for run in runs if run["method"] == name]
        if not found:
            continue
        for axes, level in zip(panels, levels, strict=True):
            for source in sources:
                if (level, source) in places:
                    curves = np.array([scores[f"{level}/{source}"] for scores in found])
                    band(axes, curves, 0, color=colors[source], linestyle=line)
        curves = np.array([run["f1_by_epoch"] for run in found])
        band(scores, curves, 1, color=colors["central"], linestyle=line, label=name)
    for axes, level in zip(panels, levels, strict=True):
        axes.set_title(level, fontsize=10)
        axes.set(xlabel="epoch", ylim=(0, 1))
    panels[0].set_ylabel("share of the weights")
    scores.set(xlabel="epoch", ylabel="micro F1 (%), test part, central")
    for axes in (*panels, scores):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlim(0, curves.shape[1])
    scores.legend()
    lines = [panels[0].plot([], [], color=colors[source])[0] for source in sources]
    top.legend(lines, sources, loc="outside lower center", ncols=len(sources), frameon=False)
    figure.suptitle(title, fontsize=9, wrap=True)
    figure.savefig(path, dpi=110)
    print(f"Written: {path}")


def band(axes, curves, first, **style):
    """The mean of `curves`, `(seeds, epochs)`, and where they reach; `first` epoch."""
    epochs = np.arange(first, first + curves.shape[1])
    axes.plot(epochs, curves.mean(axis=0), linewidth=1.8, **style)
    low, high = curves.min(axis=0), curves.max(axis=0)
    axes.fill_between(epochs, low, high, color=style["color"], alpha=0.15, linewidth=0)


def main():
    which = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    which.add_argument("--data", choices=SOURCES, default="mm_imdb")
    data = which.parse_known_args()[0].data
    quick = {"epochs": 10, "seeds": 3}
    options = [("--data", data, f"one of {', '.join(SOURCES)}")]
    if data == "mm_imdb":
        quick["samples"] = 2000
        options.append(centralnet_table7.OPTIONS[0])
    args = _options.arguments(__doc__, epochs=50, seeds=1, quick=quick, options=options)
    name, load, build = SOURCES[data]
    table = f"multilevel_figure3_{data}"
    path = _options.file(table, args, ".png")
    table = _table.Table(
        name=table,
        title=f"Multi-Level Sensor Fusion, Fig. 3, on {data}",
        rows=[row(name, build) for name in ROWS],
        metrics=METRICS,
        reference="without unimodal losses",
        note=f"![{path.stem}]({path.name})",
    )
    _table.run(table, lambda: load_or_explain(name, lambda: load(args)), args)
    draw(_table.finished(table, args), path, _options.title(table.title, args))


if __name__ == "__main__":
    main()
