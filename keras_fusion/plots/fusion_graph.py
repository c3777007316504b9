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
ASIDE = 0.09  # of a column: where the arrow of the next column but one comes in from above
PAD = 0.4  # around the text of a box, of the text's size
STEP = 0.5  # of a row: how much higher a column stands than its neighbour towards the middle
TEXT_SIZE = 8
WIDEST = 22  # characters in a box
LINE_COLOR = "#4D4D4D"
CURVED = {"connectionstyle": "arc3,rad=0.4"}  # past the boxes in between


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
    free = spacing - max(heights.values())  # below a fusion, until arrows from afar come in
    fusions, above, lowest, last = {}, {}, {}, None  # boxes above, the latter two by column
    for fusion in found:
        row = rows[fusion.layer]
        meets = _Box(ax, middle, row, fusion.layer, fusion.shape, colors[CENTRAL])
        for source in fusion.sources:
            if source.name == CENTRAL:
                start = fusions.get(source.tensor, last)
                _arrow(ax, start, meets, **(CURVED if start is not last else {}))
                _label_center(ax, start, meets, _steps(source, rows), free)
                continue
            column, height = columns[source.name], row - heights[source.name]
            color = colors[source.name]
            box = _Box(ax, column, height, source.tensor, source.shape, color)
            if source.tensor != source.name:  # not the input, from which every tensor comes
                before = above.get(source.name)
                if before is not None and before.name != source.tensor:
                    _arrow(ax, before, box, **(CURVED if before is not lowest[column] else {}))
                above[source.name] = box
            lowest[column] = box
            _towards(ax, box, meets, _steps(source, rows), color)
        last = fusions[fusion.layer] = meets
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


class _Box:
    """A tensor's box; arrows end at its edge, which is known in points and not in columns."""

    def __init__(self, ax, column, row, name, shape, color):
        self.column, self.row, self.name = column, row, name
        short = name if len(name) <= WIDEST else "..." + name[3 - WIDEST :]
        text = ax.text(
            column,
            row,
            f"{short}\n{shape_name(shape)}",
            ha="center",
            va="center",
            fontsize=TEXT_SIZE,
            parse_math=False,
            color="black" if luminance(color) > 0.18 else "white",
            bbox={"facecolor": color, "edgecolor": "none", "boxstyle": f"round,pad={PAD}"},
            zorder=3,
        )
        extent, points = text.get_window_extent(), 72 / ax.figure.dpi
        self.half_width = extent.width * points / 2 + PAD * TEXT_SIZE
        self.half_height = extent.height * points / 2 + PAD * TEXT_SIZE


def _arrow(ax, start, end, color=LINE_COLOR, offset=0.0, zorder=1, **style):
    """From box to box: level, downwards, or (`offset` of a column aside) level and then downwards.

    With three modalities at three levels no drawing is free of crossings (K3,3 is not planar): an
    arrow to the middle passes over one down a column with a gap around it.
    """
    ends = (end.column + offset, end.row), (start.column, start.row)
    level = {"shrinkA": start.half_width, "shrinkB": end.half_width}
    falls = {"shrinkA": start.half_height, "shrinkB": end.half_height}
    line = {"arrowstyle": "->", "color": color, **style}
    if offset:
        line |= {**level, "shrinkB": end.half_height, "connectionstyle": "angle,angleA=0,angleB=90"}
    else:
        line |= level if start.row == end.row else falls
    ax.annotate("", *ends, arrowprops=line, zorder=zorder)


def _towards(ax, start, end, label, color):
    """An arrow to the middle; from afar it comes from above, the farthest nearest to the center."""
    side = 1 if end.column > start.column else -1
    offset = 0.0
    if start.row != end.row:
        offset = -side * ASIDE / (abs(end.column - start.column) - 1)
    color = LINE_COLOR if luminance(color) > 0.6 else color  # yellow on white
    _arrow(ax, start, end, "white", offset, arrowstyle="-", linewidth=6)  # the gap
    _arrow(ax, start, end, color, offset, zorder=2)
    if label:
        x = start.column + side * 0.5
        _label(ax, x, start.row - 0.06, textwrap.fill(label, 18), "bottom")


def _label_center(ax, start, end, label, free):
    if label:
        y = start.row + min(free, end.row - start.row) / 2
        _label(ax, end.column, y, textwrap.fill(label, 30), "center")


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
