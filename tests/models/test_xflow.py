"""XFlow: the presets against the paper's tables, the builder against wiring by hand."""

import math
import re

import keras
import numpy as np
import pytest
from helpers import xflow_tables
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
)
from keras import layers, ops

from keras_fusion.models import build_xflow, xflow_cnn_mlp, xflow_cnn_mlp_lstm
from keras_fusion.models.xflow_presets import keras1_hard_sigmoid

PRESETS = {"CNN_MLP": xflow_cnn_mlp, "CNN_MLP_LSTM": xflow_cnn_mlp_lstm}
# Compiling one step takes TensorFlow longer than ten of them.
QUICK = {"run_eagerly": keras.backend.backend() == "tensorflow"}
STEPS = {"avletters": 39, "digits": 58, "cuave": 44}


def without_values():
    """Models built in here have no values in their weights: drawing millions takes a minute."""
    return keras.StatelessScope(initialize_variables=False)


@pytest.fixture
def no_values():
    with without_values():
        yield


def described(preset, dataset, cross=True, residual=True):
    """A preset in full size."""
    with without_values():
        return PRESETS[preset](dataset, cross, residual)


# ---- the paper's networks


def times(sizes):
    return "x".join(map(str, sizes))


def operation(layer):
    """A layer with its settings, as the tables write it."""
    kind = type(layer).__name__
    if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose)):
        assert layer.strides == (1, 1) and layer.use_bias and layer.dilation_rate == (1, 1)
        size, activation = times(layer.kernel_size), layer.activation.__name__
        return f"{kind}({layer.filters},{size},{layer.padding},{activation})"
    if isinstance(layer, layers.Dense):
        assert layer.use_bias
        return f"{kind}({layer.units},{layer.activation.__name__})"
    if isinstance(layer, layers.MaxPooling2D):
        return f"{kind}({times(layer.pool_size)},{times(layer.strides)},{layer.padding})"
    if isinstance(layer, layers.BatchNormalization):
        assert (layer.momentum, layer.epsilon) == (0.99, 1e-3)
        return f"{kind}({layer.axis})"
    if isinstance(layer, layers.Dropout):
        return f"{kind}({layer.rate})"
    if isinstance(layer, layers.LSTM):
        assert layer.recurrent_activation is keras1_hard_sigmoid
        return f"{kind}({layer.units})"
    if isinstance(layer, layers.Concatenate):
        assert layer.axis == -1
    return kind


