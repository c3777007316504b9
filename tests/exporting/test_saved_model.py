"""The SavedModel answers as Keras does, wherever it is loaded, and is never half-written."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.exported import on_tensorflow
from helpers.tiny import (
    assert_close,
    batch,
    map_net,
    norm_net,
    outputs,
    randomize,
    sequence_net,
    vector_net,
)
from keras import layers

from keras_fusion import build_centralnet, export_saved_model

pytestmark = on_tensorflow  # from JAX and PyTorch: test_processes.py


def small(**arguments):
    return build_centralnet({"b": vector_net("one"), "a": norm_net("two")}, **arguments)


def image_and_sound():
    model = build_centralnet({"sound": sequence_net(), "image": map_net()})
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-0.5, 0.5, layer.moving_mean.shape[0]))
            layer.moving_variance.assign(np.linspace(0.5, 2.0, layer.moving_variance.shape[0]))
    return model, batch(model, 5)


def missing_modality():
    model = small(missing_modalities=True)
    randomize(model)
    x = batch(model, 5)
    x["a"][1], x["b"][2] = np.nan, np.nan
    x["present"] = np.array([[1, 1], [0, 1], [1, 0], [0, 0], [1, 1]], "float32")
    return model, x


def words_of_any_number():
    text = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(9, 4),
            layers.GlobalAveragePooling1D(),
            layers.Dense(4, activation="tanh"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model = build_centralnet({"text": text, "vector": vector_net()})
    rng = np.random.default_rng(0)
    words = rng.integers(0, 9, (5, 7), dtype="int32")
    return model, {"text": words, "vector": rng.normal(size=(5, 5)).astype("float32")}


MODELS = {f.__name__: f for f in (image_and_sound, missing_modality, words_of_any_number)}


@pytest.fixture(scope="module", params=MODELS)
def exported(request, tmp_path_factory):
    """A model, data, and the folder it was exported to."""
    model, x = MODELS[request.param]()
    path = tmp_path_factory.mktemp("served") / "not" / "yet" / "1"
    export_saved_model(model, path)
    return model, x, path


def inputs_of(model, signature, x):
    """What a signature takes of `x`: one modality, or all; the mask only where it is asked for."""
    _, inputs = signature.structured_input_signature
    own = {k: t for k, t in model.input.items() if k in inputs}
    found = {k: (tuple(v.shape), v.dtype.name) for k, v in inputs.items()}
    assert found == {k: ((None, *t.shape[1:]), t.dtype) for k, t in own.items()}
    return {key: x[key] for key in own}


def test_signatures_give_the_models_own_numbers(exported):
    import tensorflow as tf

    model, x, path = exported
    signatures = tf.saved_model.load(str(path)).signatures
    names = {"serving_default", "all_heads", *(f"{m}_only" for m in model.modalities)}
    assert set(signatures) == names | ({"missing_modalities"} if model.has_present else set())
    for name, signature in signatures.items():
        given = inputs_of(model, signature, x)
        assert ("present" in given) == (name == "missing_modalities")
        for count in (5, 1):  # any batch size
            part = {key: array[:count] for key, array in x.items()}
            if name != "missing_modalities":  # in the others all of them are there
                part = {k: np.nan_to_num(v) for k, v in part.items() if k != "present"}
            fed = {key: tf.constant(part[key]) for key in given}
            expected = outputs(model, part)
            modality = name.removesuffix("_only")
            heads = {"serving_default": ["central"], f"{modality}_only": [modality]}
            assert_close(
                {head: array.numpy() for head, array in signature(**fed).items()},
                {head: expected[head] for head in heads.get(name, model.heads)},
            )


SCRIPT = """
import sys
import numpy as np
import tensorflow as tf

