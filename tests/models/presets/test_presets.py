"""The presets against Tables 1 and 3 of the CentralNet paper, read from the built models.

Nothing here asks the builder what it did: types, sizes and wiring come from Keras' own graph.
"""

import keras
import pytest
from helpers.graphs import chain_above, fusions, maker, sources
from helpers.tiny import without_weights
from keras import layers

from keras_fusion.layers import CentralFusion
from keras_fusion.models.presets import centralnet_av_mnist, centralnet_mm_mnist

CONV = (layers.Conv2D, layers.BatchNormalization, layers.ReLU, layers.MaxPooling2D)
DENSE = (layers.Dense, layers.BatchNormalization, layers.ReLU, layers.Dropout)
PRED = (layers.Dense,)
TYPES = {"Conv": CONV, "Dense": DENSE, "Pred": PRED}

# Typed off the paper: (type, output size) per row; None where the column is empty.
TABLE_1 = {
    "image_a": [("Conv", (14, 14, 32)), ("Conv", (7, 7, 64)), ("Dense", (1024,)), ("Pred", (10,))],
    "central": [("Conv", (14, 14, 32)), ("Conv", (7, 7, 64)), ("Dense", (1024,)), ("Pred", (10,))],
    "image_b": [("Conv", (14, 14, 32)), ("Conv", (7, 7, 64)), ("Dense", (1024,)), ("Pred", (10,))],
}
TABLE_3 = {
    "image": [
        None,
        None,
        ("Conv", (14, 14, 32)),
        ("Conv", (7, 7, 64)),
        ("Dense", (1024,)),
        ("Pred", (10,)),
    ],
    "central": [None, None, None, ("Conv", (7, 7, 64)), ("Dense", (1024,)), ("Pred", (10,))],
    "audio": [
        ("Conv", (56, 56, 8)),
        ("Conv", (28, 28, 16)),
        ("Conv", (14, 14, 32)),
        ("Conv", (7, 7, 64)),
        ("Dense", (1024,)),
        ("Pred", (10,)),
    ],
}
PRESETS = [
    # preset, table, inputs, whether the inputs themselves are fused
    (centralnet_mm_mnist, TABLE_1, {"image_a": (28, 28, 1), "image_b": (28, 28, 1)}, True),
    (centralnet_av_mnist, TABLE_3, {"image": (28, 28, 1), "audio": (112, 112, 1)}, False),
]


@pytest.fixture(autouse=True)
def graphs_only():
    with without_weights():
        yield


every_preset = pytest.mark.parametrize(("preset", "table", "inputs", "from_inputs"), PRESETS)


def check_block(found, kind, size):
    found = [layer for layer in found if not isinstance(layer, layers.Flatten)]
    assert tuple(type(layer) for layer in found) == TYPES[kind]
    assert found[-1].output.shape[1:] == size
    if kind == "Conv":
        assert found[0].kernel_size == (5, 5) and found[0].strides == (1, 1)
        assert found[3].pool_size == (2, 2) and found[3].strides == (2, 2)
    if kind == "Dense":
        assert found[3].rate == 0.5
    if kind == "Pred":
        assert found[0].activation in (keras.activations.softmax, keras.activations.linear)


def blocks(chain, heads=(layers.Conv2D, layers.Dense)):
    """The chain of a whole network cut before every convolution and dense layer."""
    starts = [i for i, layer in enumerate(chain) if isinstance(layer, heads)]
    return [chain[a:b] for a, b in zip(starts, [*starts[1:], len(chain)], strict=True)]


@every_preset
def test_columns_of_the_backbones(preset, table, inputs, from_inputs):
    model = preset()
    assert {k: tuple(v.shape[1:]) for k, v in model.input.items()} == inputs
    for name in inputs:
        backbone = model.get_layer(f"{name}_backbone")
        chain, _ = chain_above(backbone.outputs[-1], layers.InputLayer)
        rows = [row for row in table[name] if row is not None]
        found = blocks(chain)
        assert len(found) == len(rows)
        for block, (kind, size) in zip(found, rows, strict=True):
            check_block(block, kind, size)
        assert chain[-1].activation is keras.activations.softmax


