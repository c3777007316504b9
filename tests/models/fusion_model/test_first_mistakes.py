"""What goes wrong in the first hour, and says what to do."""

import inspect
import re

import keras
import numpy as np
import pytest
from architecture import ROOT
from helpers.tiny import BATCH, OneBatch, batch, compiled, vector_net

import keras_fusion as kf
from keras_fusion.models.fusion_model._labels import WORDS as ADVICE

WORDS = np.array(["cat", "dog"] * (BATCH // 2))
IS_TENSORFLOW = keras.backend.backend() == "tensorflow"


def new_model():
    nets = {"a": vector_net("one"), "b": vector_net("two")}
    return kf.build_late_fusion(nets)


def tensors(x, y):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(2)


def column(dtype):
    return lambda x, y: (x, pytest.importorskip("pandas").Series(y).astype(dtype))


KINDS = {
    "str": lambda x, y: (x, y),
    "bytes": lambda x, y: (x, y.astype("S")),
    "objects": lambda x, y: (x, y.astype(object)),
    "some": lambda x, y: (x, np.array([1, "dog", 2, 3], object)),
    "list": lambda x, y: (x, list(y)),
    "dict": lambda x, y: (x, {"central": y, "a": y, "b": y}),
    "Series": column(object),
    "category": column("category"),
    "PyDataset": lambda x, y: (OneBatch(x, y),),
    "tf.data": lambda x, y: (tensors(x, y),),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_are_words(kind):
    if kind == "tf.data" and not IS_TENSORFLOW:
        pytest.skip("only TensorFlow has strings")
    model = compiled(new_model())
    given = KINDS[kind](batch(model), WORDS)
    with pytest.raises((TypeError, ValueError), match=r"y.*: expected .*StringLookup"):
        model.fit(*given, shuffle=False, verbose=0)


def test_the_advice_on_labels_works():
    known = {"keras": keras, "numpy": np, "y": WORDS}
    lookup, unique = re.findall(r"keras[^ ]* num[^ ]*|numpy.unique\(.*\)", ADVICE)
    known["classes"], y = eval(unique, known)
    np.testing.assert_array_equal(y, [0, 1] * (BATCH // 2))
    if IS_TENSORFLOW:
        np.testing.assert_array_equal(eval(lookup, known), y)


def test_signature():
    """Also for `help`: what is needed has no default."""
    needed = {
        name
        for name, parameter in inspect.signature(kf.FusionModel).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    }
    assert needed == {"inputs", "outputs", "unimodal_loss_weights"}
    model = new_model()
    given = {"inputs": model.input, "outputs": model.output, "unimodal_loss_weights": 0.5}
    assert kf.FusionModel(**given).heads == model.heads
    for name in needed:
        with pytest.raises(TypeError, match=f"expected .*{name}=|missing 1 .*{name}"):
            kf.FusionModel(**{key: value for key, value in given.items() if key != name})


def test_signature_of_a_subclass():
    class Own(kf.FusionModel):
        def __init__(self, *args, factor=2, **kwargs):
            super().__init__(*args, **kwargs)

    class Like(kf.FusionModel):
        pass

    assert "factor" in inspect.signature(Own).parameters
    assert inspect.signature(Like) == inspect.signature(kf.FusionModel)


def test_loading_without_the_package(tmp_path, monkeypatch):
    """Keras' own error, which docs/versions.md explains, and where it comes from."""
    model = new_model()
    model.save(tmp_path / "model.keras")
    known = keras.saving.get_custom_objects()
    with monkeypatch.context() as hidden:
        for name in [name for name in known if name.startswith("keras_fusion>")]:
            hidden.delitem(known, name)
        with pytest.raises(TypeError, match="Could not locate class 'FusionModel'") as error:
            keras.models.load_model(tmp_path / "model.keras")
    quoted = "Could not locate class 'FusionModel'. Make sure custom classes and functions are"
    assert quoted in str(error.value)
    guide = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
    assert quoted in " ".join(guide.split()) and "import keras_fusion" in guide
    assert isinstance(keras.models.load_model(tmp_path / "model.keras"), kf.FusionModel)
