"""An export that differs from Keras is an error and leaves nothing, as does a wrong argument."""

import functools
import inspect

import keras
import numpy as np
import pytest
from helpers.exported import on_tensorflow, small
from helpers.tiny import batch, vector_net

import keras_fusion as kf
from keras_fusion.exporting import _signatures, _verification, formats

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


def test_absent_modalities_are_garbage_in_the_comparison():
    model = small(missing_modalities=True)
    x = _verification.samples_for(model)
    assert x["present"].tolist() == [[1, 1], [1, 0], [0, 1]]  # columns a, b
    found = _verification.with_garbage(x, model)
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


def test_export_is_a_plain_function():
    first = next(iter(inspect.signature(kf.export).parameters))
    assert inspect.isfunction(kf.export) and first == "model"
    with pytest.raises(TypeError, match="expected a FusionModel. Received: NoneType"):
        kf.export(None, "nowhere", format="onnx")


@on_tensorflow
def test_the_suffix_says_the_format(quick, tmp_path):
    for path, format in (("a.onnx", "onnx"), ("b.tflite", "litert"), ("c", "saved_model")):
        assert kf.export(small(), tmp_path / path, verbose=False).format == format
        assert (tmp_path / path).exists()
    with pytest.raises(ValueError, match=r"path: expected a folder or a file .tflite.*d.onnx"):
        kf.export(small(), tmp_path / "d.onnx", "litert")


@functools.cache
def noisy():
    """What training changes is in every path: dropout and batch statistics."""
    keras.utils.set_random_seed(3)
    nets = {}
    for name, width in (("a", 4), ("b", 6)):
        net = keras.Sequential(name=f"{name}_net")
        net.add(keras.Input((width,)))
        net.add(keras.layers.Dense(8, activation="tanh"))
        net.add(keras.layers.BatchNormalization())
        net.add(keras.layers.Dropout(0.5))
        net.add(keras.layers.Dense(5, activation="tanh"))
        net.add(keras.layers.Dense(3, activation="softmax"))
        nets[name] = net
    return kf.build_gmu(nets, fusion_units=4, missing_modalities=True, unimodal_loss_weights=1.0)


SERVED = ["a_only", "all_heads", "b_only", "fusion_weights", "missing_modalities",
          "serving_default"]  # fmt: skip


def test_all_signatures_are_looked_at():
    assert sorted(_signatures.signatures(noisy())) == SERVED


@pytest.mark.parametrize("name", SERVED)
def test_nothing_is_served_as_in_training(name):
    endpoint = _signatures.signatures(noisy())[name]
    rng = np.random.default_rng(0)
    x = {k: rng.normal(size=(6, *s.shape[1:])).astype("float32") for k, s in endpoint.specs.items()}
    if "present" in x:
        x["present"] = np.ones((6, 2), "float32")
    found = endpoint.function({k: keras.ops.convert_to_tensor(v) for k, v in x.items()})
    expected = endpoint.expected(x)
    assert sorted(found) == sorted(expected)
    for key in expected:
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(found[key]), expected[key], rtol=1e-4, atol=1e-5
        )
