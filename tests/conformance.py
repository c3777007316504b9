"""The contract every layer keeps, driven by layers/test_conformance.py with the rows of all layers.

A row stands in the test file of its layer, as one of `CASES`.

Saved models depend on the names, shapes and dtypes of a layer's weights, so these are kept in
golden/layers.json. `python tests/rewrite.py` writes it anew, after a row is added, and else only
where older saved models are meant to break.
"""

import functools
import importlib.util
import inspect
import json
from pathlib import Path

import keras
import numpy as np
from keras import ops

TESTS = Path(__file__).parent
GOLDEN = TESTS / "golden" / "layers.json"


@functools.cache
def all_cases():
    """`CASES` of all files in layers/, by the names of the files."""
    # Not when this file is imported: those files import it.
    found = []
    for path in sorted((TESTS / "layers").glob("test_*.py")):
        if "\nCASES = [" in path.read_text(encoding="utf-8"):
            # By path and without a name: the files are no package, and pytest loads its own copies.
            spec = importlib.util.spec_from_file_location(f"_cases_of_{path.stem}", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            found += module.CASES
    return found


def on_arrays(function, structure):
    """`structure` with `function` of every array in place of it."""
    return keras.tree.map_structure(
        lambda leaf: function(leaf) if isinstance(leaf, np.ndarray) else leaf, structure
    )


def make(case, dtype="float32"):
    return case.layer(**case.init, dtype=dtype, name="layer")


def make_distinct(case, dtype="float32"):
    """The layer, built, with different values in all its weights, the same at every call."""
    layer = make(case, dtype)
    layer(*case.inputs, **case.keywords)
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        if keras.backend.is_float_dtype(weight.dtype):
            # A moving variance must not be negative.
            weight.assign(rng.uniform(-1 if weight.trainable else 0.1, 1, weight.shape))
    return layer


def to_numpy(outputs):
    """Float arrays as float32: NumPy has no bfloat16."""

    def convert(tensor):
        tensor = ops.convert_to_tensor(tensor)
        if keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype)):
            tensor = ops.cast(tensor, "float32")
        return ops.convert_to_numpy(tensor)

    return keras.tree.map_structure(convert, outputs)


def output_of(layer, case, **options):
    return to_numpy(layer(*case.inputs, **case.keywords, **options))


@keras.saving.register_keras_serializable(package="keras_fusion_tests")
def head_kernel(shape, dtype=None):
    """By NumPy: JAX compiles its own random numbers for every new shape, half a second each."""
    return ops.convert_to_tensor(np.random.default_rng(4).normal(size=shape), dtype=dtype)


def network(case, layer):
    """A functional model: inputs, the layer, and a Dense layer over all that comes out."""
    inputs, keywords = on_arrays(
        lambda array: keras.Input(array.shape[1:], dtype=array.dtype.name),
        (case.inputs, case.keywords),
    )
    columns = [
        # The sum turns integers into floats, and has no mask, of which Flatten would warn.
        keras.layers.Flatten()(ops.add(output, 0.0))
        for output in keras.tree.flatten(layer(*inputs, **keywords))
    ]
    x = keras.layers.Concatenate()(columns) if len(columns) > 1 else columns[0]
    flat = [t for t in keras.tree.flatten((inputs, keywords)) if isinstance(t, keras.KerasTensor)]
    head = keras.layers.Dense(2, kernel_initializer=head_kernel, name="head")
    return keras.Model(flat, head(x))


def arrays_of(case):
    """The inputs of `network`, in its order."""
    leaves = keras.tree.flatten((case.inputs, case.keywords))
    return [leaf for leaf in leaves if isinstance(leaf, np.ndarray)]


def gradients(layer, *inputs, **keywords):
    """Gradients of a sum of all outputs, each entry with a factor of its own.

    Returns:
        By trainable weights, in their order, and by all float arrays of the call, in theirs.
        Each is an array, or None where nothing arrives (on JAX, which does not tell: zeros).
    """
    backend = keras.backend.backend()
    call = (inputs, keywords)
    flat = on_arrays(ops.convert_to_tensor, keras.tree.flatten(call))
    places = [
        place
        for place, leaf in enumerate(keras.tree.flatten(call))
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
    ]

    def total(outputs):
        rng = np.random.default_rng(2)
        return sum(
            ops.sum(
                ops.cast(output, "float32") * ops.cast(rng.normal(size=output.shape), "float32")
            )
            for output in keras.tree.flatten(outputs)
        )

    def arguments(tensors):
        leaves = list(flat)
        for place, tensor in zip(places, tensors, strict=True):
            leaves[place] = tensor
        return keras.tree.pack_sequence_as(call, leaves)

    tensors = [flat[place] for place in places]
    if not layer.built:
        layer(*inputs, **keywords)
    weights = [weight.value for weight in layer.trainable_variables]
    if backend == "jax":
        import jax

        def loss(weights, tensors):
            positional, named = arguments(tensors)
            outputs, _ = layer.stateless_call(
                weights,
                [v.value for v in layer.non_trainable_variables],
                *positional,
                **named,
            )
            return total(outputs)

        by_weights, by_tensors = jax.jit(jax.grad(loss, argnums=(0, 1)))(weights, tensors)
        found = [*by_weights, *by_tensors]
    elif backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            positional, named = arguments(tensors)
            loss = total(layer(*positional, **named))
        found = tape.gradient(loss, [*weights, *tensors])
    else:
        import torch

        tensors = [tensor.requires_grad_() for tensor in tensors]
        positional, named = arguments(tensors)
        loss = total(layer(*positional, **named))
        found = [None] * len([*weights, *tensors])
        if loss.requires_grad:
            found = torch.autograd.grad(loss, [*weights, *tensors], allow_unused=True)
    found = [None if g is None else to_numpy(g) for g in found]
    return found[: len(weights)], found[len(weights) :]


def golden_entry(case):
    """What saved files rely on: the registered name, the arguments, the weights."""
    layer = make(case)
    layer(*case.inputs, **case.keywords)
    arguments = set(inspect.signature(case.layer.__init__).parameters) - {"self", "kwargs"}
    return {
        "registered_name": keras.saving.get_registered_name(case.layer),
        "arguments": sorted(arguments),
        "weights": [
            f"{weight.path.removeprefix('layer/')} {tuple(weight.shape)} {weight.dtype}"
            + ("" if weight.trainable else " not trainable")
            for weight in layer.weights
        ],
    }


def golden_text():
    """JSON with one row a line, sorted by name."""
    cases = sorted(all_cases(), key=str)
    rows = [f"  {json.dumps(str(case))}: {json.dumps(golden_entry(case))}" for case in cases]
    return "{\n" + ",\n".join(rows) + "\n}\n"
