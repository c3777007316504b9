"""Figures of a score over two settings."""

import numpy as np
import pytest

from keras_fusion.plots import plot_score_grid

pytest.importorskip("matplotlib")
ERRORS = {(0.1, 0.0): 300, (0.1, 0.9): 200.5, (0.5, 0.0): 50}


def test_every_score_is_in_its_cell(tmp_path):
    figure = plot_score_grid({"A$": ERRORS}, "energy", "share", tmp_path / "grid.png", "t")
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "0.9"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["0.5", "0.1"]
    assert (axes.get_ylabel(), axes.get_xlabel(), axes.get_title()) == ("energy", "share", "A$")
    shown = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown, [[50, np.nan], [300, 200.5]])
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts == {(0, 0): "50", (0, 1): "300", (1, 1): "200.5"}
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")


def test_a_difference_reaches_as_far_on_both_sides():
    difference = {cell: value - 250 for cell, value in ERRORS.items()}
    for axes, low, high in zip(
        plot_score_grid({"a": ERRORS, "b": difference}).axes, (50, -200), (300, 200), strict=True
    ):
        assert (axes.images[0].norm.vmin, axes.images[0].norm.vmax) == (low, high)


def test_scores_share_a_scale_and_are_readable_on_it():
    better = {cell: value - 40 for cell, value in ERRORS.items()}
    figure = plot_score_grid({"a": ERRORS, "b": better})
    for axes in figure.axes:
        assert (axes.images[0].norm.vmin, axes.images[0].norm.vmax) == (10, 300)
    colors = {text.get_text(): text.get_color() for ax in figure.axes for text in ax.texts}
    assert colors["10"] == colors["50"] == "white" and colors["300"] == "black"


@pytest.mark.parametrize("grids", [{}, {"a": {}}, [1]])
def test_error(grids):
    with pytest.raises(TypeError, match="expected {heading"):
        plot_score_grid(grids)
