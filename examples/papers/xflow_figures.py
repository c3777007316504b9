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

import _options
import _table
import _xflow
import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

import keras_fusion as kf

KERNELS = 6
METRICS = {
    "second_silhouette": "Second 2D->1D connection: silhouette of the classes",
    "first_silhouette": "First 2D->1D connection: silhouette of the classes",
    "changes": "First 1D->2D residual connection: correlation of changes",
    "pixels": "First 1D->2D residual connection: correlation of neighbouring pixels",
}
PUBLISHED = ("clusters", "no clusters", "kept", "no white noise")
FORMS = {kind: _xflow.FORMS[kind] for kind in ("cnn_mlp", "cnn_mlp_lstm")}


def main():
    args = _xflow.arguments(__doc__, seeds=1, quick={**_xflow.QUICK, "folds": 5, "shrink": 1})
    if args.published_protocol or args.reported:
        raise SystemExit(
            "--published-protocol, --best-of, --sliding-mean: the figures are of one fold's "
            "networks. Leave them"
        )
    if len(args.folds) < 2 and args.data != "grid_digits":
        raise SystemExit("--folds: expected 2 or more, an example of each class from each")
    args.at_once = 1
    # The networks are of the first fold, the examples of all.
    examples_of, args.folds, args.folded = args.folds, args.folds[:1], False
    args.protocol["folds"] = len(examples_of)
    name = f"xflow_figures_{args.data}"
    args.figures = [_options.file(name, args, f"_{number}.png") for number in (9, 10, 11)]

    def part(data, fold):
        found = {kind: data(form, fold) for kind, form in FORMS.items()}
        return {**found, "examples": examples(data, args, examples_of)}

    published = dict(zip(METRICS, PUBLISHED, strict=True))
    table = _table.Table(
        name=name,
        title=f"XFlow, Figs. 9 to 11, on {args.data}",
        rows=[
            _table.Row("trained", trained, published, part),
            _table.Row("before training", before, part=part),
        ],
        metrics=METRICS,
        reference="before training",
        note=" ".join(f"![{path.stem}]({path.name})" for path in args.figures),
    )
    _table.run(table, lambda: _xflow.folds(args), args)


def builder(kind, data, args):
    return lambda: _xflow.compiled(_xflow.network(kind, args, data[kind]["train"][0]))


def initial(data, seed, args):
    """Both networks before training."""
    models = {}
    for kind in FORMS:
        keras.utils.set_random_seed(seed)
        models[kind] = builder(kind, data, args)()
    return models


def before(data, seeds, args, fold, backup_dir):
    return [measured(initial(data, seed, args), data) for seed in seeds]


def trained(data, seeds, args, fold, backup_dir):
    models = {}
    for kind in FORMS:
        replicas = kf.training.fit_replicas(
            builder(kind, data, args), *data[kind]["train"], seeds, args.epochs,
            args.batch or _xflow.BATCH[kind], backup_dir=backup_dir / kind,
        )  # fmt: skip
        models[kind] = replicas.replica(0)
    if seeds[0] == args.seeds[0]:
        draw({"trained": models, "initial": initial(data, seeds[0], args)}, data, *args.figures)
    return [measured(models, data)]


def examples(data, args, folds):
    """One example of each class and fold; of GRID digits, which has one talker, a whole fold."""
    if args.data == "grid_digits":
        return data("averaged", folds[0])["test"]
    found = []
    for fold in folds:
        x, y = data("averaged", fold)["test"]
        rows = np.unique(y, return_index=True)[1]
        found.append(({name: array[rows] for name, array in x.items()}, y[rows]))
    inputs, labels = zip(*found, strict=True)
    return {n: np.concatenate([x[n] for x in inputs]) for n in inputs[0]}, np.concatenate(labels)


def sent(models, data, depth):
    """What a 2D->1D connection of the CNN x MLP sends for the examples."""
    model = models["cnn_mlp"]
    layer = model.get_layer(f"image_to_audio_cross_{depth}")
    part = keras.Model(model.input, layer.output)
    return part.predict(data["examples"][0], batch_size=32, verbose=0)


def made(models, data):
    """The sounds of the test part without padding, and the {CNN x MLP}-LSTM's maps of them."""
    audio = data["cnn_mlp_lstm"]["test"][0]["audio"]
    sounds = [steps[: np.flatnonzero(steps.any(axis=1))[-1] + 1] for steps in audio]
    layer = models["cnn_mlp_lstm"].get_layer("audio_to_image_residual_1")
    return sounds, [keras.ops.convert_to_numpy(layer(steps)) for steps in sounds]


def measured(models, data):
    """The numbers of Figs. 9, 10 and 11."""
    sounds, maps = made(models, data)
    pairs = [
        (difference(steps), difference(found[..., k]))
        for steps, found in zip(sounds, maps, strict=True)
        for k in range(found.shape[-1])
    ]
    y = data["examples"][1]
    return {
        "second_silhouette": float(silhouette_score(sent(models, data, 2), y)),
        "first_silhouette": float(silhouette_score(sent(models, data, 1), y)),
        "changes": mean_correlation(pairs),
        "pixels": mean_correlation([neighbours(found) for found in maps]),
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


def draw(networks, data, clusters, changes, pictures):
    """The three figures, of networks `{"trained": ..., "initial": ...}`."""
    y = data["examples"][1]
    figure = Figure((11, 5), layout="constrained")
    for axes, (when, models) in zip(figure.subplots(1, 2), networks.items(), strict=True):
        tsne = TSNE(perplexity=min(30, max(1, len(y) // 4)), random_state=0)
        flat = tsne.fit_transform(sent(models, data, 2))
        points = axes.scatter(*flat.T, c=y, cmap="tab20" if y.max() > 9 else "tab10", s=18)
        axes.set(title=f"second 2D->1D connection, {when}", xticks=[], yticks=[])
    figure.colorbar(points, ax=axes, label="class", ticks=range(y.max() + 1))
    written(figure, clusters)
    found = {when: made(models, data) for when, models in networks.items()}
    sounds, maps = found["trained"][0], {when: of for when, (_, of) in found.items()}
    kernels = np.linspace(0, maps["trained"][0].shape[-1] - 1, KERNELS).astype(int)
    chosen = np.linspace(0, len(sounds) - 1, KERNELS).astype(int)
    draw_changes(sounds, maps["trained"], kernels, chosen, changes)
    draw_maps(sounds, maps, kernels, chosen, pictures)


def written(figure, path):
    figure.savefig(path, dpi=110)
    print(f"Written: {path}")


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
    written(figure, path)


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
    written(figure, path)


if __name__ == "__main__":
    main()
