"""plot_modality_balance: the lines are the record."""

import types

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from keras_fusion.plots import plot_modality_balance

NORMS = [{"sound": 2.0, "image": 1.0, "central": 4.0}, {"sound": 0.2, "image": 0.0, "central": 1.0}]
SCORES = [
    {},
    {
        "sound": {"loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.25, "val_loss": 2.0},
        "image": {"loss": 3.0, "accuracy": 0.75, "val_accuracy": 0.5, "val_loss": 4.0},
        "central": {"loss": 0.5, "accuracy": 1.0, "val_accuracy": 0.875, "val_loss": 1.0},
    },
]


def balance(scores=SCORES, **changes):
    record = {"epochs": [0, 1], "gradient_norms": NORMS, "scores": scores, **changes}
    return types.SimpleNamespace(**record)


def lines(ax):
    return {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in ax.lines}


def test_lines():
    norms, scores = plot_modality_balance(balance()).axes
    assert norms.get_yscale() == "log"
    ticks = [label.get_text() for label in norms.get_yticklabels(which="both")]
    assert "10" in ticks and not any("$" in tick for tick in ticks)
    found = lines(norms)
    assert list(found) == ["image", "sound", "central"] and found["sound"] == [2.0, 0.2]
    assert np.isnan(found["image"][1])  # no zero on a logarithmic scale
    assert scores.get_title() == "accuracy" and len(scores.lines) == 6
    assert lines(scores)["image val_accuracy"] == [0.5]
    assert scores.get_ylim()[1] == 1
    texts = [text.get_text() for text in norms.figure.legends[0].get_texts()]
    assert texts == ["image", "sound", "central", "validation score", "training score"]
    colors = {line.get_label().split()[0]: line.get_color() for line in scores.lines}
    assert colors == {line.get_label(): line.get_color() for line in norms.lines}


def test_another_metric(tmp_path):
    path = tmp_path / "balance.png"
    figure = plot_modality_balance(balance(), metric="loss", path=path, title="A $ title")
    assert lines(figure.axes[1])["sound loss"] == [1.0]
    assert path.stat().st_size > 1000 and figure.get_suptitle() == "A $ title"


def test_without_unimodal_heads():
    scores = [{}, {"central": {"loss": 1.0}}]
    (ax,) = plot_modality_balance(balance(scores)).axes
    assert ax.get_title() == "gradient norm"


def test_refuses():
    with pytest.raises(TypeError, match="expected a ModalityBalance. Received: 3"):
        plot_modality_balance(3)
    with pytest.raises(ValueError, match="at least one epoch"):
        plot_modality_balance(balance(epochs=[]))
    with pytest.raises(ValueError, match=r"one of \['accuracy', 'loss'\]. Received: metric='auc'"):
        plot_modality_balance(balance(), metric="auc")
    with pytest.raises(OSError, match="path"):
        plot_modality_balance(balance(), path="no/such/folder/x.png")
