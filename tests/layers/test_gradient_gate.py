"""GradientGate: the same values, and a part of the gradient, in training alone."""

import keras
import numpy as np
import pytest
from conformance import to_numpy
from layer_cases import Case, floats

from keras_fusion.layers import GradientGate

CASES = [
    Case(GradientGate, "vector", {}, (floats(3, 4),), (3, 4), output_dtype="float32"),
    Case(
        GradientGate,
        "list",
        {},
        ([floats(3, 5, 2), floats(3, 4)],),
        [(3, 5, 2), (3, 4)],
        output_dtype="float32",
    ),
]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_values_and_dtypes_stay(dtype):
    gate, x = GradientGate(), [floats(3, 4).astype(dtype), floats(2)]
    gate(x)
    gate.coefficient.assign(0.3)
    for training in (True, False):
        for found, given in zip(gate(x, training=training), x, strict=True):
            assert keras.backend.standardize_dtype(found.dtype) == given.dtype.name
            np.testing.assert_array_equal(to_numpy(found), given)


@pytest.mark.parametrize("kappa", [0.25, 1.0, 0.0])
def test_a_step_is_so_much_smaller(kappa):
    """By hand: loss mean((x w)^2), whose gradient by w is 2 mean(x^2) w."""
    gate = GradientGate()
    inputs = keras.Input((1,))
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Model(inputs, gate(dense(inputs)))
    gate.coefficient.assign(kappa)
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    x = np.array([[1.0], [2.0]], "float32")
    model.train_on_batch(x, np.zeros((2, 1)))
    np.testing.assert_allclose(to_numpy(dense.kernel)[0, 0], 1 - 0.1 * kappa * 5, rtol=1e-6)
