"""CentralNet against the same network written by hand; weights kept, shared and frozen."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    CLASSES,
    assert_close,
    batch,
    compiled,
    labels,
    map_net,
    norm_net,
    outputs,
    randomize,
    values,
    vector_net,
)
from keras import layers, ops

from keras_fusion import build_centralnet


def two_maps():
    return {"left": map_net("net_l"), "right": map_net("net_r")}


def three_kinds():
    return {
        "picture": map_net("net_p"),
        "sound": map_net("net_s", size=12, filters=(2, 2)),
        "text": vector_net("net_t", units=(4, 5)),
    }


def weighted_sum(fusion, modalities, central=None, common=True):
    """Eq. (3), or Eq. (1) without the common factor, written out."""
    alpha = [float(a) for a in ops.convert_to_numpy(fusion.weights[0])]
    total = sum(a * h for a, h in zip(alpha, modalities, strict=False))
    if common:
        total = alpha[-1] * total
    return total if central is None else total + alpha[len(modalities)] * central


def conv_cell(model, name, x, pool):
    convolution, norm = (model.get_layer(name), model.get_layer(f"{name}_bn"))
    x = ops.relu(norm(convolution(x)))
    return ops.max_pool(x, pool, pool, padding="same") if pool else x


def dense_cell(model, name, x):
    return ops.relu(model.get_layer(f"{name}_bn")(model.get_layer(name)(x)))


def hidden(net, x, names):
    """The tensors after those layers of a network without branches."""
    found = {}
    for layer in net.layers[1:]:
        x = layer(x)
        found[layer.name] = x
    return [found[name] for name in names] + [x]


def logits(p):
    return ops.log(ops.maximum(p, 1e-7))


def hand_two_maps(model, nets, x, common):
    """Inputs, two blocks, the prediction: four levels."""
    columns = [hidden(nets[n], x[n], ["pool0", "pool1"]) for n in ("left", "right")]
    inputs = [ops.convert_to_tensor(x[n]) for n in ("left", "right")]
    fuse = [model.get_layer(f"fusion_{i}") for i in range(4)]
    h = weighted_sum(fuse[0], inputs, None, common)
    h = conv_cell(model, "central_cell_0", h, 2)
    h = weighted_sum(fuse[1], [c[0] for c in columns], h, common)
    h = conv_cell(model, "central_cell_1", h, 2)
    h = weighted_sum(fuse[2], [c[1] for c in columns], h, common)
    h = model.get_layer("central_logits")(ops.reshape(h, (-1, 12)))
    h = weighted_sum(fuse[3], [logits(c[2]) for c in columns], h, common)
    return {"central": ops.softmax(h), "left": columns[0][2], "right": columns[1][2]}


def hand_three_kinds(model, nets, x, common):
    """Two hidden levels: the vector makes vectors of the maps, zeros fill up the narrower."""
    picture = hidden(nets["picture"], x["picture"], ["pool0", "pool1"])
    sound = hidden(nets["sound"], x["sound"], ["pool0", "pool1"])
    text = hidden(nets["text"], x["text"], ["dense0", "dense1"])
    fuse = [model.get_layer(f"fusion_{i}") for i in range(3)]

    def flat(tensor, width):
        mean = ops.mean(tensor, axis=(1, 2))
        return ops.pad(mean, [(0, 0), (0, width - mean.shape[-1])])

    h = weighted_sum(fuse[0], [flat(picture[0], 4), flat(sound[0], 4), text[0]], None, common)
    h = dense_cell(model, "central_cell_0", h)
    h = weighted_sum(fuse[1], [flat(picture[1], 5), flat(sound[1], 5), text[1]], h, common)
    h = model.get_layer("central_logits")(h)
    h = weighted_sum(fuse[2], [logits(c[2]) for c in (picture, sound, text)], h, common)
    return {"central": ops.softmax(h), "picture": picture[2], "sound": sound[2], "text": text[2]}


@pytest.mark.parametrize("common", [True, False])
@pytest.mark.parametrize(
    ("backbones", "by_hand"), [(two_maps, hand_two_maps), (three_kinds, hand_three_kinds)]
)
def test_is_the_network_written_by_hand(backbones, by_hand, common):
    nets = backbones()
    model = build_centralnet(nets, modality_scale=common)
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-0.5, 0.5, layer.moving_mean.shape[0]))
            layer.moving_variance.assign(np.linspace(0.5, 2.0, layer.moving_variance.shape[0]))
    x = batch(model)
    expected = {k: ops.convert_to_numpy(v) for k, v in by_hand(model, nets, x, common).items()}
    assert_close(outputs(model, x), expected)


def test_every_alpha_starts_as_the_average():
    model = build_centralnet(three_kinds())
    first, second, last = model.fusion_weights().values()
    assert first == pytest.approx({"picture": 1 / 3, "sound": 1 / 3, "text": 1 / 3})
    for level in (second, last):
        assert level == pytest.approx(dict.fromkeys(["picture", "sound", "text", "central"], 0.25))
    assert list(model.fusion_weights()) == list(model.fusion_levels)


def test_fusion_weights_are_named_by_their_source():
    model = build_centralnet({"b": vector_net("x"), "a": vector_net("y")})
    model.get_layer("fusion_1").weights[0].assign([1.0, -2.0, 3.0, 0.5])  # b, a, central, common
    assert model.fusion_weights()["level_1"] == pytest.approx(
        {"b": 0.5 / 4.5, "a": 1.0 / 4.5, "central": 3.0 / 4.5}
    )


def test_heads_predict_as_the_backbones_do():
    nets = {"a": vector_net("one"), "b": norm_net("two")}
    for net in nets.values():
        randomize(net)
    x = {name: np.random.default_rng(0).normal(size=(4, 5)).astype("float32") for name in nets}
    alone = {name: np.array(net.predict_on_batch(x[name])) for name, net in nets.items()}
    model = build_centralnet(nets)
    found = outputs(model, x)
    found.pop("central")
    assert_close(found, alone)


def test_training_trains_the_backbones():
    nets = {"a": vector_net("one"), "b": norm_net("two")}
    before = {name: values(net) for name, net in nets.items()}
    model = build_centralnet(nets)
    compiled(model)
    x = batch(model)
    model.train_on_batch(x, labels())
    for name, net in nets.items():
        after = values(net)
        assert all(np.any(before[name][path] != after[path]) for path in after), name
        np.testing.assert_allclose(
            net.predict_on_batch(x[name]), outputs(model, x)[name], atol=1e-6
        )


def frozen_early():
    frozen = norm_net("fixed")
    frozen.trainable = False
    return frozen, build_centralnet({"fixed": frozen, "free": norm_net("free")})


def frozen_late():
    frozen = norm_net("fixed")
    model = build_centralnet({"fixed": frozen, "free": norm_net("free")})
    frozen.trainable = False
    return frozen, model


def frozen_sequential():
    net = norm_net("inside")
    frozen = keras.Sequential([keras.Input((5,)), layers.Rescaling(2.0), net], name="fixed")
    frozen.trainable = False
    return frozen, build_centralnet({"fixed": frozen, "free": norm_net("free")})


@pytest.mark.parametrize("build", [frozen_early, frozen_late, frozen_sequential])
def test_frozen_backbones_stay_as_they_are(build, tmp_path):
    frozen, model = build()
    before = list(values(frozen).values())
    compiled(model)
    x = batch(model)
    model.train_on_batch(x, labels())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.train_on_batch(x, labels())
    for found in (frozen, loaded.get_layer("fixed_backbone")):
        after = list(values(found).values())
        assert len(after) == len(before) == 7
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert len(loaded.trainable_weights) == len(model.trainable_weights)
    assert len(loaded.get_layer("free_backbone").trainable_weights) == 5


def test_one_frozen_layer(tmp_path):
    nets = {"a": vector_net("one"), "b": vector_net("two")}
    nets["a"].get_layer("dense0").trainable = False
    model = build_centralnet(nets)
    model.save(tmp_path / "model.keras")
    for found in (model, keras.models.load_model(tmp_path / "model.keras")):
        assert len(found.get_layer("a_backbone").trainable_weights) == 2
        assert len(found.get_layer("b_backbone").trainable_weights) == 4


def test_same_architecture_twice_has_weights_of_its_own():
    a, b = vector_net("net"), vector_net("net")
    model = build_centralnet([a, b])
    assert model.modalities == ["net", "net_2"]
    both = build_centralnet({"x": a, "y": a})
    assert model.count_params() == both.count_params() + a.count_params()


def test_equal_names_inside_the_backbones_do_not_matter():
    """Keras on PyTorch keeps gradients by path: those of a second backbone would add up."""

    def trained(second):
        nets = {"a": vector_net("one"), "b": second}
        for seed, net in enumerate(nets.values()):
            randomize(net, seed)
        model = compiled(build_centralnet(nets, dropout=0))
        model.get_layer("central_logits").set_weights([np.eye(4, 3), np.zeros(3)])
        model.get_layer("central_cell_0").set_weights([np.eye(5, 4)])
        x = batch(model)
        for _ in range(3):
            model.train_on_batch(x, labels())
        return dict(enumerate(model.get_weights()))

    own = vector_net("two")
    other = keras.models.clone_model(
        own,
        clone_function=lambda layer: type(layer).from_config(
            {**layer.get_config(), "name": f"other_{layer.name}"}
        ),
    )
    assert_close(trained(own), trained(other))


@pytest.mark.parametrize("taps", ["auto", {"a": ["dense0"], "b": ["dense1"]}])
def test_same_object_twice_shares_its_weights(taps, tmp_path):
    net = vector_net("net", units=(4, 4))
    model = build_centralnet({"a": net, "b": net}, taps=taps)
    randomize(model)
    ids = {id(w) for w in net.weights}
    assert len([w for w in model.weights if id(w) in ids]) == len(net.weights) == 6
    x = batch(model)
    # One network: swapping the inputs swaps the heads.
    found, swapped = outputs(model, x), outputs(model, {"a": x["b"], "b": x["a"]})
    assert_close({"a": found["a"], "b": found["b"]}, {"a": swapped["b"], "b": swapped["a"]})

    compiled(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.count_params() == model.count_params()
    assert_close(outputs(loaded, x), found)
    loaded.train_on_batch(x, labels())
    found, swapped = outputs(loaded, x), outputs(loaded, {"a": x["b"], "b": x["a"]})
    assert_close({"a": found["a"], "b": found["b"]}, {"a": swapped["b"], "b": swapped["a"]})


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cnn", "mlp"], ["cnn", "mlp"]),
        (["net", "net", "net"], ["net", "net_2", "net_3"]),
        (["net", "net_2", "net"], ["net", "net_2", "net_3"]),
        (["net", "net", "net_2"], ["net", "net_2", "net_2_2"]),
    ],
)
def test_names_of_a_list(names, expected):
    model = build_centralnet([vector_net(name) for name in names])
    assert model.modalities == expected
    assert sorted(model.output) == sorted(["central", *expected])
    layer_names = [layer.name for layer in model.layers]
    assert len(set(layer_names)) == len(layer_names)


def test_order_of_a_dict_is_kept_and_does_not_matter():
    """The sources keep the dict's order; the numbers go by name."""
    nets = {"b": vector_net("one"), "a": vector_net("two")}
    one, two = build_centralnet(nets), build_centralnet({"a": nets["a"], "b": nets["b"]})
    assert (one.modalities, two.modalities) == (["b", "a"], ["a", "b"])
    for source, target in (("central_cell_0", "central_cell_0"), ("central_logits",) * 2):
        two.get_layer(target).set_weights(one.get_layer(source).get_weights())
    x = batch(one)
    assert_close(outputs(one, x), outputs(two, x))


def test_dropout_and_kernel_size_reach_the_central_network():
    model = build_centralnet(two_maps(), kernel_size=5, dropout=0.125)
    assert model.get_layer("central_cell_0").kernel_size == (5, 5)
    model = build_centralnet({"a": vector_net(), "b": vector_net()}, dropout=0.125)
    assert model.get_layer("central_cell_0_dropout").rate == 0.125
    assert model.get_layer("central_logits").units == CLASSES


def test_building_twice_from_the_same_backbones():
    nets = two_maps()
    one, two = build_centralnet(nets), build_centralnet(nets, name="other")
    assert one.count_params() == two.count_params()
    assert [layer.name for layer in one.layers] == [layer.name for layer in two.layers]
