"""plot_fusion_graph draws what describe_fusion says, and nothing on top of each other."""

import itertools

import keras
import numpy as np
import pytest
from helpers.tiny import map_net, vector_net

import keras_fusion as kf
from keras_fusion.models.fusion_model._summary import fusions_of

pytest.importorskip("matplotlib", reason="needs matplotlib")


def build(count=2, **arguments):
    nets = {name: map_net() for name in ("image", "depth", "heat", "radar")[:count]}
    return kf.build_centralnet(nets, **arguments)


def boxes(ax):
    """{text: artist} of the tensors and fusions; other texts have no colored box."""
    return {
        text: text.get_text()
        for text in ax.texts
        if text.get_bbox_patch() is not None and "\n" in text.get_text() and text.zorder == 3
    }


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_tensor_has_its_box(count):
    model = build(count)
    ax = kf.plots.plot_fusion_graph(model).axes[0]
    found = sorted(boxes(ax).values())
    expected = []
    for fusion in fusions_of(model):
        shape = "x".join(map(str, fusion.shape))
        expected.append(f"{fusion.layer}\n{shape}")
        for source in fusion.sources:
            if source.name != "central":
                expected.append(f"{source.tensor}\n{'x'.join(map(str, source.shape))}")
    assert found == sorted(expected)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_no_box_covers_another(count):
    figure = kf.plots.plot_fusion_graph(build(count))
    figure.draw_without_rendering()
    extents = [text.get_bbox_patch().get_window_extent() for text in boxes(figure.axes[0])]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(extents, 2))


def arrows(figure):
    """Points along every arrow, in pixels; the white gaps below them are left out."""
    for text in figure.axes[0].texts:
        patch = getattr(text, "arrow_patch", None)
        if patch is not None and patch.get_edgecolor()[:3] != (1, 1, 1):
            ends = patch.get_transform().transform(patch.get_path().vertices[:-3])  # no head
            lines = [np.linspace(a, b, 99) for a, b in itertools.pairwise(ends)]
            yield np.concatenate(lines)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_arrows_go_from_edge_to_edge_and_through_no_box(count):
    figure = kf.plots.plot_fusion_graph(build(count))
    figure.draw_without_rendering()
    frames = [text.get_bbox_patch().get_window_extent() for text in boxes(figure.axes[0])]
    found = list(arrows(figure))
    assert len(found) == 6 * count + 3  # to the four fusions, down the columns, down the middle
    for points in found:
        for frame in frames:
            assert not any(frame.padded(-2).contains(*point) for point in points)
        for end in (points[0], points[-1]):
            assert any(frame.padded(3).contains(*end) for frame in frames)


def test_modalities_stand_apart_and_the_center_between_them():
    ax = kf.plots.plot_fusion_graph(build(3)).axes[0]
    places = {text.get_text(): text.get_position() for text in ax.texts}
    heads = [places[name][0] for name in ("image", "depth", "heat")]
    center = places["fusion_0\n8x8x1"][0]
    assert heads == [0, 1, 3] and center == 2
    assert places["fusion_0\n8x8x1"][1] < places["fusion_1\n4x4x2"][1]


def test_steps_stand_at_the_arrows():
    model = kf.build_centralnet({"image": map_net(), "sound": vector_net(units=(5,))})
    texts = [
        t.get_text().replace("\n", " ") for t in kf.plots.plot_fusion_graph(model).axes[0].texts
    ]
    assert "mean over space, zero-padding" in texts
    assert texts.count("logits of probabilities") == 2


def test_no_arrow_goes_from_a_tensor_to_itself():
    nets = {"image": map_net(filters=(2, 3, 4)), "sound": vector_net()}
    figure = kf.plots.plot_fusion_graph(kf.build("xflow", nets))
    figure.draw_without_rendering()
    inside = [(text, text.get_bbox_patch().get_window_extent()) for text in boxes(figure.axes[0])]
    for points in arrows(figure):
        ends = [
            text.get_text()
            for end in (points[0], points[-1])
            for text, frame in inside
            if frame.padded(3).contains(*end)
        ]
        assert len(ends) == 2 and ends[0] != ends[1]


@pytest.mark.parametrize("method", ["xflow", "late_mean", "hybrid", "cross_attention"])
def test_other_methods(method):
    model = kf.build(method, {"image": map_net(), "sound": vector_net(units=(4, 4))})
    assert kf.plots.plot_fusion_graph(model).axes[0].get_title() == model.name


def test_file_title_and_axes(tmp_path):
    import matplotlib.figure

    ax = matplotlib.figure.Figure().add_subplot()
    figure = kf.plots.plot_fusion_graph(build(), tmp_path / "graph.svg", ax, "My model")
    assert figure is ax.figure and ax.get_title() == "My model"
    assert (tmp_path / "graph.svg").read_text().startswith("<?xml")


def test_errors():
    with pytest.raises(TypeError, match="expected a FusionModel. Received: Sequential"):
        kf.plots.plot_fusion_graph(keras.Sequential())
