"""build_xflow beyond maps and a vector: all kinds, three streams, sequences of any length."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    CLASSES,
    assert_close,
    batch,
    labels,
    map_net,
    outputs,
    randomize,
    reloaded,
    sequence_net,
    untrained_weights,
    values,
    vector_net,
)
from helpers.xflow_models import QUICK
from keras import layers, ops

from keras_fusion.models import build_xflow


def steps_net(name, units=(3, 4), length=None, features=2):
    """Reads padded sequences: a recurrent layer a level, whose steps of zeros do not count."""
    inputs = keras.Input((length, features))
    x = layers.Masking(name="masking")(inputs)
    for i, width in enumerate(units):
        x = layers.LSTM(width, return_sequences=True, name=f"lstm{i}")(x)
    x = layers.LSTM(3, name="last")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x), name=name)


# Of two modalities a and b, or three, their networks; their names are not in order.
KINDS = {
    "vectors": lambda: {"b": vector_net("b", units=(4, 6)), "a": vector_net("a", 7, (3, 5))},
    "maps": lambda: {"b": map_net("b", 16), "a": map_net("a", 6, (4, 2))},
    "a map and open steps": lambda: {"b": map_net("b"), "a": steps_net("a")},
    "open steps": lambda: {"b": steps_net("b"), "a": steps_net("a", (2, 5), features=3)},
    "open and fixed steps": lambda: {"b": steps_net("b"), "a": sequence_net("a", 6)},
    "three kinds": lambda: {
        "c": sequence_net("c", 8, (3,)),
        "a": vector_net("a", 5, (4,)),
        "b": map_net("b", 8, (2,)),
    },
}


def with_slopes(model):
    """Slopes of 0, as they are at the start, let no gradient through where all is below 0."""
    for weight in model.trainable_weights:
        if weight.name == "alpha":
            weight.assign(np.full(weight.shape, 0.25))


def reloads_and_trains(model, folder):
    x, y = batch(model, 16), labels(16)
    assert_close(outputs(reloaded(model, folder), x), outputs(model, x), atol=0)
    assert untrained_weights(model, x, y) == []


@pytest.mark.parametrize("kind", ["vectors", "maps", "open and fixed steps", "three kinds"])
def test_every_connection_trains_and_is_saved(kind, tmp_path):
    keras.utils.set_random_seed(0)
    nets = KINDS[kind]()
    # Batch normalization takes away what a bias before it adds where all is above 0, or below.
    options = {"batch_norm": False, "dropout": 0.1, "unimodal_loss_weights": 0.5}
    model = build_xflow(nets, head_units=(), **options)
    found = {layer.name for layer in model.layers}
    for source in nets:
        for target in set(nets) - {source}:
            for depth in (1, 2) if len(nets) == 2 else (1,):
                assert {f"{source}_to_{target}_{x}_{depth}" for x in ("cross", "residual")} <= found
    rng = np.random.default_rng(1)  # the same weights on every backend, of both signs
    for weight in model.trainable_weights:
        weight.assign(rng.normal(scale=0.4, size=weight.shape))
    with_slopes(model)
    reloads_and_trains(model, tmp_path)


@pytest.mark.parametrize("kind", ["open and fixed steps", "three kinds"])
def test_absent_modalities(kind):
    """NaN reaches nothing; what is sent by an absent modality is zero, by the others it is not."""
    model = build_xflow(KINDS[kind](), missing_modalities=True)
    randomize(model)
    x = batch(model)
    names = sorted(x)
    x["present"] = np.ones((4, len(names)), bool)
    x["present"][:2, 0] = False
    x[names[0]][:2] = np.nan
    masks = [i for i in model.layers if i.name.endswith("_mask") and i.name[:-5] not in names]
    assert len(masks) == {2: 2 * (1 + 2 * 2), 3: 3 * (1 + 2 * 2)}[len(names)]  # and the features
    tensors = keras.Model(model.input, [i.output for i in masks]).predict_on_batch(x)
    for mask, tensor in zip(masks, tensors, strict=True):
        sends = not mask.name.startswith(f"{names[0]}_")
        assert np.isfinite(tensor).all() and np.any(tensor[2:]), mask.name
        assert np.any(tensor[:2]) == sends, mask.name
    model.compile("sgd", loss="sparse_categorical_crossentropy", **QUICK)
    model.train_on_batch(x, labels())
    assert all(np.isfinite(value).all() for value in values(model).values())


def test_three_streams_by_hand():
    """At one depth: what everyone sends, what is added, in which order it meets."""
    nets = {"c": vector_net("c", 4), "b": sequence_net("b", 8, (3,)), "a": map_net("a", 8, (2,))}
    model = build_xflow(nets, batch_norm=False, dropout=0, head_units=())
    randomize(model)
    x = batch(model)
    get = model.get_layer
    raw = {name: ops.convert_to_tensor(value) for name, value in x.items()}
    h = {
        name: keras.Model(net.input, net.layers[2 - (name == "c")].output)(raw[name])
        for name, net in nets.items()
    }

    def as_vector(tensor, target):
        """A sequence sends other kinds the mean of its steps."""
        return ops.mean(tensor, 1) if len(tensor.shape) == 3 and target != "b" else tensor

    def sent(tensors, what):
        found = {}
        for source, tensor in tensors.items():
            for target in set("abc") - {source}:
                y = get(f"{source}_to_{target}_{what}_1")(as_vector(tensor, target))
                found[source + target] = ops.repeat(y[:, None], 4, 1) if target == "b" else y
        return found

    cross, residual = sent(h, "cross"), sent(raw, "residual")
    added = {t: h[t] + sum(residual[s + t] for s in sorted(set("abc") - {t})) for t in "abc"}
    a = ops.concatenate([cross["ba"], cross["ca"], added["a"]], axis=-1)
    b = ops.concatenate([cross["ab"], cross["cb"], added["b"]], axis=-1)
    features = [ops.reshape(a, (4, -1)), ops.mean(b, axis=1), added["c"]]
    joined = ops.concatenate([cross["ac"], cross["bc"], *features], axis=-1)
    expected = ops.convert_to_numpy(ops.softmax(get("central_logits")(joined)))
    assert_close(outputs(model, x), {"central": expected}, atol=1e-5)


def stepped(model, x, y):
    """The weights after one step, and the loss."""
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", **QUICK)
    loss = model.train_on_batch(x, y, return_dict=True)["loss"]
    return {**values(model), "loss": np.array(loss)}


def assert_padding_changes_nothing(model, x, lengths):
    """Of one prediction and one step of training, for every modality in `lengths`."""
    randomize(model)
    start, y = model.get_weights(), labels()
    longer = {
        name: np.concatenate([value, np.zeros_like(value[:, :3])], 1) if name in lengths else value
        for name, value in x.items()
    }
    expected = outputs(model, x)
    assert_close(outputs(model, longer), expected, atol=1e-5)
    trained = stepped(model, x, y)
    model.set_weights(start)
    assert_close(stepped(model, longer, y), trained, atol=1e-5)
    return expected


@pytest.mark.parametrize("kind", ["a map and open steps", "open steps"])
def test_padded_sequences(kind):
    model = build_xflow(KINDS[kind](), dropout=0, head_units=(5,))
    x = batch(model)
    lengths = [name for name, tensor in model.input.items() if len(tensor.shape) == 3]
    for name in lengths:
        x[name][1, 4:] = 0
    assert_padding_changes_nothing(model, x, lengths)


def frames_model(**options):
    nets = {"sound": vector_net("net_s", units=(4, 6)), "picture": map_net("net_p")}
    return build_xflow(nets, lstm_units=5, dropout=0, head_units=(), **options)


def test_frames_are_read_by_an_lstm():
    """Of every sample alone the frames that count, one by one, are the same as the batch."""
    model = frames_model()
    x = batch(model)
    x["sound"][0, 5:] = x["picture"][1, 2:] = x["picture"][2, 3] = 0
    expected = assert_padding_changes_nothing(model, x, ["sound", "picture"])["central"]
    kept = [[0, 1, 2, 3, 4], [0, 1], [0, 1, 2, 4, 5, 6, 7], [*range(8)]]
    model = frames_model()
    randomize(model)
    for i, frames in enumerate(kept):
        alone = {name: value[i : i + 1, frames] for name, value in x.items()}
        found = outputs(model, alone)["central"]
        np.testing.assert_allclose(found[0], expected[i], rtol=1e-4, atol=1e-6)


def test_frames_are_the_network_of_one_frame():
    """What the LSTM reads is what the same connections make of the frames without time."""
    model = frames_model(batch_norm=False)
    nets = {"sound": vector_net("net_s", units=(4, 6)), "picture": map_net("net_p")}
    single = build_xflow(nets, batch_norm=False, dropout=0, head_units=())
    randomize(model)
    of = {w.path: ops.convert_to_numpy(w) for w in model.weights}
    for weight in single.weights:
        if weight.path in of and "logits" not in weight.path:
            weight.assign(of[weight.path])
    x = batch(model)
    joint = keras.Model(model.input, model.get_layer("central_steps").output)(x)
    frames = {name: value.reshape(-1, *value.shape[2:]) for name, value in x.items()}
    alone = keras.Model(single.input, single.get_layer("central_concat").output)(frames)
    found, expected = ops.convert_to_numpy(joint), ops.convert_to_numpy(alone)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)
    inner = [i for layer in model.layers for i in getattr(layer, "pipeline", [])]
    assert not any(isinstance(i, (layers.BatchNormalization, layers.Dropout)) for i in inner)


def test_frames_train_and_are_saved(tmp_path):
    keras.utils.set_random_seed(0)
    nets = {"sound": vector_net("net_s", units=(4, 6)), "picture": map_net("net_p")}
    model = build_xflow(nets, lstm_units=5, head_units=(), batch_norm=False)
    with_slopes(model)
    reloads_and_trains(model, tmp_path)


def test_absent_frames():
    """What is absent has no say in which frames count, whatever stands there."""
    model = frames_model(missing_modalities=True)
    randomize(model)
    x = batch(model)
    x["sound"][:, 6:] = 0
    x["present"] = np.array([[1, 1], [0, 1], [1, 0], [1, 1]], bool)  # picture, sound
    found = outputs(model, x)
    x["picture"][1] = x["sound"][2] = np.nan
    assert_close(outputs(model, x), found)
    shorter = {name: v[:, :6] if name != "present" else v for name, v in x.items()}
    same = outputs(model, shorter)["central"]
    np.testing.assert_allclose(same[:2], found["central"][:2], rtol=1e-4, atol=1e-6)
    assert np.abs(same[2] - found["central"][2]).max() > 1e-6  # its sound is absent
    model.compile("sgd", loss="sparse_categorical_crossentropy", **QUICK)
    model.train_on_batch(x, labels())
    assert all(np.isfinite(value).all() for value in values(model).values())


def open_vectors():
    """A sequence of open length for one frame."""
    return {"b": steps_net("b"), "a": vector_net("a", units=(4, 6))}


@pytest.mark.parametrize(
    ("nets", "options", "message"),
    [
        (open_vectors, {"lstm_units": 3}, "b.: expected frames of fixed size.*Received: .x2"),
        ("vectors", {"lstm_units": 0}, "lstm_units: expected an int >= 1. Received: 0"),
        ("vectors", {"lstm_units": 3, "unimodal_loss_weights": 1}, "None together with lstm_units"),
        (
            "vectors",
            {"lstm_units": 3, "missing_modalities": "mean"},
            'missing_modalities: expected False, True or "zero" together.*mean',
        ),
    ],
)
def test_arguments(nets, options, message):
    with pytest.raises(ValueError, match=message):
        build_xflow(KINDS.get(nets, nets)(), **options)
