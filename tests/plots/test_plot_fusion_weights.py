"""The bars of plot_fusion_weights carry the shares that the model reports."""

import itertools
import sys

import matplotlib
import matplotlib.figure
import matplotlib.pyplot
import numpy as np
import pytest

import keras_fusion as kf
from keras_fusion.plots import plot_fusion_weights
from keras_fusion.plots._style import CENTRAL_COLOR

WEIGHTS = {
    "14x14x32": {"image": 0.7, "audio": 0.3},
    "1024": {"image": 0.02, "audio": 0.38, "central": 0.6},
    "10": {"image": 0.25, "audio": 0.5, "central": 0.25},
}


class Model:
    """Stands for a FusionModel."""

    def fusion_weights(self):
        return WEIGHTS


def bars(ax):
    """{source: {level: (left, width, color)}} as drawn."""
    levels = [label.get_text() for label in ax.get_yticklabels()]
    drawn = {}
    for container in ax.containers:
        for bar in container:
            level = levels[round(bar.get_y() + bar.get_height() / 2)]
            color = matplotlib.colors.to_hex(bar.get_facecolor())
            place = (bar.get_x(), bar.get_width(), color)
            drawn.setdefault(container.get_label(), {})[level] = place
    return drawn


@pytest.mark.parametrize("source", [WEIGHTS, Model()], ids=["dict", "model"])
def test_bars_are_the_shares_in_percent_and_fill_the_level(source):
    ax = plot_fusion_weights(source).axes[0]
    drawn = bars(ax)
    assert set(drawn) == {"image", "audio", "central"}
    assert "14x14x32" not in drawn["central"]
    for level, shares in WEIGHTS.items():
        for name, share in shares.items():
            assert drawn[name][level][1] == pytest.approx(100 * share)
        edges = sorted(drawn[name][level][:2] for name in shares)
        assert edges[0][0] == 0
        for (left, width), (start, _) in itertools.pairwise(edges):
            assert left + width == pytest.approx(start)
        assert sum(edges[-1]) == pytest.approx(100)


def test_lowest_level_is_at_the_top_under_its_name():
    ax = plot_fusion_weights(WEIGHTS).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(WEIGHTS)
    bottom, top = ax.get_ylim()
    assert bottom > top


def test_a_source_has_one_color_and_one_legend_entry_whatever_the_order_of_the_dicts():
    ax = plot_fusion_weights(WEIGHTS).axes[0]
    backwards = {level: dict(reversed(list(shares.items()))) for level, shares in WEIGHTS.items()}
    colors = {name: {bar[2] for bar in levels.values()} for name, levels in bars(ax).items()}
    again = bars(plot_fusion_weights(backwards).axes[0])
    assert all(len(found) == 1 for found in colors.values())
    assert len(set.union(*colors.values())) == 3
    assert colors["central"] == {CENTRAL_COLOR.lower()}
    assert colors == {name: {b[2] for b in levels.values()} for name, levels in again.items()}
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["audio", "image", "central"]


def test_central_keeps_its_color_with_any_number_of_modalities():
    for count in (1, 5, 12):
        names = [f"m{i}" for i in range(count)] + ["central"]
        drawn = bars(plot_fusion_weights({"l": dict.fromkeys(names, 1 / len(names))}).axes[0])
        assert drawn["central"]["l"][2] == CENTRAL_COLOR.lower()


def test_more_modalities_than_colors_are_told_apart_by_hatching():
    names = [f"m{i:02}" for i in range(20)]
    ax = plot_fusion_weights({"l": dict.fromkeys(names, 1 / 20)}).axes[0]
    looks = {(c[0].get_facecolor(), c[0].get_hatch()) for c in ax.containers}
    assert len(looks) == 20


def test_labels_are_the_rounded_shares_and_only_where_they_fit_in_their_bar():
    figure = plot_fusion_weights(WEIGHTS)
    ax = figure.axes[0]
    texts = sorted(text.get_text() for text in ax.texts)
    assert texts == sorted(["70%", "30%", "38%", "60%", "25%", "50%", "25%"])  # 2% does not fit
    figure.draw_without_rendering()
    boxes = [bar.get_window_extent() for container in ax.containers for bar in container]
    for text in ax.texts:
        box = text.get_window_extent()
        assert any(b.x0 <= box.x0 and box.x1 <= b.x1 and b.y0 <= box.y0 for b in boxes)


