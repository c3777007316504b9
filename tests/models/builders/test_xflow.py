"""build_xflow: the wiring by hand, what is kept of the given networks, absence, errors."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    CLASSES,
    assert_close,
    batch,
    labels,
    map_net,
    norm_net,
    outputs,
    randomize,
    values,
    vector_net,
    video_net,
)
from helpers.xflow_models import QUICK, trains_and_reloads, without_values
from keras import layers, ops

from keras_fusion.models import build_xflow


@pytest.fixture
def no_values():
    """Models built in the test have no values in their weights."""
    with without_values():
        yield


def two(map_options=None, vector_options=None):
    return {
        "sound": vector_net("net_s", **{"units": (4, 6), **(vector_options or {})}),
        "picture": map_net("net_p", **(map_options or {})),
    }


def hidden(net, x, first, last):
    """What the layers of a network without branches make of a tensor, the first to the last."""
    names = [layer.name for layer in net.layers]
    for layer in net.layers[names.index(first) : names.index(last) + 1]:
        x = layer(x)
    return x


def by_hand(model, nets, x, cross, residual, heads=False):
    """Two depths, from the layers of the model and of the networks it was built from."""

    def get(name):
        return model.get_layer(name)

    def merged(place, tensors):
        joined = ops.concatenate(tensors, axis=-1) if len(tensors) > 1 else tensors[0]
        return get(f"{place}_bn")(joined)

    picture, sound = nets["picture"], nets["sound"]
    raw_p, raw_s = (ops.convert_to_tensor(x[name]) for name in ("picture", "sound"))
    p, s = raw_p, raw_s
    for d in (1, 2):
        p = hidden(picture, p, f"conv{d - 1}", f"pool{d - 1}")
        s = hidden(sound, s, f"dense{d - 1}", f"dense{d - 1}")
        if cross:
            to_s = get(f"picture_to_sound_cross_{d}")(p)
            to_p = get(f"sound_to_picture_cross_{d}")(s)
        if residual:
            p = p + get(f"sound_to_picture_residual_{d}")(raw_s)
            s = s + get(f"picture_to_sound_residual_{d}")(raw_p)
        if cross or residual:
            p = merged(f"picture_merge_{d}", [to_p, p] if cross else [p])
            if d == 1:
                s = merged("sound_merge_1", [to_s, s] if cross else [s])
        if cross and (d == 1 or heads):
            p = get(f"picture_project_{d}")(p)
        if cross and d == 1:
            s = get("sound_project_1")(s)
    h = [to_s] if cross else []
    h = merged("central", [*h, ops.reshape(p, (len(p), -1)), s])
    h = get("central_logits")(get("central_dense")(h))
    predicted = {"central": ops.softmax(h)}
    if heads:
        predicted["picture"] = hidden(picture, p, "flatten", "prediction")
        predicted["sound"] = hidden(sound, s, "prediction", "prediction")
    return {name: ops.convert_to_numpy(value) for name, value in predicted.items()}


@pytest.mark.parametrize(
    ("cross", "residual"), [(False, False), (True, True), (False, True), (True, False)]
)
def test_is_the_network_written_by_hand(cross, residual):
    nets = two()
    heads = cross and residual
    options = {"unimodal_loss_weights": 0.5} if heads else {}
    model = build_xflow(nets, cross=cross, residual=residual, head_units=(7,), **options)
    randomize(model)
    x = batch(model)
    expected = by_hand(model, nets, x, cross, residual, heads)
    assert_close(outputs(model, x), expected, atol=1e-5)


def test_builder_trains_and_reloads(tmp_path):
    nets = two()
    before = {name: values(net) for name, net in nets.items()}
    model = build_xflow(nets, head_units=(7,), unimodal_loss_weights={"sound": 0.5})
    assert list(model.output) == ["central", "sound", "picture"]
    trains_and_reloads(model, tmp_path, **QUICK)
    for name, net in nets.items():
        assert all(np.any(before[name][k] != v) for k, v in values(net).items()), "not shared"


def test_sizes_of_the_connections(no_values):
    model = build_xflow(two(), cross_units=[3, 5], kernel_sizes=[3, 2], head_units=())
    names = [layer.name for layer in model.layers]
    assert [model.get_layer(f"picture_to_sound_cross_{d}").units for d in (1, 2)] == [3, 5]
    assert [model.get_layer(f"sound_to_picture_cross_{d}").kernel_size for d in (1, 2)] == [3, 2]
    assert [model.get_layer(f"sound_to_picture_residual_{d}").kernel_size for d in (1, 2)] == [3, 2]
    pools = [model.get_layer(f"picture_to_sound_residual_{d}").pool_size for d in (1, 2)]
    assert pools == [(4, 4), (8, 8)]
    assert "central_dense" not in names
    plain = build_xflow(two(), batch_norm=False, dropout=0)
    inner = [i for layer in plain.layers for i in getattr(layer, "pipeline", [layer])]
    assert not any(isinstance(i, layers.BatchNormalization) for i in inner)
    assert not any(isinstance(i, layers.Dropout) and i.rate for i in inner)
    assert plain.get_layer("picture_to_sound_cross_1").units == 4


def test_rates_of_the_connections(no_values):
    model = build_xflow(two(), head_units=(7,), dropout=0.3)
    for d in (1, 2):
        assert model.get_layer(f"sound_to_picture_cross_{d}").dropout == 0.3
        assert model.get_layer(f"sound_to_picture_residual_{d}").dropout == 0.3
        assert model.get_layer(f"picture_to_sound_residual_{d}").dropout == 0.15
        assert model.get_layer(f"picture_to_sound_cross_{d}").dropout == 0
    places = ["picture_merge_1", "picture_merge_2", "sound_merge_1", "central", "central_dense"]
    rates = {i.name: i.rate for i in model.layers if i.name.endswith("_dropout")}
    assert rates == {f"{place}_dropout": 0.3 for place in places}


def test_large_maps_are_pooled_for_the_dense_layer(no_values):
    model = build_xflow(two({"size": 256, "filters": (4, 4)}))
    first, second = (model.get_layer(f"picture_to_sound_cross_{d}") for d in (1, 2))
    assert first.pool_size == (2, 2) and first.filters == 4  # 128 x 128 x 4 are too many
    assert second.pool_size is None


@pytest.mark.parametrize(
    ("maps", "vectors", "depth"), [((2,), (4, 6), 1), ((2, 3), (4,), 1), ((2, 2, 3), (4, 5), 2)]
)
def test_depths_are_counted_from_the_output(no_values, maps, vectors, depth):
    nets = two({"filters": maps}, {"units": vectors})
    model = build_xflow(nets, batch_norm=False)
    names = {layer.name for layer in model.layers}
    assert {f"sound_stage_{depth}", f"picture_stage_{depth}"} <= names
    assert f"sound_stage_{depth + 1}" not in names
    # The last maps and the last vectors meet at the last depth.
    shape = model.get_layer(f"sound_to_picture_cross_{depth}").target_shape
    assert shape == (8 // 2 ** len(maps), 8 // 2 ** len(maps), maps[-1])
    assert model.get_layer(f"picture_to_sound_residual_{depth}").units == vectors[-1]


def branched(name="branched"):
    """A network in a network: scaled integers, a residual block, features at the end."""
    inputs = x = keras.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, padding="same", activation="tanh", name="first")(x)
    x = layers.MaxPooling2D(2, name="first_pool")(x)
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(2, 1, use_bias=False, name="side")(x))
    x = layers.Add(name="add")([x, y])
    x = layers.Conv2D(3, 3, padding="same", strides=2, activation="tanh", name="second")(x)
    inner = keras.Model(inputs, x, name="inner")
    outer = keras.Input((8, 8, 1), dtype="uint8")
    x = inner(layers.Rescaling(1 / 255, name="scale")(outer))
    return keras.Model(outer, layers.GlobalAveragePooling2D(name="mean")(x), name=name)


def test_nested_and_branched_backbone_keeps_what_it_computes():
    """The pieces in a row are the network, its weights shared."""
    net = branched()
    randomize(net)
    nets = {"picture": net, "sound": vector_net("net_s", units=(4, 6), classes=None)}
    model = build_xflow(nets, num_classes=CLASSES, cross=False, residual=False, batch_norm=False)
    pixels = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 1)).astype("uint8")
    x = {"picture": pixels, "sound": batch(model)["sound"]}
    features = keras.Model(model.input, model.get_layer("central_concat").output)
    expected = [net.predict_on_batch(pixels), nets["sound"].predict_on_batch(x["sound"])]
    found = features.predict_on_batch(x)
    np.testing.assert_allclose(found, np.concatenate(expected, axis=-1), rtol=1e-4, atol=1e-5)
    connected = build_xflow(nets, num_classes=CLASSES, unimodal_loss_weights=1.0)
    assert connected.get_layer("sound_to_picture_cross_2").target_shape == (2, 2, 3)
    connected.compile("sgd", loss="sparse_categorical_crossentropy", **QUICK)
    before = values(net)
    connected.train_on_batch(x, labels())
    assert all(np.any(before[path] != value) for path, value in values(net).items())


def test_frozen_backbone_stays_as_it_is(tmp_path):
    nets = {"picture": map_net("net_p"), "sound": norm_net("net_s")}
    nets["sound"].trainable = False
    before = values(nets["sound"])
    model = build_xflow(nets, unimodal_loss_weights=1.0)
    model.compile("sgd", loss="sparse_categorical_crossentropy", **QUICK)
    model.train_on_batch(batch(model), labels())
    model.save(tmp_path / "model.keras")
    assert_close(values(nets["sound"]), before, atol=0)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_weights) == len(model.trainable_weights)


@pytest.mark.parametrize("absent", ["sound", "picture"])
def test_absent_modality(absent):
    """NaN in it reaches nothing; what it sends is zero; the other's features are there."""
    other = {"sound": "picture", "picture": "sound"}[absent]
    model = build_xflow(two(), missing_modalities=True, unimodal_loss_weights=1.0)
    randomize(model)
    x = batch(model)
    x["present"] = np.ones((4, 2), bool)
    x["present"][:2, ["picture", "sound"].index(absent)] = False  # columns by sorted names
    x[absent][:2] = np.nan
    found = model.predict_on_batch(x)
    assert all(np.isfinite(found[head]).all() for head in found)
    sent = [
        model.get_layer(f"{absent}_{what}_mask").output
        for what in ("cross_1", "cross_2", "residual_1", "residual_2", "features")
    ]
    kept = [model.get_layer(f"{other}_{what}_mask").output for what in ("cross_1", "features")]
    tensors = keras.Model(model.input, [*sent, *kept]).predict_on_batch(x)
    for tensor in tensors[: len(sent)]:
        assert not np.any(tensor[:2]) and np.any(tensor[2:])
    for tensor in tensors[len(sent) :]:
        assert np.any(tensor[:2])
    model.compile("sgd", loss="sparse_categorical_crossentropy", **QUICK)
    model.train_on_batch(x, labels())
    assert all(np.isfinite(value).all() for value in values(model).values())


