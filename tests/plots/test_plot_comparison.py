"""Figures of scores with intervals, and of scores against noise."""

import numpy as np
import pytest

from keras_fusion import evaluation as ev
from keras_fusion.plots import plot_comparison, plot_noise_curves

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")


def test_means_intervals_and_runs():
    found = ev.Comparison({"a$": [0.9, 0.92], "b": [0.95, 0.99, 0.94], "c": [0.5]}, "accuracy")
    (axes,) = plot_comparison(found, title="t").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a$", "b", "c"]
    lines = [line.get_xdata() for line in axes.lines]
    a, b = (ev.mean_interval(found.scores[name]) for name in ("a$", "b"))
    expected = [
        [0.9, 0.92], [a.low, 1], [a.mean],
        [0.95, 0.99, 0.94], [b.low, 1], [b.mean],
        [0.5], [0.5], [a.mean] * 2,
    ]  # fmt: skip
    assert min(a.high, b.high) > 1 and axes.get_xlim()[1] == 1  # an accuracy ends there
    assert len(lines) == len(expected)
    for line, values in zip(lines, expected, strict=True):
        np.testing.assert_allclose(line, values)
    assert "99 % interval" in axes.get_xlabel()
    for metric, scores in (("loss", [0.95, 0.99, 0.94]), ("accuracy", [95.0, 99.0, 94.0])):
        (axes,) = plot_comparison(ev.Comparison({"b": scores}, metric)).axes
        high = ev.mean_interval(scores).high
        assert axes.lines[1].get_xdata()[1] == pytest.approx(high) and axes.get_xlim()[1] > high


def test_noise_curves(tmp_path):
    curves = ev.NoiseCurves(
        {
            "image": {np.inf: {"accuracy": 1.0}, 0.0: {"accuracy": 0.5}, 10.0: {"accuracy": 0.8}},
            "sound": {np.inf: {"accuracy": 1.0}, 0.0: {"accuracy": 0.9}, 10.0: {"accuracy": 0.9}},
        }
    )
    figure = plot_noise_curves(curves, path=tmp_path / "noise.png")
    image, sound, clean = figure.axes[0].lines
    assert image.get_xdata().tolist() == [0, 10] and image.get_ydata().tolist() == [0.5, 0.8]
    assert sound.get_ydata().tolist() == [0.9, 0.9] and set(clean.get_ydata()) == {1.0}
    assert image.get_color() != sound.get_color()
    assert figure.axes[0].get_ylim()[1] == 1
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["image", "sound", "without noise"]
    assert (tmp_path / "noise.png").read_bytes().startswith(b"\x89PNG")


def test_errors():
    with pytest.raises(TypeError, match="expected a Comparison"):
        plot_comparison({"a": [1.0]})
    with pytest.raises(TypeError, match="expected what noise_curves returns"):
        plot_noise_curves({})
    with pytest.raises(ValueError, match=r"metric: expected one of \['loss'\]"):
        plot_noise_curves({"a": {0.0: {"loss": 1.0}}})
