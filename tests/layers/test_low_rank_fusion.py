"""LowRankFusion against the whole tensor that it stands for."""

import keras
import numpy as np
import pytest
from conformance import gradients
from layer_cases import PRESENT, Case, floats

from keras_fusion.layers import LowRankFusion

CASES = [
    Case(
        LowRankFusion,
        "two vectors of different widths",
        {"units": 4, "rank": 3},
        ([floats(3, 5), floats(3, 2)],),
        (3, 4),
    ),
    Case(
        LowRankFusion,
        "three vectors with present",
        {"units": 3, "rank": 1},
        ([floats(3, 5), floats(3, 2), floats(3, 4)],),
        (3, 3),
        keywords={"present": PRESENT},
    ),
]

WIDTHS, RANK, UNITS = (3, 2, 4), 5, 6


def built(rng, **arguments):
    """A layer with distinct weights, and its F_k `(rank, 1 + width, units)`."""
    layer = LowRankFusion(UNITS, RANK, **arguments)
    layer.build([(None, width) for width in WIDTHS])
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    factors = []
    for factor in layer.factors:
        kernel, bias = factor.get_weights()
        rows = np.concatenate([bias[None], kernel]).reshape(-1, RANK, UNITS)
        factors.append(rows.transpose(1, 0, 2))
    return layer, factors


def with_one(x):
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)


def test_is_a_tensor_fusion_of_low_rank():
    """The tensor of all products, times one tensor per output that is a sum of outer products."""
    rng = np.random.default_rng(0)
    layer, (a, b, c) = built(rng)
    x = [rng.normal(size=(7, width)) for width in WIDTHS]
    products = np.einsum("ni,nj,nk->nijk", *map(with_one, x))
    weights = keras.ops.convert_to_numpy(layer.rank_weights)
    tensor = np.einsum("r,rio,rjo,rko->ijko", weights, a, b, c)
    expected = np.einsum("nijk,ijko->no", products, tensor) + keras.ops.convert_to_numpy(layer.bias)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), expected, rtol=1e-4, atol=1e-5)


def test_one_product_of_rank_1():
    layer = LowRankFusion(1, rank=1)
    layer.build([(None, 2), (None, 3)])
    layer.factors[0].set_weights([np.array([[0.0], [1.0]]), np.zeros(1)])  # its second value
    layer.factors[1].set_weights([np.array([[1.0], [0.0], [0.0]]), np.zeros(1)])  # its first
    x = [np.array([[2.0, 3.0]]), np.array([[5.0, 7.0, 11.0]])]
    assert keras.ops.convert_to_numpy(layer(x)).tolist() == [[15.0]]


def test_starts_near_one_for_any_number_of_modalities():
    for count in (2, 12):
        layer = LowRankFusion(200)
        found = keras.ops.convert_to_numpy(layer([np.full((1, 8), 0.01)] * count))
        np.testing.assert_allclose(found, 1, atol=0.2)


@pytest.mark.parametrize("count", [2, 6, 12])
def test_products_do_not_explode_at_the_start(count):
    """Their mean square stays below e, whatever the number of modalities."""
    x = np.random.default_rng(0).normal(size=(count, 200, 64)).astype("float32")
    found = keras.ops.convert_to_numpy(LowRankFusion(100, rank=1)(list(x)))
    assert 1.5 < np.mean(found**2) < 4


def test_every_factor_is_trained():
    layer, _ = built(np.random.default_rng(3))
    names = {weight.path.split("/")[-2] for weight in layer.trainable_variables}
    assert {"factor_0", "factor_1", "factor_2"} <= names
    assert len(layer.trainable_variables) == len(layer.weights) == 8
    by_weights, _ = gradients(layer, [np.ones((1, width), "float32") for width in WIDTHS])
    assert all(np.all(gradient != 0) for gradient in by_weights)


def test_absent_modalities_leave_their_one():
    rng = np.random.default_rng(1)
    layer, factors = built(rng)
    x = [rng.normal(size=(2, width)).astype("float32") for width in WIDTHS]
    x[1][0] = x[0][1] = x[2][1] = np.nan
    present = np.array([[1, 0, 1], [0, 0, 0]])
    x[1][1] = np.nan
    found = keras.ops.convert_to_numpy(layer(x, present=present))
    weights = keras.ops.convert_to_numpy(layer.rank_weights)
    rows = [np.einsum("i,rio->ro", with_one(x[k][:1])[0], factors[k]) for k in (0, 2)]
    rows.append(factors[1][:, 0])  # the one's row
    bias = keras.ops.convert_to_numpy(layer.bias)
    np.testing.assert_allclose(found[0], weights @ np.prod(rows, axis=0) + bias, rtol=1e-4)
    ones = np.prod([f[:, 0] for f in factors], axis=0)
    np.testing.assert_allclose(found[1], weights @ ones + bias, rtol=1e-4)
    by_weights, by_tensors = gradients(layer, x, present=present)
    assert all(np.isfinite(g).all() for g in by_weights)
    assert all(g is None or np.isfinite(g).all() for g in by_tensors)


def test_number_of_weights():
    layer, _ = built(np.random.default_rng(2))
    assert layer.count_params() == RANK * UNITS * sum(w + 1 for w in WIDTHS) + RANK + UNITS


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"units": 0}, "units: expected an int >= 1. Received: 0"),
        ({"units": 3, "rank": 1.5}, "rank: expected an int >= 1. Received: 1.5"),
    ],
)
def test_errors(arguments, match):
    with pytest.raises(ValueError, match=match):
        LowRankFusion(**arguments)