@every_preset
def test_column_of_the_central_network(preset, table, inputs, from_inputs):
    """Between two fusions lies exactly the block of the table's row."""
    model = preset()
    rows = [row for row in table["central"] if row is not None]
    first, *later = fusions(model)
    assert sources(first)[1] is None, "no central tensor at the first level"
    below = first
    assert len(later) == len(rows)
    for fusion, (kind, size) in zip(later, rows, strict=True):
        cell, start = chain_above(sources(fusion)[1], CentralFusion)
        assert start is below
        check_block(cell, kind, size)
        below = fusion
    head, start = chain_above(model.output["central"], CentralFusion)
    assert start is below
    assert [(type(h), h.activation) for h in head] == [
        (layers.Activation, keras.activations.softmax)
    ]


@every_preset
def test_what_each_fusion_takes(preset, table, inputs, from_inputs):
    """Every row with a central block, and the row before the first, from both backbones."""
    model = preset()
    depth = len([row for row in table["central"] if row is not None])
    found = fusions(model)
    if from_inputs:
        modalities, _ = sources(found[0])
        assert [tensor.name for tensor in modalities] == list(inputs)
        found = found[1:]
        assert len(found) == depth
    else:
        assert len(found) == depth + 1
    *hidden, last = found
    for row, fusion in enumerate(hidden, start=len(table["central"]) - len(found)):
        modalities, _ = sources(fusion)
        for name, tensor in zip(inputs, modalities, strict=True):
            operation, _, index = tensor._keras_history
            assert operation.name == f"{name}_backbone"
            chain, _ = chain_above(operation.outputs[index], layers.InputLayer)
            kind, size = table[name][row]
            # The point is the last layer of that row's block, in that backbone.
            assert (
                tuple(type(layer) for layer in blocks(chain)[-1][: len(TYPES[kind])]) == TYPES[kind]
            )
            assert len(blocks(chain)) == 1 + row - sum(r is None for r in table[name])
            assert tuple(tensor.shape[1:]) == size
    for name, tensor in zip(inputs, sources(last)[0], strict=True):
        layer, (probabilities,) = maker(tensor)
        assert type(layer).__name__ == "ProbabilitiesToLogits"
        assert probabilities._keras_history.operation.name == f"{name}_backbone"
        assert maker(probabilities)[0].activation is keras.activations.softmax
        assert tuple(tensor.shape[1:]) == (10,)


@every_preset
def test_number_of_parameters(preset, table, inputs, from_inputs):
    """Backbones as in their own tests; the central one by formula; one vector per fusion."""
    total = 0
    for name, column in table.items():
        channels, size = (1, 28) if name == "central" else (1, inputs[name][0])
        if name == "central" and not from_inputs:
            channels, size = 32, 14
        for row in column:
            if row is None:
                continue
            kind, shape = row
            if kind == "Conv":
                total += 25 * channels * shape[-1] + 4 * shape[-1]
                channels, size = shape[-1], size // 2
            elif kind == "Dense":
                total += size * size * channels * shape[0] + 4 * shape[0]
                channels = shape[0]
            else:
                total += (channels + 1) * shape[0]
    levels = len([row for row in table["central"] if row]) + 1
    total += levels * 4 - 1  # two modalities, central (not at the first level), common factor
    assert preset().count_params() == total


@every_preset
def test_levels_and_arguments(preset, table, inputs, from_inputs):
    model = preset(dropout=0.25, modality_scale=False, name="mine")
    sizes = ["x".join(map(str, row[1])) for row in table["central"] if row][:-1]
    first = "28x28x1" if from_inputs else "14x14x32"
    assert list(model.fusion_levels.values()) == [first, *sizes, "prediction"]
    assert list(model.fusion_levels) == [f"level_{i}" for i in range(len(sizes) + 2)]
    assert sorted(model.output) == sorted(["central", *inputs])
    assert model.modalities == list(inputs) and model.name == "mine"
    everything = [layer for layer in model._flatten_layers() if isinstance(layer, layers.Dropout)]
    assert {layer.rate for layer in everything} == {0.25}
    assert not any(fusion.modality_scale for fusion in fusions(model))
    assert {tuple(tensor.shape) for tensor in model.output.values()} == {(None, 10)}
