"""Every format answers as Keras does, by the names of Keras, and is never there half-checked."""

import functools
import io
import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.tiny import batch, map_net, norm_net, outputs, sequence_net, vector_net
from keras import layers

import keras_fusion as kf
from keras_fusion.export import __main__ as command
from keras_fusion.export import _compared, _elsewhere, formats

BACKEND = keras.backend.backend()
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow writes the formats")
NETS = {"sound": sequence_net, "image": map_net}


def gated(**arguments):
    """With everything that can be exported: heads, gates, and the mask."""
    arguments = {"unimodal_loss_weights": 0.5, "hidden_units": 3, **arguments}
    return kf.build_gmu({name: net() for name, net in NETS.items()}, **arguments)


def signatures(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def call(name, **x):
        return {k: v.numpy() for k, v in loaded.signatures[name](**tensors(x)).items()}

    def tensors(x):
        return {key: tf.constant(value) for key, value in x.items()}

    return loaded.signatures, call


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


def run_onnx(path, x):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    return {i.name for i in session.get_inputs()}, dict(
        zip(names, session.run(None, x), strict=True)
    )


def run_litert(path, x):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    runner = interpreter.Interpreter(str(path)).get_signature_runner("serving_default")
    return set(runner.get_input_details()), {k: v.copy() for k, v in runner(**x).items()}


RUN = {"onnx": (run_onnx, "_head", ".onnx"), "litert": (run_litert, "", ".tflite")}


def needs(format):
    """Skips where the format's extra is not installed."""
    for name in formats._NEEDS[format]:
        pytest.importorskip(name)


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


# ---- a difference is an error, and leaves nothing


@pytest.fixture
def quick(monkeypatch):
    """In the place of all converters, ones that write a word, and answer what Keras does."""
    state = {"shift": 0.0, "rename": False, "fails": False}
    monkeypatch.setattr(formats, "_NEEDS", {name: {} for name in formats.FORMATS})

    def write(model, endpoints, path, quantize):
        state["endpoints"] = endpoints
        if not os.path.splitext(path)[1]:
            os.makedirs(path)
            path = os.path.join(path, "saved_model.pb")
        Path(path).write_text("half of it")
        if state["fails"]:
            raise OSError("no space left on device")

    monkeypatch.setattr(formats._raw, "raw_samples", lambda model, raw, x: (x, x))

    def runner(path):
        def run(name, x):
            x = {key: np.nan_to_num(array) for key, array in x.items()}
            found = state["endpoints"][name].expected(x)
            count = len(next(iter(x.values())))
            chosen = name == state.get("signature", name) and count == state.get("samples", count)
            shift = state["shift"] if chosen else 0.0
            ending = "x" if state["rename"] else ""
            return {key + ending: value + shift for key, value in found.items()}

        return run

    monkeypatch.setattr(_compared, "WRITERS", dict.fromkeys(formats.FORMATS, write))
    monkeypatch.setattr(_compared, "RUNNERS", dict.fromkeys(formats.FORMATS, runner))
    return state


@functools.cache
def small(**arguments):
    nets = {"b": vector_net("one"), "a": norm_net("two")}
    return kf.build_centralnet(nets, **arguments)


TARGETS = {"saved_model": "m", "onnx": "m/a.onnx", "litert": "m/a.tflite"}


@on_tensorflow
@pytest.mark.parametrize("format", ["saved_model", "onnx"])
@pytest.mark.parametrize(
    ("state", "error", "match"),
    [
        ({"shift": 1e-3}, RuntimeError, "differ from Keras by at most 1.0e-04. Received: 1.0e-03"),
        ({"shift": -1e-3}, RuntimeError, "differ from Keras by at most 1.0e-04. Received: 1.0e-03"),
        ({"shift": 1e-3, "samples": 1}, RuntimeError, "Received: 1.0e-03"),
        ({"shift": 1e-3, "samples": 3}, RuntimeError, "Received: 1.0e-03"),
        ({"shift": np.nan}, RuntimeError, "Received: inf"),
        (
            {"rename": True},
            RuntimeError,
            "expected the outputs .*'central'.*Received: .*'centralx'",
        ),
        ({"fails": True}, OSError, "no space left"),
    ],
)
def test_difference_leaves_nothing(format, state, error, match, quick, tmp_path):
    quick.update(state)
    with pytest.raises(error, match=match):
        kf.export(small(), tmp_path / TARGETS[format], format, verbose=False)
    assert [p for p in tmp_path.rglob("*") if p.is_file() or p.name.startswith(".")] == []
    quick.update(shift=5e-5, rename=False, fails=False)
    quick.pop("samples", None)
    report = kf.export(small(), tmp_path / TARGETS[format], format, verbose=False)
    assert report.max_difference == pytest.approx(5e-5, rel=0.01) and report.size == 10


@on_tensorflow
@pytest.mark.parametrize("signature", ["all_heads", "missing_modalities", "a_only"])
def test_every_signature_is_compared(signature, quick, tmp_path):
    quick.update(shift=0.01, signature=signature)
    with pytest.raises(RuntimeError, match="Received: 1.0e-02 from saved_model"):
        kf.export(small(missing_modalities=True), tmp_path / "m", verbose=False)


def test_absent_modalities_are_rubbish_in_the_comparison():
    model = small(missing_modalities=True)
    x = formats._check.samples_for(model)
    assert x["present"].tolist() == [[1, 1], [1, 0], [0, 1]]  # columns a, b
    found = formats._check.with_rubbish(x, model)
    assert [np.isnan(row).all() for row in found["a"]] == [False, False, True]
    assert [np.isnan(row).any() for row in found["b"]] == [False, True, False]
    assert not any(np.isnan(array).any() for array in x.values())


@on_tensorflow
def test_tolerance_is_chosen_and_relative(quick, tmp_path):
    nets = {"a": vector_net("one", activation=None), "b": vector_net("two", activation=None)}
    model = kf.build_centralnet(nets, units=3, head="linear")
    for weight in model.trainable_weights:
        weight.assign(weight * 1000.0)
    quick.update(shift=1e-3)
    report = kf.export(model, tmp_path / "a", verbose=False)
    assert report.max_difference < 1e-4  # of values in the thousands
    with pytest.raises(RuntimeError, match="at most 1.0e-12"):
        kf.export(model, tmp_path / "b", tolerance=1e-12, verbose=False)


@on_tensorflow
def test_samples_are_used(quick, tmp_path):
    model = small()
    x = batch(model, 2)
    seen = []
    original = formats._signatures.predictions

    def predictions(model, x):
        seen.append(x)
        return original(model, x)

    formats._signatures.predictions, kept = predictions, original
    try:
        kf.export(model, tmp_path / "m", samples={**x, "more": 1}, verbose=False)
    finally:
        formats._signatures.predictions = kept
    np.testing.assert_array_equal(seen[0]["a"], x["a"])


# ---- arguments


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"format": "h5"}, ValueError, "format: expected one of .*'litert'.*Received: 'h5'"),
        ({"quantize": "int4"}, ValueError, "quantize: expected one of .*Received: 'int4'"),
        ({"quantize": "dynamic"}, ValueError, "quantize: expected None unless .*'dynamic'"),
        ({"raw": {"a": "wav"}, "format": "onnx"}, ValueError, "raw: expected None unless"),
        ({"raw": "jpeg"}, TypeError, "raw: expected a dict .*Received: 'jpeg'"),
        ({"raw": {"c": "wav"}}, ValueError, "raw: expected the modalities .*Received: .*'c'"),
        ({"raw": {"a": "mp3"}}, ValueError, "raw..a..: expected one of .*'wav'.*Received: 'mp3'"),
        ({"raw": {"a": ("png", "x")}}, ValueError, "expected a number as scale. Received: 'x'"),
        ({"raw": {"a": "png"}}, ValueError, "height, width, channels.*Received: .5,."),
        ({"tolerance": -1}, ValueError, "tolerance: expected a float >= 0.*Received: -1"),
        ({"tolerance": "small"}, ValueError, "tolerance: .*Received: 'small'"),
        ({"samples": {"a": np.ones((2, 5))}}, ValueError, "modalities .*without \\['b'\\]"),
        (
            {"samples": {"a": np.ones((2, 4)), "b": np.ones((2, 5))}},
            ValueError,
            'samples."a".: expected at least one sample of shape .5,.. Received shape: .2, 4.',
        ),
    ],
)
def test_bad_arguments(arguments, error, match, quick, tmp_path):
    with pytest.raises(error, match=match):
        kf.export(small(), tmp_path / "m", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", [vector_net, lambda: "model"])
def test_other_models_are_refused(model, tmp_path):
    with pytest.raises(TypeError, match="model: expected a FusionModel. Received: "):
        kf.export(model(), tmp_path / "m")


@on_tensorflow
def test_samples_without_finite_predictions_prove_nothing(quick, tmp_path):
    x = batch(model := small())
    x["a"][0] = np.nan
    with pytest.raises(ValueError, match="samples: expected some on which .* finite"):
        kf.export(model, tmp_path / "m", samples=x)
    assert not list(tmp_path.rglob("*.pb"))


@pytest.mark.parametrize(
    ("format", "hidden", "match"),
    [
        ("saved_model", "tensorflow", "expected tensorflow to be installed: TensorFlow writes"),
        ("onnx", "tf2onnx", 'expected tf2onnx to be installed, the extra "onnx"'),
        ("litert", "ai_edge_litert", 'expected ai-edge-litert .*, the extra "litert"'),
    ],
)
def test_missing_packages_are_named(format, hidden, match, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == hidden else 1)
    with pytest.raises(ImportError, match=match):
        kf.export(small(), tmp_path / "m", format)
    assert not list(tmp_path.iterdir())


def test_the_room_is_the_function():
    assert kf.export.export_saved_model is kf.export_saved_model and kf.export.__doc__
    with pytest.raises(TypeError, match="expected a FusionModel. Received: NoneType"):
        kf.export(None, "nowhere", format="onnx")


# ---- the other backends


def export_by_process(model, path, format, tolerance=None):
    """As JAX and PyTorch export; called directly where the backend is TensorFlow already."""
    if BACKEND != "tensorflow":
        return kf.export(model, path, format, tolerance=tolerance, verbose=False)
    samples = formats._check.samples_for(model)
    expected = formats._signatures.everything(model).expected(samples)
    options = {"raw": None, "quantize": None, "tolerance": tolerance}
    path = formats.target(path, format)
    return formats.ExportReport(
        **_elsewhere.export_on_tensorflow(model, path, format, samples, expected, **options)
    )


@pytest.mark.slow
def test_process_on_tensorflow(tmp_path):
    needs("saved_model")
    model = gated(missing_modalities=True)
    report = export_by_process(model, tmp_path / "m", "saved_model")
    assert report.max_difference < 1e-5 and report.size > 1000
    assert {"fusion_weights", "image_only"} < set(report.signatures)
    x = batch(model, 5)
    found = signatures(tmp_path / "m")[1]("serving_default", **x)
    np.testing.assert_allclose(found["central"], outputs(model, x)["central"], atol=1e-5)


def test_errors_come_back_from_the_process(monkeypatch):
    def run(command, **arguments):
        report = {"error": "ValueError", "message": "raw: expected this. Received: that"}
        (Path(command[-1]) / "report.json").write_text(json.dumps(report))

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ValueError, match="raw: expected this. Received: that"):
        _elsewhere.export_on_tensorflow(small(), "x", "onnx", {}, {})


