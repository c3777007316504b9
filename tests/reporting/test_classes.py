"""Classes out of predictions, and the samples on which modalities disagree."""

import numpy as np
import pytest

from keras_fusion.reporting._classes import as_classes, confusion, disagreements
from keras_fusion.reporting._heads import confusion_section

P = np.array([[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]])
LOGITS = np.array([[0.0, 2.0], [1.0, 1.0], [-3.0, 0.0]])


@pytest.mark.parametrize(
    ("y_true", "y_pred", "expected"),
    [
        ([0, 1, 1], P, P),
        ([[0], [1], [1]], P, P),
        ([[1, 0], [0, 1], [0, 1]], P, P),
        ([0, 1, 1], P[:, 1:], P),
        ([0, 1, 1], LOGITS[:, 1:] - LOGITS[:, :1], "softmax"),
        ([0, 1, 1], LOGITS, "softmax"),
        ([0, 1, 2], P, None),  # no such class
        ([0.5, 1, 1], P, None),
        ([[1, 1], [0, 1], [0, 1]], P, None),  # several labels
        ([0, 1, 3], P[:, 1:], None),  # regression
        ([0, 1, 1], P[:, :, None], None),  # steps
        ([0, 1, 1], 0.4 * P, None),
        (["a", "b", "b"], P, None),
    ],
)
def test_as_classes(y_true, y_pred, expected):
    found = as_classes(np.array(y_true), y_pred)
    if expected is None:
        assert found is None
        return
    if isinstance(expected, str):
        expected = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    assert found[0].tolist() == [0, 1, 1]
    np.testing.assert_allclose(found[1], expected)


def test_confusion():
    table = confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_many_classes_are_a_list():
    truth, found = np.arange(30), np.eye(30)[[*range(28), 3, 3]]
    section = confusion_section(truth, {"central": found}, ["a", "b"])
    rows = [[cell["text"] for cell in row] for row in section.tables[0]["rows"]]
    assert rows == [["28", "3", "1"], ["29", "3", "1"]]


def test_disagreements():
    truth = np.array([0, 1, 0, 1, 0])
    image = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.1, 0.9]])
    sound = np.array([[0.6, 0.4], [0.1, 0.9], [0.6, 0.4], [0.4, 0.6], [0.9, 0.1]])
    probabilities = {"central": sound, "image": image, "sound": sound}
    present = {"image": np.ones(5, bool), "sound": np.array([1, 1, 1, 1, 0], bool)}
    found = disagreements(truth, probabilities, present, 5)
    assert found["count"] == 2 and [s["number"] for s in found["samples"]] == [1, 2]
    assert found["right"] == {"central": 1.0, "image": 0.0, "sound": 1.0}
    assert found["samples"][0]["says"] == {
        "central": (1, 0.9),
        "image": (0, 0.8),
        "sound": (1, 0.9),
    }
    assert len(disagreements(truth, probabilities, present, 1)["samples"]) == 1
    assert disagreements(truth, {"central": sound, "image": image}, present, 5) is None
