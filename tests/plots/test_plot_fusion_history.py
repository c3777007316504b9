"""The lines of plot_fusion_history are what the callback recorded."""

import sys
from types import SimpleNamespace

import matplotlib.pyplot
import numpy as np
import pytest

from keras_fusion.plots import plot_fusion_history

CSV = (
    "epoch,fusion/a/b/image,fusion/a/b/audio,loss,val_central_f1\n"
    "0,0.5,0.5,,\n"
    "1,0.6,0.4,2.5,0.1\n"
    "2,0.7,0.3,1.5,\n"
)


def record(levels=3, epochs=4):
    """A history with distinct values, one head per source and one score of the whole model."""
    weights, logs = [], []
    for epoch in range(epochs + 1):
        share = 0.5 - 0.1 * epoch / epochs
        weights.append({"level_0": {"image": share, "audio": 1 - share}})
        for i in range(1, levels):
            rest = {"image": 0.1 * i, "audio": share - 0.1 * i, "central": 1 - share}
            weights[-1][f"level_{i}"] = rest
        logs.append({})
        if epoch:
            for i, head in enumerate(["central", "image", "audio"]):
                for prefix in ("", "val_"):
                    logs[-1][f"{prefix}{head}_accuracy"] = epoch / 10 + i / 100 + len(prefix)
                    logs[-1][f"{prefix}{head}_loss"] = 1 / epoch + i
            logs[-1].update(loss=3 / epoch, val_loss=4 / epoch, learning_rate=0.1)
    return SimpleNamespace(epochs=list(range(epochs + 1)), weights=weights, logs=logs)


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("levels", [1, 2, 3, 5, 9])
def test_one_panel_per_level_with_the_share_of_each_source(levels):
    history = record(levels)
    figure = plot_fusion_history(history)
    assert [ax.get_title() for ax in figure.axes[:-1]] == list(history.weights[0])
    for ax in figure.axes[:-1]:
        level = ax.get_title()
        drawn = lines(ax)
        assert set(drawn) == set(history.weights[0][level])
        for name, line in drawn.items():
            np.testing.assert_allclose(line.get_xdata(), history.epochs)
            shares = [100 * weights[level][name] for weights in history.weights]
            np.testing.assert_allclose(line.get_ydata(), shares)


def test_scores_of_every_head_in_the_color_of_its_source():
    history = record()
    figure = plot_fusion_history(history)
    scores = figure.axes[-1]
    assert scores.get_title() == "accuracy"
    drawn = lines(scores)
    heads = ["central", "image", "audio"]
    assert set(drawn) == {f"{p}{head}_accuracy" for head in heads for p in ("", "val_")}
    for key, line in drawn.items():
        assert list(line.get_xdata()) == [1, 2, 3, 4]
        np.testing.assert_allclose(line.get_ydata(), [log[key] for log in history.logs[1:]])
    panel = lines(figure.axes[1])
    colors = {panel[head].get_color() for head in heads}
    assert len(colors) == 3
    for head in heads:
        validation, training = drawn[f"val_{head}_accuracy"], drawn[f"{head}_accuracy"]
        assert panel[head].get_color() == validation.get_color() == training.get_color()
        assert validation.get_linestyle() == "-" != training.get_linestyle()


def test_legend_names_each_source_once_and_the_line_styles():
    texts = legend(plot_fusion_history(record()))
    assert texts == ["audio", "image", "central", " ", "validation score", "training score"]


def test_metric_by_name_and_the_score_of_the_whole_model():
    figure = plot_fusion_history(record(), metric="loss")
    drawn = lines(figure.axes[-1])
    assert {"loss", "val_loss", "central_loss", "val_audio_loss"} <= set(drawn)
    assert len(drawn) == 8
    np.testing.assert_allclose(drawn["loss"].get_ydata(), [3, 1.5, 1, 0.75])
    assert legend(figure)[-1] == "training score, whole model"


def test_metric_is_guessed():
    history = record()
    for log in history.logs[1:]:
        for key in [key for key in log if key.endswith("accuracy")]:
            log[key.replace("accuracy", "f1_score")] = log.pop(key)
    assert plot_fusion_history(history).axes[-1].get_title() == "f1 score"
    history.logs = [{k: v for k, v in log.items() if "f1" not in k} for log in history.logs]
    assert plot_fusion_history(history).axes[-1].get_title() == "loss"


