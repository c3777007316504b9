"""What `pip install keras_fusion[extra]` brings is there and does its work."""

import importlib.metadata
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import keras
import numpy as np
import pytest
from packaging.requirements import Requirement

import keras_fusion

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```.*?^```", re.M | re.S)

try:
    METADATA = importlib.metadata.metadata("keras_fusion")
except importlib.metadata.PackageNotFoundError:
    pytest.skip("keras_fusion is imported but not installed", allow_module_level=True)


def requirements(extra):
    """What the extra adds on this Python and platform."""

    def is_needed(requirement, extra):
        return requirement.marker is None or requirement.marker.evaluate({"extra": extra})

    needed = [Requirement(text) for text in METADATA.get_all("Requires-Dist")]
    return [item for item in needed if is_needed(item, extra) and not is_needed(item, "")]


def installed(requirement):
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def toy_model():
    inputs = keras.Input((2,), name="vector")
    outputs = keras.layers.Dense(3, activation="softmax", name="central")(inputs)
    model = keras.Model({"vector": inputs}, {"central": outputs})
    model.compile("sgd", loss="mse")
    return model


def use_plot(folder):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([1, 2])
    figure.savefig(folder / "figure.png")
    plt.close(figure)
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")


def use_report(folder):
    found = keras_fusion.evaluation.Comparison({"gmu": [0.5, 0.75]})
    page = keras_fusion.report(found, path=folder / "page.html")
    assert "<svg" in (folder / "page.html").read_text(encoding="utf-8") and page.endswith(".html")


def use_examples(folder):
    from rich.console import Console
    from rich.table import Table
    from sklearn.model_selection import train_test_split

    train, _ = train_test_split(np.arange(8), test_size=2, random_state=0)
    table = Table("rows")
    table.add_row(str(len(train)))
    Console(file=(text := io.StringIO())).print(table)
    assert "6" in text.getvalue()


def use_tune(folder):
    import keras_tuner

    def build(hp):
        model = toy_model()
        model.optimizer.learning_rate = hp.Float("rate", 0.01, 0.1)
        return model

    options = {"objective": "val_loss", "directory": folder, "seed": 0}
    tuner = keras_tuner.RandomSearch(build, max_trials=1, project_name="random", **options)
    x, y = {"vector": np.ones((4, 2), "float32")}, {"central": np.ones((4, 3), "float32")}
    tuner.search(x, y, validation_data=(x, y), verbose=0)
    # A trial that failed leaves no score, and the search returns as if nothing had happened.
    assert tuner.oracle.get_best_trials(1)[0].score > 0
    keras_tuner.BayesianOptimization(build, project_name="bayesian", **options)


def use_stats(folder):
    from keras_fusion import evaluation

    assert 0 < evaluation.welch_test([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]).p < 1
    assert len(evaluation.group_folds([0, 0, 1], folds=2)) == 2
    frame = evaluation.Comparison({"gmu": [0.5, 0.75]}).frame()
    assert list(frame["scores.accuracy"]) == [0.5, 0.75]


def use_cluster(folder):
    from distributed import Client

    lock = threading.Lock()

    def build():
        with lock:
            return toy_model()

    part = {"vector": np.ones((4, 2), "float32")}, {"central": np.ones((4, 3), "float32")}
    given = {"net": build}, {"train": part, "test": part}, [0]
    for threads, error in ((1, "functions of a module.*lock"), (2, "one thread")):
        options = {"processes": False, "threads_per_worker": threads, "dashboard_address": None}
        with Client(**options) as client, pytest.raises((TypeError, ValueError), match=error):
            keras_fusion.evaluation.compare(*given, metric="loss", executor=client.get_executor)


def fusion_model():
    mlp = keras_fusion.backbones.mlp
    return keras_fusion.build_gmu([mlp(4, (3,), 2), mlp(6, (3,), 2)], fusion_units=3)


def trained_weight():
    """The first weight of a fusion model that was trained for a step, as the backend has it."""
    model = fusion_model()
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    x = {name: np.ones((2, *t.shape[1:]), "float32") for name, t in model.input.items()}
    assert np.isfinite(model.train_on_batch(x, np.array([0, 1]), return_dict=True)["loss"])
    return model.weights[0].value


def use_audio(folder):
    import soundfile

    from keras_fusion.datasets import audio

    wave = np.array([0, 0.5, -0.5], "float32")
    soundfile.write(folder / "tone.flac", wave, 8000)
    np.testing.assert_allclose(audio.read(folder / "tone.flac", 8000), wave, atol=1e-4)


def use_data(folder):
    import pandas as pd
    import PIL.Image

    table = pd.DataFrame({"a": [1, None, 3], "label": [0, 1, 1]})
    data = keras_fusion.datasets.from_dataframe(table, {"a": "a"}, "label", split=(1, 0, 0))
    assert data["train"][0]["a"].tolist() == [[1, 0], [2, 1], [3, 0]]
    depth = np.full((2, 3), 40_000, "uint16")
    PIL.Image.fromarray(depth).save(folder / "depth.png")
    np.testing.assert_array_equal(PIL.Image.open(folder / "depth.png"), depth)