class Mine(layers.Layer):
    """A layer of the user's."""

    def call(self, x):
        return x


def test_modules_of_the_layers_are_named_for_the_other_process(monkeypatch):
    inputs = keras.Input((5,))
    x = Mine()(layers.Dense(4, activation="tanh")(inputs))
    net = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    model = kf.build_late_fusion({"a": net, "b": vector_net()})
    assert _elsewhere._modules(model) == [Mine.__module__]
    monkeypatch.setattr(Mine, "__module__", "__main__")
    with pytest.raises(ValueError, match="model: expected layers whose classes .* Received: Mine"):
        _elsewhere._modules(model)


# ---- the command


@on_tensorflow
def test_command(quick, tmp_path, capsys):
    model = kf.build_late_fusion({name: net() for name, net in NETS.items()})
    model.save(tmp_path / "model.keras")
    file, out = str(tmp_path / "model.keras"), tmp_path / "out"
    command.main([file, str(out / "1"), "--raw", "sound=wav", "image=jpeg*0.5"])
    assert "raw" in quick["endpoints"] and (out / "1" / "saved_model.pb").exists()
    assert capsys.readouterr().out.startswith("saved_model: ")
    command.main(
        [file, str(out), "--format", "litert", "--quantize", "dynamic", "--import", "json"]
    )
    assert (out / "model.tflite").exists()
    for arguments, status, match in (
        ([file, str(out), "--format", "h5"], 2, "invalid choice"),
        (["none.keras", str(out)], 2, "ValueError: File not found"),
        ([file, str(out)], 2, "path: expected a folder that does not exist"),
        ([file, str(out / "2"), "--raw", "sound=mp3"], 2, "raw.*Received: 'mp3'"),
        ([file, str(out / "2"), "--raw", "sound=wav*x"], 2, "could not convert"),
        ([file, str(out / "2"), "--import", "no_such"], 2, "No module named 'no_such'"),
    ):
        with pytest.raises(SystemExit) as ended:
            command.main(arguments)
        assert ended.value.code == status
        assert __import__("re").search(match, capsys.readouterr().err), match
    assert not (out / "2").exists()


