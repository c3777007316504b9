"""ElementwiseFusion against its equations."""

import keras
import layer_cases
import numpy as np
import pytest
from conformance import gradients
from helpers.tiny import labels, vector_net
from keras import ops
from layer_cases import Case, floats

import keras_fusion as kf
from keras_fusion.layers import ElementwiseFusion

CASES = [
    Case(
        ElementwiseFusion,
        "difference of three maps with present",
        {"operation": "subtract"},
        ([floats(3, 5, 6, 2), floats(3, 5, 6, 2), floats(3, 5, 6, 2)],),
        (3, 5, 6, 2),
        keywords={"present": layer_cases.PRESENT},
    ),
    Case(
        ElementwiseFusion,
        "vectors of two widths",
        {"operation": "concat"},
        ([floats(3, 4), floats(3, 2)],),
        (3, 6),
    ),
]

PRESENT = np.array([[k >> 2 & 1, k >> 1 & 1, k & 1] for k in range(8)], bool)
SIGNS = {"sum": [1, 1, 1], "subtract": [1, -1, -1]}
OPERATIONS = ("sum", "subtract", "product", "concat")


def tensors(shape=(4,), seed=0):
    return list(np.random.default_rng(seed).normal(size=(3, 8, *shape)).astype("float32"))


def expected(operation, hidden, row=(1, 1, 1)):
    """Of one sample."""
    here = [k for k in range(3) if row[k]]
    if operation == "concat":
        return np.concatenate([h * there for h, there in zip(hidden, row, strict=True)], -1)
    if not here:
        return np.zeros_like(hidden[0])
    if operation == "product":
        return np.prod([hidden[k] for k in here], axis=0)
    return 3 / len(here) * sum(SIGNS[operation][k] * hidden[k] for k in here)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("shape", [(4,), (5, 2), (2, 3, 1, 2)])
@pytest.mark.parametrize("missing", [False, True])
def test_equation(operation, shape, missing):
    hidden = tensors(shape)
    found = ElementwiseFusion(operation)(hidden, **({"present": PRESENT} if missing else {}))
    for sample, row in enumerate(PRESENT if missing else np.ones((8, 3), int)):
        one = expected(operation, [h[sample] for h in hidden], row)
        np.testing.assert_allclose(found[sample], one, rtol=1e-5, atol=1e-6)


def test_two_modalities():
    a, b, _ = tensors()
    for operation, result in (("sum", a + b), ("subtract", a - b), ("product", a * b)):
        np.testing.assert_allclose(ElementwiseFusion(operation)([a, b]), result, rtol=1e-6)


def test_concatenation_of_different_widths():
    a, b, _ = tensors((5, 2))
    found = ElementwiseFusion("concat")([a, b[..., :1]])
    np.testing.assert_array_equal(found, np.concatenate([a, b[..., :1]], -1))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("rubbish", [np.nan, np.inf])
def test_absent_entries_reach_nothing(operation, rubbish):
    layer, hidden = ElementwiseFusion(operation), tensors()
    broken = [np.where(PRESENT[:, k, None], h, rubbish) for k, h in enumerate(hidden)]
    broken = [h.astype("float32") for h in broken]
    np.testing.assert_array_equal(layer(broken, present=PRESENT), layer(hidden, present=PRESENT))
    _, by_tensors = gradients(layer, broken, present=PRESENT)
    for k, gradient in enumerate(by_tensors):
        assert np.isfinite(gradient).all() and not gradient[~PRESENT[:, k]].any()
        assert np.all(gradient[PRESENT[:, k]] != 0)


def test_integers():
    found = ElementwiseFusion("subtract")([np.array([[1, 2]]), np.array([[3, 5]])])
    np.testing.assert_array_equal(found, [[-2.0, -3.0]])


def test_wrong_arguments_and_calls():
    a, b, _ = tensors()
    with pytest.raises(ValueError, match="operation: expected one of .*Received: 'mean'"):
        ElementwiseFusion("mean")
    with pytest.raises(ValueError, match="one shape but for the last axis"):
        ElementwiseFusion("concat")([a[:, None], b])


@pytest.mark.parametrize("policy", ["float16", "mixed_float16"])
def test_products_in_float16_are_finite(policy):
    layer = ElementwiseFusion("product", dtype=policy)
    rows = [300, -300, 1e3], [300, 300, 1e3], [1, 1, 1e-3]
    a, b, c = (np.array([row], "float32") for row in rows)
    fused = ops.convert_to_numpy(layer([a, b, c]))  # the last one leaves the range on its way only
    assert fused.dtype == "float16"
    np.testing.assert_allclose(fused, [[16376, -16376, 1000]], rtol=1e-3)
    wide = ops.convert_to_numpy(ElementwiseFusion("product")([a, b]))
    np.testing.assert_allclose(wide, [[90000, -90000, 1e6]])


@pytest.mark.parametrize("policy", ["float16", "mixed_float16"])
def test_a_product_in_float16_trains(policy):
    keras.config.set_dtype_policy(policy)
    nets = {name: vector_net(name) for name in "ab"}
    model = kf.build("product", nets)
    model.compile(keras.optimizers.SGD(1e-6), "sparse_categorical_crossentropy", run_eagerly=True)
    x = {name: np.full((4, 5), 300.0, "float32") for name in "ab"}  # what is fused, in this net
    for _ in range(2):
        assert np.isfinite(model.train_on_batch(x, labels(), return_dict=True)["loss"])
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert np.isfinite(model.predict_on_batch(x)["central"]).all()