def test_nothing_overlaps_with_8_modalities_and_7_levels_of_long_names():
    rng = np.random.default_rng(0)
    names = [f"modality_number_{i}" for i in range(8)] + ["central"]
    weights = {
        f"block{i}_with_a_name_that_is_rather_long": dict(
            zip(names, map(float, rng.dirichlet(np.ones(9))), strict=True)
        )
        for i in range(7)
    }
    figure = plot_fusion_weights(weights)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    ticks = [label.get_window_extent() for label in ax.get_yticklabels()]
    labels = [text.get_window_extent() for text in ax.texts]
    for group in (ticks, labels):
        for i, box in enumerate(group):
            assert not any(box.overlaps(other) for other in group[:i])
    legend, canvas = ax.get_legend().get_window_extent(), figure.bbox
    assert legend.x0 > ax.get_window_extent().x1
    for box in [legend, ax.title.get_window_extent(), *ticks]:
        assert canvas.x0 <= box.x0 and box.x1 <= canvas.x1
        assert canvas.y0 <= box.y0 and box.y1 <= canvas.y1
    assert ax.get_window_extent().width > canvas.width / 4


def test_names_are_shown_literally():
    ax = plot_fusion_weights({"$a_1$": {"_x": 0.5, "$y": 0.5}}, title="$5").axes[0]
    assert not ax.get_yticklabels()[0].get_parse_math()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["$y", "_x"]
    assert ax.get_title() == "$5"


def test_draws_into_given_axes():
    figure = matplotlib.figure.Figure()
    left, right = figure.subplots(1, 2)
    assert plot_fusion_weights(WEIGHTS, ax=right, title="mine") is figure
    assert right.get_title() == "mine"
    assert bars(right)["image"]["10"][1] == pytest.approx(25)
    assert not left.patches


def test_level_without_any_weight_is_an_empty_row():
    ax = plot_fusion_weights({"a": {"x": 0.0, "y": 0.0}, "b": {"x": 1.0, "y": 0.0}}).axes[0]
    assert bars(ax)["x"]["a"][1] == 0
    assert [text.get_text() for text in ax.texts] == ["100%"]


def test_pyplot_is_neither_used_nor_changed(monkeypatch):
    pyplot = matplotlib.pyplot
    before = pyplot.get_fignums(), matplotlib.get_backend(), dict(matplotlib.rcParams)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "matplotlib.pyplot", None)  # an import of it would fail
        figure = plot_fusion_weights(WEIGHTS)
    assert isinstance(figure, matplotlib.figure.Figure)
    assert (pyplot.get_fignums(), matplotlib.get_backend(), dict(matplotlib.rcParams)) == before


def test_writes_a_png(tmp_path):
    for name in ("weights.png", "weights"):
        plot_fusion_weights(WEIGHTS, path=tmp_path / name)
        assert (tmp_path / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    plot_fusion_weights(WEIGHTS, path=str(tmp_path / "weights.svg"))
    assert b"<svg" in (tmp_path / "weights.svg").read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"weights.png", "weights", "weights.svg"}


def test_path_that_cannot_be_written(tmp_path):
    with pytest.raises(OSError, match=r"expected `path` to be a file .* Received: path="):
        plot_fusion_weights(WEIGHTS, path=tmp_path / "missing" / "weights.png")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="expected `path`"):
        plot_fusion_weights(WEIGHTS, path=tmp_path / "folder")
    with pytest.raises(ValueError, match="xyz"):
        plot_fusion_weights(WEIGHTS, path=tmp_path / "weights.xyz")
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_failed_write_keeps_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "weights.png"
    path.write_bytes(b"old")

    def fail(self, name, **kwargs):
        with open(name, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", fail)
    with pytest.raises(OSError, match="No space left"):
        plot_fusion_weights(WEIGHTS, path=path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("wrong", [None, 3, "model", ["a"], {"a": 0.5}, object()])
def test_wrong_types(wrong):
    with pytest.raises(TypeError, match=r"expected a FusionModel.* Received:"):
        plot_fusion_weights(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"a": {}},
        {"a": {"x": 0.5, "y": 0.4}},
        {"a": {"x": float("nan"), "y": 0.5}},
        {"a": {"x": float("inf"), "y": 0.5}},
        {"a": {"x": 1.5, "y": -0.5}},
        {"a": {"x": 1.0}, "b": {"x": 50.0, "y": 50.0}},
    ],
    ids=str,
)
def test_wrong_values(wrong):
    with pytest.raises(ValueError, match=r"expected .* Received: \{"):
        plot_fusion_weights(wrong)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "keras_fusion\[plot\]"'):
        plot_fusion_weights(WEIGHTS)


def test_a_model_labels_its_levels_with_their_shapes():
    backbones = {"a": kf.backbones.mlp(4, hidden_units=(8,)), "b": kf.backbones.mlp(5, (8,))}
    figure = kf.plot_fusion_weights(kf.build_centralnet(backbones))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["level_0 (8)", "level_1 (prediction)"]
