"""Every layer keeps the contract: one test a check, over the rows of all layers."""

import inspect
import json

import keras
import numpy as np
import pytest
from conformance import (
    GOLDEN,
    all_cases,
    arrays_of,
    golden_entry,
    gradients,
    make,
    make_distinct,
    network,
    on_arrays,
    output_of,
)
from keras import ops

from keras_fusion import layers

# JAX compiles always, TensorFlow when told to (slowly, with the lowest version); for PyTorch it
# takes too long.
COMPILED = pytest.param(True, marks=pytest.mark.slow)
JIT = ["auto", COMPILED] if keras.backend.backend() == "tensorflow" else ["auto"]
# JAX compiles every operation once more for every type.
POLICIES = [("mixed_bfloat16", 3e-2), ("mixed_float16", 4e-3)]
POLICIES = POLICIES[keras.backend.backend() == "jax" :]

CASES = all_cases()

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def test_every_layer_has_a_row():
    assert {case.layer.__name__ for case in CASES} == set(layers.__all__) - {"FusionLayer"}


def test_rows_have_names_of_their_own():
    assert len({str(case) for case in CASES}) == len(CASES)


@every_case
def test_config(case):
    layer = make(case)
    before = layer.get_config()
    layer(*case.inputs, **case.keywords)
    assert layer.get_config() == before
    arguments = set(inspect.signature(case.layer.__init__).parameters) - {"self", "kwargs"}
    assert arguments == set(before) - {"name", "trainable", "dtype"}
    # JSON is what a saved file keeps of it: tuples come back as lists.
    again = case.layer.from_config(json.loads(json.dumps(before)))
    assert json.dumps(again.get_config()) == json.dumps(before)


@every_case
def test_symbolic_is_eager(case):
    def shapes_and_dtypes(outputs):
        return [
            ((None, *output.shape[1:]), keras.backend.standardize_dtype(output.dtype))
            for output in keras.tree.flatten(outputs)
        ]

    layer = make(case)
    outputs = layer(*case.inputs, **case.keywords)
    shapes = [tuple(output.shape) for output in keras.tree.flatten(outputs)]
    expected = case.output_shape if isinstance(case.output_shape, list) else [case.output_shape]
    assert shapes == expected

    inputs, keywords = on_arrays(
        lambda array: keras.KerasTensor((None, *array.shape[1:]), dtype=array.dtype.name),
        (case.inputs, case.keywords),
    )
    eager = shapes_and_dtypes(outputs)
    assert shapes_and_dtypes(make(case)(*inputs, **keywords)) == eager
    fresh = make(case)
    assert shapes_and_dtypes(fresh.compute_output_spec(*inputs, **keywords)) == eager
    assert not fresh.built and not fresh.weights, "asking for a shape must not build"


@every_case
def test_gradient_reaches_every_weight(case):
    layer = make_distinct(case)
    found, _ = gradients(layer, *case.inputs, **case.keywords)
    assert_moved(case, layer, found)


def assert_moved(case, layer, changes):
    """Every trainable weight has a finite change, and one that is not 0 in every entry."""
    for weight, change in zip(layer.trainable_weights, changes, strict=True):
        assert change is not None, f"nothing reaches {weight.path}"
        assert np.isfinite(change).all(), f"{weight.path}: {change}"
        still = weight.path.removeprefix("layer/") in case.partly_still
        assert (np.any if still else np.all)(change != 0), f"{weight.path}: {change}"


@every_case
def test_sample_alone_is_sample_in_batch(case):
    layer = make_distinct(case)
    together = keras.tree.flatten(output_of(layer, case))
    for sample in range(len(together[0])):
        inputs, keywords = on_arrays(
            lambda array, sample=sample: array[sample : sample + 1], (case.inputs, case.keywords)
        )
        alone = keras.tree.flatten(layer(*inputs, **keywords))
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(
                ops.convert_to_numpy(a), b[sample : sample + 1], rtol=1e-5, atol=1e-6
            )


@every_case
def test_two_calls_are_equal(case):
    layer = make_distinct(case)
    keras.tree.map_structure(
        np.testing.assert_array_equal, output_of(layer, case), output_of(layer, case)
    )