def test_taps_by_name(no_values):
    nets = two()
    taps = {"sound": ["dense0"], "picture": ["pool0"]}
    model = build_xflow(nets, taps=taps)
    assert model.get_layer("sound_to_picture_cross_1").target_shape == (4, 4, 2)
    names = [layer.name for layer in model.layers]
    assert "sound_features" in names and "sound_stage_2" not in names
    # One connection between the layers named, then each goes on to its last features.
    assert model.get_layer("central_concat").output.shape == (None, 4 + 2 * 2 * 3 + 6)


def open_net():
    inputs = keras.Input((None, None, 1))
    x = layers.MaxPooling2D(2)(layers.Conv2D(2, 3)(inputs))
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="net_p")


@pytest.mark.parametrize(
    ("nets", "options", "error", "message"),
    [
        (lambda: [map_net("a")], {}, ValueError, "expected two or more, one per modality"),
        (lambda: {**two(), "c": video_net("c")}, {}, ValueError, "an input of vectors.*4x8x8x1"),
        (two, {"cross": None}, TypeError, "cross: expected True or False. Received: None"),
        (two, {"dropout": 1}, ValueError, "dropout: expected a float in .0, 1.. Received: 1"),
        (
            two,
            {"head_units": (0,)},
            ValueError,
            r"head_units\[0\]: expected an int >= 1. Received: 0",
        ),
        (two, {"cross_units": [3]}, ValueError, r"cross_units: expected an int or 2.*\[3\]"),
        (two, {"cross_units": 0}, ValueError, "units: expected an int >= 1. Received: 0"),
        (two, {"kernel_sizes": 3}, ValueError, "kernel_size: expected an int not above.*: 3"),
        (
            two,
            {"taps": {"picture": ["pool0", "flatten"], "sound": ["dense0", "dense1"]}},
            ValueError,
            "backbone .picture.: expected hidden layers that make maps, or vectors, all those.*12",
        ),
        (
            lambda: {**two(), "picture": open_net()},
            {"num_classes": CLASSES},
            ValueError,
            "picture.: expected maps and widths of fixed size.*Received: [?]x[?]x1",
        ),
    ],
)
def test_arguments(no_values, nets, options, error, message):
    with pytest.raises(error, match=message):
        build_xflow(nets(), **options)


def test_layer_past_which_another_path_runs(no_values):
    nets = {"picture": branched(), "sound": vector_net("net_s", classes=None)}
    taps = {"picture": ["inner/side"], "sound": ["dense0"]}
    with pytest.raises(ValueError, match='every path.*Received: "inner/side", past which one'):
        build_xflow(nets, taps=taps, num_classes=CLASSES)
