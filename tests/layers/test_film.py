"""FiLM against NumPy on every rank, its start, and what is absent."""

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import PRESENT, Case, floats

from keras_fusion.layers import FiLM

CASES = [
    Case(
        FiLM,
        "a map and a vector",
        {},
        ([floats(3, 4, 5, 2), floats(3, 3)],),
        (3, 4, 5, 2),
    ),
    Case(
        FiLM,
        "a vector and two with present",
        {},
        ([floats(3, 4), floats(3, 2), floats(3, 3)],),
        (3, 4),
        keywords={"present": PRESENT},
    ),
]

RANKS = {2: (), 3: (5,), 4: (5, 2), 5: (2, 3, 2)}


def built(size, conditions=(3, 2)):
    """A layer with distinct weights, and x `(6, *size, 4)` and its conditions."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(6, *size, 4)), *(rng.normal(size=(6, width)) for width in conditions)]
    x = [a.astype("float32") for a in x]
    layer = FiLM()
    layer(x)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer, x


def by_hand(layer, x, present):
    """Feature by feature."""
    found = np.zeros(x[0].shape)
    for i, here in enumerate(present):
        for f in range(4):
            gamma, beta = 1.0, 0.0
            for k, generator in enumerate(layer.generators, start=1):
                kernel, bias = (to_numpy(w) for w in (generator.kernel, generator.bias))
                if here[k]:
                    gamma += x[k][i] @ kernel[:, f] + bias[f]
                    beta += x[k][i] @ kernel[:, 4 + f] + bias[4 + f]
            found[i, ..., f] = gamma * (x[0][i, ..., f] if here[0] else 0) + beta
    return found


@pytest.mark.parametrize("rank", RANKS)
def test_is_one_scale_and_shift_for_each_feature(rank):
    layer, x = built(RANKS[rank])
    found = to_numpy(layer(x))
    np.testing.assert_allclose(found, by_hand(layer, x, np.ones((6, 3))), rtol=1e-4, atol=1e-5)
    averaged = x[0].reshape(6, -1, 4).mean(1)  # commutes with the mean over space
    again = to_numpy(layer([averaged, *x[1:]])) if rank == 2 else None
    if rank > 2:
        vectors, _ = built(())
        vectors.set_weights(layer.get_weights())
        again = to_numpy(vectors([averaged, *x[1:]]))
    np.testing.assert_allclose(found.reshape(6, -1, 4).mean(1), again, rtol=1e-4, atol=1e-5)


def test_starts_as_identity():
    x = built((3,))[1]
    np.testing.assert_array_equal(to_numpy(FiLM()(x)), x[0])


def test_gradients_through_scale_and_shift():
    """Each alone reaches the condition; its part of the generator is trained also from zero."""
    for part in (slice(0, 4), slice(4, 8)):
        layer, x = built((2,), conditions=(3,))
        kernel = np.zeros((3, 8), "float32")
        kernel[:, part] = 1.0
        layer.generators[0].kernel.assign(kernel)
        by_weights, by_tensors = gradients(layer, x)
        assert np.all(by_tensors[1] != 0)
        assert all(np.all(g != 0) for g in by_weights)


def test_absent():
    """A condition changes nothing then, its bias neither; of x the shift is left."""
    layer, x = built((2,))
    present = np.array([[1, 1, 1], [1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]])
    holes = [
        np.where(present[:, k].reshape(-1, *[1] * (a.ndim - 1)), a, np.float32(np.nan))
        for k, a in enumerate(x)
    ]
    found = to_numpy(layer(holes, present=present))
    np.testing.assert_allclose(found, by_hand(layer, x, present), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[2], x[0][2])
    assert not found[5].any() and found[4].any()
    by_weights, by_tensors = gradients(layer, holes, present=present)
    assert all(np.isfinite(g).all() for g in by_weights)
    for k, gradient in enumerate(by_tensors):
        assert np.isfinite(gradient).all() and not gradient[present[:, k] == 0].any()


def test_the_mask_of_what_is_modulated_stays():
    steps, words = keras.Input((5, 4)), keras.Input((3,))
    masked = keras.layers.Masking()(steps)
    average = keras.layers.GlobalAveragePooling1D()(FiLM()([masked, words]))
    x = np.ones((1, 5, 4), "float32")
    x[:, 3:] = 0
    model = keras.Model([steps, words], average)
    np.testing.assert_allclose(to_numpy(model([x, np.ones((1, 3))])), np.ones((1, 4)))


def test_number_of_weights():
    assert built((2,))[0].count_params() == (3 + 1) * 8 + (2 + 1) * 8


def test_conditions_are_vectors():
    with pytest.raises(ValueError, match=r"expected vectors \(batch, features\) after the first"):
        FiLM()([np.ones((2, 4)), np.ones((2, 3, 4))])
