"""Basic fusion at one level, against the network wired by hand."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    labels,
    map_net,
    outputs,
    randomize,
    values,
    vector_net,
)
from keras import layers, ops

from keras_fusion import build_centralnet
from keras_fusion.models import build_early_fusion, build_intermediate_fusion

OPERATIONS = ("sum", "subtract", "product", "concat")
PRESENT = np.array([[1, 1], [0, 1], [1, 0], [0, 0]])


def two_maps():
    """Not in the order of their names: columns of `present` that are mixed up show."""
    return {"right": map_net("net_r"), "left": map_net("net_l")}


def two_vectors():
    return {"b": vector_net("x", units=(4, 3)), "a": vector_net("y", units=(4, 3))}


def fuse(operation, tensors, here=None):
    """By hand; `here` is `(batch, n)`, None if all are there."""
    h = [ops.convert_to_numpy(t) for t in tensors]
    ones = np.ones((len(h[0]), len(h)))
    columns = [c.reshape(-1, *[1] * (h[0].ndim - 1)) for c in (ones if here is None else here).T]
    if operation == "concat":
        return np.concatenate([a * c for a, c in zip(h, columns, strict=True)], -1)
    count = sum(columns)
    if operation == "product":
        return (count > 0) * np.prod([a**c for a, c in zip(h, columns, strict=True)], axis=0)
    signs = [1] + [1 if operation == "sum" else -1] * (len(h) - 1)
    total = sum(s * a * c for s, a, c in zip(signs, h, columns, strict=True))
    return total * len(h) / np.maximum(count, 1)


def run(net, x, stop):
    """The network up to that layer; `stop=None`: the whole."""
    x = ops.convert_to_tensor(x)
    for layer in net.layers[1:]:
        if stop == 0:
            return x
        x = layer(x)
        if layer.name == stop:
            break
    return x


def cell(model, index, h, pool):
    name = f"central_cell_{index}"
    kernel, norm = model.get_layer(name), model.get_layer(f"{name}_bn")
    h = ops.relu(norm(kernel(h)))
    return ops.max_pool(h, 2, 2, padding="same") if pool else h


def by_hand(model, nets, x, operation, level, here=None):
    """Levels of `two_maps`: inputs 8x8x1, pool0 4x4x2, pool1 2x2x3, prediction."""
    if level == 3:
        h = [np.log(ops.convert_to_numpy(run(net, x[n], None))) for n, net in nets.items()]
        h = fuse(operation, h, here)
        h = model.get_layer("central_logits")(h) if operation == "concat" else h
        return ops.convert_to_numpy(ops.softmax(h))
    stop = [0, "pool0", "pool1"][level]
    h = ops.convert_to_tensor(
        fuse(operation, [run(net, x[n], stop) for n, net in nets.items()], here), "float32"
    )
    for index in range(2 - level):
        h = cell(model, index, h, pool=True)
    h = model.get_layer("central_logits")(ops.reshape(h, (len(h), -1)))
    return ops.convert_to_numpy(ops.softmax(h))


@pytest.mark.parametrize(
    ("operation", "level"),
    [("sum", 0), ("subtract", 1), ("product", 2), ("concat", 1), ("sum", 3), ("concat", 3)],
)
@pytest.mark.parametrize("missing", [False, True])
def test_is_the_network_wired_by_hand(operation, level, missing):
    nets = two_maps()
    model = build_intermediate_fusion(
        nets, operation=operation, level=level, missing_modalities=missing
    )
    randomize(model)
    x = batch(model)
    here = None
    if missing:
        x["present"] = PRESENT  # columns: left, right
        here = PRESENT[:, ::-1]
        for k, name in enumerate(("left", "right")):
            x[name][PRESENT[:, k] == 0] = 0.0
    expected = by_hand(model, nets, x, operation, level, here)
    if missing:
        for k, name in enumerate(("left", "right")):
            x[name][PRESENT[:, k] == 0] = np.nan
    found = outputs(model, x)
    assert list(found) == ["central"] and model.fusion_weights() == {}
    np.testing.assert_allclose(found["central"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("level", "expected"), [(0, "0"), (-1, "2"), (-3, "0"), (3, "3"), (2, "2")]
)
def test_levels_are_those_of_centralnet(level, expected):
    assert list(build_centralnet(two_maps()).fusion_levels) == [f"level_{i}" for i in range(4)]
    model = build_intermediate_fusion(two_maps(), level=level)
    assert [layer.name for layer in model.layers if layer.name.startswith("fusion_")] == [
        f"fusion_{expected}"
    ]


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("heads", [None, 1.0])
def test_every_weight_is_trained(level, heads):
    """No layer of a backbone above the level stays in a model without unimodal heads."""
    model = build_intermediate_fusion(two_vectors(), level=level, unimodal_loss_weights=heads)
    assert sorted(model.output) == (["central"] if heads is None else ["a", "b", "central"])
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    before = values(model)
    model.train_on_batch(batch(model), labels())
    after = values(model)
    assert after and all(np.any(before[path] != after[path]) for path in after)
    if heads is None:
        names = {"a_backbone", "b_backbone"} & {layer.name for layer in model.layers}
        assert len(names) == (0 if level == 0 else 2)


def test_unimodal_heads_do_not_change_the_fusion():
    nets = two_maps()
    one = build_intermediate_fusion(nets, operation="product", level=1)
    two = build_intermediate_fusion(nets, operation="product", level=1, unimodal_loss_weights=0.5)
    for layer in one.layers:
        if layer.name.startswith("central_"):
            two.get_layer(layer.name).set_weights(layer.get_weights())
    x = batch(one)
    found = outputs(two, x)
    np.testing.assert_allclose(found["central"], outputs(one, x)["central"], rtol=1e-5)
    for name, net in nets.items():
        np.testing.assert_allclose(found[name], net.predict_on_batch(x[name]), rtol=1e-5)


@pytest.mark.parametrize("level", [0, 1])
def test_first_minus_all_others(level):
    nets = {n: vector_net(n, units=(3,)) for n in ("c", "a", "b")}
    model = build_intermediate_fusion(nets, operation="subtract", level=level)
    x = batch(model)
    stop = 0 if level == 0 else "dense0"
    c, a, b = (ops.convert_to_numpy(run(nets[n], x[n], stop)) for n in "cab")
    h = (c - a) - b
    if level == 0:
        h = cell(model, 0, ops.convert_to_tensor(h), pool=False)
    expected = ops.softmax(model.get_layer("central_logits")(h))
    np.testing.assert_allclose(
        outputs(model, x)["central"], ops.convert_to_numpy(expected), rtol=1e-4, atol=1e-6
    )


def test_different_kinds_and_widths():
    """Widths are padded for the sum; the concatenation has them as they are."""
    nets = {"image": map_net("image_net"), "text": vector_net("text_net", units=(4, 5))}
    for operation, width in (("sum", 5), ("concat", 3 + 5)):
        model = build_intermediate_fusion(nets, operation=operation, level=-1)
        assert model.get_layer("fusion_1").output.shape == (None, width)
    model = build_intermediate_fusion(nets, operation="concat", level=-1)
    randomize(model)
    x = batch(model)
    image = ops.mean(run(nets["image"], x["image"], "pool1"), axis=(1, 2))
    h = ops.concatenate([image, run(nets["text"], x["text"], "dense1")], -1)
    expected = ops.convert_to_numpy(ops.softmax(model.get_layer("central_logits")(h)))
    np.testing.assert_allclose(outputs(model, x)["central"], expected, rtol=1e-4, atol=1e-6)


def test_concatenation_pools_to_the_smaller_map():
    nets = {"small": map_net("s"), "large": map_net("l", size=12, filters=(2, 5))}
    model = build_early_fusion(nets)
    assert model.get_layer("fusion_0").output.shape == (None, 4, 4, 4)
    assert build_intermediate_fusion(nets, operation="concat", level=1).get_layer(
        "fusion_1"
    ).output.shape == (None, 2, 2, 8)


def test_early_fusion_is_the_lowest_level():
    nets = two_vectors()
    early = build_early_fusion(nets, dropout=0.25)
    model = build_intermediate_fusion(nets, operation="concat", level=0, dropout=0.25)
    assert early.name == "early_fusion"
    early.set_weights(model.get_weights())
    assert_close(outputs(early, batch(model)), outputs(model, batch(model)))
    assert early.get_layer("fusion_0").output.shape == (None, 10)
    with pytest.raises(TypeError, match="neither of .*build_intermediate.*Received: level"):
        build_early_fusion(nets, level=1)


@pytest.mark.parametrize("level", [0, 2])
def test_fit_save_load(level, tmp_path):
    model = build_intermediate_fusion(two_vectors(), operation="product", level=level)
    model.compile("sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = batch(model), labels()
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(outputs(loaded, x), outputs(model, x))
    loaded.fit(x, y, verbose=0)


def test_one_model_for_two_modalities_shares_its_weights():
    net = vector_net("net", units=(4, 3))
    model = build_intermediate_fusion({"a": net, "b": net}, operation="subtract", level=1)
    x = batch(model)
    same = outputs(model, {"a": x["a"], "b": x["a"]})["central"]
    np.testing.assert_allclose(same, same[:1].repeat(len(same), 0), rtol=1e-5)  # all zeros fused
    assert len([w for w in net.weights if any(w is other for other in model.weights)]) == 2


def test_frozen_backbones_stay_frozen():
    nets = two_vectors()
    nets["a"].trainable = False
    model = build_intermediate_fusion(nets, level=-1)
    assert len(model.trainable_weights) == 4 + 2
    nets["b"].trainable = False
    assert len(model.trainable_weights) == 2


def test_cells_of_the_joint_network():
    cells = [layers.Dense(3, name="mine"), None]
    model = build_intermediate_fusion(two_vectors(), level=1, central=cells)
    assert model.get_layer("mine").units == 3
    with pytest.raises(ValueError, match="central: expected a list of 2 cells"):
        build_intermediate_fusion(two_vectors(), level=1, central=[None] * 3)
    with pytest.raises(ValueError, match="no cells above the prediction"):
        build_intermediate_fusion(two_vectors(), level=3, central=[None])


def test_taps_and_regression():
    nets = {n: vector_net(n, units=(4, 3), classes=None) for n in "ab"}
    taps = {"a": ["dense0"], "b": ["dense1"]}
    model = build_intermediate_fusion(nets, units=2, taps=taps, operation="concat")
    assert model.get_layer("fusion_0").output.shape == (None, 7)
    assert model.output["central"].shape == (None, 2)
    assert [w.shape for w in model.get_layer("a_backbone").weights] == [(5, 4), (4,)]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"operation": "mean"}, "operation: expected one of .*Received: 'mean'"),
        ({"level": 4}, "level: expected an int from 0 to 2 .* and 3 for the prediction.*: 4"),
        ({"level": -4}, "level: expected an int from 0 to 2"),
        ({"level": 1.0}, "level: expected an int.*Received: 1.0"),
        ({"level": True}, "level: expected an int.*Received: True"),
        ({"align": "crop"}, "align: expected one of"),
        ({"kernel_size": 0}, "kernel_size: expected an int >= 1"),
        ({"max_width": 2.5}, "max_width: expected an int >= 1"),
        ({"dropout": 1}, "dropout: expected a float"),
    ],
)
def test_errors(arguments, match):
    with pytest.raises(ValueError, match=match):
        build_intermediate_fusion(two_vectors(), **arguments)
