"""Modout: its equation against NumPy, how often it drops what, and how the probabilities learn."""

import itertools

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import Modout

CASES = [
    Case(
        Modout,
        "three vectors with present",
        {"units": 4, "activation": "tanh", "rate": 0.3, "seed": 1},
        ([floats(3, 5), floats(3, 2), floats(3, 4)],),
        [(3, 4), (3, 4), (3, 4)],
        keywords={"present": PRESENT},
        training_differs=True,
        partly_still=("kernel",),  # of a connection that all samples drop
    ),
    Case(
        Modout,
        "fixed rate",
        {"units": 2, "activation": "linear", "rate": 0.6, "learned": False, "seed": 1},
        ([1 + integers(3, 3, 2, dtype="uint8"), floats(3, 4)],),
        [(3, 2), (3, 2)],
        training_differs=True,
        partly_still=("kernel",),  # of a connection that all samples drop
    ),
]

MANY = 4000


def made(widths=(5, 2, 4), units=3, count=3, **options):
    """A built layer with weights drawn anew, the blocks of its kernel, its biases, and inputs."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(count, width)).astype("float32") for width in widths]
    layer = Modout(units, **{"activation": "tanh", **options})
    layer(x)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()[:3]])
    kernel, bias = layer.get_weights()[:2]
    rows = np.split(kernel, np.cumsum(widths)[:-1])
    return layer, [np.split(r, len(widths), axis=1) for r in rows], np.split(bias, len(widths)), x


@pytest.mark.parametrize("widths", [(5, 2), (5, 2, 4)])
@pytest.mark.parametrize("learned", [True, False])
def test_equation(widths, learned):
    """After training p stands for m; absent modalities send nothing, and hear of the others."""
    layer, blocks, biases, _ = made(widths, learned=learned, rate=0.3)
    n = len(widths)
    p = np.where(np.eye(n), 1, 0.7)
    if learned:
        p[~np.eye(n, dtype=bool)] = 1 / (1 + np.exp(-layer.get_weights()[2]))
        assert len(np.unique(p)) == n * (n - 1) + 1
    np.testing.assert_allclose(layer.probabilities(), p, rtol=1e-5)
    present = np.array(list(itertools.product([0, 1], repeat=n)))
    rng = np.random.default_rng(1)
    x = [rng.normal(size=(len(present), width)).astype("float32") for width in widths]
    holes = [np.where(present[:, [k]], x[k], np.nan).astype("float32") for k in range(n)]
    for j, found in enumerate(layer(holes, present=present)):
        sent = sum(p[i, j] * present[:, [i]] * x[i] @ blocks[i][j] for i in range(n))
        np.testing.assert_allclose(to_numpy(found), np.tanh(sent + biases[j]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rate", [0.0, 0.999999])
def test_limits_are_a_dense_layer_and_separate_ones(rate):
    layer, blocks, biases, x = made(learned=False, rate=rate)
    whole = np.concatenate(x, axis=1) @ layer.get_weights()[0] + layer.get_weights()[1]
    apart = np.concatenate([x[k] @ blocks[k][k] + biases[k] for k in range(3)], axis=1)
    expected = np.tanh(apart if rate else whole)
    for training in (True, False):
        found = np.concatenate(to_numpy(layer(x, training=training)), axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def drawn(layer, n):
    """Which connections of which samples are there, `(samples, from, to)`."""
    ones = [np.ones((MANY, 1), "float32")] * n
    layer(ones)
    # What i sends to all is 2 ** i, so that the bits of a sum tell who sent.
    layer.kernel.assign(np.repeat(2.0 ** np.arange(n), n).reshape(n, n))
    sums = np.stack([to_numpy(y)[:, 0] for y in layer(ones, training=True)], axis=1)
    return np.stack([sums.astype(int) >> i & 1 for i in range(n)], axis=1)


@pytest.mark.parametrize("learned", [True, False])
def test_connections_come_and_go(learned):
    """Each by itself, as often as its probability says, but for a modality's own."""
    layer = Modout(1, "linear", rate=0.3, learned=learned, seed=2)
    here = drawn(layer, 3)
    p = np.where(np.eye(3), 1, 0.7)
    np.testing.assert_allclose(here.mean(0), p, atol=5 * 0.5 / MANY**0.5)
    assert here[:, range(3), range(3)].all()
    columns = here[:, ~np.eye(3, dtype=bool)]
    apart = np.corrcoef(columns.T)[~np.eye(6, dtype=bool)]
    assert np.abs(apart).max() < 5 / MANY**0.5
    # Anew at the next call, and the same with the same seed.
    assert (drawn(layer, 3) != here).any()
    again = Modout(1, "linear", rate=0.3, learned=learned, seed=2)
    np.testing.assert_array_equal(drawn(again, 3), here)


def test_expected_value():
    layer, _, _, x = made(activation="linear", seed=3)
    many = [np.repeat(array[:1], MANY, axis=0) for array in x]
    for found, expected in zip(layer(many, training=True), layer(many), strict=True):
        found = to_numpy(found)
        spread = found.std(0) / MANY**0.5
        assert (found.std(0) > 0.1).all()
        assert (np.abs(found.mean(0) - to_numpy(expected)[0]) < 5 * spread).all()


def test_gradient_of_the_probabilities():
    """That of the connections, whichever are there: without f it does not depend on the draw."""
    layer, blocks, _, x = made(activation="linear", seed=4)
    of_weights, _ = gradients(layer, x, training=True)
    rng = np.random.default_rng(2)  # the factors of `gradients`
    factors = [rng.normal(size=(3, 3)) for _ in range(3)]
    p = layer.probabilities()
    expected = [
        (x[i] @ blocks[i][j] * factors[j]).sum() * p[i, j] * (1 - p[i, j])
        for i, j in itertools.permutations(range(3), 2)
    ]
    np.testing.assert_allclose(of_weights[2], expected, rtol=1e-4, atol=1e-5)


def test_learns_which_modalities_should_meet():
    """The second one is the first one's target; of the first one the second has only harm."""
    inputs = [keras.Input((1,)), keras.Input((1,))]
    layer = Modout(1, "linear", seed=5)
    model = keras.Model(inputs, layer(inputs))
    layer.kernel.assign([[0.0, 1.0], [1.0, 0.0]])
    layer.kernel.trainable = layer.bias.trainable = False
    model.compile(keras.optimizers.SGD(2.0), loss=["mse", "mse"])
    x = np.random.default_rng(0).normal(size=(2, 32, 1)).astype("float32")
    model.fit(list(x), [x[1], 0 * x[1]], epochs=20, batch_size=32, verbose=0)
    p = layer.probabilities()
    assert p[1, 0] > 0.8 and p[0, 1] < 0.2 and p[0, 0] == p[1, 1] == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"units": 0}, ValueError, "units: expected an int >= 1. Received: 0"),
        ({"units": 2, "activation": "no"}, ValueError, "activation: .*Received: 'no'"),
        ({"units": 2, "rate": 1.0}, ValueError, r"rate: expected a float in \[0, 1\)"),
        ({"units": 2, "rate": 0}, ValueError, "rate: expected a float above 0 with learned=True"),
        ({"units": 2, "learned": 1}, TypeError, "learned: expected True or False. Received: 1"),
        ({"units": 2, "seed": -1}, ValueError, "seed: expected an int >= 0. Received: -1"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Modout(**arguments)


def test_probabilities_need_a_built_layer():
    with pytest.raises(ValueError, match="probabilities: expected a layer that has been built"):
        Modout(2).probabilities()
