"""build_dtn: the network and its loss by hand, what is reported of it, absence; xflow_dtn."""

import itertools

import keras
import numpy as np
import pytest
from helpers.tiny import (
    BATCH,
    CLASSES,
    OneBatch,
    assert_close,
    batch,
    compiled,
    cross_entropy,
    labels,
    map_net,
    norm_net,
    outputs,
    randomize,
    reloaded,
    sequence_net,
    untrained_weights,
    values,
    vector_net,
    without_weights,
)

from keras_fusion.models import build_dtn
from keras_fusion.models.presets import xflow_dtn

SMALL = {"stream_units": (4, 3), "shared_units": (5, 2), "activation": "tanh"}
HEADLESS = {"unimodal_loss_weights": None}


def raw(features, name):
    """A network that is its prediction alone: the fused one starts from its input."""
    return vector_net(name, features, units=())


def two(**options):
    nets = {"b": raw(5, "net_b"), "a": raw(6, "net_a")}
    model = build_dtn(nets, **{**SMALL, "sharing_weight": 0.2, "pair_weight": 0.3, **options})
    randomize(model)
    return model


def by_hand(model, x, present=None):
    """The predictions of the streams, J_2 and Omega, from the weights by their names."""
    weights = {name: model.get_layer(name).get_weights() for name in names(model)}
    predicted, top = {}, {}
    for k, modality in enumerate(model.modalities):
        h = x[modality]
        for i in range(2):
            kernel, bias = weights[f"{modality}_dense_{i}"]
            h = np.tanh(h @ kernel + bias)
        for i in range(2):
            kernel, bias = weights[f"fusion_shared_{i}"][2 * k : 2 * k + 2]
            h = np.tanh(h @ kernel + bias)
        kernel, bias = weights[f"{modality}_logits"]
        scores = np.exp(h @ kernel + bias)
        predicted[modality], top[modality] = scores / scores.sum(1, keepdims=True), h
    j_2 = omega = 0
    for k, m in itertools.combinations(range(len(top)), 2):
        first, second = (model.modalities[i] for i in (k, m))
        here = 1 if present is None else present[first] * present[second]
        j_2 += (here * np.square(top[first] - top[second]).sum(1)).mean()
        for i in range(2):
            of_layer = weights[f"fusion_shared_{i}"]
            for j in range(2):
                omega += np.square(of_layer[2 * k + j] - of_layer[2 * m + j]).sum()
    return predicted, j_2, omega


def names(model):
    return [layer.name for layer in model.layers if layer.weights]


@pytest.mark.parametrize("heads", [True, False])
def test_network_and_loss_are_those_by_hand(heads):
    model = two(**({"unimodal_loss_weights": {"a": 0.5}} if heads else HEADLESS))
    x, y = batch(model), labels()
    predicted, j_2, omega = by_hand(model, x)
    predicted["central"] = (predicted["a"] + predicted["b"]) / 2
    losses = {name: cross_entropy(p, y).mean() for name, p in predicted.items()}
    expected = {"central": predicted["central"]}
    if heads:
        expected = predicted
    assert_close(outputs(model, x), expected, atol=1e-5)
    total = losses["central"] + 0.3 * j_2 + 0.2 * omega
    if heads:
        total += 0.5 * losses["a"] + losses["b"]
    compiled(model, metrics=["accuracy"])
    for _ in range(2):  # nothing adds up from call to call
        logs = model.evaluate(x, y, verbose=0, return_dict=True)
        assert logs["loss"] == pytest.approx(total, rel=1e-4)
        for name in expected:
            assert logs[f"{name}_loss"] == pytest.approx(losses[name], rel=1e-4, abs=1e-5)
    assert "central_accuracy" in logs and not any("added" in key for key in logs)
    assert model.fusion_weights() == {}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, HEADLESS], ids=["heads", "central"])
