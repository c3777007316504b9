"""The figure of a search: the score of every trial against each hyperparameter."""

import math

from keras_fusion._checks import check_choice
from keras_fusion.plots._style import COLORS, finished, import_matplotlib, set_log_scale

_DOT, _BEST, _FAILED = COLORS[0], COLORS[3], "#4D4D4D"


def plot_search(trials, path=None, direction="max", label="score", title=None):
    """Draws the scores of a search's trials against each hyperparameter, one panel for each.

    Use it to see which hyperparameter matters, and whether the best value lies at an end of its
    range, so that the range was too small. A dot is the mean score of a trial, the line through
    it reaches from its lowest to its highest execution, the best trial stands out, and trials
    that failed are crosses on the lower edge. Numbers over two orders of magnitude have a
    logarithmic axis. A hyperparameter that has one value in all trials is left out.

    Args:
        trials: List of dictionaries, as `keras_fusion.tuning.read_trials` returns it; "values" is
            needed, and "score", "scores" and "status" are looked at.
        path: Optional path of the picture to write. The suffix gives the format; without one it is
            PNG. Defaults to `None`.
        direction: String, "max" or "min", which score is the best. Defaults to `"max"`.
        label: String at the axis of the scores. Defaults to `"score"`.
        title: Optional string above the panels. Defaults to `None`.

    Returns:
        The `matplotlib.figure.Figure`. It is not registered with pyplot.

    Raises:
        ValueError: if no trial has a score, or no hyperparameter has two values.
        OSError: if `path` cannot be written.
        ImportError: if matplotlib is not installed.

    Example:

    >>> import keras_fusion as kf
    >>> trials = [
    ...     {"score": 0.91, "values": {"rate": 0.2, "fuse": "logits"}},
    ...     {"score": 0.93, "values": {"rate": 0.5, "fuse": "logits"}},
    ... ]
    >>> figure = kf.plots.plot_search(trials)
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['rate']
    """
    check_choice("direction", direction, ("max", "min"))
    if not isinstance(trials, (list, tuple)):
        raise TypeError(f"trials: expected a list of dicts. Received: {trials!r}")
    scored = [row for row in trials if row.get("score") is not None]
    if not scored:
        raise ValueError(
            f"trials: expected at least one with a score. Received: {len(trials)} without"
        )
    names = _varied(trials)
    if not names:
        raise ValueError(
            "trials: expected a hyperparameter with two values. Received: the same values in all"
        )
    best = (max if direction == "max" else min)(scored, key=lambda row: row["score"])
    matplotlib = import_matplotlib()
    columns = min(len(names), 3)
    rows = math.ceil(len(names) / columns)
    figure = matplotlib.figure.Figure(
        figsize=(3.2 * columns, 0.5 + 2.5 * rows), layout="constrained"
    )
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, name in zip(panels, names, strict=False):
        _draw(axes, name, trials, best)
    for axes in panels[len(names) :]:
        figure.delaxes(axes)
    for axes in figure.axes:
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(label)
    return finished(figure, path, title)


def _varied(trials):
    """Names of the hyperparameters with more than one value, in the order they are met."""
    values = {}
    for row in trials:
        for name, value in row["values"].items():
            # KerasTuner's own, of Hyperband.
            if not name.startswith("tuner/"):
                values.setdefault(name, set()).add(value)
    return [name for name, found in values.items() if len(found) > 1]


def _draw(axes, name, trials, best):
    having = [row for row in trials if name in row["values"]]
    values = [row["values"][name] for row in having]
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    if numbers:
        places = dict(zip(values, values, strict=True))
        if min(values) > 0 and max(values) >= 50 * min(values):
            set_log_scale(axes.xaxis)
    else:
        known = sorted(set(map(str, values)))
        places = {value: known.index(str(value)) for value in values}
        axes.set_xticks(range(len(known)), known)
        axes.tick_params(axis="x", rotation=45 if max(map(len, known)) > 8 else 0)
        axes.set_xlim(-0.5, len(known) - 0.5)
    for row, value in zip(having, values, strict=True):
        at, score = places[value], row.get("score")
        if score is None:
            if row.get("status", "FAILED") == "FAILED":
                edge = axes.get_xaxis_transform()
                axes.plot(at, 0.02, "x", color=_FAILED, transform=edge, clip_on=False)
            continue
        color = _BEST if row is best else _DOT
        spread = row.get("scores") or [score]
        axes.plot([at, at], [min(spread), max(spread)], "-", color=color, linewidth=1)
        axes.plot(at, score, "o", color=color, markersize=6 if row is best else 4)
    axes.set_xlabel(name)
    axes.spines[["top", "right"]].set_visible(False)
