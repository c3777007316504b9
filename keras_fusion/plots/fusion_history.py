"""Lines of the fusion weights over the epochs, above the score of every head."""

import csv
import math
import os
import textwrap

from keras_fusion.plots._style import (
    CENTRAL,
    CENTRAL_COLOR,
    add_legend,
    end_at_one,
    finished,
    import_matplotlib,
    luminance,
    order_sources,
    source_styles,
)

WHOLE_MODEL = "whole model"
LINE_WIDTH = 1.8
TRAINING_WIDTH = 1.1


def plot_fusion_history(history, metric=None, path=None, title=None):
    """Draws how the fusion weights and the scores of the heads develop during training.

    Use it to see whether the fusion weights have settled when training stops, and whether a head
    gains when its modality gains weight. One small panel per fusion level shows the share of each
    source over the epochs (epoch 0 is the model before training); the panel below shows the score
    of every head, solid for the validation data and dashed for the training data, in the color of
    its modality. It follows Fig. 3 of the paper below.

    Args:
        history: A `FusionWeightsHistory` after `fit()`, or the path of the CSV file it wrote.
        metric: String, the name of the metric without `val_` and without the name of a head, for
            example `"accuracy"`, or `"loss"`. Defaults to the first accuracy in the logs, else the
            first metric, else the loss.
        path: Optional path of the picture to write. The suffix gives the format; without one it is
            PNG. Defaults to `None`.
        title: Optional string above the panels. Defaults to `None`.

    Returns:
        The `matplotlib.figure.Figure`, one axes per level in their order and then the axes of the
        scores, if any were recorded. It is not registered with pyplot.

    Raises:
        TypeError: if `history` is neither such a callback nor a path.
        ValueError: if nothing was recorded, if the file is not one that `FusionWeightsHistory`
            wrote, or if the logs have no such `metric`.
        OSError: if the CSV file cannot be read or `path` cannot be written.
        ImportError: if matplotlib is not installed.

    Example:

    >>> import keras_fusion as kf
    >>> import numpy as np
    >>> model = kf.build_centralnet({"image": kf.backbones.mlp(4), "audio": kf.backbones.mlp(6)})
    >>> model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x = {"image": np.ones((8, 4)), "audio": np.ones((8, 6))}
    >>> history = kf.training.FusionWeightsHistory()
    >>> _ = model.fit(x, np.zeros(8), verbose=0, callbacks=[history])
    >>> figure = kf.plots.plot_fusion_history(history)
    >>> [axes.get_title() for axes in figure.axes]
    ['level_0 (128)', 'level_1 (prediction)', 'accuracy']

    Reference:
        Vielzeuf et al., Multilevel Sensor Fusion with Deep Learning, 2018,
        https://arxiv.org/abs/1811.02447
    """
    epochs, weights, logs = _read_history(history)
    levels = list(weights[0])
    labels = getattr(getattr(history, "model", None), "fusion_levels", {})  # a file has none
    sources = order_sources(name for shares in weights[0].values() for name in shares)
    metric, scores = _find_scores(logs, {*sources, CENTRAL}, metric)
    matplotlib = import_matplotlib()

    columns = math.ceil(len(levels) / math.ceil(len(levels) / 4))
    rows = math.ceil(len(levels) / columns)
    legend_height = 0.5 + 0.2 * (len(sources) + 5 * bool(scores))
    height = max(0.4 + 1.9 * rows + 2.4 * bool(scores), legend_height)
    figure = matplotlib.figure.Figure(
        figsize=(1.9 + 2.1 * max(columns, 3), height), layout="constrained"
    )
    figure.get_layout_engine().set(h_pad=0.08, w_pad=0.06)
    ratios = [1.0] * rows + [1.35] * bool(scores)
    grid = figure.add_gridspec(len(ratios), columns, height_ratios=ratios)
    styles = source_styles(sources)
    marker = "o" if len(epochs) <= 12 else None
    first = None
    for i, level in enumerate(levels):
        row, column = divmod(i, columns)
        ax = figure.add_subplot(grid[row, column], sharex=first, sharey=first)
        first = first or ax
        for name in order_sources(weights[0][level]):
            shares = [100 * record[level][name] for record in weights]
            ax.plot(epochs, shares, label=name, marker=marker, **_line(matplotlib, styles[name]))
        label = f"{level} ({labels[level]})" if level in labels else level
        ax.set_title(textwrap.fill(label, 24), fontsize=10)
        ax.tick_params(labelsize=8, labelleft=column == 0)
        ax.set_ylabel("Share (%)" if column == 0 else "", fontsize=9)
        ax.set_xlabel("Epoch" if i + columns >= len(levels) else "", fontsize=9)
        ax.grid(alpha=0.3)
    # One scale for all panels, as narrow as the shares allow: they often move by a few percent.
    shares = [100 * s for record in weights for level in record.values() for s in level.values()]
    shares = [share for share in shares if math.isfinite(share)] or [0, 100]
    low = 10 * math.floor(min(shares) / 10)
    high = max(low + 10, 10 * math.ceil(max(shares) / 10))
    margin = 0.03 * (high - low)
    first.set_ylim(low - margin, high + margin)
    ticks = {"nbins": 5, "steps": [1, 2, 5, 10], "integer": True}
    first.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(**ticks))
    if scores:
        ax = figure.add_subplot(grid[rows, :], sharex=first)
        _draw_scores(ax, matplotlib, epochs, logs, metric, scores, styles, marker)
    first.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(**ticks))
    heads = {head for _, head, _ in scores} - {WHOLE_MODEL}
    _draw_legend(figure, matplotlib, order_sources({*sources, *heads}), scores, styles)
    return finished(figure, path, title)