@pytest.mark.parametrize("eager", [True, False])
def test_losses_in_fit_and_after_saving(options, eager, tmp_path):
    """In the graph too, with a last batch that is smaller, and in a model read from a file."""
    model = two(**options)
    x, y = batch(model, 6), labels(6)
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", run_eagerly=eager)
    expected = model.evaluate(x, y, verbose=0, return_dict=True, batch_size=6)
    assert expected["loss"] - expected["central_loss"] > 1
    fitted = model.fit(x, y, batch_size=4, verbose=0, shuffle=False, validation_data=(x, y))
    again = reloaded(model, tmp_path)
    for logs in (fitted.history, again.fit(x, y, batch_size=4, verbose=0, shuffle=False).history):
        assert logs["loss"] == pytest.approx([expected["loss"]], rel=1e-4)
        if not options and keras.backend.backend() == "tensorflow" and not eager:
            continue  # Keras counts a smaller last batch as a whole one, in the heads' losses
        assert logs["central_loss"] == pytest.approx([expected["central_loss"]], rel=1e-4)
    assert fitted.history["val_loss"] == pytest.approx([expected["loss"]], rel=1e-4)
    logs = again.evaluate(x, y, verbose=0, return_dict=True, batch_size=6)
    assert logs == pytest.approx(expected, rel=1e-4)


def regularized():
    inputs = keras.Input((5,))
    dense = keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.1), name="dense0")
    return keras.Model(inputs, dense(inputs), name="net_a")


def test_central_loss_is_without_the_regularizers_of_backbones():
    nets = {"a": regularized(), "b": raw(5, "net_b")}
    options = {"sharing_weight": 0, "pair_weight": 0, **HEADLESS, **SMALL}
    model = compiled(build_dtn(nets, num_classes=CLASSES, **options))
    x, y = batch(model), labels()
    expected = cross_entropy(outputs(model, x)["central"], y).mean()
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert logs["central_loss"] == pytest.approx(expected, rel=1e-5)
    kernel = nets["a"].get_layer("dense0").get_weights()[0]
    added = 0.1 * np.square(kernel).sum()
    assert logs["loss"] == pytest.approx(expected + added, rel=1e-5)


def test_three_modalities_of_any_shape(tmp_path):
    """Features are the last hidden points; heads are the streams' own; all of it is trained."""
    nets = {"c": map_net("net"), "a": sequence_net("net"), "b": norm_net("net")}
    model = build_dtn(nets, **{**SMALL, "stream_units": {"a": (3,), "b": (4, 3), "c": [3]}})
    assert sorted(model.output) == ["a", "b", "c", "central"]
    assert [model.get_layer(f"{m}_dense_0").input.shape[-1] for m in "cab"] == [3, 3, 4]
    assert not any("prediction" in weight.path for weight in model.weights)
    randomize(model)
    x, y = batch(model), labels()
    assert untrained_weights(model, x, y) == []
    again = reloaded(model, tmp_path)
    assert_close(outputs(again, x), outputs(model, x))
    before = values(again)
    again.train_on_batch(x, y)
    changed = [np.any(before[path] != value) for path, value in values(again).items()]
    assert all(changed)


def test_one_model_for_two_modalities():
    net = vector_net("net")
    model = build_dtn({"a": net, "b": net, "c": vector_net("net")}, **SMALL)
    assert untrained_weights(model, batch(model), labels()) == []


def test_regression_takes_the_mean_too():
    nets = [vector_net(name, classes=None) for name in ("one", "two")]
    model = build_dtn(nets, units=2, **SMALL)
    found = outputs(model, batch(model))
    np.testing.assert_allclose(found["central"], (found["one"] + found["two"]) / 2, atol=1e-6)


