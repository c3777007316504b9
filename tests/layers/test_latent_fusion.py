"""LatentFusion against NumPy, where tokens that do not count are left out by hand."""

import itertools

import keras
import numpy as np
import pytest
from helpers.transformers import block, embedded, gradient_by_inputs, made, norm, subsets
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats

from keras_fusion.layers import LatentFusion

SMALL = {"units": 6, "latents": 3, "num_layers": 2, "num_heads": 2, "feedforward_units": 5}
CASES = [
    Case(
        LatentFusion,
        "sequence, vector and map with present",
        {"units": 4, "latents": 3, "num_layers": 1, "num_heads": 2, "feedforward_units": 3,
         "dropout": 0.02, "seed": 2},
        ([floats(3, 3, 2), floats(3, 5), floats(3, 2, 2, 3)],),
        (3, 4),
        keywords={"present": PRESENT},
        training_differs=True,
    ),
]  # fmt: skip


def by_hand(values, x, counts):
    """The output of one sample, and the modalities' shares."""
    tokens = embedded(values, x, counts)
    z, shares = block(values, "look", values["latents"], 2, y=np.concatenate(tokens))
    for i in range(SMALL["num_layers"]):
        z, _ = block(values, f"block_{i}", z, 2)
    ends = np.cumsum([0, *(len(t) for t in tokens)])
    mean = shares.mean((0, 1))
    parts = [mean[a:b].sum() for a, b in itertools.pairwise(ends)]
    return norm(values, "norm", z).mean(0), parts


def test_equation_masks_and_every_subset():
    """Of a sample without any modality the latents alone are left."""
    layer, values, x = made(LatentFusion, 3, 8, **SMALL)
    present, steps, holes, counts = subsets(x)
    options = {"present": present, "mask": [steps, None, None]}
    found = to_numpy(layer(holes, **options))
    shares = to_numpy(layer.fusion_weights(holes, **options))
    for sample in range(8):
        own = [c[sample] for c in counts]
        expected, parts = by_hand(values, [a[sample] for a in x], own)
        np.testing.assert_allclose(found[sample], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(shares[sample], parts, rtol=1e-3, atol=1e-5)
    whole = to_numpy(layer(x, present=np.ones((8, 3))))
    np.testing.assert_allclose(whole, to_numpy(layer(x)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("positions", [False, True])
def test_order_of_steps(positions):
    layer, _, x = made(LatentFusion, positions=positions, **SMALL)
    turned = [x[0][:, ::-1], x[1][:, ::-1], x[2]]
    assert np.allclose(to_numpy(layer(turned)), to_numpy(layer(x)), atol=1e-4) != positions


def test_what_does_not_count_gets_no_gradient():
    layer, _, x = made(LatentFusion, **SMALL)
    x[0][0, 2:] = x[2][1] = np.nan
    present = np.array([[1, 1, 1], [1, 1, 0], [1, 1, 1]])
    steps = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]], bool)
    factors = keras.ops.arange(1.0, 7.0, dtype="float32")

    def total(x):
        return keras.ops.sum(layer(x, present=present, mask=[steps, None, None]) * factors)

    first, _, last = gradient_by_inputs(total, x)
    assert not np.any(first[0, 2:]) and np.all(first[0, :2]) and np.all(first[1:])
    assert not np.any(last[1]) and np.all(last[[0, 2]])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"latents": 0}, ValueError, "latents: expected an int >= 1. Received: 0"),
        ({"num_layers": -1}, ValueError, "num_layers: expected an int >= 0. Received: -1"),
        ({"positions": 1}, TypeError, "positions: expected True or False. Received: 1"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        LatentFusion(4, **arguments)
