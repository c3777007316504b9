"""The graph of a fusion model: which tensors meet where, and how they are brought to one shape."""

import textwrap

from keras_fusion.graph import shape_name
from keras_fusion.models.fusion_model import fusions_of
from keras_fusion.plots._style import (
    CENTRAL,
    import_matplotlib,
    literal_text,
    luminance,
    save_figure,
    source_styles,
)

COLUMN_WIDTH, ROW_HEIGHT = 2.4, 1.1  # inches
BOX_WIDTH, BOX_HEIGHT = 0.64, 0.44  # of a column, of a row
STEP = 0.5  # of a row: how much higher a column stands than its neighbour towards the middle
TEXT_SIZE = 8
WIDEST = 22  # characters in a box
LINE_COLOR = "#4D4D4D"


def plot_fusion_graph(model, path=None, ax=None, title=None):
    """Draws where the modalities of a fusion model meet, from the inputs down to the prediction.

    Use it to see what `taps` and `align` chose: one column per modality with the tensors of its
    backbone that are used, in the middle the layers in which they meet. What stands at an arrow
    happens to the tensor on its way: zero-padding, a projection, a mean over time or space; at
    the arrows down the middle it is the central network. `model.describe_fusion()` says the same
    as text.

    Args:
        model: `FusionModel`.
        path: Optional path of the picture to write. The suffix gives the format; without one it is
            PNG. Defaults to `None`.
        ax: Optional `matplotlib.axes.Axes` to draw in. Defaults to `None`, a new figure.
        title: String above the graph. Defaults to the model's name.

    Returns:
        The `matplotlib.figure.Figure`. It is not registered with pyplot: nothing has to be closed
        and no window opens.

    Raises:
        TypeError: if `model` is no `FusionModel`.
        OSError: if `path` cannot be written.
        ImportError: if matplotlib is not installed.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.build_centralnet({"image": kf.backbones.mlp(4), "audio": kf.backbones.mlp(6)})
    >>> texts = [text.get_text() for text in kf.plots.plot_fusion_graph(model).axes[0].texts]
    >>> [text.replace(chr(10), ", ") for text in texts if text.startswith("fusion")]
    ['fusion_0, 128', 'fusion_1, 10']

    Reference:
        Vielzeuf et al., CentralNet: a Multilayer Approach for Multimodal Fusion, 2018, Fig. 1,
        https://arxiv.org/abs/1808.07275
    """
    if not callable(getattr(model, "describe_fusion", None)):
        raise TypeError(f"model: expected a FusionModel. Received: {type(model).__name__}")
    matplotlib = import_matplotlib()
    found = fusions_of(model)
    names = model.modalities
    columns = {name: i for i, name in enumerate(_with_central_inside(names))}
    middle = columns[CENTRAL]
    heights = {name: STEP * max(abs(c - middle) - 1, 0) for name, c in columns.items()}
    spacing = 1 + max(heights.values())
    if ax is None:
        size = (COLUMN_WIDTH * len(columns), ROW_HEIGHT * (spacing * len(found) + 0.8))
        ax = matplotlib.figure.Figure(figsize=size, layout="constrained").add_subplot()
    colors = {name: color for name, (color, _) in source_styles(names).items()}
    top = -max(heights.values()) - 0.6
    for name in names:
        ax.text(columns[name], top, name, ha="center", fontsize=TEXT_SIZE + 2, weight="bold")
    rows = {fusion.layer: row * spacing for row, fusion in enumerate(found)}
    before, last = {}, None  # where the tensors and the fusion above stand
    for fusion in found:
        row = rows[fusion.layer]
        _box(ax, middle, row, fusion.layer, fusion.shape, colors[CENTRAL])
        for source in fusion.sources:
            if source.name == CENTRAL:
                start = rows.get(source.tensor, last)
                _down(ax, middle, start, row, _steps(source, rows), start != last)
                continue
            column, height = columns[source.name], row - heights[source.name]
            _box(ax, column, height, source.tensor, source.shape, colors[source.name])
            if source.tensor != source.name:  # not the input, from which every tensor comes
                if source.name in before:
                    _down(ax, column, before[source.name], height, "")
                before[source.name] = height
            _towards(ax, (column, height), (middle, row), _steps(source, rows))
        last = row
    ax.set_xlim(-0.5, len(columns) - 0.5)
    ax.set_ylim(spacing * (len(found) - 1) + 0.4, top - 0.3)
    ax.set_axis_off()
    ax.set_title(model.name if title is None else title)
    literal_text(ax)
    if path is not None:
        save_figure(ax.figure, path)
    return ax.figure


def _with_central_inside(names):
    middle = (len(names) + 1) // 2
    return [*names[:middle], CENTRAL, *names[middle:]]


def _steps(source, rows):
    """What happens on the way; from where, if that is no fusion that was drawn."""
    steps = list(source.steps)
    if source.name == CENTRAL and source.tensor not in rows:
        steps.insert(0, source.tensor)
    return ", ".join(steps)


def _box(ax, column, row, name, shape, color):
    short = name if len(name) <= WIDEST else "..." + name[3 - WIDEST :]
    ax.text(
        column,
        row,
        f"{short}\n{shape_name(shape)}",
        ha="center",
        va="center",
        fontsize=TEXT_SIZE,
        color="black" if luminance(color) > 0.18 else "white",
        bbox={"facecolor": color, "edgecolor": "none", "boxstyle": "round,pad=0.4"},
        zorder=3,
    )


def _arrow(ax, start, end, **style):
    line = {"arrowstyle": "->", "color": LINE_COLOR, "shrinkA": 0, "shrinkB": 0, **style}
    ax.annotate("", end, start, arrowprops=line, zorder=2)


def _down(ax, column, start, end, label, passes_others=False):
    """An arrow to a lower box of the same column."""
    ends = (column, start + BOX_HEIGHT / 2), (column, end - BOX_HEIGHT / 2)
    curve = {"connectionstyle": "arc3,rad=0.4"} if passes_others else {}
    _arrow(ax, *ends, **curve)
    if label:
        _label(ax, column, (start + end) / 2, textwrap.fill(label, 30), "center")


def _towards(ax, start, end, label):
    """An arrow to the middle, level until it has passed the columns on its way."""
    (x0, y0), (x1, y1) = start, end
    side = 1 if x1 > x0 else -1
    turn = x1 - side * 0.5
    if y0 != y1:
        ax.plot([x0 + side * BOX_WIDTH / 2, turn], [y0, y0], color=LINE_COLOR, lw=1, zorder=1)
        begin = (turn, y0)
    else:
        begin = (x0 + side * BOX_WIDTH / 2, y0)
    _arrow(ax, begin, (x1 - side * BOX_WIDTH / 2, y1))
    if label:
        _label(ax, start[0] + side * 0.5, y0 - 0.06, textwrap.fill(label, 18), "bottom")


def _label(ax, x, y, text, align):
    ax.text(
        x,
        y,
        text,
        ha="center",
        va=align,
        fontsize=TEXT_SIZE - 2,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        zorder=4,
    )
