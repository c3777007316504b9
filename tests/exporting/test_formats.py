"""Every format answers as Keras does, by the names of Keras."""

import io
import wave
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.exported import RUN, gated, needs, on_tensorflow, run_onnx, signatures
from helpers.tiny import batch, outputs, vector_net
from keras import layers

import keras_fusion as kf
from keras_fusion.exporting import formats


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A model, data, and its SavedModel's signatures as a function."""
    model = gated(missing_modalities=True)
    path = tmp_path_factory.mktemp("served") / "new" / "1"
    raw = {"image": ("png", 1 / 255), "sound": "wav"}
    report = kf.export(model, path, raw=raw, verbose=False)
    return model, batch(model, 5), *signatures(path), report


@on_tensorflow
def test_signatures(served):
    _, _, found, _, report = served
    assert set(found) == set(report.signatures) == {
        "serving_default", "all_heads", "missing_modalities", "image_only", "sound_only",
        "fusion_weights", "raw",
    }  # fmt: skip
    inputs = {name: set(s.structured_input_signature[1]) for name, s in found.items()}
    assert inputs.pop("missing_modalities") == {"image", "sound", "present"}
    assert inputs.pop("image_only") == {"image"} and inputs.pop("sound_only") == {"sound"}
    assert set(map(frozenset, inputs.values())) == {frozenset(("image", "sound"))}
    assert report.max_difference < 1e-5 and report.size > 1000
    assert Path(report.path).name == "1" and [p.name for p in Path(report.path, "..").iterdir()]


@on_tensorflow
@pytest.mark.parametrize("count", [5, 1])
def test_signatures_give_the_models_own_numbers(served, count):
    model, x, _, call, _ = served
    x = {name: array[:count] for name, array in x.items()}
    expected = outputs(model, x)
    assert set(expected) == {"central", "image", "sound"}

    def same(found, heads):
        assert set(found) == set(heads)
        for head in heads:
            np.testing.assert_allclose(found[head], expected[head], atol=1e-6)

    same(call("serving_default", **x), ["central"])
    same(call("all_heads", **x), list(expected))
    same(call("image_only", image=x["image"]), ["image"])
    same(call("sound_only", sound=x["sound"]), ["sound"])
    shares = model.fusion_weights(x, per_sample=True)["level_0"]
    found = call("fusion_weights", **x)
    assert set(found) == {"level_0_image", "level_0_sound"}
    for source, share in shares.items():
        np.testing.assert_allclose(found[f"level_0_{source}"], share, atol=1e-6)
    if count == 5:
        present = np.array([[1, 1], [0, 1], [1, 0], [1, 1], [0, 1]], "float32")
        expected = outputs(model, {**x, "present": present})
        x["image"], x["sound"] = x["image"].copy(), x["sound"].copy()
        x["image"][[1, 4]], x["sound"][2] = np.nan, np.nan
        same(call("missing_modalities", **x, present=present), list(expected))


def png(pixels):
    import tensorflow as tf

    return tf.io.encode_png(pixels).numpy()


def wav(samples):
    with io.BytesIO() as file:
        with wave.open(file, "wb") as sound:
            sound.setparams((samples.shape[1], 2, 8000, len(samples), "NONE", "not compressed"))
            sound.writeframes(samples.astype("<i2").tobytes())
        return file.getvalue()


@on_tensorflow
def test_raw_bytes(served):
    import tensorflow as tf

    model, _, _, call, _ = served
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (8, 8, 1), dtype="uint8")
    plain = np.full((30, 20, 1), 51, "uint8")  # of another size, and the same after resizing
    jpeg = tf.io.encode_jpeg(plain, quality=100).numpy()
    long, short = rng.integers(-9000, 9000, (11, 2)), rng.integers(-9000, 9000, (5, 2))
    found = call(
        "raw", image=[png(small), png(plain), jpeg], sound=[wav(long), wav(short), wav(long)]
    )
    images = np.stack([small, np.full((8, 8, 1), 51), np.full((8, 8, 1), 51)]) / 255
    sounds = np.stack([long[:8], np.pad(short, ((0, 3), (0, 0))), long[:8]]) / 2**15
    expected = outputs(
        model, {"image": images.astype("float32"), "sound": sounds.astype("float32")}
    )
    for head, values in expected.items():
        np.testing.assert_allclose(found[head], values, atol=1e-5)
    assert np.ptp(found["image"], axis=0).max() > 1e-3, found  # they depend on the pixels


@on_tensorflow
def test_raw_sound_of_any_length_and_one_channel(tmp_path):
    wave_in = keras.Input((None,))
    x = layers.Reshape((-1, 1))(wave_in)
    x = layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3, padding="same", activation="tanh")(x))
    sound = keras.Model(wave_in, layers.Dense(3, activation="softmax")(x))
    model = kf.build_late_fusion({"sound": sound, "vector": vector_net()})
    kf.export(model, tmp_path / "1", raw={"sound": "wav"}, verbose=False)
    samples = np.random.default_rng(0).integers(-9000, 9000, (21, 1))
    vector = np.ones((1, 5), "float32")
    found = signatures(tmp_path / "1")[1]("raw", sound=[wav(samples)], vector=vector)
    expected = outputs(model, {"sound": samples.T.astype("float32") / 2**15, "vector": vector})
    np.testing.assert_allclose(found["central"], expected["central"], atol=1e-5)


