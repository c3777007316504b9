"""XFlow, Figs. 9, 10 and 11: what the connections carry, drawn, and measured before and after.

    python examples/papers/xflow_figures.py --data digits
    python examples/papers/xflow_figures.py --data grid_digits --quick

Fig. 9: t-SNE of what the second 2D->1D connection of the CNN x MLP sends. The paper shows one
example of each person and class, of training and of test people; here one of each class and fold
(GRID digits: the clips of the test part). Measured: the mean silhouette of the classes in all its
128 dimensions, beside that of the first connection, in which the paper saw no clusters.

Fig. 10: squared differences (Eq. 1) between consecutive steps, of the MFCCs and of what the first
1D->2D residual connection of the {CNN x MLP}-LSTM makes of them, for six of its kernels and one
test example each. Measured: the correlation of the two curves, mean over kernels and examples.

Fig. 11: the maps of these six kernels at the step of the greatest change. Measured: the
correlation of neighbouring pixels; white noise has 0.

The same numbers of the networks before training are beside them, as a connection can keep changes
and make smooth maps without having learned anything. Networks are those of the first fold; the
figures are drawn for the first seed.

--quick: see below, but frames of full size. A few CPU minutes on GRID digits.
"""

import io
import shutil

import _xflow
import keras
import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

import keras_fusion as kf

KERNELS = 6
PUBLISHED = {
    "first 2D->1D: silhouette": "no clusters",
    "second 2D->1D: silhouette": "clusters",
    "first 1D->2D residual: correlation of changes": "kept",
    "first 1D->2D residual: correlation of pixels": "no white noise",
}


def main():
    args = _xflow.arguments(__doc__, seeds=1, quick={**_xflow.QUICK, "folds": 5, "shrink": 1})
    if args.published_protocol:
        raise SystemExit("--published-protocol: the figures are of one fold's networks. Leave it")
    if len(args.folds) < 2 and args.data != "grid_digits":
        raise SystemExit("--folds: expected 2 or more, an example of each class from each")
    args.results.mkdir(parents=True, exist_ok=True)
    file = args.results / f"xflow_figures_{args.data}{'_quick' if args.quick else ''}.csv"
    done = [
        line
        for line in (kf.evaluation.read_results(file) if file.exists() else ())
        if all(line.get(name) == value for name, value in args.protocol.items())
    ]
    missing = [seed for seed in args.seeds if seed not in {line["seed"] for line in done}]
    data = _xflow.Folds(args)
    for seed in [] if args.report else missing:
        print(f"both networks, seed {seed}", flush=True)
        numbers = {
            **clusters(data, seed, args, file.with_name(f"{file.stem}_9.png")),
            **changes(data, seed, args, file),
        }
        lines = [
            {"seed": seed, **args.protocol, "measure": name, "trained": after, "initial": before,
             **kf.evaluation.environment()}
            for name, (after, before) in numbers.items()
        ]  # fmt: skip
        kf.evaluation.append_results(file, lines)
        for kind in _xflow.FORMS:
            shutil.rmtree(_backup(kind, args, seed), ignore_errors=True)
        done += lines
    report([line for line in done if line["seed"] in args.seeds], args, file)


def trained(kind, data, seed, args):
    """A network before and after training on the first fold."""
    parts = data(_xflow.FORMS[kind], args.folds[0])

    def build():
        return _xflow.compiled(_xflow.network(kind, args, parts["train"][0]))

    keras.utils.set_random_seed(seed)
    initial = build()
    replicas = kf.training.fit_replicas(
        build, *parts["train"], [seed], args.epochs, args.batch or _xflow.BATCH[kind],
        backup_dir=_backup(kind, args, seed),
    )  # fmt: skip
    return {"trained": replicas.replica(0), "initial": initial}


def _backup(kind, args, seed):
    return _xflow.folder(args, f"figures {kind}", seed)