def test_a_head_whose_name_begins_with_that_of_another():
    weights = {"l": {"image": 0.2, "image_left": 0.8}}
    logs = [{}, {"image_accuracy": 0.1, "image_left_accuracy": 0.2}]
    history = SimpleNamespace(epochs=[0, 1], weights=[weights, weights], logs=logs)
    figure = plot_fusion_history(history)
    panel, scores = (lines(ax) for ax in figure.axes)
    assert scores["image_left_accuracy"].get_color() == panel["image_left"].get_color()
    assert scores["image_accuracy"].get_color() == panel["image"].get_color()


def test_without_scores_there_are_only_the_levels():
    history = record()
    history.logs = [{} for _ in history.logs]
    figure = plot_fusion_history(history)
    assert len(figure.axes) == 3
    assert legend(figure) == ["audio", "image", "central"]


def test_diverged_training_is_drawn_as_far_as_it_goes():
    history = record()
    history.weights[0] = {
        level: dict.fromkeys(shares, float("nan")) for level, shares in history.weights[0].items()
    }
    figure = plot_fusion_history(history)
    figure.draw_without_rendering()
    drawn = np.asarray(lines(figure.axes[0])["image"].get_ydata())
    expected = [100 * weights["level_0"]["image"] for weights in history.weights]
    np.testing.assert_allclose(drawn, expected)  # NaN at its place, all else as it was
    assert np.isnan(drawn[0]) and not np.isnan(drawn[1:]).any()


def test_nothing_overlaps_with_8_modalities_and_7_levels():
    rng = np.random.default_rng(0)
    names = [f"modality_number_{i}" for i in range(8)] + ["central"]
    weights = [
        {
            f"block{i}_with_a_name_that_is_rather_long": dict(
                zip(names, rng.dirichlet(np.ones(9)), strict=True)
            )
            for i in range(7)
        }
        for _ in range(41)
    ]
    logs = [{}] + [{f"val_{name}_accuracy": rng.random() for name in names} for _ in range(40)]
    history = SimpleNamespace(epochs=list(range(41)), weights=weights, logs=logs)
    figure = plot_fusion_history(history, title="a title")
    figure.draw_without_rendering()
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    boxes.append(figure.legends[0].get_window_extent())
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1


def test_reads_a_csv_file(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(CSV)
    for given in (path, str(path)):
        figure = plot_fusion_history(given, path=tmp_path / "history.png", title="run 1")
        assert [ax.get_title() for ax in figure.axes] == ["a/b", "f1"]
        np.testing.assert_allclose(lines(figure.axes[0])["image"].get_ydata(), [50, 60, 70])
        assert list(lines(figure.axes[1])["val_central_f1"].get_xdata()) == [1]
        assert figure.get_suptitle() == "run 1"
    assert (tmp_path / "history.png").read_bytes()[:4] == b"\x89PNG"


def test_pyplot_is_neither_used_nor_changed(monkeypatch):
    before = matplotlib.pyplot.get_fignums()
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "matplotlib.pyplot", None)  # an import of it would fail
        plot_fusion_history(record())
    assert matplotlib.pyplot.get_fignums() == before


@pytest.mark.parametrize("wrong", [None, 3, object(), {"level_0": {"image": 1.0}}])
def test_wrong_types(wrong):
    with pytest.raises(TypeError, match=r"expected a FusionWeightsHistory.* Received:"):
        plot_fusion_history(wrong)


def test_nothing_recorded():
    empty = SimpleNamespace(epochs=[], weights=[], logs=[])
    with pytest.raises(ValueError, match="expected a history with at least one epoch"):
        plot_fusion_history(empty)
    no_level = SimpleNamespace(epochs=[0], weights=[{}], logs=[{}])
    with pytest.raises(ValueError, match="expected a model with a fusion level"):
        plot_fusion_history(no_level)


def test_unknown_metric_names_those_that_there_are():
    with pytest.raises(ValueError, match=r"one of \['accuracy', 'learning_rate', 'loss'\].*auc"):
        plot_fusion_history(record(), metric="auc")


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss\n1,2\n",
        "step,fusion/a/x\n0,1.0\n",
        "epoch,fusion/a/x,fusion/a/y\n0,1.0\n",
        "epoch,fusion/a/x\n0,1.0,7\n",
        "epoch,fusion/a/x\n0,much\n",
    ],
)
def test_a_file_that_is_not_ours_is_named(tmp_path, text):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"expected a CSV file written by .* Received: .*other"):
        plot_fusion_history(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        plot_fusion_history(tmp_path / "none.csv")
