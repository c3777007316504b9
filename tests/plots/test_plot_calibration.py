"""The dots of the calibration figure are the means of the bins."""

import numpy as np
import pytest

from keras_fusion.metrics import ExpectedCalibrationError
from keras_fusion.plots import plot_calibration
from keras_fusion.plots.calibration import reliability

pytest.importorskip("matplotlib")


def test_lines_and_calibration_error(tmp_path):
    p = np.array([0.95, 0.85, 0.9, 0.6, 0.55])
    heads = {"central": np.stack([p, 1 - p], axis=1), "$a": np.stack([1 - p, p], axis=1)}
    y = np.array([0, 1, 0, 0, 1])
    figure = plot_calibration(heads, y, bins=5, path=tmp_path / "figure.svg", title="t")
    _, a, central = figure.axes[0].lines
    np.testing.assert_allclose(central.get_xdata(), [0.575, 0.9])
    np.testing.assert_allclose(central.get_ydata(), [0.5, 2 / 3])
    np.testing.assert_allclose(a.get_ydata(), [0.5, 1 / 3])
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["as it says", "$a", "central"] and figure.axes[0].get_xlim() == (0, 1)
    said, right, share = reliability(heads["$a"], y, 5)
    metric = ExpectedCalibrationError(5)
    metric.update_state(y, heads["$a"])
    assert np.sum(share * np.abs(said - right)) == pytest.approx(float(metric.result()), abs=1e-6)
