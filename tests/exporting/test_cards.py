"""A shared folder loads as from the Hub, and its card says what the model is; all or nothing."""

import importlib.util
import re
import shutil
import types

import keras
import numpy as np
import pytest
from helpers.tiny import assert_close, batch, compiled, labels, outputs, vector_net

import keras_fusion as kf
from keras_fusion.exporting import _card


def new_model(method="centralnet", **arguments):
    nets = {"photo": vector_net("one", 8), "sound": vector_net("two")}
    model = kf.build(method, nets, **arguments)
    return compiled(model, "adam", metrics=["accuracy"])


def from_the_hub(folder, monkeypatch, tmp_path):
    """Keras' own way from there, but for the download: git keeps no empty folders."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for found in sorted(copy.rglob("*"), reverse=True):
        if found.is_dir() and not any(found.iterdir()):
            found.rmdir()
    (copy / ".gitattributes").write_text("")
    hub = types.SimpleNamespace(snapshot_download=lambda **_: str(copy))
    monkeypatch.setattr("keras.src.saving.saving_lib.huggingface_hub", hub)
    # Keras itself needs TensorFlow for the address, on every backend.
    has_address = importlib.util.find_spec("tensorflow")
    return keras.saving.load_model("hf://owner/name" if has_address else copy)


def rows(card, head):
    """The table below this head, `{first cell: [further cells]}`."""
    lines = iter(card.splitlines())
    assert any(line.startswith(f"| {head} |") for line in lines), head
    next(lines)
    found = {}
    for line in lines:
        if not line.startswith("| "):
            break
        first, *rest = line.strip("| ").split(" | ")
        found[first] = rest
    return found


@pytest.mark.parametrize("missing", [False, True])
def test_folder(missing, tmp_path, monkeypatch):
    model = new_model(missing_modalities=missing)
    x, y = batch(model), labels()
    model.train_on_batch(x, y)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    kf.save_with_card(model, "empty", (x, y))  # a relative path, and a folder that is there
    loaded = from_the_hub(tmp_path / "empty", monkeypatch, tmp_path)
    assert isinstance(loaded, kf.FusionModel)
    assert_close(outputs(loaded, x), outputs(model, x))
    again, first = (m.train_on_batch(x, y, return_dict=True) for m in (loaded, model))
    assert again["loss"] == pytest.approx(first["loss"], rel=1e-5)
    assert again["loss"] != pytest.approx(0)


def test_card(tmp_path):
    model = new_model(missing_modalities=True)
    x, y = batch(model), labels()
    kf.save_with_card(model, tmp_path / "net", (x, y))
    card = (tmp_path / "net" / "README.md").read_text(encoding="utf-8")
    assert rows(card, "input")["`photo`"] == ["8", "float32"]
    assert rows(card, "head") == {"`central`": ["3"], "`photo`": ["3"], "`sound`": ["3"]}
    weights = rows(card, "level | photo | sound")
    assert weights["`level_0`, 4"][:2] == ["0.5000", "0.5000"]
    scores = model.evaluate(x, y, verbose=0, return_dict=True)
    heads = rows(card, "head | accuracy | loss")
    for head, shown in heads.items():
        found = [scores[f"{head.strip('`')}_{name}"] for name in ("accuracy", "loss")]
        np.testing.assert_allclose(np.array(shown, float), found, atol=6e-5)
    assert list(heads) == ["`central`", "`photo`", "`sound`"]
    assert f"Measured on {len(y)} samples" in card
    subsets = kf.evaluation.modality_subsets(model, x, y)
    table = rows(card, "modalities | samples")
    assert list(table) == ["`photo`", "`sound`", "`photo` + `sound`"]
    shown = dict(zip(subsets[("sound",)], table["`sound`"], strict=True))
    assert float(shown["loss"]) == pytest.approx(subsets[("sound",)]["loss"], abs=6e-5)
    assert keras.__version__ in card and f"{model.count_params():,} parameters" in card
    assert "2 columns in the order `photo`, `sound`" in card
    assert card.count("[fill in]") >= 6


def test_head_of_yaml(tmp_path):
    yaml = pytest.importorskip("yaml")
    kf.save_with_card(new_model("late_mean"), tmp_path / "net")
    _, head, card = (tmp_path / "net" / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    tags = ["keras-fusion", "multimodal"]
    assert yaml.safe_load(head) == {"library_name": "keras", "license": "unknown", "tags": tags}
    assert "This method has none." in card and "None were measured." in card


@pytest.mark.parametrize("with_data", [False, True])
def test_weights_of_samples(with_data):
    model = new_model("gmu", fusion_units=3)
    x = batch(model)
    card = _card.text_of(model, (x, labels()) if with_data else None)
    if with_data:
        shares = model.fusion_weights(x)["level_0"]
        (shown,) = rows(card, "level | photo | sound").values()
        np.testing.assert_allclose(np.array(shown, float), list(shares.values()), atol=6e-5)
    else:
        assert "They depend on the sample" in card


def test_weights_that_are_undefined():
    model = new_model()
    layer = next(layer for layer in model.layers if hasattr(layer, "fusion_weights"))
    layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    with pytest.raises(ValueError, match="has training diverged"):
        _card.text_of(model)


def test_all_or_nothing(tmp_path, monkeypatch):
    model = new_model("late_mean")
    save = type(model).save

    def full(model, path, **options):
        save(model, path, **options)
        raise OSError("No space left on device")

    with monkeypatch.context() as broken, pytest.raises(OSError, match="No space left"):
        broken.setattr(type(model), "save", full)
        kf.save_with_card(model, tmp_path / "net")
    assert list(tmp_path.iterdir()) == []
    kf.save_with_card(model, tmp_path / "net")
    with pytest.raises(ValueError, match="folder: expected a folder that does not exist yet or is"):
        kf.save_with_card(model, tmp_path / "net")


def test_code_of_the_card_is_python():
    card = _card.text_of(new_model("late_mean"))
    (source,) = re.findall(r"```python\n(.*?)```", card, re.S)
    compile(source, "card", "exec")
