"""GatedMultimodalUnit: both gates against NumPy, absent modalities, shares, errors."""

import itertools

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import GatedMultimodalUnit

CASES = [
    Case(
        GatedMultimodalUnit,
        "two vectors of different widths",
        {"units": 4},
        ([floats(3, 5), floats(3, 2)],),
        (3, 4),
    ),
    Case(
        GatedMultimodalUnit,
        "three projections with bias and present",
        {"units": 4, "gate_on": "projections", "use_bias": True},
        ([floats(3, 5), floats(3, 2), floats(3, 3)],),
        (3, 4),
        keywords={"present": PRESENT},
    ),
    Case(
        GatedMultimodalUnit,
        "integer vectors",
        {"units": 3, "gate_on": "projections"},
        ([1 + integers(3, 3, 4, dtype="uint8"), 1 + integers(3, 3, 2)],),
        (3, 3),
    ),
]

WIDTHS = (5, 2, 3, 4)
UNITS = 6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def made(n, gate_on, use_bias, seed=0):
    """A built layer with weights drawn anew, its arrays by name, and inputs."""
    rng = np.random.default_rng(seed)
    x = [rng.normal(size=(3, width)).astype("float32") for width in WIDTHS[:n]]
    layer = GatedMultimodalUnit(UNITS, gate_on, use_bias)
    layer(x)
    values = {}
    for weight in layer.weights:
        name = "/".join(weight.path.split("/")[-2:])
        values[name] = rng.normal(size=tuple(weight.shape))
        weight.assign(values[name])
    return layer, values, x


def by_hand(values, x, gate_on):
    """The hidden vectors and the gates, `(n, batch, units)` each."""
    n = len(x)
    projected = [
        x[k] @ values[f"projection_{k}/kernel"] + values.get(f"projection_{k}/bias", 0)
        for k in range(n)
    ]
    seen = np.concatenate(x if gate_on == "inputs" else projected, axis=1)
    kernel, bias = values["gate/kernel"], values.get("gate/bias", np.zeros(n * UNITS))
    if n == 2:
        z = sigmoid(seen @ kernel + bias[:UNITS])
        gates = [z, 1 - z]
    else:
        gates = [
            sigmoid(seen @ kernel[:, k * UNITS : (k + 1) * UNITS] + bias[k * UNITS :][:UNITS])
            for k in range(n)
        ]
    return np.tanh(projected), np.array(gates)


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("gate_on", ["inputs", "projections"])
@pytest.mark.parametrize("n", [2, 3, 4])
def test_equation_and_shares(n, gate_on, use_bias):
    layer, values, x = made(n, gate_on, use_bias)
    hidden, gates = by_hand(values, x, gate_on)
    np.testing.assert_allclose(to_numpy(layer(x)), (gates * hidden).sum(0), rtol=1e-4, atol=1e-5)
    shares = (gates / gates.sum(0)).mean(-1).T
    np.testing.assert_allclose(to_numpy(layer.fusion_weights(x)), shares, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("n", "gate_on", "count"),
    [
        (2, "inputs", 7 * 6 + 7 * 6),
        (2, "projections", 7 * 6 + 12 * 6),
        (3, "inputs", 10 * 6 + 10 * 18),
        (3, "projections", 10 * 6 + 18 * 18),
    ],
)
def test_parameters(n, gate_on, count):
    assert made(n, gate_on, use_bias=False)[0].count_params() == count


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("gate_on", ["inputs", "projections"])
def test_absent_modalities(n, gate_on):
    """Every subset at once; what is absent is a NaN here and zeros by hand."""
    layer, values, _ = made(n, gate_on, use_bias=False)
    present = np.array(list(itertools.product([0, 1], repeat=n)))
    rng = np.random.default_rng(1)
    x = [rng.normal(size=(len(present), width)).astype("float32") for width in WIDTHS[:n]]
    hidden, gates = by_hand(values, [np.where(present[:, [k]], x[k], 0) for k in range(n)], gate_on)
    of_present = gates * present.T[:, :, None]
    total = of_present.sum(0)
    shares = of_present / np.where(total > 0, total, 1)
    expected = (shares * gates.sum(0) * hidden).sum(0)
    holes = [np.where(present[:, [k]], x[k], np.nan) for k in range(n)]
    for mask in (present, present.astype(bool), present.astype("float32")):
        np.testing.assert_allclose(
            to_numpy(layer(holes, present=mask)), expected, rtol=1e-4, atol=1e-5
        )
    found = to_numpy(layer.fusion_weights(holes, present=present))
    np.testing.assert_allclose(found, shares.mean(-1).T, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.sum(1), present.any(1), atol=1e-6)
    assert np.all(found[present == 0] == 0) and not np.any(expected[0])


def test_all_present_is_no_mask():
    for n in (2, 3):
        layer, _, x = made(n, "inputs", use_bias=True)
        found = to_numpy(layer(x, present=np.ones((3, n))))
        np.testing.assert_allclose(found, to_numpy(layer(x)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [2, 3])
def test_shut_gates(n):
    """Gates that are 0 in float32: the only modality present still counts, no NaN comes out."""
    layer, values, _ = made(n, "inputs", use_bias=True)
    bias = np.full(UNITS if n == 2 else n * UNITS, -500.0)
    layer.gate.bias.assign(bias)
    x = [np.ones((1, width), "float32") for width in WIDTHS[:n]]
    hidden = np.tanh(x[0] @ values["projection_0/kernel"] + values["projection_0/bias"])
    only_first = np.eye(n)[:1]
    # Two modalities: z = 0 leaves all to the second. Three: every gate is shut.
    np.testing.assert_allclose(
        to_numpy(layer.fusion_weights(x, present=only_first)), only_first, atol=1e-6
    )
    expected = hidden if n == 2 else np.zeros_like(hidden)
    np.testing.assert_allclose(
        to_numpy(layer(x, present=only_first)), expected, rtol=1e-5, atol=1e-6
    )
    if n == 2:
        np.testing.assert_allclose(to_numpy(layer.fusion_weights(x)), [[0, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"units": -1}, ValueError, "units: expected an int >= 1. Received: -1"),
        ({"units": 2, "gate_on": "raw"}, ValueError, "gate_on: expected one of .*'raw'"),
        ({"units": 2, "use_bias": None}, TypeError, "use_bias: expected True or False.*None"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        GatedMultimodalUnit(**arguments)