def test_absent_modalities():
    """Out of the mean, of J_2 and of its own head's loss; NaN reaches nothing, no gradient."""
    model = two(missing_modalities=True)
    x, y = batch(model), labels()
    present = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], "float32")
    of_modality = dict(zip("ab", present.T, strict=True))
    predicted, j_2, omega = by_hand(model, x, of_modality)
    count = np.maximum(present.sum(1, keepdims=True), 1)
    central = sum(predicted[m] * of_modality[m][:, None] for m in "ab") / count
    central[3] = 1 / CLASSES
    holes = {m: np.where(of_modality[m][:, None], x[m], np.nan) for m in "ab"}
    holes["present"] = present
    found = outputs(model, holes)
    np.testing.assert_allclose(found["central"], central, rtol=1e-4, atol=1e-6)
    total = cross_entropy(central, y).mean() + 0.3 * j_2 + 0.2 * omega
    for m in "ab":
        total += (of_modality[m] * cross_entropy(predicted[m], y)).mean()
    compiled(model, keras.optimizers.SGD(0.1))
    logs = model.evaluate(OneBatch(holes, y), verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(total, rel=1e-4)
    model.fit(OneBatch(holes, y), verbose=0)
    assert all(np.isfinite(value).all() for value in values(model).values())
    # Without any modality a sample leaves what comes before the shared layers as it is.
    before = model.get_layer("a_dense_0").get_weights()
    model.fit(OneBatch({**holes, "present": np.zeros((BATCH, 2))}, y), verbose=0)
    np.testing.assert_array_equal(before[0], model.get_layer("a_dense_0").get_weights()[0])


# ---- XFlow's


def dense(inputs, units):
    return inputs * units + units


@pytest.mark.parametrize(
    ("dataset", "audio", "image", "classes", "given"),
    [
        ("avletters", 286, 13_200, 26, {}),
        ("cuave", 156, 16_200, 10, {}),
        ("cuave", 156, 16_200, 26, {"num_classes": 26}),  # as printed
        ("digits", 156, 16_200, 10, {}),
    ],
)
def test_parameters_of_xflow(dataset, audio, image, classes, given):
    """N_audio -> 512 -> 256 -> 256 -> 256 -> C and N_image -> 2048 -> 256 -> 256 -> 256 -> C."""
    with without_weights():
        model = xflow_dtn(dataset, **given)
    expected = 0
    for widths in ((audio, 512, 256, 256, 256, classes), (image, 2048, 256, 256, 256, classes)):
        expected += sum(dense(a, b) for a, b in itertools.pairwise(widths))
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == expected
    assert len(model.weights) == len(model.trainable_weights) == 20
    assert {n: t.shape[1:] for n, t in model.input.items()} == {
        "image": (image,),
        "audio": (audio,),
    }
    assert sorted(model.output) == ["audio", "central", "image"]
    shared = [model.get_layer(f"fusion_shared_{i}") for i in range(2)]
    assert [(s.units, s.sharing_weight) for s in shared] == [(256, 0.01)] * 2
    assert model.get_layer("fusion_pairs").pair_weight == 1e-6


def test_xflow_with_other_sizes():
    model = xflow_dtn("digits", image_features=7, audio_features=3, shared_units=(4,), name="mine")
    assert model.name == "mine" and model.get_layer("fusion_shared_0").units == 4
    assert outputs(model, batch(model))["central"].shape == (BATCH, 10)
    with pytest.raises(ValueError, match="image_features: expected an int >= 1. Received: 0"):
        xflow_dtn("digits", image_features=0)
    with pytest.raises(ValueError, match="dataset: expected one of .*Received: 'grid'"):
        xflow_dtn("grid")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"stream_units": 4}, TypeError, "stream_units: expected a sequence of ints. Received: 4"),
        ({"stream_units": (4, 0)}, ValueError, "stream_units.1.: expected an int >= 1"),
        ({"stream_units": {"a": (4,)}}, ValueError, "the modalities .'a', 'b'.. Received: .'a'."),
        ({"stream_units": {"a": (4,), "b": 4}}, TypeError, "stream_units.*b.*: expected a seq"),
        ({"stream_units": {"a": (4,), "b": (3,)}}, ValueError, "to one width.*'a': 4, 'b': 3"),
        ({"stream_units": ()}, ValueError, "to one width.*'a': 5, 'b': 7"),
        ({"shared_units": ()}, ValueError, "shared_units: expected one or more ints"),
        ({"shared_units": 4}, TypeError, "shared_units: expected a sequence of ints. Received: 4"),
        ({"sharing_weight": -1}, ValueError, "sharing_weight: expected a float >= 0.*: -1"),
        ({"pair_weight": "1"}, ValueError, "pair_weight: expected a float >= 0.*: '1'"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        build_dtn({"a": raw(5, "a"), "b": raw(7, "b")}, **arguments)


def test_names_that_its_layers_need():
    with pytest.raises(ValueError, match="'a_dense_0' is the name of a layer that another"):
        build_dtn({"a": raw(5, "a"), "a_dense_0": raw(5, "b")})
