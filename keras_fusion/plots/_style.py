"""Common to all figures: matplotlib, colors that stay apart for every eye, writing to a file."""

import os
import re

from keras_fusion._files import whole_file

CENTRAL = "central"
# Okabe and Ito's palette. The grey is the neutral tone farthest from all of it: under simulated
# protanopia, deuteranopia and tritanopia a lighter grey is mistaken for purple or sky blue.
COLORS = (
    "#0072B2",  # blue
    "#E69F00",  # orange
    "#009E73",  # bluish green
    "#D55E00",  # vermillion
    "#56B4E9",  # sky blue
    "#CC79A7",  # reddish purple
    "#F0E442",  # yellow
    "#000000",  # black
)
CENTRAL_COLOR = "#4D4D4D"
HATCHES = (None, "///", "...", "xxx")


def import_matplotlib():
    """Returns matplotlib with the parts the figures use, or says how to install it."""
    try:
        # pyplot is left out on purpose: it picks a backend and keeps every figure alive.
        import matplotlib
        import matplotlib.figure
        import matplotlib.lines
        import matplotlib.patheffects
        import matplotlib.text
        import matplotlib.textpath
        import matplotlib.ticker
    except ImportError as error:
        raise ImportError(
            'figures need matplotlib, which is not installed: pip install "keras_fusion[plot]"'
        ) from error
    return matplotlib


def order_sources(names):
    """Sorts source names with the central representation last, so that every figure agrees."""
    names = set(names)
    return sorted(names - {CENTRAL}) + [CENTRAL] * (CENTRAL in names)


def source_styles(sources):
    """Maps each source to a `(color, hatch)`; a hatch marks the ninth modality and on."""
    modalities = [name for name in sources if name != CENTRAL]
    styles = {
        name: (COLORS[i % len(COLORS)], HATCHES[i // len(COLORS) % len(HATCHES)])
        for i, name in enumerate(modalities)
    }
    styles[CENTRAL] = (CENTRAL_COLOR, None)
    return styles


def luminance(color):
    """Relative luminance of a `"#RRGGBB"` color, in [0, 1] (WCAG 2)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def add_legend(owner, handles, names, **options):
    """Adds a legend; matplotlib alone leaves out the names that begin with an underscore."""
    legend = owner.legend(handles, [str(i) for i in range(len(names))], frameon=False, **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def literal_text(artist):
    """Shows names as they are: a `$` in one is not the start of a formula."""
    for text in artist.findobj(import_matplotlib().text.Text):
        text.set_parse_math(False)


def set_log_scale(axis):
    """Makes an axis logarithmic; matplotlib's own labels are formulas, which stay unread here."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_tick_params(which="minor", labelsize=8)
    formatter = import_matplotlib().ticker.LogFormatter
    axis.set_major_formatter(formatter())
    axis.set_minor_formatter(formatter(labelOnlyBase=False))


def is_share(metric, values):
    """Whether a score lies in [0, 1] by its nature, such as an accuracy."""
    shares = ("accuracy", "acc", "auc", "f1", "precision", "recall")
    named = any(part in shares for part in re.split(r"[^a-z0-9]+", metric.lower()))
    return named and all(0 <= value <= 1 for value in values)


def end_at_one(axis, metric):
    """Ends the axis of a score at 1, beyond which no accuracy lies; markers there stay whole."""
    lines = [line for line in axis.axes.lines if len(line.get_xdata(orig=False))]
    values = [v for line in lines for v in getattr(line, f"get_{axis.axis_name}data")()]
    if is_share(metric, [value for value in values if value == value]):
        low, high = axis.get_view_interval()
        axis.axes.set(**{f"{axis.axis_name}lim": (max(low, 0), min(high, 1))})
        for line in lines:
            line.set_clip_on(False)


def save_figure(figure, path):
    """Writes `figure` to `path` in the format of its suffix (PNG without one), whole or not at all.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if matplotlib does not know the suffix.
    """
    path = os.fspath(path)
    suffix = os.path.splitext(path)[1][1:].lower() or "png"
    known = sorted(figure.canvas.get_supported_filetypes())
    if suffix not in known:
        raise ValueError(f"expected `path` to end in one of {known}. Received: path={path!r}")
    try:
        with whole_file(path) as temporary:
            figure.savefig(
                temporary,
                format=suffix,
                dpi=150,
                bbox_inches="tight",
            )
    except OSError as error:
        raise OSError(
            f"expected `path` to be a file that can be written in an existing folder. "
            f"Received: path={path!r} ({error.strerror})"
        ) from error


def finished(figure, path=None, title=None):
    """The last steps of every figure: title, names as they are, the file if there is a path."""
    if title is not None:
        figure.suptitle(title)
    literal_text(figure)
    if path is not None:
        save_figure(figure, path)
    return figure
