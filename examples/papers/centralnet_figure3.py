"""CentralNet paper, Fig. 3: the weights of all levels after training, over data sets.

    KERAS_BACKEND=jax python examples/papers/centralnet_figure3.py
    python examples/papers/centralnet_figure3.py --quick

Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion, Sect. 3. Fig. 2 of
their Multi-Level Sensor Fusion with Deep Learning is the same over four data sets.

A bar for each level, with the shares of the modalities and of the central representation, in
percent: Multimodal and Audiovisual MNIST, Montalbano, MM-IMDb, then AFEW and AudioSet, each by the
protocol of its table (`centralnet_table2.py`, 4, 5, 7, `multilevel_table1.py`). Data sets that are
not there are left out, and the command says which. Three open ones are beside them that the papers
do not have: GRID digits (the 12 frames of the lips as channels, and the log-mel spectrogram with
noise of the power of the sound; two LeNet5), mfeat (six views of a digit; perceptrons of 64 and 32;
both as Audiovisual MNIST is trained) and clothing reviews (see `multilevel_figure3.py`, trained as
MM-IMDb is).

The papers give bars without numbers, and see another strategy in every data set: Montalbano takes
almost nothing from the modalities at its second level, MM-IMDb has the larger weights at the first
levels, AFEW and AudioSet hardly use the central representation there. The report has the mean of
the central shares over the levels that have one (the first has none), all shares, and the score:
accuracy (Montalbano: macro), of several labels micro F1, on the part that the papers score.

--quick: at most 2,560 training and 2,000 scored samples, MNIST's images of 14x14, 5 epochs, 3
seeds.
Data: see `kf.datasets.info(name)` of each.
"""

import functools
import textwrap
import types
from collections.abc import Callable
from dataclasses import dataclass, field

import _centralnet
import _options
import _table
import centralnet_table4
import centralnet_table5
import centralnet_table7
import multilevel_figure3
import multilevel_table1
import numpy as np
from _licensed import load_or_explain, predicted
from matplotlib.figure import Figure

import keras_fusion as kf

QUICK = {"epochs": 5, "seeds": 3, "samples": 2560, "test": 2000, "size": 14}
OPTIONS = (
    ("--samples", None, "training samples at most; without it all"),
    ("--test", None, "scored samples at most; without it all"),
    ("--size", 28, "of MNIST's images: 28, 14 or 7; spectrograms are 4 times as large"),
)
MNIST = {"epochs": 100, "samples": 55000, "test": 10000}
IMDB = {"epochs": 200, "samples": 15552, "patience": 20}
AUDIOSET = {"epochs": 20, "batch_size": 8}


@dataclass(frozen=True)
class Source:
    """A data set, and how a CentralNet is trained on it.

    `load(args)` returns the parts, `train(data, seeds, args, backup_dir)` the models, one after the
    other; `name` is that in `kf.datasets`. `own` are the options that no one gave, `scored` the
    part and `metric` the score of the paper.
    """

    name: str
    load: Callable
    train: Callable
    own: dict = field(default_factory=lambda: {"epochs": 100})
    scored: str = "test"
    metric: str = "accuracy"

    def args(self, args):
        given = {name: value for name, value in vars(args).items() if value is not None}
        return types.SimpleNamespace(**{**vars(args), **self.own, **given})

    def parts(self, args):
        args = self.args(args)
        data = load_or_explain(self.name, lambda: self.load(args))
        counts = {"train": args.samples, self.scored: args.test}
        return {
            part: subset(split, counts.get(part))
            if part in ("train", "validation", "test")
            else split
            for part, split in data.items()
        }


def subset(split, count):
    """`count` samples at random, always the same ones."""
    x, y = split
    if count is None or count >= len(y):
        return split
    rows = np.sort(np.random.default_rng(0).permutation(len(y))[:count])
    return {name: array[rows] for name, array in x.items()}, y[rows]


def replicas(trained, build, *how, **more):
    """The models of a function that returns `Replicas`."""

    def train(data, seeds, args, backup_dir):
        found = trained(lambda: build(args), data, seeds, args, backup_dir, *how, **more)
        return (found.replica(k) for k in range(len(seeds)))

    return train


def mnist_centralnet(args):
    return kf.build("centralnet", _centralnet.networks(_centralnet.PAIR, args.size), kernel_size=5)


def montalbano(data, seeds, args, backup_dir):
    build = centralnet_table5.methods()["CentralNet"][1]
    return centralnet_table5.trained(build, data, seeds, args)


def audioset(data, seeds, args, backup_dir):
    def build():
        if args.quick:
            return kf.build_centralnet(multilevel_table1.small_networks())
        return kf.presets.centralnet_audioset("imagenet")

    return multilevel_table1.audioset_trained(build, data, seeds, args, backup_dir)


def grid_digits(args):
    """Lips and spectrograms, both as maps."""
    data = kf.datasets.grid_digits.load_data(args.data_dir, noise_db=0, spectrogram=True)
    return {
        part: ({"lips": np.moveaxis(x["lips"][..., 0], 1, -1), "audio": x["audio"][..., None]}, y)
        for part, (x, y) in data.items()
    }


def grid_centralnet(args):
    shapes = {"lips": (32, 48, 12), "audio": (24, 25, 1)}
    networks = {name: kf.backbones.lenet5(shape, name=name) for name, shape in shapes.items()}
    return kf.build("centralnet", networks, kernel_size=5)


def mfeat_centralnet(args):
    widths = {"fac": 216, "fou": 76, "kar": 64, "mor": 6, "pix": 240, "zer": 47}
    networks = {n: kf.backbones.mlp(width, (64, 32), name=n) for n, width in widths.items()}
    return kf.build("centralnet", networks)