def count(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def parameters(layer):
    still = count(layer.non_trainable_weights)
    return str(count(layer.trainable_weights)) + (f"/{still}" if still else "")


def reads(layer):
    """Names of the layers whose outputs a layer is given; plain operations are looked through."""
    (node,) = layer._inbound_nodes
    names = []
    for tensor in keras.tree.flatten(node.arguments.args):
        maker = tensor._keras_history.operation
        while not isinstance(maker, layers.Layer):
            (before,) = maker._inbound_nodes[0].input_tensors
            maker = before._keras_history.operation
        names.append(maker.name)
    return ",".join(names) or "-"


def found_rows(model):
    """`{name: (operation, what it reads, shape, parameters)}` of a built model."""
    rows = {}
    for layer in model.layers:
        if not hasattr(layer, "pipeline"):
            row = operation(layer), reads(layer), times(layer.output.shape[1:]), parameters(layer)
            rows[layer.name] = row
            continue
        shape, source = layer.input.shape, reads(layer)
        for inner in layer.pipeline:
            shape = inner.compute_output_shape(shape)
            row = operation(inner), source, times(shape[1:]), parameters(inner)
            rows[f"{layer.name}/{inner.name}"] = row
            source = "."
    return rows


def expected_rows(table, dataset, steps=None):
    """The same from a table; `steps`: of the LSTM's networks, whose per-frame layers lack time."""
    rows, above = {}, None
    for line in table.strip().splitlines():
        line = re.sub(
            r"([^\s,()|]+)\|([^\s,()|]+)", r"\1" if dataset == "avletters" else r"\2", line
        )
        name, kind, source, shape, number = line.split()
        if name.startswith("/"):
            name = above + name
        above = name.split("/")[0]
        if steps is not None and kind == "BatchNormalization(1)":
            number = f"{2 * steps}/{2 * steps}"
        keeps_time = name in ("image", "audio", "image_bn", "central_bn", "central_dropout")
        if steps is not None and name not in ("central_lstm", "central_logits"):
            sizes = shape.split("x")[1:]  # the length stands in front
            shape = times([steps, *sizes] if keeps_time else sizes)
        rows[name] = (kind, source, shape, number)
    rows["central_head"] = ("Activation", "central_logits", rows["central_logits"][2], "0")
    return rows


@pytest.mark.parametrize("dataset", STEPS)
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", ["BASELINE", "XFLOW"])
def test_every_layer_is_that_of_the_paper(kind, preset, dataset):
    connected = kind == "XFLOW"
    model = described(preset, dataset, connected, connected)
    steps = STEPS[dataset] if preset == "CNN_MLP_LSTM" else None
    expected = expected_rows(getattr(xflow_tables, f"{kind}_{preset}"), dataset, steps)
    assert found_rows(model) == expected


# Trainable and all parameters by (cross, residual). Trainable without and with all connections:
# Table III of the paper, but for 353,650 there, which is all of the baseline's.
COUNTS = {
    ("CNN_MLP", "avletters"): [
        (2_740_512, 2_741_654),
        (8_852_962, 8_859_172),
        (3_670_838, 3_674_546),
        (7_923_244, 7_927_496),
    ],
    ("CNN_MLP", "digits"): [
        (5_664_054, 5_665_186),
        (17_764_002, 17_768_394),
        (6_587_782, 6_590_576),
        (16_840_882, 16_844_220),
    ],
    ("CNN_MLP", "cuave"): [
        (5_664_054, 5_665_186),
        (17_764_002, 17_768_394),
        (6_587_782, 6_590_576),
        (16_840_882, 16_844_220),
    ],
    ("CNN_MLP_LSTM", "avletters"): [
        (353_494, 353_650),
        (1_387_488, 1_387_644),
        (398_610, 398_766),
        (1_342_372, 1_342_528),
    ],
    ("CNN_MLP_LSTM", "digits"): [
        (721_170, 721_402),
        (2_967_388, 2_967_620),
        (811_406, 811_638),
        (2_877_152, 2_877_384),
    ],
    ("CNN_MLP_LSTM", "cuave"): [
        (721_114, 721_290),
        (2_967_332, 2_967_508),
        (811_350, 811_526),
        (2_877_096, 2_877_272),
    ],
}
CONNECTIONS = [(False, False), (True, True), (False, True), (True, False)]


@pytest.mark.parametrize(("preset", "dataset"), COUNTS)
def test_table_iii_and_the_ablations(preset, dataset):
    found = []
    for connections in CONNECTIONS:
        model = described(preset, dataset, *connections)
        found.append((count(model.trainable_weights), model.count_params()))
    assert found == COUNTS[preset, dataset]


def small(preset, **options):
    """A preset of few pixels, 4 frames and 3 classes."""
    shapes = {
        "CNN_MLP": {"image_shape": (16, 12, 2), "audio_shape": (5,)},
        "CNN_MLP_LSTM": {"image_shape": (4, 16, 12, 1), "audio_shape": (4, 5)},
    }
    arguments = {"num_classes": CLASSES, "kernel_sizes": (4, 2), **shapes[preset], **options}
    return PRESETS[preset]("digits", **arguments)


def trains_and_reloads(model, tmp_path):
    """A step changes every weight; the saved model predicts the same and goes on training."""
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy")
    x, y = batch(model, 8), labels(8)
    before = values(model)
    loss = model.fit(x, y, batch_size=8, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    after = values(model)
    for path, value in after.items():
        assert np.isfinite(value).all(), path
        assert np.any(value != before[path]), f"nothing reaches {path}"
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    predicted, again = outputs(model, x), outputs(loaded, x)
    for head in predicted:
        np.testing.assert_array_equal(predicted[head], again[head])
        np.testing.assert_allclose(predicted[head].sum(axis=-1), 1, rtol=1e-5)
    loaded.fit(x, y, batch_size=8, verbose=0)  # not equal: Keras does not save where dropout is
    assert int(loaded.optimizer.iterations) == 2
    assert all(np.any(a != b) for a, b in zip(values(loaded).values(), after.values(), strict=True))


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_trains_and_reloads(preset, tmp_path):
    model = small(preset)
    assert sorted(model.input) == ["audio", "image"] and list(model.output) == ["central"]
    assert model.fusion_weights() == {}
    trains_and_reloads(model, tmp_path)


def test_lstm_reads_the_valid_steps_as_the_old_keras_did():
    """LSTM by hand: hard sigmoid of slope 0.2; a step counts if it has a frame and a sound."""
    model = small("CNN_MLP_LSTM")
    lstm = model.get_layer("central_lstm")
    rng = np.random.default_rng(5)
    lstm.set_weights([rng.normal(0, 0.3, w.shape) for w in lstm.weights])
    x = batch(model, 4)
    x["image"][0, 3] = 0
    x["audio"][1, 1:] = 0
    x["image"][2] = 0
    x["image"][3, 0, 1:] = 0  # one row with values is enough
    tensors = [model.get_layer("central_dropout").output, lstm.output]
    features, found = keras.Model(model.input, tensors).predict_on_batch(x)
    kernel, recurrent, bias = (np.array(ops.convert_to_numpy(w)) for w in lstm.weights)
    valid = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], "bool")
    h, c = np.zeros((2, 4, 64))
    for t in range(4):
        i, f, g, o = np.split(features[:, t] @ kernel + h @ recurrent + bias, 4, axis=-1)
        i, f, o = (np.clip(0.2 * gate + 0.5, 0, 1) for gate in (i, f, o))
        new_c = f * c + i * np.tanh(g)
        new_h = o * np.tanh(new_c)
        step = valid[:, t : t + 1]
        h, c = np.where(step, new_h, h), np.where(step, new_c, c)
    np.testing.assert_allclose(found, h, atol=1e-5)
    assert np.abs(h[0]).max() > 0.1 and not h[2].any()


