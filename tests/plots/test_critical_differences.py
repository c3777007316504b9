"""The figure of mean ranks."""

import itertools

import pytest

from keras_fusion.evaluation import RankComparison
from keras_fusion.plots import plot_critical_difference

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")


@pytest.mark.parametrize("data_sets", [40, 12, 2])  # no bars; two; CD is longer than all ranks
def test_names_bars_and_scale(data_sets, tmp_path):
    result = RankComparison({"b_": 2.0, "a$": 1.0, "c": 3.0, "d": 4.0}, data_sets)
    figure = plot_critical_difference(result, path=tmp_path / "ranks.png", title="t")
    (axes,) = figure.axes
    critical, *names = axes.texts
    assert critical.get_text() == f"critical difference {result.critical_difference:.2f}"
    expected = ["a$ 1.00", "b_ 2.00", "c 3.00", "d 4.00"]
    assert [text.get_text() for text in names] == expected
    scale, *lines = [line.get_xdata() for line in axes.lines]
    assert scale[0] - scale[1] == pytest.approx(result.critical_difference)
    # Every name has a line from its rank, and is on the side of the better or the worse half.
    assert [line[0] for line in lines[:4]] == [1, 2, 3, 4]
    assert [text.get_position()[0] < 1 for text in names] == [True, True, False, False]
    heights = [text.get_position()[1] for text in names]
    assert heights[0] == heights[3] > heights[1] == heights[2]
    bars = axes.lines[5:]
    assert len(bars) == len(result.cliques) == {40: 0, 12: 3, 2: 1}[data_sets]
    for clique, bar in zip(result.cliques, bars, strict=True):
        ends = result.ranks[clique[0]], result.ranks[clique[-1]]
        assert list(bar.get_xdata()) == pytest.approx(ends, abs=0.1)
        assert 0 > bar.get_ydata()[0] > heights[0]
    # Turned: the best is on the right.
    left, right = axes.get_xlim()
    assert left >= max(scale) > min(scale) >= right and left > 4 > 1 > right
    assert (tmp_path / "ranks.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("count", [2, 20, 34, 60])
def test_numbers_of_the_ranks_do_not_meet(count):
    figure = plot_critical_difference(
        RankComparison({f"interactive_memory_{i}": i for i in range(count)}, 5)
    )
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert all(b.x1 < a.x0 for a, b in itertools.pairwise(boxes))  # from the right


def test_errors():
    with pytest.raises(TypeError, match="result: expected a RankComparison. Received: {'a': 1.0}"):
        plot_critical_difference({"a": 1.0})
