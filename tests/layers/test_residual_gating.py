"""ResidualGating: Eq. (4) to (6) with the sigmoid before the product, maps, absent ones, errors."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import ResidualGating

CASES = [
    Case(
        ResidualGating,
        "map with a vector and a map and present",
        {"units": 4, "kernel_size": 2},
        ([floats(3, 5, 6, 2), floats(3, 4), floats(3, 5, 6, 1)],),
        (3, 5, 6, 2),
        keywords={"present": PRESENT},
        partly_still=("gate_hidden/kernel", "residual_hidden/kernel"),
    ),
    Case(
        ResidualGating,
        "integer vectors",
        {},
        ([1 + integers(3, 3, 4, dtype="uint8"), 1 + integers(3, 3, 2)],),
        (3, 4),
        # Of relu units that are dark for all three samples.
        partly_still=(
            "gate_hidden/kernel",
            "gate_hidden/bias",
            "gate/kernel",
            "residual_hidden/kernel",
            "residual_hidden/bias",
            "residual/kernel",
        ),
    ),
]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.maximum(x, 0)


def made(shapes, **arguments):
    """A built layer with weights drawn anew, their values in order, and inputs."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(3, *shape)).astype("float32") for shape in shapes]
    layer = ResidualGating(**arguments)
    layer(x)
    values = [rng.normal(size=tuple(w.shape)) for w in layer.weights]
    for weight, value in zip(layer.weights, values, strict=True):
        weight.assign(value)
    named = {"/".join(w.path.split("/")[1:]): v for w, v in zip(layer.weights, values, strict=True)}
    return layer, named, x


def by_hand(values, first, joined, affine):
    def apply(x, name):
        return affine(x, values[f"{name}/kernel"]) + values[f"{name}/bias"]

    gate = sigmoid(apply(relu(apply(joined, "gate_hidden")), "gate")) * first  # (4)
    residual = apply(relu(apply(joined, "residual_hidden")), "residual")  # (5)
    w_g, w_r = values["balance"]
    return w_g * gate + w_r * residual  # (6)


@pytest.mark.parametrize("units", [None, 4])
@pytest.mark.parametrize("widths", [(5, 2), (2, 5, 3)])
def test_vectors(widths, units):
    layer, values, x = made([(width,) for width in widths], units=units)
    assert values["gate_hidden/kernel"].shape == (sum(widths), units or sum(widths))
    expected = by_hand(values, x[0], np.concatenate(x, axis=1), np.matmul)
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-4, atol=1e-4)


def convolved(x, kernel):
    """Odd kernels, zeros around."""
    side = kernel.shape[0]
    rim = side // 2
    padded = np.pad(x, [(0, 0), (rim, rim), (rim, rim), (0, 0)])
    height, width = x.shape[1:3]
    return sum(
        padded[:, i : i + height, j : j + width] @ kernel[i, j]
        for i in range(side)
        for j in range(side)
    )


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_maps(kernel_size):
    """A vector stands at every place of the map."""
    layer, values, x = made([(4, 5, 2), (3,), (4, 5, 1)], kernel_size=kernel_size)
    spread = np.broadcast_to(x[1][:, None, None], (3, 4, 5, 3))
    joined = np.concatenate([x[0], spread, x[2]], axis=-1)
    expected = by_hand(values, x[0], joined, convolved)
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("first", [(4,), (4, 5, 2)])
def test_absent_modalities(first):
    layer, _, x = made([first, (3,)])
    present = np.array([[1, 1], [0, 1], [1, 0]])
    here = [present[:, k].reshape(-1, *[1] * (array.ndim - 1)) for k, array in enumerate(x)]
    zeros = [np.where(h, array, 0) for h, array in zip(here, x, strict=True)]
    holes = [np.where(h, array, np.nan) for h, array in zip(here, x, strict=True)]
    expected = to_numpy(layer(zeros))
    for mask in (present, present.astype(bool)):
        np.testing.assert_allclose(
            to_numpy(layer(holes, present=mask)), expected, rtol=1e-5, atol=1e-6
        )
    assert np.abs(expected - to_numpy(layer(x)))[1:].max() > 1e-2


def test_limits():
    """A gate that is open and no residual: the first modality, unchanged."""
    layer, _, x = made([(5,), (2,)])
    layer.balance.assign([1.0, 0.0])
    layer.gate.bias.assign(np.full(5, 500.0))
    np.testing.assert_allclose(to_numpy(layer(x)), x[0], rtol=1e-5)
    layer.gate.bias.assign(np.full(5, -500.0))
    np.testing.assert_allclose(to_numpy(layer(x)), 0 * x[0], atol=1e-6)


def test_balance_starts_at_one():
    layer = ResidualGating()
    layer.build([(None, 3), (None, 2)])
    assert to_numpy(layer.balance).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units: expected an int >= 1. Received: 0"),
        ({"kernel_size": None}, "kernel_size: expected an int >= 1. Received: None"),
        ({"kernel_size": (3, 3)}, "kernel_size: expected an int >= 1. Received: .3, 3."),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResidualGating(**arguments)


@pytest.mark.parametrize(
    "shapes", [[(3, 4, 5), (3, 2)], [(3, 4), (3, 5, 5, 2)], [(3, 4, 4, 1), (3, 5, 4, 2)]]
)
def test_bad_shapes(shapes):
    with pytest.raises(ValueError, match="ResidualGating: expected .*modalities to be"):
        ResidualGating()([np.zeros(shape) for shape in shapes])