@every_case
def test_training(case):
    """What draws at random draws anew at every call, and the same with the same seed."""

    def equal(a, b):
        pairs = zip(keras.tree.flatten(a), keras.tree.flatten(b), strict=True)
        return all(np.array_equal(x, y) for x, y in pairs)

    takes_training = "training" in inspect.signature(case.layer.call).parameters
    options = {"training": True} if takes_training else {}
    first, second = make_distinct(case), make_distinct(case)
    # Several, as two draws for a few small tensors may well be the same.
    drawn = [output_of(first, case, **options) for _ in range(5)]
    again = [output_of(second, case, **options) for _ in range(5)]
    assert all(equal(a, b) for a, b in zip(drawn, again, strict=True))
    assert any(not equal(drawn[0], other) for other in drawn) == case.training_differs
    still = output_of(first, case)
    assert any(not equal(still, other) for other in drawn) == case.training_differs


@every_case
def test_saving(case, tmp_path):
    model = network(case, make_distinct(case))
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.get_layer("layer").get_config() == model.get_layer("layer").get_config()
    inputs = arrays_of(case)
    before, after = (ops.convert_to_numpy(m(inputs)) for m in (model, loaded))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("jit", JIT)
@pytest.mark.parametrize("differs", [False, True])
def test_fit(jit, differs):
    """All rows in one model (those that draw in training apart): one for each takes a minute."""
    cases = [case for case in CASES if case.training_differs == differs]
    if jit is True:  # a row a layer: other arguments make no other kind of operation
        cases = list({case.layer: case for case in cases if make(case).supports_jit}.values())
    fit(cases, jit)


def fit(cases, jit):
    """One compiled step has the loss of an eager call, and changes every weight."""
    made = [make_distinct(case) for case in cases]
    # Each in a model of its own, as all layers have the same name.
    networks = [network(case, layer) for case, layer in zip(cases, made, strict=True)]
    starts = [[keras.Input(t.shape[1:], dtype=t.dtype) for t in net.inputs] for net in networks]
    ends = [net(start) for net, start in zip(networks, starts, strict=True)]
    model = keras.Model(starts, keras.layers.Concatenate()(ends) if len(ends) > 1 else ends[0])
    # The loss is a mean over all rows: with this rate a weight moves as in a model of its own.
    optimizer = keras.optimizers.SGD(float(len(cases)))
    model.compile(optimizer, loss="mse", jit_compile=jit)
    inputs = [arrays_of(case) for case in cases]
    target = np.random.default_rng(3).normal(size=(len(inputs[0][0]), 2 * len(cases)))
    expected = np.mean((ops.convert_to_numpy(model(inputs)) - target) ** 2)
    expected += sum(ops.convert_to_numpy(loss) for loss in model.losses)  # what layers add
    before = [layer.get_weights() for layer in made]
    history = model.fit(inputs, target, batch_size=len(target), verbose=0).history
    if not any(case.training_differs for case in cases):
        np.testing.assert_allclose(history["loss"], [expected], rtol=1e-4)
    for case, layer, old in zip(cases, made, before, strict=True):
        changes = [
            new - start
            for weight, new, start in zip(layer.weights, layer.get_weights(), old, strict=True)
            if weight.trainable
        ]
        assert_moved(case, layer, changes)


@every_case
@pytest.mark.parametrize(("policy", "tolerance"), POLICIES)
def test_mixed_precision(case, policy, tolerance):
    layer = make_distinct(case, policy)
    half = layer(*case.inputs, **case.keywords)
    full = output_of(make_distinct(case), case)
    dtype = case.output_dtype or policy.removeprefix("mixed_")
    for tensor in keras.tree.flatten(half):
        assert keras.backend.standardize_dtype(tensor.dtype) == dtype
    assert all(weight.dtype == "float32" for weight in layer.trainable_weights)
    for a, b in zip(
        keras.tree.flatten(output_of(layer, case)), keras.tree.flatten(full), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())
    if policy == "mixed_float16":  # the narrower range: bfloat16 would only take longer
        found, _ = gradients(layer, *case.inputs, **case.keywords)
        assert_moved(case, layer, found)


@every_case
def test_golden(case):
    """Red here: models saved before the change would no longer load, or a row is new."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert golden_entry(case) == golden.get(str(case)), "see the docstring of conformance.py"


def test_golden_holds_nothing_else():
    assert set(json.loads(GOLDEN.read_text(encoding="utf-8"))) == {str(case) for case in CASES}
