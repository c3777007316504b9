"""Every method, and networks of the kind of every preset, as SavedModel and ONNX.

`export` itself compares what it wrote with Keras, with NaN in absent modalities; so that no error
is raised is what is tested here, and that the comparison was made on something.
"""

import keras
import numpy as np
import pytest
from helpers.tiny import map_net, outputs, sequence_net, vector_net
from keras import layers

import keras_fusion as kf
from keras_fusion.exporting import _signatures, _verification

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="written by TensorFlow"),
]
NAMES = [method.name for method in kf.methods()]
# The small ones of the papers' networks: padded features, and XFlow's with its LSTM. The benchmark
# `export_latency.py --presets` does the large ones.
PRESETS = {
    "centralnet_afew": kf.presets.centralnet_afew,
    "centralnet_montalbano": kf.presets.centralnet_montalbano,
    "xflow_cnn_mlp_lstm": lambda: kf.presets.xflow_cnn_mlp_lstm("avletters"),
}
# XFlow's streams of other kinds than those of `nets`: of open length, and of one frame each.
XFLOW = {
    "steps": lambda: kf.build_xflow({"a": sequence_net("a", None), **nets()}, **MISSING),
    "frames": lambda: kf.build_xflow(nets(), lstm_units=4, **MISSING),
}
MISSING = {"missing_modalities": True, "dropout": 0.0}


@pytest.fixture(autouse=True)
def needs_the_packages(request):
    if "saved_model" not in request.function.__name__:
        for name in ("onnx", "onnxruntime", "tf2onnx"):
            pytest.importorskip(name)


def nets():
    return {"sound": vector_net("one", units=(4, 3)), "image": map_net("two")}


def depends_on_its_inputs(model):
    x = _verification.samples_for(model)
    found = outputs(model, _signatures.structured(model, x))["central"]
    return np.ptp(found, axis=0).max() > 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_saved_model(name, tmp_path):
    model = kf.build(name, nets())
    assert depends_on_its_inputs(model)
    report = kf.export(model, tmp_path / "1", verbose=False)
    assert report.max_difference < 1e-5
    assert {"serving_default", "all_heads"} <= set(report.signatures)
    has_gates = "fusion_weights" in report.signatures
    assert has_gates == any(
        getattr(layer, "fusion_weights_per", None) == "sample" for layer in model.layers
    )


@pytest.mark.parametrize("name", NAMES)
def test_onnx(name, tmp_path):
    model = kf.build(name, nets(), missing_modalities=True)
    assert depends_on_its_inputs(model)
    if name == "crf_fusion":
        with pytest.raises(RuntimeError, match="expected a model that onnx can express"):
            kf.export(model, tmp_path / "net.onnx", verbose=False)
        assert not list(tmp_path.iterdir())
        return
    report = kf.export(model, tmp_path, "onnx", verbose=False)
    assert report.max_difference < 1e-5 and report.size > 1000


@pytest.mark.parametrize("name", PRESETS)
def test_preset(name, tmp_path):
    model = PRESETS[name]()
    assert depends_on_its_inputs(model)
    report = kf.export(model, tmp_path, "onnx", verbose=False)
    assert report.max_difference < 1e-4


@pytest.mark.parametrize("name", XFLOW)
def test_xflow(name, tmp_path):
    model = XFLOW[name]()
    assert depends_on_its_inputs(model)
    report = kf.export(model, tmp_path, "onnx", verbose=False)
    assert report.max_difference < 1e-5


def test_saved_model_of_mixed_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kf.build_gmu({"a": vector_net("one"), "b": vector_net("two")}, fusion_units=3)
    finally:
        keras.config.set_dtype_policy("float32")
    assert any(isinstance(x, layers.Dense) and x.compute_dtype == "bfloat16" for x in model.layers)
    report = kf.export(model, tmp_path / "1", verbose=False)
    assert report.tolerance == 0.02