FIT, IMDB_FIT = _centralnet.trained, centralnet_table7.trained
SOURCES = {
    "MM-MNIST": Source(
        "mm_mnist", _centralnet.mm_mnist, replicas(FIT, mnist_centralnet, 0.01), MNIST
    ),
    "AV-MNIST": Source(
        "av_mnist",
        centralnet_table4.load,
        replicas(FIT, lambda args: centralnet_table4.methods(args.size)["CentralNet"][1](), 0.001),
        MNIST,
    ),
    "Montalbano": Source(
        "montalbano",
        centralnet_table5.load,
        montalbano,
        scored="validation",
        metric="macro_accuracy",
    ),
    "MM-IMDb": Source(
        "mm_imdb",
        centralnet_table7.load,
        replicas(IMDB_FIT, lambda args: kf.presets.centralnet_mm_imdb()),
        IMDB,
        metric="micro",
    ),
    "AFEW": Source(
        "afew",
        lambda args: kf.datasets.afew.load_data(args.data_dir),
        replicas(FIT, lambda args: kf.presets.centralnet_afew(), 0.001, batch=32),
        scored="validation",
    ),
    "AudioSet": Source(
        "audioset", multilevel_table1.load_audioset, audioset, AUDIOSET, metric="micro"
    ),
    "GRID digits": Source("grid_digits", grid_digits, replicas(FIT, grid_centralnet, 0.001)),
    "mfeat": Source(
        "mfeat",
        lambda args: kf.datasets.mfeat.load_data(args.data_dir),
        replicas(FIT, mfeat_centralnet, 0.001),
    ),
    "Clothing reviews": Source(
        "womens_clothing",
        multilevel_figure3.clothing,
        replicas(IMDB_FIT, lambda args: multilevel_figure3.clothing_centralnet()),
        IMDB,
        metric="micro",
    ),
}


def row(name, load):
    source = SOURCES[name]

    def run(data, seeds, args, fold, backup_dir):
        args, found = source.args(args), []
        x, y = data[source.scored]
        scores = kf.evaluation.f1_scores if y.ndim > 1 else kf.evaluation.classification_scores
        for model in source.train(data, seeds, args, backup_dir):
            shares = {
                f"{i}: {model.fusion_levels[level]}/{of}": float(share)
                for i, (level, weights) in enumerate(model.fusion_weights().items())
                for of, share in weights.items()
            }
            central = [share for place, share in shares.items() if place.endswith("/central")]
            score = scores(y, predicted(model, (x, y), 64))[source.metric]
            found.append(
                {"central": 100 * np.mean(central).item(), "score": 100 * float(score), **shares}
            )
        return found

    return _table.Row(name, run, part=lambda data, fold: load(name))


def means(runs, name):
    """`{level: {source: share}}` and the score of a data set, means over the seeds."""
    found = [run["scores"] for run in runs if run["method"] == name]
    weights = {}
    for place in found[0]:
        level, _, source = place.rpartition("/")
        if level:
            weights.setdefault(level, {})[source] = np.mean([one[place] for one in found]).item()
    return weights, np.mean([one["score"] for one in found])


def draw(table, args):
    """The figure, and the same as a table at the end of the report."""
    runs = _table.finished(table, args)
    names = [name for name in SOURCES if any(run["method"] == name for run in runs)]
    lines = ["## Shares (%) by level, means over the seeds"]
    lines_of_panels = (len(names) + 1) // 2
    figure = Figure((14, 2.6 * lines_of_panels), layout="constrained")
    panels = figure.subplots(lines_of_panels, 2, squeeze=False).ravel()
    figure.suptitle(_options.title(table.title, args), fontsize=10, wrap=True)
    for axes, name in zip(panels, names, strict=False):
        weights, score = means(runs, name)
        metric = SOURCES[name].metric.replace("_", " ").replace("micro", "micro F1")
        title = f"{name} ({metric} {score:.1f} %)"
        kf.plots.plot_fusion_weights(weights, ax=axes, title=title)
        lines += ["", f"{title}:", ""]
        for level, shares in weights.items():
            text = ", ".join(f"{source} {100 * share:.1f}" for source, share in shares.items())
            lines.append(f"- level {level}: {text}")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    figure.savefig(_options.file(table.name, args, ".png"), dpi=110)
    text = "\n".join(lines)
    print(text)
    with _options.file(table.name, args, ".md").open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")


def there(names, load, args):
    """Those data sets that can be loaded; one that was asked for by name has to."""
    found = []
    for name in names:
        try:
            load(name)
            found.append(name)
        except SystemExit as error:
            if name in (args.rows or ()):
                raise
            print(f"Left out: {name}. {textwrap.shorten(str(error).splitlines()[0], 150)}")
    return found


def main():
    args = _options.arguments(__doc__, epochs=None, seeds=64, quick=QUICK, options=OPTIONS)
    args.at_once = len(args.seeds)  # one data set after the other
    load = functools.lru_cache(1)(lambda name: SOURCES[name].parts(args))
    path = _options.file("centralnet_figure3", args, ".png")
    names = [name for name in SOURCES if args.rows is None or name in args.rows]
    table = _table.Table(
        name="centralnet_figure3",
        title="CentralNet, Fig. 3: shares of the fusion weights after training",
        rows=[row(n, load) for n in (names if args.report else there(names, load, args))],
        metrics={"central": "Share of the central representation (%), mean over its levels"},
        reference="MM-MNIST",
        note=f"![{path.stem}]({path.name})",
    )
    _table.run(table, lambda: None, args)
    draw(table, args)


if __name__ == "__main__":
    main()
