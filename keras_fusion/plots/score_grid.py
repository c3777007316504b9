"""Heat maps: a score over two settings of an experiment."""

import math

from keras_fusion.plots._style import finished, import_matplotlib, luminance


def plot_score_grid(grids, rows="", columns="", path=None, title=None):
    """Draws scores over two settings, such as energy and share ratio, one heat map for each grid.

    Use it to see where a method is better, and not only how much on average: Fig. 4 of the
    CentralNet paper on the whole grid. Grids of scores share one scale, so that a color means the
    same in all of them; a grid with values of both signs, a difference, has its own, with white at
    0 and the same reach on both sides. Cells that were not measured stay empty.

    Args:
        grids: Dictionary `{heading: {(row, column): score}}`; row and column are the two settings'
            values.
        rows, columns: Strings, what the settings are.
        path: Optional path of the picture to write. The suffix gives the format; without one it is
            PNG. Defaults to `None`.
        title: Optional string above the panels. Defaults to `None`.

    Returns:
        The `matplotlib.figure.Figure`. It is not registered with pyplot.

    Raises:
        TypeError: if `grids` are none.
        OSError: if `path` cannot be written.
        ImportError: if matplotlib is not installed.

    Example:

    >>> import keras_fusion as kf
    >>> errors = {(0.25, 0.0): 120, (0.25, 0.5): 150, (0.5, 0.0): 50, (0.5, 0.5): 53}
    >>> figure = kf.plots.plot_score_grid({"CentralNet": errors}, "energy", "share ratio")
    >>> figure.axes[0].get_xlabel()
    'share ratio'

    Reference:
        Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion, Fig. 4.
    """
    if not isinstance(grids, dict) or not grids or not all(grids.values()):
        raise TypeError(
            f"grids: expected {{heading: {{(row, column): score}}}}. Received: {grids!r}"
        )
    matplotlib = import_matplotlib()
    figure = matplotlib.figure.Figure(figsize=(3.4 * len(grids), 3), layout="constrained")
    common = [s for scores in grids.values() if not _is_difference(scores) for s in scores.values()]
    for axes, (heading, scores) in zip(figure.subplots(1, len(grids), squeeze=False)[0],
                                       grids.items(), strict=True):  # fmt: skip
        _draw(axes, scores, common, matplotlib.colors.to_hex)
        axes.set_title(heading, fontsize=10)
        axes.set_xlabel(columns, fontsize=9)
        axes.set_ylabel(rows, fontsize=9)
    return finished(figure, path, title)


def _is_difference(scores):
    return min(scores.values()) < 0 < max(scores.values())


def _draw(axes, scores, common, to_hex):
    down = sorted({row for row, _ in scores}, reverse=True)  # large values above
    along = sorted({column for _, column in scores})
    table = [[scores.get((row, column), math.nan) for column in along] for row in down]
    if _is_difference(scores):
        reach = max(map(abs, scores.values()))
        low, high, colors = -reach, reach, "PuOr"
    else:
        low, high, colors = min(common), max(common), "cividis"
    image = axes.imshow(table, cmap=colors, vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(len(along)), [f"{value:g}" for value in along], fontsize=8)
    axes.set_yticks(range(len(down)), [f"{value:g}" for value in down], fontsize=8)
    for i, line in enumerate(table):
        for j, score in enumerate(line):
            if not math.isnan(score):
                background = to_hex(image.cmap(image.norm(score)))
                color = "black" if luminance(background) > 0.18 else "white"
                axes.text(j, i, f"{score:.4g}", ha="center", va="center", color=color, fontsize=8)
