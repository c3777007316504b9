"""What stands in an absent modality's place inside its own backbone."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    compiled,
    labels,
    map_net,
    norm_net,
    outputs,
    reloaded,
    text_net,
    vector_net,
)
from keras import layers

import keras_fusion as kf
from keras_fusion.models import adapt_missing_modalities

PRESENT = np.array([[1, 1], [0, 1], [1, 0], [1, 1]], "float32")  # image, sound


def nets():
    return {"sound": norm_net("one"), "image": map_net("two")}


def model_with(missing, method="centralnet", **arguments):
    return kf.build(method, nets(), missing_modalities=missing, **arguments)


def spoiled(model):
    x = batch(model)
    x["image"][1], x["sound"][2] = np.nan, np.nan
    return {**x, "present": PRESENT}


def seen(model, x, modality):
    """What its backbone gets."""
    mask = model.get_layer(f"{modality}_mask")
    return keras.ops.convert_to_numpy(mask(x[modality], x["present"]))


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (True, ("zero", "zero")),
        ("zero", ("zero", "zero")),
        ("mean", ("mean", "mean")),
        ("learned", ("learned", "learned")),
        ({"image": "mean", "sound": True}, ("mean", "zero")),
        ({"sound": "learned"}, ("zero", "learned")),
        ({}, ("zero", "zero")),
    ],
)
def test_forms_of_the_argument(missing, expected):
    model = model_with(missing)
    found = tuple(model.get_layer(f"{n}_mask").placeholder for n in ("image", "sound"))
    assert found == expected and model.has_present


def test_false_is_none():
    assert not model_with(False).has_present


@pytest.mark.parametrize("missing", ["median", None, 1, 0, ["mean"], {"image": "none"}])
def test_no_such_placeholder(missing):
    with pytest.raises((TypeError, ValueError), match="missing_modalities: expected False, True"):
        model_with(missing)


def test_no_such_modality():
    with pytest.raises(ValueError, match=r"expected the modalities \['image', 'sound'\]"):
        model_with({"audio": "mean"})


def test_mean():
    model = model_with("mean")
    x = spoiled(model)
    assert not seen(model, x, "sound")[2].any()
    adapt_missing_modalities(model, x)
    for name, absent in (("image", 1), ("sound", 2)):
        rows = [row for row in range(4) if row != absent]
        found = seen(model, x, name)
        np.testing.assert_allclose(found[rows], x[name][rows], rtol=1e-6)
        np.testing.assert_allclose(found[absent], x[name][rows].mean(axis=0), rtol=1e-5, atol=1e-6)
    without = {name: np.nan_to_num(x[name]) for name in ("sound", "image")}
    adapt_missing_modalities(model, without)  # without the mask all of them count
    np.testing.assert_allclose(
        seen(model, x, "sound")[2], without["sound"].mean(axis=0), rtol=1e-5, atol=1e-6
    )


def test_adapting_refuses():
    model = model_with("mean")
    x = spoiled(model)
    with pytest.raises(ValueError, match=r'missing_modalities="mean"\. Received: "centralnet"'):
        adapt_missing_modalities(model_with({"image": "learned"}), x)
    with pytest.raises(ValueError, match=r'x\["sound"\]: .*has the modality. Received: none'):
        adapt_missing_modalities(model, {**x, "present": PRESENT * [1, 0]})
    del x["present"]
    with pytest.raises(ValueError, match=r'x\["(image|sound)"\]: adapt: expected finite'):
        adapt_missing_modalities(model, x)
    del x["sound"]
    with pytest.raises(ValueError, match=r"without \['sound'\]"):
        adapt_missing_modalities(model, x)


@pytest.mark.parametrize("missing", ["mean", "learned"])
def test_the_fusion_leaves_it_out(missing):
    """At inference a placeholder changes nothing but the absent modality's own head."""
    model = model_with(missing)
    x = spoiled(model)
    before = outputs(model, x)
    for name in ("image", "sound"):
        value = model.get_layer(f"{name}_mask").value
        value.assign(np.full(value.shape, 5.0))
    after = outputs(model, x)
    np.testing.assert_allclose(after["central"], before["central"], rtol=1e-6)
    assert np.abs(after["sound"] - before["sound"])[2].max() > 1e-3
    np.testing.assert_allclose(after["sound"][:2], before["sound"][:2], rtol=1e-6)


