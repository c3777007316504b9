"""TensorFusion against NumPy, and against its own form of low rank."""

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import PRESENT, Case, floats

from keras_fusion.layers import LowRankFusion, TensorFusion

CASES = [
    Case(
        TensorFusion,
        "two vectors of different widths",
        {"max_size": 30},
        ([floats(3, 5), floats(3, 2)],),
        (3, 18),
    ),
    Case(
        TensorFusion,
        "three vectors with present",
        {},
        ([floats(3, 2), floats(3, 1), floats(3, 3)],),
        (3, 24),
        keywords={"present": PRESENT},
    ),
]

WIDTHS = (3, 2, 4)


def data(n, count, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(count, width)).astype("float32") for width in WIDTHS[:n]]


def by_hand(x):
    """Of every sample, by loops over all values of all modalities."""
    rows = []
    for sample in zip(*x, strict=True):
        products = [1.0]
        for h in sample:
            products = [p * value for p in products for value in [1.0, *h]]
        rows.append(products)
    return np.array(rows)


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("n", [2, 3])
def test_is_all_products(n, count):
    x = data(n, count)
    layer = TensorFusion()
    np.testing.assert_allclose(to_numpy(layer(x)), by_hand(x), rtol=1e-5)
    assert layer.count_params() == 0


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("n", [2, 3])
def test_low_rank_is_this_one_contracted(n, count):
    """With the tensor sum_r w_r F_1[r] (x) F_2[r] (x) ... of every output."""
    rng = np.random.default_rng(1)
    low = LowRankFusion(units=5, rank=2)
    low.build([(None, width) for width in WIDTHS[:n]])
    for weight in low.weights:
        weight.assign(rng.normal(size=weight.shape))
    tensor = to_numpy(low.rank_weights)[:, None, None]
    for factor in low.factors:
        kernel, bias = (to_numpy(w) for w in (factor.kernel, factor.bias))
        rows = np.concatenate([bias[None], kernel]).reshape(-1, 2, 5)
        tensor = np.einsum("rio,jro->rijo", tensor, rows).reshape(2, -1, 5)
    x = data(n, count)
    expected = to_numpy(TensorFusion()(x)) @ tensor.sum(0) + to_numpy(low.bias)
    np.testing.assert_allclose(to_numpy(low(x)), expected, rtol=1e-3, atol=1e-4)


def test_absent_modalities_leave_their_one():
    x = data(3, 3)
    present = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]])
    holes = [np.where(present[:, [k]], x[k], np.float32(np.nan)) for k in range(3)]
    zeros = [np.where(present[:, [k]], x[k], 0) for k in range(3)]
    found = to_numpy(TensorFusion()(holes, present=present))
    np.testing.assert_allclose(found, by_hand(zeros), rtol=1e-5)
    assert found[1].tolist() == [1.0] + [0.0] * 59
    _, by_tensors = gradients(TensorFusion(), holes, present=present)
    for k, gradient in enumerate(by_tensors):
        assert np.all((gradient != 0) == (present[:, [k]] == 1))


def test_explosions_are_refused_with_the_number():
    with pytest.raises(ValueError, match=r"max_size=65536 products. Received: 101 \* 1001 = 101"):
        TensorFusion()([np.ones((1, 100)), np.ones((1, 1000))])
    layer = TensorFusion(max_size=12)
    assert layer([np.ones((1, 3)), np.ones((1, 2))]).shape == (1, 12)
    symbolic = [keras.Input((3,)), keras.Input((3,))]
    with pytest.raises(ValueError, match=r"max_size=12 products. Received: 4 \* 4 = 16"):
        TensorFusion(max_size=12)(symbolic)
    with pytest.raises(ValueError, match="max_size: expected an int >= 1. Received: 0"):
        TensorFusion(max_size=0)
