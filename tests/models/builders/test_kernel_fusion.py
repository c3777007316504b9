"""build_kernel_fusion and adapt_kernels: the network by hand, landmarks from data, absence."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    BATCH,
    assert_close,
    batch,
    compiled,
    labels,
    map_net,
    norm_net,
    outputs,
    randomize,
    reloaded,
    untrained_weights,
    values,
    vector_net,
)
from keras import layers, ops

from keras_fusion.models import adapt_kernels, build_gmu, build_kernel_fusion

CLASSIC = {"projection_units": None, "train_landmarks": False}


def nets():
    return {"text": vector_net("net_text"), "image": map_net("net_image")}


def data(model, count=20):
    return batch(model, count, seed=3)


def features(given, x):
    """A map is averaged."""
    text = keras.Model(given["text"].input, given["text"].get_layer("dense0").output)(x["text"])
    image = keras.Model(given["image"].input, given["image"].get_layer("pool1").output)(x["image"])
    return [ops.convert_to_numpy(text), ops.convert_to_numpy(image).mean((1, 2))]


def landmarks(model):
    return [ops.convert_to_numpy(points) for points in model.get_layer("fusion_0").points]


@pytest.mark.parametrize("projection_units", [None, 5])
def test_is_the_network_by_hand(projection_units):
    """Kernels of its own for every modality, whatever the order of the dict."""
    given = nets()
    kernels = {"image": ("rbf", 2), "text": ["linear", "rbf"]}
    model = build_kernel_fusion(
        given, kernels=kernels, landmarks=6, projection_units=projection_units, nystroem=True
    )
    randomize(model)
    adapt_kernels(model, data(model), seed=0)
    x = batch(model)
    h = features(given, x)
    if projection_units:
        for i, modality in enumerate(given):
            kernel, bias = model.get_layer(f"{modality}_projection").get_weights()
            gamma, beta = model.get_layer(f"{modality}_norm").get_weights()
            z = h[i] @ kernel + bias
            z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-3)
            h[i] = z * gamma + beta
    fusion = model.get_layer("fusion_0")
    assert [len(betas) for betas in fusion.betas()] == [2, 1]
    fused = ops.convert_to_numpy(fusion(h))
    kernel, bias = model.get_layer("central_logits").get_weights()
    scores = np.exp(fused @ kernel + bias)
    expected = scores / scores.sum(1, keepdims=True)
    assert_close(outputs(model, x), {"central": expected}, atol=1e-4)
    shares = model.fusion_weights()["level_0"]
    assert shares == pytest.approx(dict(zip(given, fusion.fusion_weights(), strict=True)))


def test_landmarks_are_the_features_of_samples():
    """Of the same samples in all modalities, and no more of them are computed than needed."""
    given = nets()
    model = build_kernel_fusion(given, landmarks=6, **CLASSIC)
    x = data(model)
    adapt_kernels(model, x, seed=0)
    hidden = features(given, x)
    rows = [np.abs(hidden[0] - point).sum(1).argmin() for point in landmarks(model)[0]]
    assert len(set(rows)) == 6
    for points, array in zip(landmarks(model), hidden, strict=True):
        np.testing.assert_allclose(points, array[rows], rtol=1e-4, atol=1e-5)
    at_once = build_kernel_fusion(given, landmarks=6, adapt_on=x, seed=0, **CLASSIC)
    for points, others in zip(landmarks(model), landmarks(at_once), strict=True):
        np.testing.assert_allclose(points, others, rtol=1e-5, atol=1e-6)
    adapt_kernels(model, x, seed=1)
    assert np.any(landmarks(model)[0] != landmarks(at_once)[0])
    others = build_kernel_fusion(given, landmarks=6, adapt_on=x, seed=1, **CLASSIC)
    assert_close(outputs(model, x), outputs(model, x))
    np.testing.assert_allclose(landmarks(model)[1], landmarks(others)[1], rtol=1e-5, atol=1e-6)


def test_adapt_again_between_fits():
    """A compiled model takes the new landmarks; what it has learned stays."""
    model = compiled(
        build_kernel_fusion(nets(), landmarks=6, projection_units=4), run_eagerly=False
    )
    x, y = data(model), labels(20)
    model.fit(x, y, verbose=0)
    before, trained = model.predict(x, verbose=0), landmarks(model)
    adapt_kernels(model, x, seed=0)
    assert np.any(trained[0] != landmarks(model)[0])
    after = model.predict(x, verbose=0)
    assert np.abs(before["central"] - after["central"]).max() > 1e-4
    assert_close(after, outputs(model, x), atol=1e-5)
    points = landmarks(model)
    model.fit(x, y, verbose=0)
    assert np.any(points[0] != landmarks(model)[0])


def test_frozen_backbones_and_landmarks(tmp_path):
    """The kernel machine: betas and classifier learn; a saved model is not adapted again."""
    given = nets()
    for net in given.values():
        net.trainable = False
    model = build_kernel_fusion(given, landmarks=6, nystroem=True, **CLASSIC)
    x, y = data(model), labels(20)
    with pytest.raises(RuntimeError, match="fusion_0: expected a call of adapt.*adapt_kernels"):
        model.predict(x, verbose=0)
    adapt_kernels(model, x, seed=0)
    assert sorted(weight.name for weight in model.trainable_weights) == ["alpha", "bias", "kernel"]
    model.compile("adam", "sparse_categorical_crossentropy")
    before = landmarks(model)
    model.fit(x, y, verbose=0)
    for points, old in zip(landmarks(model), before, strict=True):
        np.testing.assert_array_equal(points, old)
    again = reloaded(model, tmp_path)
    assert_close(outputs(again, x), outputs(model, x))
    assert again.fusion_weights()["level_0"] == pytest.approx(model.fusion_weights()["level_0"])
    again.fit(x, y, verbose=0)


def test_three_modalities_fit_and_save(tmp_path):
    given = {**nets(), "sound": norm_net("net_text")}
    model = build_kernel_fusion(
        given,
        kernels=["rbf", "polynomial"],
        landmarks=4,
        projection_units=4,
        unimodal_loss_weights=0.5,
    )
    assert sorted(model.output) == ["central", "image", "sound", "text"]
    randomize(model)
    x, y = batch(model), labels()
    assert untrained_weights(model, x, y) == []
    again = reloaded(model, tmp_path)
    assert_close(outputs(again, x), outputs(model, x))
    before = values(again)
    again.train_on_batch(x, y)
    moved = [np.any(before[path] != value) for path, value in values(again).items()]
    assert sum(moved) >= len(again.trainable_weights)


def test_no_unused_layers_of_the_backbones():
    model = build_kernel_fusion(nets(), landmarks=4)
    assert not any("prediction" in weight.path for weight in model.weights)
    randomize(model)
    assert untrained_weights(model, batch(model), labels()) == []


def test_learns_without_adapt():
    """From random landmarks, though nobody tells the layer what the features are like."""
    rng = np.random.default_rng(0)
    inputs = keras.Input((3,))
    plain = [keras.Model(inputs, layers.Identity()(inputs), name=name) for name in "ab"]
    keras.utils.set_random_seed(0)
    model = build_kernel_fusion(plain, landmarks=16, projection_units=8, num_classes=2)
    x = {name: rng.normal(1, 2, size=(200, 3)).astype("float32") for name in "ab"}
    y = (np.abs(x["a"][:, 0] - 1) > 1.4).astype(int)
    model.compile(
        keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    history = model.fit(x, y, epochs=40, batch_size=50, verbose=0).history
    assert history["central_accuracy"][-1] > 0.9
    assert model.fusion_weights()["level_0"]["a"] > 0.7


def test_absent_modalities():
    """Columns in the order of the names, not the backbones; holes reach nothing."""
    given = {"b": vector_net("net_b"), "a": norm_net("net_a"), "c": vector_net("net_c")}
    model = build_kernel_fusion(given, landmarks=4, projection_units=3, missing_modalities=True)
    randomize(model)
    x = batch(model)
    whole = outputs(model, x)["central"]
    present = np.ones((BATCH, 3), "float32")
    assert_close(outputs(model, {**x, "present": present}), {"central": whole})
    present[:2] = [[0, 1, 1], [0, 1, 0]]
    holes = dict(x, a=np.where(present[:, :1], x["a"], np.nan), present=present)
    holes["c"] = np.where(present[:, 2:], x["c"], np.nan)
    found = outputs(model, holes)["central"]
    np.testing.assert_allclose(found[2:], whole[2:], rtol=1e-5, atol=1e-6)
    assert np.all(np.abs(found[:2] - whole[:2]).max(1) > 1e-4)
    other = {**holes, "b": x["b"] * [[1], [2], [1], [1]]}  # what is there still counts
    assert np.abs(outputs(model, other)["central"][1] - found[1]).max() > 1e-4
    compiled(model).fit(holes, labels(), verbose=0)
    assert all(np.isfinite(value).all() for value in values(model).values())


def test_adapt_draws_samples_that_lack_nothing():
    given = {"b": vector_net("net_b"), "a": norm_net("net_a")}
    model = build_kernel_fusion(given, landmarks=6, missing_modalities=True, **CLASSIC)
    x = data(model)
    present = np.ones((20, 2))
    present[:7, 0] = present[7:13, 1] = 0
    holes = {name: np.where(present[:, [k]], x[name], np.nan) for k, name in enumerate("ab")}
    adapt_kernels(model, {**holes, "present": present, "more": None}, seed=0)
    last = build_kernel_fusion(given, landmarks=6, adapt_on=x, seed=0, **CLASSIC)
    assert np.all(np.isfinite(landmarks(model)[0]))
    assert np.any(landmarks(model)[0] != landmarks(last)[0])
    adapt_kernels(model, x, seed=0)  # no mask: nothing is absent
    np.testing.assert_allclose(landmarks(model)[0], landmarks(last)[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="expected 6 or more rows .*Received: 5"):
        adapt_kernels(model, {name: array[:5] for name, array in x.items()})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"projection_units": 1}, "projection_units: expected an int >= 2. Received: 1"),
        ({"kernels": {"a": "rbf"}}, "kernels: expected the modalities .*Received: .'a'."),
        ({"kernels": {"a": "rbf", "b": "rbb"}}, "kernels: expected one of .*Received: 'rbb'"),
        ({"kernels": [["rbf"]] * 3}, "kernels: expected 2 lists"),
        ({"landmarks": 1}, "landmarks: expected an int >= 2. Received: 1"),
        ({"adapt_on": [1, 2]}, r"adapt_on: expected a dict keyed by modality. Received: \[1, 2\]"),
        ({"adapt_on": {"a": np.ones(1)}}, "x: expected the modalities .*without .'b'."),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        build_kernel_fusion([vector_net("a"), vector_net("b")], **arguments)


def test_adapt_needs_kernels():
    model = build_gmu([vector_net("a"), vector_net("b")], fusion_units=2, name="other")
    with pytest.raises(ValueError, match='model: expected one of build_kernel_.*Received: "other"'):
        adapt_kernels(model, {})
