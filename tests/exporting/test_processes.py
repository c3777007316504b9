"""Exports by another process: of models on JAX and PyTorch, and from the command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.exported import (
    BACKEND,
    NETS,
    gated,
    needs,
    on_tensorflow,
    run_onnx,
    signatures,
    small,
)
from helpers.tiny import batch, outputs, vector_net
from keras import layers

import keras_fusion as kf
from keras_fusion import __main__ as command
from keras_fusion.exporting import _subprocess, _verification, formats


def export_by_process(model, path, format, tolerance=None):
    """As JAX and PyTorch export; called directly where the backend is TensorFlow already."""
    if BACKEND != "tensorflow":
        return kf.export(model, path, format, tolerance=tolerance, verbose=False)
    samples = _verification.samples_for(model)
    expected = formats._signatures.all_inputs_to_all_heads(model).expected(samples)
    options = {"raw": None, "quantize": None, "tolerance": tolerance}
    path, _ = formats._files.target(path, format)
    return formats.ExportReport(
        **_subprocess.export_on_tensorflow(model, path, format, samples, expected, **options)
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
        _subprocess.export_on_tensorflow(small(), "x", "onnx", {}, {})


class Mine(layers.Layer):
    """A layer of the user's."""

    def call(self, x):
        return x


def test_modules_of_the_layers_are_named_for_the_other_process(monkeypatch):
    inputs = keras.Input((5,))
    x = Mine()(layers.Dense(4, activation="tanh")(inputs))
    net = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    model = kf.build_late_fusion({"a": net, "b": vector_net()})
    assert _subprocess._modules(model) == [Mine.__module__]
    monkeypatch.setattr(Mine, "__module__", "__main__")
    with pytest.raises(ValueError, match="model: expected layers whose classes .* Received: Mine"):
        _subprocess._modules(model)


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
        _subprocess.export_on_tensorflow(small(), "x", "onnx", {}, {}, **options)
    assert said["path"] == "x" and said["raw"] == {"a": ["wav", 0.5]} and said["tolerance"] == 0.1
    assert said["files"] == ["expected.npz", "job.json", "model.keras", "samples.npz"]


# ---- the command


@on_tensorflow
def test_command(quick, tmp_path, capsys):
    model = kf.build_late_fusion({name: net() for name, net in NETS.items()})
    model.save(tmp_path / "model.keras")
    file, out = str(tmp_path / "model.keras"), tmp_path / "out"
    command.main(["export", file, str(out / "1"), "--raw", "sound=wav", "image=jpeg*0.5"])
    assert "raw" in quick["endpoints"] and (out / "1" / "saved_model.pb").exists()
    assert capsys.readouterr().out.startswith("saved_model: ")
    command.main(
        ["export", file, str(out / "model.tflite"), "--quantize", "dynamic", "--import", "json"]
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
            command.main(["export", *arguments])
        assert ended.value.code == status
        assert re.search(match, capsys.readouterr().err), match
    assert not (out / "2").exists()


@on_tensorflow
@pytest.mark.slow
def test_command_in_a_process(tmp_path):
    needs("onnx")
    model = small()
    model.save(tmp_path / "model.keras")
    arguments = ["-m", "keras_fusion", "export", "model.keras", "out/", "--format", "onnx"]
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