@on_tensorflow
@pytest.mark.slow
def test_command_in_a_process(tmp_path):
    needs("onnx")
    model = small()
    model.save(tmp_path / "model.keras")
    arguments = ["-m", "keras_fusion.export", "model.keras", "out/", "--format", "onnx"]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1].startswith("onnx: ")
    x = batch(model, 2)
    _, found = run_onnx(tmp_path / "out" / "model.onnx", x)
    np.testing.assert_allclose(found["central"], outputs(model, x)["central"], atol=1e-5)


def test_job_is_plain_json(tmp_path, monkeypatch):
    """What the other process is told, and what is made of its silence."""
    said = {}

    def run(command, **arguments):
        folder = Path(command[-1])
        said.update(json.loads((folder / "job.json").read_text()), files=sorted(os.listdir(folder)))
        assert arguments["env"]["KERAS_BACKEND"] == "tensorflow"
        return subprocess.CompletedProcess(command, 1, "", "died")

    monkeypatch.setattr(subprocess, "run", run)
    options = {"raw": {"a": ("wav", 0.5)}, "quantize": None, "tolerance": 0.1}
    with pytest.raises(RuntimeError, match="expected a report .*Received: exit status 1, died"):
        _elsewhere.export_on_tensorflow(small(), "x", "onnx", {}, {}, **options)
    assert said["path"] == "x" and said["raw"] == {"a": ["wav", 0.5]} and said["tolerance"] == 0.1
    assert said["files"] == ["expected.npz", "job.json", "model.keras", "samples.npz"]
