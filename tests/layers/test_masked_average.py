"""MaskedAverage: the mean of the steps that count, zeros where none does."""

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import MaskedAverage

CASES = [
    Case(MaskedAverage, "all steps", {}, (integers(9, 3, 5, 2),), (3, 2)),
    Case(
        MaskedAverage,
        "an empty sequence among others",
        {},
        (floats(3, 3, 2),),
        (3, 2),
        keywords={"mask": PRESENT & np.array([[True], [False], [True]])},
    ),
]

X = np.random.default_rng(0).normal(size=(4, 3, 2)).astype("float32")
MASK = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
EXPECTED = np.stack([X[0].mean(0), X[1, 1:].mean(0), X[2, 0], np.zeros(2)])


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
def test_mean_of_the_steps_that_count(dtype):
    found = to_numpy(MaskedAverage()(X, mask=MASK.astype(dtype)))
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-6)


def test_without_mask_it_is_the_mean():
    np.testing.assert_allclose(to_numpy(MaskedAverage()(X)), X.mean(axis=1), rtol=1e-6)


def test_masked_steps_reach_nothing():
    x = np.where(MASK[:, :, None], X, np.nan)
    by_weights, (by_inputs,) = gradients(MaskedAverage(), x, mask=MASK)
    np.testing.assert_allclose(to_numpy(MaskedAverage()(x, mask=MASK)), EXPECTED, rtol=1e-6)
    assert not by_weights and np.isfinite(by_inputs).all()
    assert (by_inputs[MASK] != 0).all() and not by_inputs[~MASK].any()


def test_more_steps_than_bfloat16_counts():
    x = np.ones((1, 1000, 1), "float32")
    found = MaskedAverage(dtype="mixed_bfloat16")(x, mask=np.ones((1, 1000), bool))
    assert abs(float(to_numpy(found).astype("float32")[0, 0]) - 1) < 0.02


def test_takes_the_mask_of_the_layer_before_and_gives_none():
    ids = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(9, 2, mask_zero=True)
    x = MaskedAverage()(embedding(ids))
    assert getattr(x, "_keras_mask", None) is None
    model = keras.Model(ids, x)
    table = to_numpy(embedding.embeddings)
    found = to_numpy(model(np.array([[3, 5, 0, 0], [0, 0, 0, 0]])))
    np.testing.assert_allclose(found, [(table[3] + table[5]) / 2, [0, 0]], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5)])
def test_takes_sequences_only(shape):
    with pytest.raises(ValueError, match=r"MaskedAverage: .*features\). Received: \(2, 3"):
        MaskedAverage()(np.ones(shape))
