"""The dots of plot_search are the trials."""

import matplotlib.figure
import numpy as np
import pytest

from keras_fusion.plots import plot_search

TRIALS = [
    {"score": 0.8, "scores": [0.7, 0.9], "values": {"rate": 0.2, "lr": 1e-4, "fuse": "logits"}},
    {"score": 0.6, "values": {"rate": 0.4, "lr": 1e-2, "fuse": "features"}},
    {"score": None, "status": "FAILED", "values": {"rate": 0.6, "lr": 1e-3, "fuse": "logits"}},
    {"score": None, "status": "RUNNING", "values": {"rate": 0.7, "lr": 1e-3, "fuse": "logits"}},
    {"score": 0.5, "values": {"rate": 0.1, "lr": 1e-3, "tuner/epochs": 3}},
]


def lines(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker]


def test_dots_spreads_and_crosses():
    figure = plot_search(TRIALS, label="accuracy", title="$all$")
    rate, lr, fuse = figure.axes
    assert [axes.get_xlabel() for axes in figure.axes] == ["rate", "lr", "fuse"]
    assert rate.get_ylabel() == "accuracy" and figure.get_suptitle() == "$all$"
    dots = [(*line.get_xdata(), *line.get_ydata()) for line in lines(rate, "o")]
    assert dots == [(0.2, 0.8), (0.4, 0.6), (0.1, 0.5)]
    spreads = [tuple(line.get_ydata()) for line in lines(rate, "None")]
    assert spreads == [(0.7, 0.9), (0.6, 0.6), (0.5, 0.5)]
    assert [line.get_xdata()[0] for line in lines(rate, "x")] == [0.6]
    assert (rate.get_xscale(), lr.get_xscale()) == ("linear", "log")
    assert [t.get_text() for t in fuse.get_xticklabels()] == ["features", "logits"]
    assert [line.get_xdata()[0] for line in lines(fuse, "o")] == [1, 0]


@pytest.mark.parametrize(("direction", "best"), [("max", 0.8), ("min", 0.5)])
def test_the_best_stands_out(direction, best):
    dots = lines(plot_search(TRIALS, direction=direction).axes[0], "o")
    colors = {line.get_color(): [] for line in dots}
    for line in dots:
        colors[line.get_color()].append(line.get_ydata()[0])
    assert [best] in colors.values() and len(colors) == 2


def test_file(tmp_path):
    figure = plot_search(TRIALS, tmp_path / "scores.png")
    assert isinstance(figure, matplotlib.figure.Figure)
    assert (tmp_path / "scores.png").read_bytes().startswith(b"\x89PNG")


def test_many_panels_fill_rows():
    rng = np.random.default_rng(0)
    trials = [
        {"score": 1.0 * i, "values": dict(zip("abcd", rng.random(4), strict=True))}
        for i in range(3)
    ]
    figure = plot_search(trials)
    assert len(figure.axes) == 4 and [bool(a.get_ylabel()) for a in figure.axes] == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("trials", "match"),
    [
        ([], "at least one with a score. Received: 0"),
        (TRIALS[2:3], "at least one with a score. Received: 1"),
        (TRIALS[:1], "a hyperparameter with two values"),
    ],
)
def test_nothing_to_draw(trials, match):
    with pytest.raises(ValueError, match=match):
        plot_search(trials)


def test_direction():
    with pytest.raises(ValueError, match="direction: expected one of"):
        plot_search(TRIALS, direction="up")
