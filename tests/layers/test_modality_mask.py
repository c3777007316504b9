"""ModalityMask: what it lets through, and that nothing of the rest reaches a backbone."""

import keras
import layer_cases
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import Case, floats, integers

from keras_fusion.layers import ModalityMask

CASES = [
    Case(
        ModalityMask, "map", {"index": 1}, (floats(3, 5, 6, 2), layer_cases.PRESENT), (3, 5, 6, 2)
    ),
    Case(
        ModalityMask,
        "learned placeholder",
        {"index": 1, "placeholder": "learned"},
        (floats(3, 5, 2), layer_cases.PRESENT),
        (3, 5, 2),
    ),
    Case(
        ModalityMask,
        "mean placeholder",
        {"index": 0, "placeholder": "mean"},
        (floats(3, 4), layer_cases.PRESENT),
        (3, 4),
    ),
    Case(
        ModalityMask,
        "integer tokens by name",
        {"index": 0},
        (integers(9, 3, 7),),
        (3, 7),
        keywords={"present": layer_cases.PRESENT.astype("float32")},
        output_dtype="int32",
    ),
]

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


# ---- placeholders


def test_one():
    tokens = np.array([[4, 2], [3, 0], [5, 5]])
    masked = to_numpy(ModalityMask(0, "one", dtype="int32")(tokens, PRESENT))
    np.testing.assert_array_equal(masked, [[4, 2], [1, 1], [5, 5]])


def test_mean_is_of_the_samples_that_have_the_modality():
    inputs = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    inputs[1] = np.nan
    layer = ModalityMask(0, "mean")
    before = to_numpy(layer(inputs, PRESENT))
    assert not layer.trainable_weights and not before[1].any()
    layer.adapt(inputs, PRESENT)
    mean = (inputs[0] + inputs[2]) / 2
    found = to_numpy(layer(inputs, PRESENT))
    np.testing.assert_allclose(found, [inputs[0], mean, inputs[2]], rtol=1e-6)
    layer.adapt(inputs[[0, 2, 2]])
    np.testing.assert_allclose(to_numpy(layer.value), (inputs[0] + 2 * inputs[2]) / 3, rtol=1e-5)


def test_learned_gets_the_gradient_of_the_absent_samples():
    inputs = np.full((3, 2), np.nan, "float32")
    inputs[0] = 1.0
    present = np.array([[1], [0], [0]])
    layer = ModalityMask(0, "learned")
    layer.build(inputs.shape, present.shape)
    layer.value.assign([0.5, -2.0])
    found = to_numpy(layer(inputs, present))
    np.testing.assert_allclose(found, [[1, 1], [0.5, -2], [0.5, -2]])
    (by_weight,), (by_inputs,) = gradients(layer, inputs, present=present)
    assert np.isfinite(by_inputs).all() and by_weight.all()


@pytest.mark.parametrize("placeholder", ["mean", "learned"])
def test_placeholders_that_are_weights_need_floats_of_fixed_size(placeholder):
    with pytest.raises(ValueError, match="'mean'|'learned'") as error:
        ModalityMask(0, placeholder)(keras.Input((None, 2)), keras.Input((2,)))
    assert "open size (None, 2)" in str(error.value)
    with pytest.raises(ValueError, match=f'"zero" or "one" for inputs of int32.*{placeholder}'):
        ModalityMask(0, placeholder)(keras.Input((3,), dtype="int32"), keras.Input((2,)))
    with pytest.raises(ValueError, match="for inputs of int32"):
        ModalityMask(0, placeholder)(np.ones((3, 2), "int32"), PRESENT)


def test_placeholder_is_one_of_four():
    with pytest.raises(ValueError, match="placeholder: expected one of .*Received: 'none'"):
        ModalityMask(0, "none")


def test_adapt_refuses():
    layer = ModalityMask(1, "mean")
    inputs = np.ones((3, 2), "float32")
    with pytest.raises(ValueError, match='placeholder="mean" that is built.*built=False'):
        layer.adapt(inputs)
    layer(inputs, PRESENT)
    with pytest.raises(ValueError, match="a sample that has the modality. Received: none"):
        layer.adapt(inputs, PRESENT * [1, 0, 1])
    inputs[0] = np.nan
    layer.adapt(inputs, PRESENT)  # absent there
    with pytest.raises(ValueError, match="finite numbers where the modality is present"):
        layer.adapt(inputs)
    with pytest.raises(ValueError, match="placeholder='learned'"):
        ModalityMask(1, "learned").adapt(inputs)
