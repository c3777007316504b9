"""Figure of mean ranks over data sets, with bars over the methods that do not differ."""

import math

from keras_fusion.evaluation import RankComparison
from keras_fusion.plots._style import CENTRAL_COLOR, COLORS, finished, import_matplotlib


def plot_critical_difference(result, path=None, title=None):
    """Draws the mean ranks of methods on a line, and a bar over those that do not differ.

    Use it to see which methods are better over several data sets, and which only look so. The best
    is on the right. The bar above the line is the critical difference.

    Args:
        result: A `RankComparison`, as `keras_fusion.evaluation.compare_over_data_sets` returns it.
        path: Optional path of the picture to write. The suffix gives the format; without one it is
            PNG. Defaults to `None`.
        title: Optional string above the panel. Defaults to `None`.

    Returns:
        The `matplotlib.figure.Figure`. It is not registered with pyplot.

    Raises:
        TypeError: if `result` is none.
        OSError: if `path` cannot be written.
        ImportError: if matplotlib is not installed.

    Example:

    >>> import keras_fusion as kf
    >>> ranks = {"gmu": 1.2, "concat": 2.1, "sum": 2.7}
    >>> result = kf.evaluation.RankComparison(ranks, data_sets=20)
    >>> figure = kf.plots.plot_critical_difference(result)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['critical difference 0.74', 'gmu 1.20', 'concat 2.10', 'sum 2.70']

    Reference:
        Demsar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, Fig. 1.
    """
    if not isinstance(result, RankComparison):
        raise TypeError(f"result: expected a RankComparison. Received: {result!r}")
    matplotlib = import_matplotlib()
    ranks, count, wide = list(result.ranks.items()), len(result.ranks), result.critical_difference
    # Rows below the line: first the bars, then the names, half of them on each side.
    bars = 0.45 * len(result.cliques)
    depth = bars + 0.6 * math.ceil(count / 2) + 0.4
    figure = matplotlib.figure.Figure(figsize=(7, 1 + 0.4 * depth), layout="constrained")
    axes = figure.subplots()
    # The scale is as long as the critical difference at least, which may be larger than all ranks.
    last = max(count, 1 + wide)
    margin = 0.015 * (last - 1)
    axes.plot([last, last - wide], [0.8, 0.8], "|-", color=CENTRAL_COLOR, linewidth=1)
    axes.text(last, 0.95, f"critical difference {wide:.2f}", va="bottom", ha="left", fontsize=8)
    for i, (name, rank) in enumerate(ranks):
        right = i < (count + 1) // 2
        row = i if right else count - 1 - i
        y, side = -bars - 0.6 * (row + 1), "left" if right else "right"
        end = 1 - margin if right else last + margin
        axes.plot([rank, rank, end], [0, y, y], color=CENTRAL_COLOR, linewidth=0.8)
        end += -margin / 2 if right else margin / 2
        axes.text(end, y, f"{name} {rank:.2f}", va="center", ha=side, fontsize=9)
    for i, clique in enumerate(result.cliques):
        ends = [result.ranks[clique[0]] - margin / 2, result.ranks[clique[-1]] + margin / 2]
        axes.plot(ends, [-0.45 * (i + 0.8)] * 2, color=COLORS[0], linewidth=4)
    axes.set_xlim(last + margin, 1 - margin)  # turned, so that the better is on the right
    axes.set_ylim(-depth, 1.6)
    axes.spines[["left", "right", "bottom", "top"]].set_visible(False)
    axes.spines["top"].set(visible=True, position=("data", 0))
    axes.xaxis.tick_top()
    axes.set_xticks(range(1, count + 1, math.ceil(count / 20)))  # of more the numbers would meet
    axes.set_yticks([])
    axes.tick_params(labelsize=8)
    axes.set_xlabel(f"mean rank over {result.data_sets} data sets", fontsize=9)
    return finished(figure, path, title)