def _read_history(history):
    """Returns the epochs, the weights and the logs of a callback or of its CSV file."""
    if isinstance(history, (str, os.PathLike)):
        epochs, weights, logs = _read_csv(history)
    elif all(hasattr(history, name) for name in ("epochs", "weights", "logs")):
        epochs, weights, logs = history.epochs, history.weights, history.logs
    else:
        raise TypeError(
            "history: expected a FusionWeightsHistory or the path of the CSV file that it wrote. "
            f"Received: {history!r}"
        )
    if not epochs:
        raise ValueError(
            "expected a history with at least one epoch: give the callback to `fit()` first. "
            f"Received: {history!r}"
        )
    if not weights[0]:
        raise ValueError(f"expected a model with a fusion level. Received: {history!r}")
    return epochs, weights, logs


def _read_csv(path):
    """The inverse of what FusionWeightsHistory writes; plots may not import training."""
    if not os.path.isfile(path):
        raise FileNotFoundError(
            "expected a FusionWeightsHistory or the path of the CSV file that it wrote as "
            f"`history`. Received: {os.fspath(path)!r}, where there is none"
        )
    epochs, weights, logs = [], [], []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            epochs.append(int(row.pop("epoch")))
            weights.append({})
            logs.append({})
            for column, text in row.items():
                if column.startswith("fusion/"):
                    # A level may be called anything, a source has no slash in its name.
                    level, source = column.removeprefix("fusion/").rsplit("/", 1)
                    weights[-1].setdefault(level, {})[source] = float(text)
                elif text != "":
                    logs[-1][column] = float(text)
        if not weights or not all(weights):
            raise ValueError("no row, or no column fusion/<level>/<source>")
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise ValueError(
            "expected a CSV file written by FusionWeightsHistory, with the columns `epoch` and "
            f"`fusion/<level>/<source>`. Received: {os.fspath(path)!r} ({error!r})"
        ) from error
    return epochs, weights, logs


def _find_scores(logs, heads, metric):
    """Finds the curves of one metric in the logs.

    Returns:
        The name of the metric and a list of `(key of the logs, head, is it validation?)`.
    """
    found = {}
    for key in dict.fromkeys(key for log in logs for key in log):
        name = key.removeprefix("val_")
        # Longest first: a modality may be called `image` and another `image_left`.
        head = next(
            (h for h in sorted(heads, key=len, reverse=True) if name.startswith(h + "_")), None
        )
        of_head = name if head is None else name[len(head) + 1 :]
        found.setdefault(of_head, []).append((key, head or WHOLE_MODEL, key != name))
    if metric is None:
        names = [name for name in found if name not in ("loss", "learning_rate")]
        accuracies = [name for name in names if "accuracy" in name or name == "acc"]
        metric = (accuracies + names + ["loss"])[0]
        return metric, found.get(metric, [])
    if metric not in found:
        raise ValueError(
            f"expected a `metric` that was recorded: one of {sorted(found)}. "
            f"Received: metric={metric!r}"
        )
    return metric, found[metric]


def _line(matplotlib, style):
    color, hatch = style
    options = {"color": color, "linewidth": LINE_WIDTH, "markersize": 3.5}
    if hatch:  # the ninth modality and on: a color comes again
        options["linestyle"] = "-."
    if luminance(color) > 0.6:  # yellow on white
        outline = matplotlib.patheffects.withStroke(linewidth=2.8, foreground="#8A8000")
        options["path_effects"] = [outline]
    return options


def _draw_scores(ax, matplotlib, epochs, logs, metric, scores, styles, marker):
    for key, head, validation in scores:
        points = [(epoch, log[key]) for epoch, log in zip(epochs, logs, strict=True) if key in log]
        options = _line(matplotlib, styles.get(head, styles[CENTRAL]))
        options["linestyle"] = _line_style(head, validation)
        if not validation:
            options["linewidth"] = TRAINING_WIDTH
        elif head == CENTRAL:
            options.update(linewidth=2.6, zorder=3)
        ax.plot(*zip(*points, strict=True), label=key, marker=marker, **options)
    ax.set_title(metric.replace("_", " "), fontsize=10)
    ax.set_xlabel("Epoch", fontsize=9)
    ax.tick_params(labelsize=8)
    ax.grid(alpha=0.3)
    end_at_one(ax.yaxis, metric)


def _line_style(head, validation):
    if head == WHOLE_MODEL:
        return "-." if validation else ":"
    return "-" if validation else (0, (4, 1.5))


def _draw_legend(figure, matplotlib, sources, scores, styles):
    """Explains the colors and, after a gap, the line styles of the scores."""
    line = matplotlib.lines.Line2D
    entries = {name: line([], [], **_line(matplotlib, styles[name])) for name in sources}
    kinds = {(head == WHOLE_MODEL, validation) for _, head, validation in scores}
    if kinds:
        entries[" "] = line([], [], linestyle="none")
    for whole, validation in sorted(kinds, key=lambda kind: (kind[0], not kind[1])):
        label = f"{'validation' if validation else 'training'} score"
        if whole:
            label += f", {WHOLE_MODEL}"
        style = _line_style(WHOLE_MODEL if whole else None, validation)
        width = LINE_WIDTH if validation else TRAINING_WIDTH
        entries[label] = line([], [], color=CENTRAL_COLOR, linestyle=style, linewidth=width)
    add_legend(figure, list(entries.values()), list(entries), loc="outside right upper", fontsize=9)
