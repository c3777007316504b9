"""Figures of an evaluation: scores with their intervals, and scores against noise."""

import math

from keras_fusion.plots._style import (
    CENTRAL_COLOR,
    COLORS,
    add_legend,
    end_at_one,
    finished,
    import_matplotlib,
    is_share,
    source_styles,
)


def plot_comparison(comparison, path=None, title=None):
    """Draws the mean score of every method with its interval, and every single run, or
    the mean of every fold.

    Use it to see which differences are larger than the spread over the seeds. Intervals of an
    accuracy end at 0 and 1.

    Args:
        comparison: A `Comparison`, as `keras_fusion.evaluation.compare` returns it.
        path: Optional path of the picture to write. The suffix gives the format; without one it is
            PNG. Defaults to `None`.
        title: Optional string above the panel. Defaults to `None`.

    Returns:
        The `matplotlib.figure.Figure`. It is not registered with pyplot.

    Raises:
        TypeError: if `comparison` is none.
        OSError: if `path` cannot be written.
        ImportError: if matplotlib or SciPy is not installed.

    Example:

    >>> import keras_fusion as kf
    >>> found = kf.evaluation.Comparison({"concat": [0.90, 0.91], "gmu": [0.95, 0.96]})
    >>> figure = kf.plots.plot_comparison(found)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['concat', 'gmu']
    """
    if not all(hasattr(comparison, name) for name in ("rows", "values", "reference")):
        raise TypeError(f"comparison: expected a Comparison. Received: {comparison!r}")
    rows = comparison.rows()
    matplotlib = import_matplotlib()
    figure = matplotlib.figure.Figure(figsize=(7, 1.2 + 0.35 * len(rows)), layout="constrained")
    axes = figure.subplots()
    every = [score for name in comparison.scores for score in comparison.values(name)]
    # Student's interval knows nothing of the ends of a scale.
    low, high = (0, 1) if is_share(comparison.metric, every) else (-math.inf, math.inf)
    for i, row in enumerate(rows):
        color = CENTRAL_COLOR if row["method"] == comparison.reference else COLORS[0]
        scores = comparison.values(row["method"])
        axes.plot(scores, [i] * len(scores), "|", color=color, alpha=0.5, markersize=9)
        if row["runs"] > 1:
            ends = [max(row["low"], low), min(row["high"], high)]
            axes.plot(ends, [i, i], color=color, linewidth=2)
        axes.plot([row["mean"]], [i], "o", color=color)
    base = next(row for row in rows if row["method"] == comparison.reference)
    axes.axvline(base["mean"], color=CENTRAL_COLOR, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(rows)), [row["method"] for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    end_at_one(axes.xaxis, comparison.metric)
    axes.set_xlabel(
        f"{comparison.metric.replace('_', ' ')}, mean and {100 * comparison.level:g} % interval",
        fontsize=9,
    )
    return _finished(figure, [axes], path, title)


def plot_noise_curves(curves, metric="accuracy", path=None, title=None):
    """Draws a score over the signal-to-noise ratio of each modality.

    Use it to see which modality a model leans on: its line falls first. The dotted line is the
    score without noise.

    Args:
        curves: Dictionary as `keras_fusion.evaluation.noise_curves` returns it.
        metric: String, the score. Defaults to `"accuracy"`.
        path: Optional path of the picture to write. The suffix gives the format; without one it is
            PNG. Defaults to `None`.
        title: Optional string above the panel. Defaults to `None`.

    Returns:
        The `matplotlib.figure.Figure`. It is not registered with pyplot.

    Raises:
        TypeError: if `curves` are none.
        ValueError: if there is no such score.
        OSError: if `path` cannot be written.
        ImportError: if matplotlib is not installed.

    Example:

    >>> import keras_fusion as kf
    >>> curve = {float("inf"): {"accuracy": 0.9}, 0.0: {"accuracy": 0.5}}
    >>> figure = kf.plots.plot_noise_curves({"image": curve})
    >>> figure.axes[0].get_xlabel()
    'signal-to-noise ratio (dB)'
    """
    if not isinstance(curves, dict) or not curves:
        raise TypeError(f"curves: expected what noise_curves returns. Received: {curves!r}")
    known = {name for curve in curves.values() for scores in curve.values() for name in scores}
    if metric not in known:
        raise ValueError(f"metric: expected one of {sorted(known)}. Received: {metric!r}")
    matplotlib = import_matplotlib()
    figure = matplotlib.figure.Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    styles = source_styles(list(curves))
    handles, labels = [], list(curves)
    for name, curve in curves.items():
        points = sorted((snr, s[metric]) for snr, s in curve.items() if math.isfinite(snr))
        color, hatch = styles[name]
        style = {"color": color, "linestyle": "-." if hatch else "-", "marker": "o"}
        (line,) = axes.plot(*zip(*points, strict=True), markersize=3.5, **style)
        handles.append(line)
    clean = next((s[metric] for c in curves.values() for snr, s in c.items() if snr == math.inf), 0)
    if clean:
        style = {"color": CENTRAL_COLOR, "linewidth": 0.8, "linestyle": ":"}
        handles.append(axes.axhline(clean, **style))
        labels.append("without noise")
    end_at_one(axes.yaxis, metric)
    axes.set_xlabel("signal-to-noise ratio (dB)", fontsize=9)
    axes.set_ylabel(metric.replace("_", " "), fontsize=9)
    add_legend(axes, handles, labels, fontsize=9)
    return _finished(figure, [axes], path, title)


def _finished(figure, panels, path, title):
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
    return finished(figure, path, title)
