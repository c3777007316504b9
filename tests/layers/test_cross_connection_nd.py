"""CrossConnectionND against its equation in NumPy."""

import math

import numpy as np
import pytest
from keras import ops
from layer_cases import Case, floats

from keras_fusion.layers import CrossConnectionND

CASES = [
    Case(
        CrossConnectionND,
        "vector to vector",
        {"target_shape": (4,), "dropout": 0.1, "seed": 2},
        (floats(3, 5),),
        (3, 4),
        training_differs=True,
        partly_still=("prelu/alpha",),
    ),
    Case(
        CrossConnectionND,
        "steps to steps",
        {"target_shape": (3, 4)},
        (floats(3, 5, 2),),
        (3, 3, 4),
        partly_still=("prelu/alpha",),
    ),
    Case(
        CrossConnectionND,
        "maps to maps",
        {"target_shape": (4, 3, 2)},
        (floats(3, 7, 2, 3),),
        (3, 4, 3, 2),
        partly_still=("prelu/alpha",),
    ),
]


def pooled(x, axis, size):
    """Adaptive max-pooling of one axis, place by place."""
    x = np.moveaxis(x, axis, 0)
    m, found = len(x), []
    for i in range(size):
        found.append(x[math.floor(i * m / size) : math.ceil((i + 1) * m / size)].max(0))
    return np.moveaxis(np.stack(found), 0, axis)


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((5,), (4,)),
        ((6, 3), (None, 2)),
        ((9, 3), (4, 2)),  # windows of three, which share a step
        ((3, 2), (7, 5)),  # to more steps
        ((8, 5, 2), (4, 5, 3)),
        ((3, 10, 2), (6, 4, 3)),
    ],
)
def test_is_the_equation(shape, target):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, *shape)).astype("float32")
    layer = CrossConnectionND(target)
    layer(x if target[0] is not None else x[:, :4])  # the weights do not depend on the steps
    for weight in layer.trainable_weights:
        weight.assign(rng.uniform(-1, 1, weight.shape))
    kernel, bias, slope = (ops.convert_to_numpy(w) for w in layer.trainable_weights)
    sizes = (*(target if target[0] else (shape[0], *target[1:])),)
    assert slope.shape == ((1, target[1]) if len(target) == 2 else target)
    y = x
    for axis, size in enumerate(sizes[:-1], start=1):
        y = pooled(y, axis, size)
    y = y @ kernel + bias
    found = ops.convert_to_numpy(layer(x))
    assert found.shape == (3, *sizes) == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(found, np.where(y > 0, y, slope * y), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5, 2), (3, None, 2), (3, 4, None)])
def test_inputs(shape):
    layer = CrossConnectionND((4, 2))
    for check in (layer.build, layer.compute_output_shape):
        with pytest.raises(ValueError, match=r"expected an input with the axes of \('batch', 4, 2"):
            check(shape)


def test_another_kind_after_the_first():
    layer = CrossConnectionND((None, 2))
    layer(np.ones((3, 4, 2), "float32"))
    with pytest.raises(ValueError, match="expected an input with the axes"):
        layer(np.ones((3, 4), "float32"))


def test_opens_only_steps():
    with pytest.raises(ValueError, match=r"target_shape: expected .*Received: \(None, 4, 2\)"):
        CrossConnectionND((None, 4, 2))
