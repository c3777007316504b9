"""ModalityMask: what it lets through, and that nothing of the rest reaches a backbone."""

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy

from keras_fusion.layers import ModalityMask

PRESENT = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]])


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 2), (3, 2, 2, 2, 2)])
def test_zeros_where_absent(shape, index):
    inputs = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = inputs.copy()
    expected[PRESENT[:, index] == 0] = 0
    np.testing.assert_array_equal(to_numpy(ModalityMask(index)(inputs, PRESENT)), expected)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
def test_dtypes_of_present(dtype):
    inputs = np.arange(6, dtype="float32").reshape(3, 2) + 1
    masked = ModalityMask(1)(inputs, PRESENT.astype(dtype))
    np.testing.assert_array_equal(to_numpy(masked), [[0, 0], [3, 4], [5, 6]])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float32"])
def test_keeps_dtype_of_inputs(dtype):
    inputs = np.array([[1, 0], [1, 1], [0, 1]]).astype(dtype)
    masked = ModalityMask(0)(inputs, PRESENT)
    assert keras.backend.standardize_dtype(masked.dtype) == dtype
    np.testing.assert_array_equal(to_numpy(masked), inputs * PRESENT[:, :1].astype(dtype))


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -np.inf])
def test_absent_entries_reach_nothing(rubbish):
    inputs = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    inputs[PRESENT[:, 1] == 0] = rubbish
    layer = ModalityMask(1)
    assert np.isfinite(to_numpy(layer(inputs, PRESENT))).all()
    _, (by_inputs,) = gradients(layer, inputs, present=PRESENT)
    assert np.isfinite(by_inputs).all()
    np.testing.assert_array_equal(by_inputs != 0, np.repeat(PRESENT[:, 1:2] == 1, 4, axis=1))


def test_rubbish_reaches_no_weight_of_a_backbone():
    x, present = keras.Input((4,)), keras.Input((3,), dtype="bool")
    backbone = keras.Sequential(
        [keras.layers.Dense(3, activation="tanh"), keras.layers.BatchNormalization()]
    )
    model = keras.Model([x, present], backbone(ModalityMask(1)(x, present)))
    compiled = {"jit_compile": True} if keras.backend.backend() == "tensorflow" else {}
    model.compile("sgd", loss="mse", **compiled)
    inputs = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    inputs[PRESENT[:, 1] == 0] = np.nan
    history = model.fit([inputs, PRESENT == 1], np.ones((3, 3)), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert np.isfinite(model.predict_on_batch([inputs, PRESENT == 1])).all()


def test_keras_mask_goes_through():
    x, present = keras.Input((4, 2)), keras.Input((3,))
    sequence = ModalityMask(0)(keras.layers.Masking(mask_value=-9.0)(x), present)
    model = keras.Model([x, present], keras.layers.GlobalAveragePooling1D()(sequence))
    inputs = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    inputs[:, 3:] = -9.0
    expected = inputs[:, :3].mean(axis=1) * PRESENT[:, :1]
    found = model.predict_on_batch([inputs, PRESENT.astype("float32")])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("index", [-1, 1.0, True, None, "0", [0]])
def test_index_is_an_int(index):
    with pytest.raises(ValueError, match="index: expected an int >= 0. Received: "):
        ModalityMask(index)


@pytest.mark.parametrize("shape", [(3, 2), (3,), (3, 3, 1), (3, 0)])
def test_present_has_the_column(shape):
    with pytest.raises(ValueError, match="number of modalities > 2"):
        ModalityMask(2)(np.ones((3, 4)), np.ones(shape))


def test_present_has_the_column_in_later_calls():
    layer = ModalityMask(2)
    layer(np.ones((3, 4)), PRESENT)
    # JAX would take the last column instead.
    with pytest.raises(ValueError, match=r"number of modalities > 2\). Received: \(3, 2\)"):
        layer(np.ones((3, 4)), PRESENT[:, :2])
