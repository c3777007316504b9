"""TransformerFusion against NumPy, where tokens that do not count are left out by hand."""

import itertools

import keras
import numpy as np
import pytest
from conformance import gradients
from helpers.transformers import block, embedded, made, norm, relu, sinusoids, subsets
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats

from keras_fusion.layers import TransformerFusion

SMALL = {"units": 6, "num_layers": 2, "num_heads": 2, "feedforward_units": 5}
CASES = [
    Case(
        TransformerFusion,
        "three vectors with present",
        {"units": 4, "num_layers": 1, "num_heads": 1, "feedforward_units": 3, "seed": 1},
        ([floats(3, 5), floats(3, 2), floats(3, 4)],),
        (3, 4),
        keywords={"present": PRESENT},
        training_differs=True,
        partly_still=("block_0/inner/kernel", "block_0/inner/bias"),  # behind a ReLU
    ),
]


def by_hand(values, x, counts, order, positions):
    """The class token of one sample, and the modalities' shares."""
    tokens = embedded(values, x, counts, positions == "modality")
    rows = [values["class_token"][None], *tokens]
    if positions == "sequence":
        places = sinusoids(1 + sum(len(c) for c in counts), SMALL["units"])
        kept = np.concatenate([[True], *counts])
        h = np.concatenate(rows) + places[kept]
    else:
        h = np.concatenate(rows)
    for i in range(SMALL["num_layers"]):
        h, shares = block(values, f"block_{i}", h, 2, order, activation=relu)
    if order == "pre":
        h = norm(values, "norm", h)
    ends = np.cumsum([1, *(len(t) for t in tokens)])
    mean = shares.mean(0)[0]
    parts = np.array([mean[a:b].sum() for a, b in itertools.pairwise(ends)])
    return h[0], parts / max(parts.sum(), 1e-30)


@pytest.mark.parametrize(
    ("order", "positions"), [("post", "modality"), ("post", "sequence"), ("pre", None)]
)
def test_equation_masks_and_every_subset(order, positions):
    layer, values, x = made(TransformerFusion, 3, 8, norm=order, positions=positions, **SMALL)
    present, steps, holes, counts = subsets(x)
    options = {"present": present, "mask": [steps, None, None]}
    found = to_numpy(layer(holes, **options))
    shares = to_numpy(layer.fusion_weights(holes, **options))
    for sample in range(8):
        own = [c[sample] for c in counts]
        expected, parts = by_hand(values, [a[sample] for a in x], own, order, positions)
        np.testing.assert_allclose(found[sample], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(shares[sample], parts, rtol=1e-3, atol=1e-5)
    whole = to_numpy(layer(x, present=np.ones((8, 3))))
    np.testing.assert_allclose(whole, to_numpy(layer(x)), rtol=1e-5, atol=1e-5)


def test_the_order_of_the_modalities_does_not_matter():
    """With their weights they may change places; with the study's positions they may not."""
    for positions, same in (("modality", True), ("sequence", False)):
        layer, values, x = made(TransformerFusion, positions=positions, **SMALL)
        other = TransformerFusion(positions=positions, **SMALL)
        order = [2, 0, 1]
        turned = [x[k] for k in order]
        other(turned)
        for weight in other.trainable_weights:
            name = weight.path.split("/", 1)[1]
            for place, k in enumerate(order):
                if name.startswith(f"projection_{place}/"):
                    name = f"projection_{k}/" + name.split("/")[1]
                    break
            weight.assign(values[name])
        assert np.allclose(to_numpy(other(turned)), to_numpy(layer(x)), atol=1e-4) == same


def test_nothing_absent_in_gradients():
    layer, _, x = made(TransformerFusion, dropout=0.0, **SMALL)
    x[0][1] = x[1][1] = x[2][1] = x[2][0] = np.nan
    present = np.array([[1, 1, 0], [0, 0, 0], [1, 1, 1]])
    steps = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    by_weights, by_inputs = gradients(layer, x, present=present, mask=[steps, None, None])
    assert all(np.isfinite(g).all() for g in by_weights)
    for g in by_inputs:
        assert np.isfinite(g).all() and not np.any(g[1])
    assert not np.any(by_inputs[0][0, 2:]) and np.all(by_inputs[0][0, :2])
    assert not np.any(by_inputs[0][2]) and np.all(by_inputs[2][2])


def test_weights_start_small_and_apart():
    keras.utils.set_random_seed(0)
    layer = TransformerFusion(400)
    layer([np.ones((1, 3)), np.ones((1, 2))])
    starts = [to_numpy(p.bias) for p in layer.projections] + [to_numpy(layer.class_token)]
    for i, start in enumerate(starts):
        assert 0.015 < start.std() < 0.025
        assert all(np.any(start != other) for other in starts[:i])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 6}, "units: expected a multiple of num_heads=4. Received: 6"),
        ({"units": 4, "num_layers": 0}, "num_layers: expected an int >= 1. Received: 0"),
        ({"units": 4, "feedforward_units": 0}, "feedforward_units: expected an int >= 1"),
        ({"units": 4, "dropout": 1.0}, "dropout: expected a float in .0, 1.."),
        ({"units": 4, "norm": "none"}, "norm: expected one of .*Received: 'none'"),
        ({"units": 4, "positions": True}, "positions: expected one of .*Received: True"),
        ({"units": 4, "seed": -1}, "seed: expected an int >= 0. Received: -1"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransformerFusion(**arguments)