def test_a_frame_is_read_by_itself():
    """Time inside the batch: frames in another order give the same features in that order."""
    model = small("CNN_MLP_LSTM")
    joint = keras.Model(model.input, model.get_layer("central_bn").input)
    x = batch(model, 2)
    order = [2, 0, 3, 1]
    moved = {name: value[:, order] for name, value in x.items()}
    np.testing.assert_allclose(
        joint.predict_on_batch(moved), joint.predict_on_batch(x)[:, order], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dataset": "grid"}, ValueError, "dataset: expected one of .*Received: 'grid'"),
        ({"cross": 1}, TypeError, "cross: expected True or False. Received: 1"),
        ({"num_classes": 0}, ValueError, "num_classes: expected an int >= 1. Received: 0"),
        ({"image_shape": (80, 60)}, ValueError, "image_shape: expected 3 ints.*Received: .80, 60"),
        ({"image_shape": (7, 60, 1)}, ValueError, "from 8 up. Received: .7, 60, 1"),
        ({"audio_shape": 26}, ValueError, "audio_shape: expected 1 ints such as .156,.*: 26"),
        ({"kernel_sizes": (32, 23)}, ValueError, r"not above \[45, 22\].*Received: .32, 23"),
        ({"kernel_sizes": 8}, ValueError, "kernel_sizes: expected two ints.*Received: 8"),
    ],
)
def test_preset_arguments(options, error, message):
    with pytest.raises(error, match=message):
        xflow_cnn_mlp(**{"dataset": "digits", **options})


def test_lstm_needs_as_many_frames_as_sounds():
    with pytest.raises(ValueError, match="as many frames. Received: image .39.*audio .38, 26"):
        xflow_cnn_mlp_lstm("avletters", audio_shape=(38, 26))


# ---- any two networks


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


@pytest.mark.parametrize(("cross", "residual"), CONNECTIONS)
def test_is_the_network_written_by_hand(cross, residual):
    nets = two()
    heads = cross and residual
    options = {"unimodal_loss_weights": 0.5} if heads else {}
    model = build_xflow(nets, cross=cross, residual=residual, hidden_units=7, **options)
    randomize(model)
    x = batch(model)
    expected = by_hand(model, nets, x, cross, residual, heads)
    assert_close(outputs(model, x), expected, atol=1e-5)


def test_builder_trains_and_reloads(tmp_path):
    nets = two()
    before = {name: values(net) for name, net in nets.items()}
    model = build_xflow(nets, hidden_units=7, unimodal_loss_weights={"sound": 0.5})
    assert list(model.output) == ["central", "sound", "picture"]
    trains_and_reloads(model, tmp_path)
    for name, net in nets.items():
        assert all(np.any(before[name][k] != v) for k, v in values(net).items()), "not shared"


def test_sizes_of_the_connections(no_values):
    model = build_xflow(two(), cross_units=[3, 5], kernel_sizes=[3, 2], hidden_units=None)
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
    found = outputs(model, x)
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
        (lambda: [map_net("a"), map_net("b")], {}, ValueError, "one that takes maps.*8x8x1.*8x8x1"),
        (lambda: {**two(), "c": map_net("c")}, {}, ValueError, "expected two, one.*'c': '8x8x1'"),
        (two, {"cross": None}, TypeError, "cross: expected True or False. Received: None"),
        (two, {"dropout": 1}, ValueError, "dropout: expected a float in .0, 1.. Received: 1"),
        (two, {"hidden_units": 0}, ValueError, "hidden_units: expected an int >= 1 or None.*: 0"),
        (two, {"cross_units": [3]}, ValueError, r"cross_units: expected an int or 2.*\[3\]"),
        (two, {"cross_units": 0}, ValueError, "units: expected an int >= 1. Received: 0"),
        (two, {"kernel_sizes": 3}, ValueError, "kernel_size: expected an int not above.*: 3"),
        (
            two,
            {"taps": {"picture": ["flatten"], "sound": ["dense0"]}},
            ValueError,
            "backbone .picture.: expected hidden layers that make maps, all those in taps.*12",
        ),
        (
            lambda: {**two(), "picture": open_net()},
            {"num_classes": CLASSES},
            ValueError,
            "picture.: expected maps of fixed size.*Received: [?]x[?]x1",
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