def use_tfio(folder):
    import wave

    from keras_fusion.datasets import audio

    with wave.open(str(folder / "tone.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        file.writeframes(np.random.default_rng(0).integers(-9999, 9999, 8000).astype("<i2"))
    path = str(folder / "tone.wav")
    (found,) = audio.spectrogram_dataset([path], decoder="tensorflow_io").as_numpy_iterator()
    assert found.shape[0] == 112 and np.ptp(found) > 0


def use_onnx(folder):
    model = fusion_model()
    report = keras_fusion.export(model, folder / "net.onnx", verbose=False)
    assert report.format == "onnx" and report.max_difference < 1e-4


def use_litert(folder):
    model = fusion_model()
    report = keras_fusion.export(model, folder / "net.tflite", verbose=False)
    assert report.format == "litert" and report.max_difference < 1e-4


def use_serve(folder):
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/state")
    def state():
        return {"state": "AVAILABLE"}

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while thread.is_alive() and not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/state", timeout=10) as answer:
            assert json.load(answer) == {"state": "AVAILABLE"}
    finally:
        server.should_exit = True
        thread.join()


def use_hub(folder):
    import keras_hub

    vgg = keras_hub.models.VGGBackbone(
        stackwise_num_repeats=[1], stackwise_num_filters=[2], image_shape=(8, 8, 3)
    )
    assert keras_fusion.fusion_points(vgg)[-1].shape == (4, 4, 2)


def use_docs(folder):
    settings = 'extensions = ["myst_nb", "sphinx_copybutton"]\nhtml_theme = "furo"\n'
    (folder / "conf.py").write_text(settings)
    (folder / "index.md").write_text("# A page\n")
    run = [sys.executable, "-m", "sphinx", "-W", "-q", folder, folder / "site"]
    subprocess.run(run, check=True)
    assert "A page" in (folder / "site" / "index.html").read_text(encoding="utf-8")


def use_jax(folder):
    import jax

    assert isinstance(trained_weight(), jax.Array)


def use_torch(folder):
    import torch

    assert isinstance(trained_weight(), torch.Tensor)


def use_test(folder):
    (folder / "test_toy.py").write_text("def test_toy():\n    pass\n")
    run = [sys.executable, "-m", "pytest", "-q", "-n", "1", folder]
    env = {**os.environ, "PYTEST_ADDOPTS": ""}  # options of this run: where its report goes
    result = subprocess.run(run, env=env, capture_output=True, cwd=folder, check=False)
    assert b"1 passed" in result.stdout, result


def use_dev(folder):
    (folder / "bad.py").write_text("import os\n")
    run = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", folder / "bad.py"]
    assert b"F401" in subprocess.run(run, capture_output=True, check=False).stdout


USES = {name.removeprefix("use_"): use for name, use in globals().items() if name[:4] == "use_"}
ON_TENSORFLOW = {"tfio", "hub", "onnx", "litert"}


@pytest.mark.parametrize("extra", sorted(USES))
def test_extra(extra, tmp_path):
    needed = requirements(extra)
    if not needed or not all(map(installed, needed)):
        pytest.skip(f"extra {extra} not installed")
    needs = "tensorflow" if extra in ON_TENSORFLOW else extra
    if needs in ("tensorflow", "jax", "torch") and keras.backend.backend() != needs:
        pytest.skip(f"extra {extra} works on the backend {needs}")
    USES[extra](tmp_path)


def test_every_extra_is_used():
    assert set(USES) == set(METADATA.get_all("Provides-Extra"))


def test_requirements_of_an_extra():
    assert {item.name for item in requirements("plot")} == {"matplotlib"}
    assert not installed(Requirement("no_such_distribution"))
    assert not installed(Requirement("numpy<1"))


def test_version():
    assert METADATA["Version"] == keras_fusion.__version__
    cited = re.findall(r"(?m)^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited == [keras_fusion.__version__]


def test_licence_and_author():
    assert METADATA["License-Expression"] == "Apache-2.0"
    assert METADATA["Author"] and METADATA["License-File"] == "LICENSE"


def test_description():
    """Nothing beside the README can be reached from a package index; its code is as it was."""
    text = METADATA["Description"] or METADATA.get_payload()
    links = re.findall(r"\]\(([^)]*)\)|(?:src|href)=\"([^\"]*)", re.sub(BLOCK, "", text))
    dead = [link for link in map("".join, links) if not link.startswith(("https://", "http://"))]
    assert dead == [] and "# keras_fusion" in text
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [m[0] for m in BLOCK.finditer(text)] == [m[0] for m in BLOCK.finditer(readme)]