def clusters(data, seed, args, path):
    """Fig. 9 and its numbers."""
    models = trained("cnn_mlp", data, seed, args)
    x, y = examples(data, args)
    found = {}
    for place, depth in (("first", 1), ("second", 2)):
        sent = {}
        for when, model in models.items():
            layer = model.get_layer(f"image_to_audio_cross_{depth}")
            part = keras.Model(model.input, layer.output)
            sent[when] = part.predict(x, batch_size=32, verbose=0)
        scores = [float(silhouette_score(sent[when], y)) for when in ("trained", "initial")]
        found[f"{place} 2D->1D: silhouette"] = scores
    if seed == args.seeds[0]:
        figure = Figure((11, 5), layout="constrained")
        for axes, when in zip(figure.subplots(1, 2), ("trained", "initial"), strict=True):
            flat = TSNE(perplexity=min(30, max(1, len(y) // 4)), random_state=0).fit_transform(
                sent[when]
            )
            points = axes.scatter(*flat.T, c=y, cmap="tab20" if y.max() > 9 else "tab10", s=18)
            axes.set(title=f"second 2D->1D connection, {when}", xticks=[], yticks=[])
        figure.colorbar(points, ax=axes, label="class", ticks=range(y.max() + 1))
        figure.savefig(path, dpi=110)
        print(f"Written: {path}")
    return found


def examples(data, args):
    """One example of each class and fold; of GRID digits, which has one talker, a whole fold."""
    if args.data == "grid_digits":
        return data("averaged", args.folds[0])["test"]
    found = []
    for fold in args.folds:
        x, y = data("averaged", fold)["test"]
        rows = np.unique(y, return_index=True)[1]
        found.append(({name: array[rows] for name, array in x.items()}, y[rows]))
    inputs, labels = zip(*found, strict=True)
    return {n: np.concatenate([x[n] for x in inputs]) for n in inputs[0]}, np.concatenate(labels)


def changes(data, seed, args, file):
    """Figs. 10 and 11 and their numbers."""
    models = trained("cnn_mlp_lstm", data, seed, args)
    audio = data("sequences", args.folds[0])["test"][0]["audio"]
    sounds = [steps[: np.flatnonzero(steps.any(axis=1))[-1] + 1] for steps in audio]
    maps = {
        when: [
            keras.ops.convert_to_numpy(model.get_layer("audio_to_image_residual_1")(steps))
            for steps in sounds
        ]
        for when, model in models.items()
    }
    kernels = np.linspace(0, maps["trained"][0].shape[-1] - 1, KERNELS).astype(int)
    chosen = np.linspace(0, len(sounds) - 1, KERNELS).astype(int)
    kept, smooth = {}, {}
    for when in maps:
        pairs = [
            (difference(steps), difference(made[..., k]))
            for steps, made in zip(sounds, maps[when], strict=True)
            for k in range(made.shape[-1])
        ]
        kept[when] = mean_correlation(pairs)
        smooth[when] = mean_correlation([neighbours(made) for made in maps[when]])
    if seed == args.seeds[0]:
        draw_changes(
            sounds, maps["trained"], kernels, chosen, file.with_name(f"{file.stem}_10.png")
        )
        draw_maps(sounds, maps, kernels, chosen, file.with_name(f"{file.stem}_11.png"))
    names = list(PUBLISHED)[2:]
    return {
        name: [measure["trained"], measure["initial"]]
        for name, measure in zip(names, (kept, smooth), strict=True)
    }


def difference(values):
    """Squared differences between consecutive steps, Eq. 1."""
    return ((values[1:] - values[:-1]) ** 2).reshape(len(values) - 1, -1).sum(axis=1)


def neighbours(maps):
    """Pixels and those to their right, of maps `(steps, height, width, channels)`."""
    return maps[:, :, :-1].ravel(), maps[:, :, 1:].ravel()


def mean_correlation(pairs):
    """Mean of the correlations of pairs of curves; one that is constant has none."""
    pairs = [(a, b) for a, b in pairs if len(a) > 1 and a.std() > 0 and b.std() > 0]
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs])) if pairs else 0.0


def draw_changes(sounds, maps, kernels, chosen, path):
    figure = Figure((13, 4), layout="constrained")
    axes = figure.subplots(2, KERNELS, sharex="col", squeeze=False)
    for column, (kernel, i) in enumerate(zip(kernels, chosen, strict=True)):
        steps = range(1, len(sounds[i]))
        axes[0, column].plot(steps, difference(maps[i][..., kernel]), color="tab:orange")
        axes[0, column].set_title(f"kernel {kernel}, example {i}", fontsize=9)
        axes[1, column].plot(steps, difference(sounds[i]), color="tab:blue")
        axes[1, column].set_xlabel("step")
    axes[0, 0].set_ylabel("change of the map")
    axes[1, 0].set_ylabel("change of the sound")
    figure.savefig(path, dpi=110)
    print(f"Written: {path}")


def draw_maps(sounds, maps, kernels, chosen, path):
    figure = Figure((13, 4.2), layout="constrained")
    axes = figure.subplots(2, KERNELS, squeeze=False)
    for column, (kernel, i) in enumerate(zip(kernels, chosen, strict=True)):
        step = int(difference(sounds[i]).argmax()) + 1
        for line, when in zip(axes, ("trained", "initial"), strict=True):
            line[column].imshow(maps[when][i][step, ..., kernel], cmap="viridis")
            line[column].set(xticks=[], yticks=[])
        axes[0, column].set_title(f"kernel {kernel}, example {i}, step {step}", fontsize=9)
    axes[0, 0].set_ylabel("trained")
    axes[1, 0].set_ylabel("initial")
    figure.savefig(path, dpi=110)
    print(f"Written: {path}")


def report(lines, args, file):
    if not lines:
        raise SystemExit("Nothing has been measured yet.")
    table = Table(box=box.MARKDOWN)
    for column in ("measure", "published", "trained", "before training", "seeds"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    for name, published in PUBLISHED.items():
        own = [line for line in lines if line["measure"] == name]
        means = (f"{np.mean([line[when] for line in own]):.2f}" for when in ("trained", "initial"))
        table.add_row(name, published, *means, str(len(own)))
    title = f"XFlow, Figs. 9 to 11, on {args.data}"
    protocol = ", ".join(f"{name} {value}" for name, value in args.protocol.items())
    how = f"{'Quick version' if args.quick else 'Protocol'}: {protocol}."
    Console(width=160).print(title, table, how, sep="\n")
    text = io.StringIO()
    Console(width=160, file=text).print(table)
    rows = [line.strip() for line in text.getvalue().splitlines() if line.strip()]
    figures = [f"![Fig. {n}]({file.stem}_{n}.png)" for n in (9, 10, 11)]
    page = "\n\n".join([f"# {title}", how, "\n".join(rows), *figures])
    path = file.with_suffix(".md")
    path.write_text(page + "\n", encoding="utf-8")
    print(f"Written: {path}")


if __name__ == "__main__":
    main()
