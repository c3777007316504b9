"""BottleneckFusion against NumPy, and what may pass through the bottleneck and when."""

import keras
import numpy as np
import pytest
from helpers.transformers import block, embedded, gradient_by_inputs, made, norm, subsets
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats

from keras_fusion.layers import BottleneckFusion

SMALL = {"units": 6, "num_layers": 4, "fusion_layer": 1, "bottlenecks": 2, "num_heads": 2}
SMALL["feedforward_units"] = 5
CASES = [
    Case(
        BottleneckFusion,
        "sequence and vector with present",
        {"units": 4, "num_layers": 3, "bottlenecks": 2, "num_heads": 2, "feedforward_units": 3,
         "dropout": 0.02, "seed": 2},
        ([floats(3, 3, 2), floats(3, 5)],),
        [(3, 4), (3, 4)],
        keywords={"present": PRESENT[:, 1:]},
        training_differs=True,
    ),
]  # fmt: skip


def by_hand(values, x, present, counts):
    """The class tokens of one sample, those of absent modalities zeros."""
    streams = {
        k: np.concatenate([values[f"class_token_{k}"][None], tokens])
        for k, tokens in enumerate(embedded(values, x, counts))
        if present[k]
    }
    shared = values["bottlenecks"]
    for i in range(SMALL["num_layers"]):
        exchanged = []
        for k, tokens in streams.items():
            if i < SMALL["fusion_layer"]:
                streams[k], _ = block(values, f"block_{i}_{k}", tokens, 2)
                continue
            both, _ = block(values, f"block_{i}_{k}", np.concatenate([tokens, shared]), 2)
            streams[k] = both[: len(tokens)]
            exchanged.append(both[len(tokens) :])
        if exchanged:
            shared = np.mean(exchanged, axis=0)
    zeros = np.zeros(SMALL["units"])
    return [norm(values, "norm", streams[k][0]) if k in streams else zeros for k in range(len(x))]


def test_equation_masks_and_every_subset():
    layer, values, x = made(BottleneckFusion, 3, 8, **SMALL)
    present, steps, holes, counts = subsets(x)
    found = [to_numpy(y) for y in layer(holes, present=present, mask=[steps, None, None])]
    for sample in range(8):
        own = [c[sample] for c in counts]
        expected = by_hand(values, [a[sample] for a in x], present[sample], own)
        for y, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(y[sample], e, rtol=1e-4, atol=1e-5)
    for y, e in zip(layer(x, present=np.ones((8, 3))), layer(x), strict=True):
        np.testing.assert_allclose(to_numpy(y), to_numpy(e), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fusion_layer", "bottlenecks", "meets"),
    [(4, 2, False), (3, 2, False), (2, 0, False), (2, 2, True), (0, 1, True)],
)
def test_modalities_meet_in_the_second_layer_with_bottlenecks(fusion_layer, bottlenecks, meets):
    arguments = {**SMALL, "fusion_layer": fusion_layer, "bottlenecks": bottlenecks}
    layer, values, x = made(BottleneckFusion, **arguments)
    assert ("bottlenecks" in values) == (fusion_layer < 4 and bottlenecks > 0)
    factors = keras.ops.arange(1.0, 7.0, dtype="float32")
    own, *others = gradient_by_inputs(lambda x: keras.ops.sum(layer(x)[0] * factors), x)
    assert np.all(own)
    assert all(np.all(g) if meets else not np.any(g) for g in others)


def test_what_does_not_count_gets_no_gradient():
    layer, _, x = made(BottleneckFusion, **SMALL)
    x[0][0, 2:] = x[2][1] = np.nan
    present = np.array([[1, 1, 1], [1, 1, 0], [1, 1, 1]])
    steps = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]], bool)
    factors = keras.ops.arange(1.0, 7.0, dtype="float32")

    def total(x):
        found = layer(x, present=present, mask=[steps, None, None])
        return keras.ops.sum(sum(found) * factors)

    first, _, last = gradient_by_inputs(total, x)
    assert not np.any(first[0, 2:]) and np.all(first[0, :2]) and np.all(first[1:])
    assert not np.any(last[1]) and np.all(last[[0, 2]])


def test_permuted_modalities_permute_outputs():
    layer, values, x = made(BottleneckFusion, 2, **SMALL)
    other = BottleneckFusion(**SMALL)
    other(x[::-1])
    for weight in other.trainable_weights:
        first, *rest = weight.path.split("/")[1:]
        if first not in ("bottlenecks", "norm"):
            first = first[:-1] + str(1 - int(first[-1]))
        weight.assign(values["/".join([first, *rest])])
    for y, e in zip(other(x[::-1])[::-1], layer(x), strict=True):
        np.testing.assert_allclose(to_numpy(y), to_numpy(e), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"fusion_layer": 4}, ValueError, "fusion_layer: .* <= num_layers=3. Received: 4"),
        ({"fusion_layer": -1}, ValueError, "fusion_layer: expected an int >= 0. Received: -1"),
        ({"num_layers": 0}, ValueError, "num_layers: expected an int >= 1. Received: 0"),
        ({"bottlenecks": -1}, ValueError, "bottlenecks: expected an int >= 0. Received: -1"),
        ({"positions": 1}, TypeError, "positions: expected True or False. Received: 1"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        BottleneckFusion(4, **arguments)
