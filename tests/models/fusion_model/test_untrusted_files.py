"""A .keras file from elsewhere runs no code, and writes nothing outside of where Keras unpacks it.

Every file here is a good one with one thing changed, so that only this can be what is refused.
"""

import json
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

import keras
import pytest
from helpers.tiny import assert_close, batch, map_net, outputs, vector_net, without_weights
from keras import layers

import keras_fusion as kf

h5py = pytest.importorskip("h5py")
CONFIG, WEIGHTS = "config.json", "model.weights.h5"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A model and its file."""
    path = tmp_path_factory.mktemp("original") / "model.keras"
    model = kf.build_gmu({"image": vector_net("one"), "sound": vector_net("two")}, fusion_units=4)
    model.save(path)
    return model, path


@pytest.fixture
def saved(original, tmp_path, monkeypatch):
    """The model; its file is "model.keras" in a folder in which nothing else may appear."""
    model, path = original
    monkeypatch.chdir(tmp_path)
    shutil.copy(path, "model.keras")
    return model


def rewrite(change_config=None, change_weights=None, added=()):
    """Changes "model.keras": its config as text, its weights as an open HDF5 file, its members."""
    with zipfile.ZipFile("model.keras") as file:
        parts = {name: file.read(name) for name in file.namelist()}
    if change_config:
        before = parts[CONFIG].decode()
        parts[CONFIG] = change_config(before).encode()
        assert parts[CONFIG].decode() != before
    if change_weights:
        with open("weights.h5", "wb") as file:
            file.write(parts[WEIGHTS])
        with h5py.File("weights.h5", "r+") as file:
            change_weights(file)
        with open("weights.h5", "rb") as file:
            parts[WEIGHTS] = file.read()
        os.remove("weights.h5")
    with zipfile.ZipFile("model.keras", "w") as file:
        for name, content in {**parts, **dict(added)}.items():
            file.writestr(name, content)


def nothing_appeared(folder):
    return sorted(os.listdir(folder)) == ["model.keras"] and not os.path.exists(folder / "ran")


def command(folder):
    return f"touch {folder}/ran"


def changed_layer(text, name, **changes):
    """The config with other values in the layer called `name`."""
    config = json.loads(text)
    (found,) = (x for x in config["config"]["layers"] if x["config"].get("name") == name)
    inside = changes.pop("config", {})
    found.update(changes)
    found["config"].update(inside)
    return json.dumps(config)


def test_unchanged_file_loads(saved, tmp_path):
    """The change is what the tests below see refused, not the way in which it is made."""
    rewrite(lambda text: text + " ", lambda file: file.attrs.update(note="changed"))
    again = keras.models.load_model("model.keras")
    x = batch(saved)
    assert_close(outputs(again, x), outputs(saved, x))
    assert nothing_appeared(tmp_path)


def first_dense(text):
    """The name of some Dense layer of the model."""
    return next(
        x["config"]["name"]
        for x in json.loads(text)["config"]["layers"]
        if x["class_name"] == "Dense"
    )


def object_of(module, name, config, registered=None):
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


def evil(folder):
    """`{what: what is put in the place of a Dense layer}`."""
    shell = command(folder)
    return {
        "a shell": object_of("os", "system", {"command": shell}),
        "a subprocess": object_of("subprocess", "run", {"args": shell, "shell": True}),
        "exec": object_of("builtins", "exec", {"source": f"import os; os.system({shell!r})"}),
        "a download": object_of(
            "keras.utils", "get_file", {"origin": "http://localhost:9/x", "fname": "ran"}
        ),
        "a saved model": object_of("keras.layers", "TFSMLayer", {"filepath": "elsewhere"}),
        "a module of theirs": object_of("their_module", "Layer", {"name": "dense"}, "their>Layer"),
    }


@pytest.mark.parametrize(
    "what",
    ["a shell", "a subprocess", "exec", "a download", "a saved model", "a module of theirs"],
)
def test_tampered_layer_is_refused(what, saved, tmp_path, monkeypatch):
    (tmp_path.parent / "their_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path.parent)
    rewrite(lambda text: changed_layer(text, first_dense(text), **evil(tmp_path)[what]))
    with pytest.raises((ValueError, TypeError, NotImplementedError)):
        keras.models.load_model("model.keras")
    assert nothing_appeared(tmp_path) and "their_module" not in sys.modules


@pytest.mark.parametrize("name", ["exec", "eval", "__import__", "os.system", "open"])
def test_function_by_name_is_no_activation(name, saved, tmp_path):
    rewrite(lambda text: changed_layer(text, first_dense(text), config={"activation": name}))
    with pytest.raises((ValueError, TypeError)):
        keras.models.load_model("model.keras")
    assert nothing_appeared(tmp_path)


def test_lambda_is_refused(saved, tmp_path):
    """A Lambda holds Python bytecode."""
    shell = command(tmp_path)
    backbone = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(4, activation="tanh"),
            layers.Lambda(lambda x: (__import__("os").system(shell), x)[1], output_shape=(4,)),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model = kf.build_late_fusion({"image": backbone, "sound": vector_net("two")})
    os.remove("model.keras")
    (tmp_path / "ran").unlink(missing_ok=True)  # building it ran it, which is ours to do
    model.save("model.keras")
    with pytest.raises(ValueError, match="(?i)lambda"):
        keras.models.load_model("model.keras")
    assert nothing_appeared(tmp_path)


def test_a_file_does_not_turn_safety_off(saved, tmp_path):
    """Lambda in a config that asks for trust itself."""
    source = {"class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None}}

    def change(text):
        name = first_dense(text)
        fake = object_of("keras.layers", "Lambda", {"name": name, "function": source})
        config = json.loads(changed_layer(text, name, **fake))
        return json.dumps({**config, "safe_mode": False})

    rewrite(change)
    with pytest.raises((ValueError, TypeError), match="(?i)lambda|safe"):
        keras.models.load_model("model.keras")
    assert nothing_appeared(tmp_path)


@pytest.mark.filterwarnings("ignore")  # Keras tells which entries it leaves out
@pytest.mark.parametrize("name", ["../ran", "../../ran", "{folder}/ran", "assets/../../ran"])
def test_path_traversal_writes_nothing(name, saved, tmp_path):
    rewrite(added={name.format(folder=tmp_path): b"theirs"}.items())
    before = sorted(os.listdir(tmp_path.parent))
    try:
        again = keras.models.load_model("model.keras")
    except (ValueError, OSError, AttributeError):
        pass  # refusing the file is as good as leaving the entry out; Keras 3.12 stumbles over it
    else:
        x = batch(saved)
        assert_close(outputs(again, x), outputs(saved, x))
    assert nothing_appeared(tmp_path) and sorted(os.listdir(tmp_path.parent)) == before


def first_dataset(file):
    found = []
    file.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    return found[0]


def huge(file):
    name = first_dataset(file)
    del file[name]
    # 4 TiB when read, nothing on the disk.
    file.create_dataset(name, shape=(2**40,), dtype="float32", chunks=(2**20,))


def external(file):
    name = first_dataset(file)
    del file[name]
    file[name] = h5py.ExternalLink("other.h5", "/secret")


@pytest.mark.filterwarnings("ignore")  # Keras tells what it does not find on its way to the error
@pytest.mark.parametrize("change", [huge, external])
def test_tampered_weights_are_refused(change, saved, tmp_path):
    rewrite(change_weights=change)
    with pytest.raises(Exception) as found:
        keras.models.load_model("model.keras")
    assert isinstance(found.value, (ValueError, OSError, MemoryError, KeyError))
    assert nothing_appeared(tmp_path)


@pytest.mark.slow  # TensorFlow waits ten seconds for memory
def test_huge_declared_layer_is_refused(saved, tmp_path):
    rewrite(lambda text: changed_layer(text, "fusion_0", config={"units": 2**44}))
    with pytest.raises(Exception):  # noqa: B017 each backend says in its own way that it is too much
        keras.models.load_model("model.keras")
    assert nothing_appeared(tmp_path)


@pytest.mark.parametrize("method", [method.name for method in kf.methods()])
def test_no_class_of_ours_needs_trust(method):
    """Every method's model, built again from its config in Keras' default mode."""
    nets = {"sound": vector_net("one"), "image": map_net("two")}
    with without_weights():
        model = kf.build(method, nets, missing_modalities=True)
        config = json.dumps(keras.saving.serialize_keras_object(model))
        assert "__lambda__" not in config and '"Lambda"' not in config
        again = keras.saving.deserialize_keras_object(json.loads(config), safe_mode=True)
    assert [x.name for x in again.layers] == [x.name for x in model.layers]


def test_the_default_mode_is_safe(tmp_path):
    model = kf.build("centralnet", [vector_net("one"), vector_net("two")], missing_modalities=True)
    model.save(tmp_path / "model.keras")
    keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    ours = [x for x in vars(kf.layers).values() if isinstance(x, type)]
    assert ours and not any(issubclass(x, (layers.Lambda, layers.TFSMLayer)) for x in ours)


UNSAFE = re.compile(
    r"^\s*(?:import|from)\s+(?:pickle|marshal|dill|shelve|joblib|cloudpickle)\b"
    r"|allow_pickle\s*=\s*True|safe_mode\s*=\s*False|enable_unsafe_deserialization",
    re.M,
)


def test_no_pickle_in_the_package():
    """No file that a user may get from others is read in a way that runs code.

    Runs and data are pickled for the workers of an executor, which this process has started.
    """
    root = Path(kf.__file__).parent
    found = {
        path.relative_to(root): hits
        for path in root.rglob("*.py")
        if path.name not in ("_child.py", "_executors.py")
        and (hits := UNSAFE.findall(path.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert UNSAFE.search("x = 1\nimport pickle") and UNSAFE.search("np.load(f, allow_pickle=True)")