def test_it_enters_the_statistics_of_batch_normalization():
    """By hand: the moving mean after one step goes to the mean over placeholders as well."""
    model = compiled(model_with({"sound": "mean"}), keras.optimizers.SGD(0.0))
    x = spoiled(model)
    adapt_missing_modalities(model, x)
    net = model.get_layer("sound_backbone")
    kernel = keras.ops.convert_to_numpy(net.get_layer("dense0").kernel)
    norm = net.get_layer("norm0")
    model.train_on_batch(x, labels())
    hidden = seen(model, x, "sound") @ kernel
    found = keras.ops.convert_to_numpy(norm.moving_mean)
    np.testing.assert_allclose(found, 0.5 * hidden.mean(axis=0), rtol=1e-4, atol=1e-6)
    # The mean of the present samples, as if the absent one were not there.
    np.testing.assert_allclose(hidden.mean(axis=0), hidden[[0, 1, 3]].mean(axis=0), atol=1e-5)


def test_learned_is_trained_through_batch_normalization_only():
    model = compiled(model_with("learned"), keras.optimizers.SGD(1.0))
    x = spoiled(model)
    model.train_on_batch(x, labels())
    sound, image = (model.get_layer(f"{n}_mask").value for n in ("sound", "image"))
    assert np.isfinite(sound).all() and np.abs(keras.ops.convert_to_numpy(sound)).max() > 0
    assert not keras.ops.convert_to_numpy(image).any()  # no batch normalization there


@pytest.mark.parametrize("missing", ["mean", "learned"])
def test_saved(missing, tmp_path):
    model = compiled(model_with(missing))
    x = spoiled(model)
    if missing == "mean":
        adapt_missing_modalities(model, x)
    model.train_on_batch(x, labels())
    again = reloaded(model, tmp_path)
    assert_close(outputs(again, x), outputs(model, x))
    np.testing.assert_allclose(seen(again, x, "sound"), seen(model, x, "sound"))
    again.train_on_batch(x, labels())
    if missing == "mean":
        adapt_missing_modalities(again, {**x, "sound": x["sound"] + 1})


def text(name, **embedding):
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, **embedding)(inputs)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x), name=name)


def padded(mask_value):
    inputs = keras.Input((6, 1))
    x = layers.Masking(mask_value)(inputs)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x), name="padded")


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (text("text"), "one"),
        (text("text", mask_zero=True), "one"),
        (padded(0.0), "one"),
        (padded(-1.0), "zero"),
        (vector_net(), "zero"),
    ],
)
def test_ones_where_zeros_are_padding(net, expected):
    nets = {"first": net, "second": vector_net("second")}
    model = kf.build_late_fusion(nets, missing_modalities=True)
    assert model.get_layer("first_mask").placeholder == expected
    assert model.get_layer("second_mask").placeholder == "zero"


@pytest.mark.parametrize("missing", ["mean", {"words": "learned"}])
def test_token_ids_have_no_mean(missing):
    nets = {"words": text("text"), "second": vector_net()}
    with pytest.raises(ValueError, match='"zero" for "words".*integers'):
        kf.build_late_fusion(nets, missing_modalities=missing)
    kf.build_late_fusion(nets, missing_modalities={"second": "mean"})


def test_open_sizes_name_the_modality():
    inputs = keras.Input((None, 2))
    net = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(inputs))
    nets = {"steps": keras.Model(inputs, net), "second": vector_net()}
    with pytest.raises(ValueError, match='modality "steps": .*open size'):
        kf.build_late_fusion(nets, missing_modalities="learned")


def test_a_modality_of_several_inputs():
    """Token ids and their padding mask: ones in both; in the verbs, and in all subsets."""
    nets = {"text": text_net(), "second": vector_net()}
    model = kf.build_gmu(nets, fusion_units=3, missing_modalities={"second": "mean"})
    compiled(model, metrics=["accuracy"])
    placeholders = {
        name: model.get_layer(f"text_{name}_mask").placeholder for name in nets["text"].input
    }
    assert placeholders == {"words": "one", "padding": "one"}
    rng = np.random.default_rng(0)
    ids = {"words": rng.integers(1, 9, (4, 6)), "padding": np.ones((4, 6), "int32")}
    x = {"text": ids, "second": rng.normal(size=(4, 5)).astype("float32")}
    x = kf.datasets.drop_modalities(x, pattern=[[1, 1], [0, 1], [1, 0], [1, 1]], fill=8)
    assert (x["text"]["padding"][2] == 8).all() and (x["second"][1] == 8).all()
    adapt_missing_modalities(model, x)
    found = keras.ops.convert_to_numpy(model.get_layer("second_mask").value)
    np.testing.assert_allclose(found, x["second"][[0, 2, 3]].mean(axis=0), rtol=1e-5)
    before = outputs(model, x)["central"]
    x["text"]["words"][2], x["second"][1] = 0, np.nan
    np.testing.assert_allclose(outputs(model, x)["central"], before, rtol=1e-6)
    model.train_on_batch(x, labels())
    scores = kf.evaluation.modality_subsets(model, x, labels())
    assert [named["samples"] for named in scores.values()] == [3, 3, 2]
