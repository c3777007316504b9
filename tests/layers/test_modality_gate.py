"""ModalityGate: Eq. (6) and (7), widths that differ, n modalities, absent ones, errors."""

import itertools

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import ModalityGate

CASES = [
    Case(
        ModalityGate,
        "two vectors of different widths",
        {},
        ([floats(3, 5), floats(3, 2)],),
        (3, 7),
    ),
    Case(
        ModalityGate,
        "three integer and float vectors with present",
        {},
        ([integers(3, 3, 2, dtype="uint8"), floats(3, 4), floats(3, 3)],),
        (3, 9),
        keywords={"present": PRESENT},
    ),
]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def made(widths, seed=0):
    """A built layer with weights drawn anew, their values `{k: (W_k, theta_k)}`, and inputs."""
    rng = np.random.default_rng(seed)
    x = [rng.normal(size=(3, width)).astype("float32") for width in widths]
    layer = ModalityGate()
    layer(x)
    values = {}
    for k, width in enumerate(widths[1:], start=1):
        values[k] = rng.normal(size=(width, max(widths))), rng.normal(size=max(widths))
    layer.set_weights([array for pair in values.values() for array in pair])
    return layer, values, x


@pytest.mark.parametrize("widths", [(4, 4), (5, 2), (2, 5)])
def test_two_modalities(widths):
    layer, values, (a, b) = made(widths)
    kernel, bias = values[1]
    gate = sigmoid(b @ kernel + bias)  # (6)
    expected = np.concatenate([a * (1 - gate)[:, : widths[0]], b * gate[:, : widths[1]]], axis=1)
    np.testing.assert_allclose(to_numpy(layer([a, b])), expected, rtol=1e-5, atol=1e-6)  # (7)
    share = gate[:, : min(widths)].mean(-1)
    np.testing.assert_allclose(
        to_numpy(layer.fusion_weights([a, b])),
        np.stack([1 - share, share], axis=1),
        rtol=1e-5,
        atol=1e-6,
    )


def gates_by_hand(values, x, present):
    """Softmax over the modalities present, with the score 0 for the first: `(n, batch, units)`."""
    powers = [np.ones_like(x[1] @ values[1][0])]
    powers += [np.exp(x[k] @ kernel + bias) for k, (kernel, bias) in values.items()]
    powers = np.array(powers) * present.T[:, :, None]
    total = powers.sum(0)
    return powers / np.where(total > 0, total, 1)


@pytest.mark.parametrize("widths", [(4, 4), (2, 5), (3, 5, 2)])
def test_absent_modalities(widths):
    n = len(widths)
    layer, values, _ = made(widths)
    present = np.array(list(itertools.product([0, 1], repeat=n)))
    rng = np.random.default_rng(1)
    x = [rng.normal(size=(len(present), width)).astype("float32") for width in widths]
    gates = gates_by_hand(values, x, present)
    expected = np.concatenate([gates[k, :, : widths[k]] * x[k] for k in range(n)], axis=1)
    holes = [np.where(present[:, [k]], x[k], np.nan) for k in range(n)]
    for mask in (present, present.astype(bool), present.astype("float32")):
        np.testing.assert_allclose(
            to_numpy(layer(holes, present=mask)), expected, rtol=1e-4, atol=1e-6
        )
    shares = to_numpy(layer.fusion_weights(holes, present=present))
    np.testing.assert_allclose(shares, gates[:, :, : min(widths)].mean(-1).T, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(shares.sum(1), present.any(1), atol=1e-6)
    # The last row has them all: the equation without a mask.
    whole = [array[-1:] for array in x]
    np.testing.assert_allclose(to_numpy(layer(whole)), expected[-1:], rtol=1e-4, atol=1e-6)


def test_saturated_gate():
    layer, _, (a, b) = made((4, 4))
    for bias, left in ((500.0, [0 * a, b]), (-500.0, [a, 0 * b])):
        layer.scores[0].bias.assign(np.full(4, bias))
        np.testing.assert_allclose(to_numpy(layer([a, b])), np.concatenate(left, axis=1), atol=1e-6)


def test_gate_does_not_see_the_first_modality():
    layer, _, (a, b) = made((4, 4))
    np.testing.assert_array_equal(
        to_numpy(layer.fusion_weights([a, b])), to_numpy(layer.fusion_weights([a + 1, b]))
    )
    assert np.all(
        to_numpy(layer.fusion_weights([a, b])) != to_numpy(layer.fusion_weights([a, b + 1]))
    )
