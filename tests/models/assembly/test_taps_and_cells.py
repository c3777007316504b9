"""Levels chosen by name, and central cells given by the user."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    labels,
    map_net,
    outputs,
    reloaded,
    untrained_weights,
    vector_net,
)
from keras import Sequential, layers

from keras_fusion import build_centralnet
from keras_fusion.layers import ModalityMask


def nested_net(name="nested"):
    inner = Sequential(
        [keras.Input((8, 8, 1)), layers.Rescaling(0.5), map_net("inner", classes=None)], name="deep"
    )
    return Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(2.0, name="scale"),
            inner,
            layers.Dense(4, activation="tanh", name="hidden"),
            layers.Dense(3, activation="softmax", name="prediction"),
        ],
        name=name,
    )


# Backbones, taps, and the levels below the prediction.
TAPS = {
    "one level": (
        lambda: {"a": map_net(), "b": map_net()},
        {"a": ["pool1"], "b": ["pool1"]},
        ["2x2x3"],
    ),
    "layers inside a stage": (
        lambda: {"a": map_net(), "b": map_net()},
        {"a": ["conv0", "pool0"], "b": ["pool0", "conv1"]},
        ["4x4x2", "4x4x3"],
    ),
    "inside a nested model": (
        lambda: {"a": nested_net(), "b": map_net()},
        {"a": ["deep/inner/pool0", "hidden"], "b": ["pool0", "flatten"]},
        ["4x4x2", "12"],
    ),
    "by the last part of the name": (
        lambda: {"a": nested_net(), "b": map_net()},
        {"a": ["pool0", "pool1"], "b": ["pool0", "pool1"]},
        ["4x4x2", "2x2x3"],
    ),
    "the output of a nested model": (
        lambda: {"a": nested_net(), "b": vector_net()},
        {"a": ["deep"], "b": ["dense0"]},
        ["12"],
    ),
    "tuples": (
        lambda: {"a": vector_net(), "b": vector_net()},
        {"a": ("dense0",), "b": ("dense0",)},
        ["4"],
    ),
}


@pytest.mark.parametrize("case", TAPS)
def test_taps(case, tmp_path):
    build, taps, levels = TAPS[case]
    nets = build()
    model = build_centralnet(nets, taps=taps)
    assert list(model.fusion_levels.values()) == [*levels, "prediction"]
    x = batch(model)
    for name, net in nets.items():
        alone = keras.ops.convert_to_numpy(net(x[name]))
        np.testing.assert_allclose(outputs(model, x)[name], alone, rtol=1e-5, atol=1e-6)
    assert untrained_weights(model, x, labels()) == []
    assert_close(outputs(reloaded(model, tmp_path), x), outputs(model, x))


def test_taps_choose_the_tensor_that_they_name():
    nets = {"a": nested_net(), "b": nested_net("other")}
    model = build_centralnet(nets, taps={"a": ["deep/inner/pool0"], "b": ["deep/inner/pool0"]})
    x = batch(model)
    fusion = model.get_layer("fusion_0")
    fused = keras.ops.convert_to_numpy(keras.Model(model.input, fusion.output)(x))
    parts = []
    for name, net in nets.items():
        inner = net.get_layer("deep").layers[-1]
        opened = keras.Model(inner.input, inner.get_layer("pool0").output)
        parts.append(keras.ops.convert_to_numpy(opened(x[name])))  # scaled by 2, then by 0.5
    np.testing.assert_allclose(fused, (parts[0] + parts[1]) / 2, rtol=1e-5, atol=1e-6)


def test_auto_taps_are_paired_from_the_output_end():
    nets = {"a": vector_net(units=(6, 7, 4)), "b": vector_net(features=6, units=(4,))}
    model = build_centralnet(nets)
    assert list(model.fusion_levels.values()) == ["4", "prediction"]
    by_name = build_centralnet(nets, taps={"a": ["dense2"], "b": ["dense0"]})
    assert by_name.fusion_levels == model.fusion_levels


def test_inputs_are_a_level_only_where_shapes_are_equal_and_numbers_real():
    equal = build_centralnet({"a": vector_net(), "b": vector_net()})
    assert list(equal.fusion_levels.values()) == ["5", "4", "prediction"]
    other = build_centralnet({"a": vector_net(), "b": vector_net(features=6)})
    assert list(other.fusion_levels.values()) == ["4", "prediction"]

    def words():
        return Sequential(
            [
                keras.Input((5,), dtype="int32"),
                layers.Embedding(9, 4),
                layers.GlobalAveragePooling1D(),
                layers.Dense(4, activation="tanh"),
                layers.Dense(3, activation="softmax"),
            ]
        )

    assert build_centralnet([words(), words()]).fusion_levels["level_0"] == "5x4"


def test_own_cells_take_the_place_of_the_default_ones(tmp_path):
    """A layer, a function on tensors, the default, and a last cell that makes the logits."""
    nets = {"a": map_net(), "b": map_net()}

    def pooled(x):
        return layers.MaxPooling2D(2, name="mine_pool")(layers.Conv2D(3, 1, name="mine")(x))

    first = layers.Conv2D(2, 3, strides=2, padding="same", activation="tanh", name="first")
    model = build_centralnet(nets, central=[first, pooled, None])
    names = [layer.name for layer in model.layers]
    assert {"first", "mine", "mine_pool", "central_logits"} <= set(names)
    assert not [name for name in names if name.startswith("central_cell_") and "flat" not in name]
    assert model.get_layer("mine").kernel_size == (1, 1)
    x = batch(model)
    assert untrained_weights(model, x, labels()) == []
    assert_close(outputs(reloaded(model, tmp_path), x), outputs(model, x))

    last = build_centralnet(
        nets, central=[None, None, Sequential([layers.Flatten(), layers.Dense(3)])]
    )
    assert "central_logits" not in [layer.name for layer in last.layers]
    assert untrained_weights(last, x, labels()) == []


def test_default_cells_mirror_the_backbones():
    """Convolution, norm, ReLU, pooling between maps; dense, norm, ReLU, dropout to vectors."""
    model = build_centralnet([map_net(size=12), vector_net(), map_net()], taps="auto")
    assert list(model.fusion_levels.values()) == ["4", "prediction"]
    model = build_centralnet([map_net(), map_net()], kernel_size=2, dropout=0)
    convolution = model.get_layer("central_cell_0")
    assert convolution.kernel_size == (2, 2) and convolution.filters == 2
    names = [layer.name for layer in model.layers if layer.name.startswith("central")]
    assert names == [
        *[f"central_cell_0{part}" for part in ("", "_bn", "_relu", "_pool")],
        *[f"central_cell_1{part}" for part in ("", "_bn", "_relu", "_pool")],
        "central_cell_2_flat",
        "central_logits",
        "central_head",
    ]


def test_large_maps_are_averaged_before_a_dense_cell():
    def large(name):
        inputs = keras.Input((64, 64, 1))
        x = layers.Conv2D(3, 3, padding="same", name="conv")(inputs)
        x = layers.GlobalAveragePooling2D()(x)
        return keras.Model(inputs, layers.Dense(3, activation="softmax")(x), name=name)

    model = build_centralnet([large("a"), large("b")])
    # 64 * 64 * 3 values are more than 8192: the mean of 3 channels, not a Dense of 37,000 weights.
    assert model.get_layer("central_logits").kernel.shape == (3, 3)


@pytest.mark.parametrize(
    "names",
    [
        ("dense0", "prediction"),  # names of the backbones' layers
        ("input", "level_0"),
        ("centralnet", "fusion"),  # of the model, and the beginning of ours
        ("a-b.c_1", "Groesse"),
        ("mlp", "mlp_2"),
        ("A", "a"),
    ],
)
def test_names_do_not_clash(names, tmp_path):
    model = build_centralnet(
        {name: vector_net("net", units=(4 + i,)) for i, name in enumerate(names)},
        missing_modalities=True,
    )
    layer_names = [layer.name for layer in model.layers]
    assert len(set(layer_names)) == len(layer_names)
    x = batch(model)
    assert_close(outputs(reloaded(model, tmp_path), x), outputs(model, x))


def test_layer_names_do_not_depend_on_what_was_built_before():
    def names():
        nets = {"b": vector_net(), "a": map_net()}
        return [layer.name for layer in build_centralnet(nets).layers]

    assert names() == names()


def test_masks_are_at_the_inputs():
    model = build_centralnet({"b": vector_net(), "a": vector_net()}, missing_modalities=True)
    masks = {la.name: la.index for la in model.layers if isinstance(la, ModalityMask)}
    assert masks == {"b_mask": 1, "a_mask": 0}
