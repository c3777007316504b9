"""CooccurrenceRegularization: J_2 against NumPy, its gradient, absent modalities, errors."""

import itertools

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats

from keras_fusion.layers import CooccurrenceRegularization

CASES = [
    Case(
        CooccurrenceRegularization,
        "three vectors with present",
        {"pair_weight": 0.5},
        ([floats(3, 5), floats(3, 5), floats(3, 5)],),
        [(3, 5), (3, 5), (3, 5)],
        keywords={"present": PRESENT},
    ),
]

WIDTH = 5


def vectors(n, count=3):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(count, WIDTH)).astype("float32") for _ in range(n)]


def squares(x, present=None):
    """The sum over the pairs, by sample."""
    total = np.zeros(len(x[0]))
    for k, m in itertools.combinations(range(len(x)), 2):
        here = 1 if present is None else present[:, k] * present[:, m]
        total += here * np.square(x[k] - x[m]).sum(1)
    return total


@pytest.mark.parametrize("n", [2, 3, 4])
def test_equation(n):
    layer, x = CooccurrenceRegularization(0.7), vectors(n)
    for given, found in zip(x, layer(x), strict=True):
        np.testing.assert_array_equal(to_numpy(found), given)
    (loss,) = layer.losses
    assert float(loss) == pytest.approx(0.7 * squares(x).mean(), rel=1e-5)


def test_the_loss_is_that_of_the_last_call():
    layer, x = CooccurrenceRegularization(1.0), vectors(2)
    layer(x)
    layer([x[0], x[0]])
    assert [float(loss) for loss in layer.losses] == [0.0]


@pytest.mark.parametrize("n", [2, 3])
def test_absent_modalities(n):
    """Every subset at once; the mean still goes over all samples."""
    present = np.array(list(itertools.product([0, 1], repeat=n)))
    x = vectors(n, len(present))
    holes = [np.where(present[:, [k]], x[k], np.nan).astype("float32") for k in range(n)]
    for mask in (present, present.astype(bool), present.astype("float32")):
        layer = CooccurrenceRegularization(0.7)
        for k, found in enumerate(layer(holes, present=mask)):
            expected = np.where(present[:, [k]], x[k], 0)
            np.testing.assert_array_equal(to_numpy(found), expected)
        assert float(sum(layer.losses)) == pytest.approx(0.7 * squares(x, present).mean(), rel=1e-5)


@pytest.mark.parametrize("with_mask", [False, True])
def test_training_draws_the_vectors_together(with_mask):
    """A step by hand: the gradient of J_2 and nothing else, none from an incomplete pair."""
    x = np.random.default_rng(1).normal(size=(4, 2)).astype("float32")
    inputs, here = keras.Input((2,)), keras.Input((2,))
    dense = [keras.layers.Dense(3, use_bias=False) for _ in range(2)]
    options = {"present": here} if with_mask else {}
    outputs = CooccurrenceRegularization(0.5)([d(inputs) for d in dense], **options)
    model = keras.Model([inputs, here] if with_mask else [inputs], outputs)
    model.compile(keras.optimizers.SGD(0.1), loss=["mse"] * 2, loss_weights=[0.0] * 2)
    a, b = (to_numpy(d.kernel).copy() for d in dense)
    present = np.array([[1, 1], [1, 0], [0, 1], [1, 1]], "float32")
    pairs = present.prod(1, keepdims=True) if with_mask else np.ones((4, 1))
    given = [x, present] if with_mask else [x]
    loss = model.train_on_batch(given, [np.zeros((4, 3))] * 2, return_dict=True)["loss"]
    apart = pairs * (x @ a - x @ b)
    assert float(loss) == pytest.approx(0.5 * np.square(apart).sum(1).mean(), rel=1e-4)
    step = 0.1 * 0.5 * 2 / 4 * x.T @ apart
    np.testing.assert_allclose(to_numpy(dense[0].kernel), a - step, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_numpy(dense[1].kernel), b + step, rtol=1e-4, atol=1e-5)


def test_large_vectors_in_half_precision():
    layer = CooccurrenceRegularization(1.0, dtype="mixed_float16")
    layer([np.full((1, 4), 300.0), np.full((1, 4), -300.0)])
    assert float(sum(layer.losses)) == pytest.approx(4 * 600**2)


@pytest.mark.parametrize("value", [-1, None, float("nan"), float("inf")])
def test_bad_arguments(value):
    with pytest.raises(ValueError, match="pair_weight: expected a float >= 0. Received: "):
        CooccurrenceRegularization(value)
