"""Stacked bars of the fusion weights: which modality counts, at which level."""

import textwrap
from collections.abc import Mapping

from keras_fusion.plots._style import (
    add_legend,
    import_matplotlib,
    literal_text,
    luminance,
    order_sources,
    save_figure,
    source_styles,
)

BAR_HEIGHT = 0.72
LABEL_SIZE = 8.5
LABEL_MARGIN = 5  # points, left and right together


def plot_fusion_weights(model_or_weights, path=None, ax=None, title=None):
    """Draws the share that each fusion level gives to each modality and to the central network.

    Use it after training to see where a fusion model combines its modalities: modalities that
    count only at the lowest level mean early fusion, a central representation that is ignored up
    to the last level means late fusion. There is one stacked bar per level, the lowest level at
    the top and the prediction at the bottom; the central representation is always dark grey.

    The share of a source at a level is the size of its weight in the fused sum, Eq. (1) or (3) of
    the paper below, over the sizes of all weights of that level, as in the paper's Fig. 3.

    Args:
        model_or_weights: A `FusionModel`, or what its method `fusion_weights()` returns: a
            dictionary, ordered from the lowest level to the prediction, of dictionaries that map
            the name of a modality (or `"central"`) to its share, a float between 0 and 1. The
            shares of a level sum to 1.
        path: Optional path of the picture to write. The suffix gives the format; without one it is
            PNG. Defaults to `None`.
        ax: Optional `matplotlib.axes.Axes` to draw in. Defaults to `None`, a new figure.
        title: String above the bars. Defaults to "Fusion weights per level".

    Returns:
        The `matplotlib.figure.Figure`. It is not registered with pyplot: nothing has to be closed
        and no window opens.

    Raises:
        TypeError: if `model_or_weights` is neither a `FusionModel` nor a dict of dicts.
        ValueError: if there is no level, or if the shares of a level are not numbers in [0, 1]
            that sum to 1 (or are all 0).
        OSError: if `path` cannot be written.
        ImportError: if matplotlib is not installed.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.build_centralnet({"image": kf.backbones.mlp(4), "audio": kf.backbones.mlp(6)})
    >>> axes = kf.plot_fusion_weights(model).axes[0]
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['level_0 (128)', 'level_1 (prediction)']
    >>> [text.get_text() for text in axes.texts]
    ['50%', '33%', '50%', '33%', '33%']

    The dict alone does as well:

    >>> figure = kf.plot_fusion_weights({"level_0": {"image": 0.75, "audio": 0.25}})

    Reference:
        Vielzeuf et al., CentralNet: a Multilayer Approach for Multimodal Fusion, 2018,
        https://arxiv.org/abs/1808.07275
    """
    weights = read_weights(model_or_weights)
    labels = getattr(model_or_weights, "fusion_levels", {})
    matplotlib = import_matplotlib()
    sources = order_sources(name for shares in weights.values() for name in shares)
    if ax is None:
        height = max(1.1 + 0.42 * len(weights), 0.7 + 0.22 * len(sources))
        figure = matplotlib.figure.Figure(figsize=(8, height), layout="constrained")
        ax = figure.add_subplot()
    containers = _draw_bars(ax, weights, sources, labels)
    ax.set_title("Fusion weights per level" if title is None else title)
    _draw_labels(ax, matplotlib, containers)
    figure = ax.figure
    if path is not None:
        save_figure(figure, path)
    return figure


def read_weights(model_or_weights):
    """Returns `{level: {source: share}}` from a model or a dict, checked, as plain floats."""
    weights = model_or_weights
    if callable(getattr(weights, "fusion_weights", None)):
        weights = weights.fusion_weights()
    if not isinstance(weights, Mapping) or not all(
        isinstance(shares, Mapping) for shares in weights.values()
    ):
        raise TypeError(
            "model_or_weights: expected a FusionModel, or the dict {level: {source: share}} that "
            f"its method `fusion_weights()` returns. Received: {model_or_weights!r}"
        )
    if not weights or not all(weights.values()):
        raise ValueError(
            "model_or_weights: expected at least one fusion level with at least one source. "
            f"Received: {weights}"
        )
    checked = {}
    for level, shares in weights.items():
        checked[str(level)] = values = {str(name): float(value) for name, value in shares.items()}
        total = sum(values.values())
        # The tolerance lets shares pass that were computed or stored in half precision, and a
        # level whose weights are all zero, which has no shares.
        within = all(-1e-3 <= value <= 1.001 for value in values.values())  # false for NaN
        if not within or not (abs(total - 1) <= 1e-2 or total == 0):
            raise ValueError(
                f"expected shares in [0, 1] that sum to 1 at level {level!r}. "
                f"Received: {values}, with the sum {total:.4g}"
            )
    return checked


def _draw_bars(ax, weights, sources, labels):
    ends, containers = dict.fromkeys(weights, 0.0), []
    styles = source_styles(sources)
    for name in sources:
        color, hatch = styles[name]
        rows = [row for row, shares in enumerate(weights.values()) if name in shares]
        levels = [list(weights)[row] for row in rows]
        shares = [100 * weights[level][name] for level in levels]
        bars = ax.barh(
            rows,
            shares,
            left=[ends[level] for level in levels],
            height=BAR_HEIGHT,
            color=color,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.8,
            label=name,
        )
        containers.append(bars)
        for level, share in zip(levels, shares, strict=True):
            ends[level] += share
    ax.set_xlim(0, 100)
    ax.set_ylim(len(weights) - 0.5, -0.5)
    ax.set_xlabel("Share (%)")
    ax.set_ylabel("Fusion level")
    names = (f"{level} ({labels[level]})" if level in labels else level for level in weights)
    ax.set_yticks(range(len(weights)), [textwrap.fill(name, 28) for name in names])
    ax.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    add_legend(ax, containers, sources, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return containers


def _draw_labels(ax, matplotlib, containers):
    """Writes each share into its bar where it fits, after a layout pass has settled the sizes."""
    literal_text(ax)
    ax.figure.canvas.figure.draw_without_rendering()
    box = ax.get_window_extent()
    points = 72 / ax.figure.dpi
    points_per_percent = box.width * points / 100
    fits_height = box.height * points * BAR_HEIGHT / len(ax.get_yticks()) >= LABEL_SIZE
    for container in containers:
        for bar in container:
            text = f"{bar.get_width():.0f}%"
            width = matplotlib.textpath.TextPath((0, 0), text, size=LABEL_SIZE).get_extents().width
            if not fits_height or width + LABEL_MARGIN > bar.get_width() * points_per_percent:
                continue
            color = matplotlib.colors.to_hex(bar.get_facecolor())
            # A patch behind the digits keeps them readable on a hatched bar.
            patch = {"facecolor": color, "edgecolor": "none", "pad": 1} if bar.get_hatch() else None
            ax.text(
                bar.get_x() + bar.get_width() / 2,
                bar.get_y() + bar.get_height() / 2,
                text,
                ha="center",
                va="center",
                fontsize=LABEL_SIZE,
                color="black" if luminance(color) > 0.18 else "white",
                bbox=patch,
            )