@on_tensorflow
@pytest.mark.parametrize("format", RUN)
def test_files_give_the_models_own_numbers(format, tmp_path, capsys):
    needs(format)
    run, suffix, ending = RUN[format]
    model = gated(missing_modalities=True)
    report = kf.export(model, tmp_path, format)
    path = tmp_path / f"model{ending}"
    assert list(tmp_path.iterdir()) == [path] and report.size == path.stat().st_size
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(report)
    x = batch(model, 5)
    x["present"] = np.array([[1, 1], [0, 1], [1, 0], [1, 1], [0, 1]], "float32")
    expected = outputs(model, x)
    x["image"][1], x["sound"][2] = np.nan, np.nan
    inputs, found = run(path, x)
    assert inputs == {"image", "sound", "present"}
    assert set(found) == {"central", f"image{suffix}", f"sound{suffix}"}
    for head, values in expected.items():
        name = head if head == "central" else head + suffix
        np.testing.assert_allclose(found[name], values, atol=1e-5)
    with pytest.raises(ValueError, match="path: expected a file that does not exist.*Received: "):
        kf.export(model, path, format)


@pytest.mark.slow
@on_tensorflow
def test_quantized_files_are_smaller(tmp_path):
    needs("litert")
    nets = {"a": vector_net("one", 32, (128,)), "b": vector_net("two", 32, (128,))}
    model = kf.build_late_fusion(nets)
    sizes, worst = {}, {}
    for quantize in (None, "float16", "dynamic"):
        path = tmp_path / f"{quantize}.tflite"
        report = kf.export(model, path, "litert", quantize=quantize, verbose=False)
        sizes[quantize], worst[quantize] = path.stat().st_size, report.max_difference
    assert sizes["dynamic"] < 0.85 * sizes["float16"] and sizes["float16"] < 0.6 * sizes[None]
    assert worst[None] < 1e-6 < worst["float16"] < 1e-2 and 1e-6 < worst["dynamic"] < 5e-2
    with pytest.raises(RuntimeError, match="differ from Keras by at most 1.0e-07. Received: "):
        kf.export(model, tmp_path / "x", "litert", quantize="dynamic", tolerance=1e-7)
    assert not (tmp_path / "x" / "model.tflite").exists()


def encoder():
    """Two inputs: ids, and which of them count."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    mask = keras.Input((None,), dtype="bool", name="mask")
    x = layers.Embedding(4, 3)(ids)
    weights = layers.Lambda(float_column, output_shape=(None, 1))(mask)
    x = layers.Dense(4, activation="tanh")(layers.GlobalAveragePooling1D()(x * weights))
    return keras.Model({"ids": ids, "mask": mask}, layers.Dense(3, activation="softmax")(x))


@keras.saving.register_keras_serializable("tests_of_export")
def float_column(x):
    return keras.ops.cast(x, "float32")[..., None]


@on_tensorflow
@pytest.mark.parametrize("format", ["saved_model", "onnx"])
def test_modality_with_several_inputs(format, tmp_path):
    needs(format)
    model = kf.build_late_fusion({"text": encoder(), "vector": vector_net()})
    x = {
        "text_ids": np.array([[1, 3, 2, 0], [2, 2, 1, 3]], "int32"),
        "text_mask": np.array([[1, 1, 0, 0], [1, 1, 1, 1]], "bool"),
        "vector": np.ones((2, 5), "float32"),
    }
    nested = {"text": {"ids": x["text_ids"], "mask": x["text_mask"]}, "vector": x["vector"]}
    report = kf.export(model, tmp_path / "m", format, verbose=False, samples=nested)
    assert report.max_difference < 1e-5
    expected = outputs(model, nested)
    if format == "onnx":
        inputs, found = run_onnx(tmp_path / "m" / "model.onnx", x)
        assert inputs == set(x)
    else:
        _, call = signatures(tmp_path / "m")
        found = call("all_heads", **x)
        alone = call("text_only", text_ids=x["text_ids"], text_mask=x["text_mask"])
        np.testing.assert_allclose(alone["text"], expected["text"], atol=1e-6)
    np.testing.assert_allclose(found["central"], expected["central"], atol=1e-6)
    kf.export(model, tmp_path / "random", format, verbose=False)  # ids that the embedding knows


@on_tensorflow
def test_head_that_sees_other_modalities_is_not_served_alone():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    both = layers.Concatenate()([a, b])
    heads = {"central": layers.Dense(1)(both), "a": layers.Dense(1)(both), "b": layers.Dense(1)(b)}
    model = kf.FusionModel({"a": a, "b": b}, heads, fusion_levels=[], unimodal_loss_weights=1.0)
    found = set(formats._signatures.signatures(model))
    assert found == {"serving_default", "all_heads", "b_only"}
