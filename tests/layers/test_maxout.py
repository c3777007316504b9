"""Maxout: the equation, the order of the pieces, errors."""

import numpy as np
import pytest
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import Case, floats, integers

from keras_fusion.layers import Maxout

CASES = [
    Case(
        Maxout,
        "vector",
        {"units": 4, "pieces": 3},
        (floats(3, 5),),
        (3, 4),
        partly_still=("kernel", "bias"),
    ),
    Case(
        Maxout,
        "integer map without bias",
        {"units": 2, "use_bias": False},
        (integers(9, 3, 5, 6, 1),),
        (3, 5, 6, 2),
        partly_still=("kernel",),
    ),
]


@pytest.mark.parametrize(("pieces", "shape"), [(1, (4, 5)), (2, (4, 5)), (3, (2, 3, 5))])
@pytest.mark.parametrize("use_bias", [True, False])
def test_equation(pieces, shape, use_bias):
    rng = np.random.default_rng(0)
    layer = Maxout(3, pieces, use_bias)
    layer.build((None, 5))
    kernel, bias = rng.normal(size=(5, 3 * pieces)), rng.normal(size=3 * pieces)
    layer.set_weights([kernel, bias] if use_bias else [kernel])
    x = rng.normal(size=shape)
    affine = x @ kernel + (bias if use_bias else 0)
    # Unit j owns the columns j * pieces up to (j + 1) * pieces.
    expected = np.stack(
        [affine[..., j * pieces : (j + 1) * pieces].max(axis=-1) for j in range(3)], axis=-1
    )
    np.testing.assert_allclose(to_numpy(layer(x)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"units": 0}, ValueError, "units: expected an int >= 1. Received: 0"),
        ({"units": 2.0}, ValueError, "units: expected an int >= 1. Received: 2.0"),
        ({"units": 2, "pieces": True}, ValueError, "pieces: expected an int >= 1. Received: True"),
        ({"units": 2, "use_bias": 1}, TypeError, "use_bias: expected True or False. Received: 1"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Maxout(**arguments)


def test_bad_input():
    with pytest.raises(ValueError, match="expected an input .batch, ..., features."):
        Maxout(2)(np.zeros(3))