folder, given, result = sys.argv[1:]
x = {key: tf.constant(array) for key, array in np.load(given).items()}
signature = tf.saved_model.load(folder).signatures["missing_modalities"]
np.savez(result, **{head: p.numpy() for head, p in signature(**x).items()})
assert not [name for name in sys.modules if name.partition(".")[0] == "keras_fusion"]
"""


@pytest.mark.slow
@pytest.mark.parametrize("exported", ["missing_modality"], indirect=True)
def test_runs_where_this_package_is_not_imported(exported, tmp_path):
    model, x, path = exported
    np.savez(tmp_path / "given.npz", **x)
    arguments = [str(path), str(tmp_path / "given.npz"), str(tmp_path / "result.npz")]
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=tmp_path,  # not where the package could be found by chance
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert process.returncode == 0, process.stderr[-2000:]
    assert_close(dict(np.load(tmp_path / "result.npz")), outputs(model, x))


def test_mixed_precision_is_served_in_float32(tmp_path):
    import tensorflow as tf

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small()
    finally:
        keras.config.set_dtype_policy("float32")
    x = batch(model)
    export_saved_model(model, tmp_path / "1")
    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    for signature in signatures.values():
        assert {p.dtype for p in signature.structured_outputs.values()} == {tf.float32}
    found = signatures["serving_default"](**{k: tf.constant(v) for k, v in x.items()})
    np.testing.assert_allclose(found["central"], outputs(model, x)["central"], atol=1e-2)


# ---- where it is written


@pytest.mark.parametrize("kind", [str, lambda path: path])
@pytest.mark.parametrize("exists", [False, True])
def test_folder_may_be_new_or_empty(kind, exists, quick, tmp_path):
    path = tmp_path / "a" / "b"
    if exists:
        path.mkdir(parents=True)
    export_saved_model(small(), kind(path))
    assert [file.name for file in path.iterdir()] == ["saved_model.pb"]
    assert [file.name for file in path.parent.iterdir()] == ["b"], "nothing left beside it"


def test_relative_path(quick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    export_saved_model(small(), "served")
    assert (tmp_path / "served" / "saved_model.pb").exists()


@pytest.mark.parametrize("exists", [False, True])
def test_nothing_is_left_of_an_export_that_fails(exists, quick, tmp_path):
    quick["fails"] = True
    path = tmp_path / "served"
    if exists:
        path.mkdir()
    with pytest.raises(OSError, match="no space left"):
        export_saved_model(small(), path)
    assert [file.name for file in tmp_path.rglob("*")] == (["served"] if exists else [])
    quick["fails"] = False
    export_saved_model(small(), path)
    assert (path / "saved_model.pb").exists()


def a_file(folder):
    (folder / "file").write_text("mine")
    return folder / "file"


def full_folder(folder):
    (folder / "full").mkdir()
    a_file(folder / "full")
    return folder / "full"


@pytest.mark.parametrize(
    ("target", "match"),
    [
        (full_folder, "path: expected a folder that does not exist yet.*Received: .*full"),
        (a_file, "path: expected a folder that does not exist yet.*Received: .*file"),
        (lambda f: a_file(f) / "on", "path: expected a folder that can be written. Received: .*on"),
        (lambda f: a_file(f) / "a" / "b", "path: .*that can be written. Received: .*b"),
    ],
)
def test_paths_that_cannot_be_written(target, match, quick, tmp_path):
    path = target(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=match):
        export_saved_model(small(), path)
    assert sorted(tmp_path.rglob("*")) == before
    assert [file.read_text() for file in before if file.is_file()] == ["mine"]


@pytest.mark.parametrize("model", [vector_net, lambda: "model", lambda: None])
def test_other_models_are_refused(model, tmp_path):
    given = model()
    with pytest.raises(TypeError, match=f"model: .*FusionModel. Received: {type(given).__name__}"):
        export_saved_model(given, tmp_path / "served")
    assert not list(tmp_path.iterdir())


def test_without_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="expected tensorflow to be installed"):
        export_saved_model(small(), tmp_path / "served")
