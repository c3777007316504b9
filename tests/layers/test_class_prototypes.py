"""ClassPrototypes: running means of classes, and the loss by distances to them, against NumPy."""

import keras
import numpy as np
import pytest
from conformance import to_numpy
from layer_cases import Case, floats
from scipy.special import log_softmax, softmax

from keras_fusion.layers import ClassPrototypes

CASES = [
    Case(
        ClassPrototypes,
        "vectors",
        {"num_classes": 3},
        ([floats(3, 4)],),
        [(3, 4)],
        output_dtype="float32",
    ),
    Case(
        ClassPrototypes,
        "map and vector",
        {"num_classes": 2, "index": 0, "momentum": 0.9},
        ([floats(3, 5, 5, 2), floats(3, 4)],),
        [(3, 5, 5, 2), (3, 4)],
        output_dtype="float32",
    ),
]


def called(layer, h, targets, counted=None):
    layer([h], training=True)
    counted = np.ones(len(h)) if counted is None else counted
    return [to_numpy(x) for x in layer.compare(targets, counted)]


def test_two_batches_against_numpy():
    h, other = floats(4, 3), floats(4, 3)
    layer, one_hot = ClassPrototypes(4), np.eye(4, dtype="float32")
    y, counted = np.array([0, 1, 1, 2]), np.array([1.0, 1.0, 1.0, 0.0])
    score, losses, count = called(layer, h, one_hot[y], counted)
    assert score == 0.25 and count == 0 and not losses.any()  # nobody has a prototype yet
    first = np.stack([h[0], h[1:3].mean(0), np.zeros(3), np.zeros(3)])
    np.testing.assert_allclose(to_numpy(layer.prototypes), first, rtol=1e-5, atol=1e-6)
    assert to_numpy(layer.known).tolist() == [1, 1, 0, 0]  # the sample of class 2 is absent

    y = np.array([1, 1, 2, 3])
    score, losses, count = called(layer, other, one_hot[y])
    distances = np.linalg.norm(other[:, None] - first[None, :2], axis=-1)
    np.testing.assert_allclose(losses[:2], -log_softmax(-distances, axis=1)[:2, 1], rtol=1e-4)
    np.testing.assert_allclose(score, softmax(-distances, axis=1)[:2, 1].mean(), rtol=1e-4)
    assert count == 2 and losses[2:].tolist() == [0, 0]
    moved = [first[0], 0.2 * first[1] + 0.8 * other[:2].mean(0), other[2], other[3]]
    np.testing.assert_allclose(to_numpy(layer.prototypes), moved, rtol=1e-4, atol=1e-6)


def test_masked_steps_do_not_count():
    inputs = keras.Input((3, 2))
    layer = ClassPrototypes(2)
    model = keras.Model(inputs, layer([keras.layers.Masking(9.0)(inputs)]))
    x = np.array([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]], "float32")
    model(x, training=True)
    layer.compare(np.eye(2)[:1], np.ones(1))
    np.testing.assert_allclose(to_numpy(layer.prototypes), [[2.0, 3.0], [0.0, 0.0]], rtol=1e-6)


def test_errors():
    with pytest.raises(ValueError, match="a call with training=True before"):
        ClassPrototypes(2).compare(np.eye(2), np.ones(2))
    with pytest.raises(ValueError, match="features of a known width"):
        ClassPrototypes(2)([keras.Input((None,))])
