"""WeaklySharedDense: layers and Omega against NumPy, limits of the sharing, absence, errors."""

import itertools

import keras
import numpy as np
import pytest
from conformance import gradients
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import WeaklySharedDense

CASES = [
    Case(
        WeaklySharedDense,
        "three vectors with present",
        {"units": 4, "activation": "tanh", "sharing_weight": 0.5},
        ([floats(3, 5), floats(3, 5), floats(3, 5)],),
        [(3, 4), (3, 4), (3, 4)],
        keywords={"present": PRESENT},
    ),
    Case(
        WeaklySharedDense,
        "integer vectors",
        {"units": 4, "activation": "linear"},
        ([1 + integers(3, 3, 2, dtype="uint8"), 1 + integers(3, 3, 2)],),
        [(3, 4), (3, 4)],
    ),
]

WIDTH, UNITS = 5, 4


def made(n, **options):
    """A built layer with weights drawn anew, its kernels, its biases, and inputs."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(3, WIDTH)).astype("float32") for _ in range(n)]
    layer = WeaklySharedDense(UNITS, **{"activation": "tanh", "sharing_weight": 0.3, **options})
    layer(x)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    weights = layer.get_weights()
    return layer, weights[::2], weights[1::2], x


def added(layer):
    return float(to_numpy(sum(layer.losses)))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_equations(n):
    layer, kernels, biases, x = made(n)
    found = layer(x)
    assert len(found) == n and len(kernels) == n
    for k in range(n):
        expected = np.tanh(x[k] @ kernels[k] + biases[k])
        np.testing.assert_allclose(to_numpy(found[k]), expected, rtol=1e-4, atol=1e-5)
    omega = sum(
        np.square(kernels[k] - kernels[m]).sum() + np.square(biases[k] - biases[m]).sum()
        for k, m in itertools.combinations(range(n), 2)
    )
    assert added(layer) == pytest.approx(0.3 * omega, rel=1e-5)
    layer(x)
    assert added(layer) == pytest.approx(0.3 * omega, rel=1e-5)  # not once more for every call


def test_equal_weights_cost_nothing():
    layer, kernels, biases, _ = made(3)
    layer.set_weights([kernels[0], biases[0]] * 3)
    assert added(layer) == 0
    layer.set_weights([kernels[0], biases[0], kernels[0], biases[0], kernels[0], biases[0] + 1])
    assert added(layer) == pytest.approx(0.3 * 2 * UNITS)


@pytest.mark.parametrize(("sharing_weight", "apart"), [(0.0, True), (0.1, False)])
def test_training_draws_the_weights_together(sharing_weight, apart):
    """With nothing else to learn only Omega moves them; without it they stay where they are."""
    inputs = [keras.Input((WIDTH,)), keras.Input((WIDTH,))]
    layer = WeaklySharedDense(UNITS, "linear", sharing_weight)
    model = keras.Model(inputs, layer(inputs))
    before = layer.get_weights()
    model.compile(keras.optimizers.SGD(2.0), loss=["mse"] * 2, loss_weights=[0.0] * 2)
    x, y = [np.ones((2, WIDTH))] * 2, [np.ones((2, UNITS))] * 2
    model.fit(x, y, epochs=10, batch_size=2, verbose=0)
    after = layer.get_weights()
    distance = np.abs(after[0] - after[2]).max()
    assert (distance > 0.1) == apart
    expected = before if apart else [(before[0] + before[2]) / 2, before[1]] * 2
    for found, wanted in zip(after, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_half_precision_does_not_round_the_loss():
    layer, kernels, biases, x = made(2, dtype="mixed_float16")
    layer.set_weights([kernels[0], biases[0], kernels[0] + 1e-5, biases[0]])
    layer(x)
    assert added(layer) == pytest.approx(0.3 * WIDTH * UNITS * 1e-10, rel=0.1)


@pytest.mark.parametrize("n", [2, 3])
def test_absent_modalities(n):
    """Every subset at once: zeros come out, and nothing comes from a NaN."""
    layer, kernels, biases, _ = made(n)
    present = np.array(list(itertools.product([0, 1], repeat=n)))
    x = [np.random.default_rng(k).normal(size=(len(present), WIDTH)) for k in range(n)]
    holes = [np.where(present[:, [k]], x[k], np.nan).astype("float32") for k in range(n)]
    for mask in (present, present.astype(bool), present.astype("float32")):
        for k, found in enumerate(layer(holes, present=mask)):
            expected = np.tanh(x[k] @ kernels[k] + biases[k]) * present[:, [k]]
            np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-4, atol=1e-5)
    of_weights, of_inputs = gradients(layer, holes, present=present.astype(bool))
    assert all(np.isfinite(g).all() for g in [*of_weights, *of_inputs])
    for k in range(n):
        assert not np.any(of_inputs[k][present[:, k] == 0])
    # Of the samples without a modality its weights learn nothing, the bias neither.
    of_weights, _ = gradients(layer, holes, present=np.zeros((len(present), n), bool))
    assert not any(np.any(g) for g in of_weights)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units: expected an int >= 1. Received: 0"),
        ({"units": 2, "sharing_weight": -0.1}, "sharing_weight: expected a float >= 0.*-0.1"),
        ({"units": 2, "sharing_weight": True}, "sharing_weight: expected a float >= 0.*True"),
        ({"units": 2, "activation": "no"}, "no"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        WeaklySharedDense(**arguments)
