"""What earlier versions saved loads, and predicts what it did; see golden_files.py."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from conformance import all_cases, arrays_of, make, network
from golden_files import method_makers, network_makers, samples
from helpers.tiny import outputs

import keras_fusion as kf

FILES = sorted((Path(__file__).parent / "golden").glob("saved_*.zip"))
MAKERS = {**method_makers(), **network_makers()}
LAYERS = {f"layer_{case}": case for case in all_cases()}
# What a file holds does not depend on the backend: elsewhere every method and every layer, once.
TENSORFLOW = keras.backend.backend() == "tensorflow"
READ = [n for n in MAKERS if TENSORFLOW or n.startswith("method_")]
# Sums in another order, on another backend.
CLOSE = {"rtol": 1e-4, "atol": 1e-6}


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def saved(request, tmp_path_factory):
    """The folder with all files of one version, and what they predicted."""
    folder = tmp_path_factory.mktemp(request.param.stem)
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(folder)
    with np.load(folder / "expected.npz") as file:
        return folder, dict(file)


def assert_as_saved(found, name, expected):
    assert {f"{name}/{head}" for head in found} == {k for k in expected if k.startswith(f"{name}/")}
    for head, values in found.items():
        np.testing.assert_allclose(values, expected[f"{name}/{head}"], err_msg=head, **CLOSE)


def test_nothing_is_left_out(saved):
    folder, expected = saved
    names = {path.stem for path in folder.glob("*.keras")}
    assert names == {key.split("/")[0] for key in expected}
    assert names <= {*MAKERS, *LAYERS}, "of a method or a layer that is gone"
    assert len(names) > 100


@pytest.mark.parametrize("name", READ)
def test_model(name, saved):
    """The whole file, and on TensorFlow the weights alone in a model that today's code builds."""
    folder, expected = saved
    path = folder / f"{name}.keras"
    if not path.exists():
        pytest.skip("newer than the file")
    loaded = keras.models.load_model(path)
    assert isinstance(loaded, kf.FusionModel) and loaded.compiled
    assert_as_saved(outputs(loaded, samples(loaded)), name, expected)
    if not TENSORFLOW:
        return
    built = MAKERS[name]()
    if built.compiled:
        built.optimizer.build(built.trainable_variables)
    built.load_weights(folder / f"{name}.weights.h5")
    assert_as_saved(outputs(built, samples(built)), name, expected)
    assert [w.path for w in built.weights] == [w.path for w in loaded.weights]


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, saved):
    folder, expected = saved
    path = folder / f"{name}.keras"
    if not path.exists():
        pytest.skip("newer than the file")
    inputs = arrays_of(LAYERS[name])
    loaded = keras.models.load_model(path)
    found = keras.ops.convert_to_numpy(loaded(inputs))
    np.testing.assert_allclose(found, expected[name], **CLOSE)
    if not TENSORFLOW:
        return
    built = network(LAYERS[name], make(LAYERS[name]))
    built.load_weights(folder / f"{name}.weights.h5")
    found = keras.ops.convert_to_numpy(built(inputs))
    np.testing.assert_allclose(found, expected[name], **CLOSE)


@pytest.mark.parametrize("name", ["method_centralnet", "method_gmu", "missing_centralnet"])
def test_saved_model(name, saved):
    """A SavedModel of that version, beside what today's code makes of its .keras file."""
    tf = pytest.importorskip("tensorflow")
    folder, expected = saved
    signature = tf.saved_model.load(folder / f"{name}_saved_model").signatures["all_heads"]
    x = samples(keras.models.load_model(folder / f"{name}.keras"))
    found = signature(**{key: tf.constant(value, "float32") for key, value in x.items()})
    assert_as_saved({head: t.numpy() for head, t in found.items()}, name, expected)
