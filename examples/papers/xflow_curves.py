"""XFlow, Figs. 7 and 8: accuracy and cross-entropy of the {CNN x MLP}-LSTM over the epochs.

    python examples/papers/xflow_curves.py --data avletters
    python examples/papers/xflow_curves.py --data grid_digits --quick

Both are of the part of the first fold that is not trained on, after every epoch, without
connections (the baseline) and with all of them. Fig. 7, accuracy: what was measured is thin, the
mean of five epochs, as the paper smooths it, is thick. Fig. 8, cross-entropy, is not smoothed. Thin
lines are the seeds', thick ones their mean. The paper draws one run of either network on AVletters,
and reads from it that the connections improve both.

The numbers beside the figures are means of the last five epochs; no epoch is selected.

--quick: see below, but 3 seeds of one fold. About 3 CPU minutes on GRID digits.
"""

import _options
import _table
import _xflow
import numpy as np
from matplotlib.figure import Figure

import keras_fusion as kf

WINDOW = 5  # epochs
KIND = "cnn_mlp_lstm"
ROWS = {  # has connections; what the paper sees
    "baseline": (False, {}),
    "XFlow": (True, {"accuracy": "above the baseline", "loss": "below the baseline"}),
}
METRICS = {
    "accuracy": "Accuracy (%), mean of the last 5 epochs",
    "loss": "Cross-entropy, mean of the last 5 epochs",
}
FIGURES = {7: ("accuracy", "accuracy (%)"), 8: ("loss", "cross-entropy")}


def row(name, connected, published):
    def run(data, seeds, args, fold, backup_dir):
        def build():
            x = data["train"][0]
            return _xflow.compiled(_xflow.network(KIND, args, x, connected, connected))

        history = kf.training.fit_replicas(
            build, *data["train"], seeds, args.epochs, args.batch or _xflow.BATCH[KIND],
            validation_data=data["test"], backup_dir=backup_dir,
        ).history  # fmt: skip
        name = "val_central_accuracy" if "val_central_accuracy" in history else "val_accuracy"
        curves = {"accuracy": 100 * history[name], "loss": history["val_loss"]}
        return [
            {
                **{n: float(found[k, -WINDOW:].mean()) for n, found in curves.items()},
                **{f"{n}_by_epoch": found[k].tolist() for n, found in curves.items()},
            }
            for k in range(len(seeds))
        ]

    return _table.Row(name, run, published, lambda data, fold: data(_xflow.FORMS[KIND], fold))


def smoothed(values, window):
    """Means of `window` values, each of them at the last one's epoch: epochs (from 1) and means."""
    window = min(window, len(values))
    means = np.convolve(values, np.full(window, 1 / window), "valid")
    return np.arange(window, len(values) + 1), means


def draw(runs, score, label, title, path):
    """One figure: `score` after every epoch, of all rows in `runs`."""
    figure = Figure((7.5, 4.4), layout="constrained")
    axes = figure.subplots()
    for name, color in zip(ROWS, ("tab:blue", "tab:orange"), strict=True):
        found = [r["scores"][f"{score}_by_epoch"] for r in runs if r["method"] == name]
        if not found:
            continue
        curves = np.array(found)
        epochs = np.arange(1, curves.shape[1] + 1)
        axes.plot(epochs, curves.T, color=color, alpha=0.4, linewidth=0.8)
        thick = smoothed(curves.mean(axis=0), WINDOW if score == "accuracy" else 1)
        axes.plot(*thick, color=color, linewidth=2.2, label=name)
    axes.set(xlabel="epoch", ylabel=label, xlim=(1, max(2, len(epochs))))
    axes.set_ylim(bottom=0, top=100 if score == "accuracy" else None)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.set_title(title, fontsize=9, wrap=True)
    axes.legend()
    figure.savefig(path, dpi=110)
    print(f"Written: {path}")


def main():
    quick = {**_xflow.QUICK, "seeds": 3}
    del quick["folds"]
    args = _xflow.arguments(__doc__, seeds=1, folds=1, quick=quick)
    if args.published_protocol:
        raise SystemExit("--published-protocol: the figures are of the first fold alone. Leave it")
    name, title = f"xflow_curves_{args.data}", f"XFlow, Figs. 7 and 8, on {args.data}"
    paths = {number: _options.file(name, args, f"_{number}.png") for number in FIGURES}
    table = _table.Table(
        name=name,
        title=title,
        rows=[row(name, *about) for name, about in ROWS.items()],
        metrics=METRICS,
        reference="baseline",
        note="The first fold. " + " ".join(f"![{p.stem}]({p.name})" for p in paths.values()),
    )
    _table.run(table, lambda: _xflow.folds(args), args)
    for number, (score, label) in FIGURES.items():
        heading = _options.title(f"XFlow, Fig. {number}, on {args.data}", args)
        draw(_table.finished(table, args), score, label, heading, paths[number])


if __name__ == "__main__":
    main()
