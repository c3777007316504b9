"""Missing modalities in every method: per sample and for a whole batch, in every verb and file."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    compiled,
    labels,
    map_net,
    outputs,
    reloaded,
    values,
    vector_net,
)

import keras_fusion as kf

NAMES = [method.name for method in kf.methods()]
# image, sound: by sample, and batches in which nobody has one of them
PATTERNS = {
    "samples": [[1, 1], [0, 1], [1, 0], [1, 1]],
    "no image": [[0, 1]] * 4,
    "no sound": [[1, 0]] * 4,
}


def built(name, **arguments):
    nets = {"sound": vector_net("one", units=(4, 3)), "image": map_net("two")}
    return kf.build(name, nets, **{"missing_modalities": True, **arguments})


def data(model, pattern, value):
    x = kf.datasets.drop_modalities(batch(model), pattern=PATTERNS[pattern], fill=value)
    return x, labels()


@pytest.mark.parametrize("name", NAMES)
def test_training_and_saving(name, tmp_path):
    """NaN where a modality is absent reaches no weight; predictions are as with any number."""
    model = compiled(built(name), metrics=["accuracy"])
    for pattern in PATTERNS:
        x, y = data(model, pattern, np.nan)
        scores = model.train_on_batch(x, y, return_dict=True)
        assert np.isfinite(scores["loss"]), pattern
    assert all(np.isfinite(value).all() for value in values(model).values())
    again = reloaded(model, tmp_path)
    for pattern in PATTERNS:
        found, same = (outputs(model, data(model, pattern, v)[0]) for v in (np.nan, 3.0))
        assert all(np.isfinite(p).all() for p in found.values())
        assert_close(found, same, atol=1e-6)
        assert_close(outputs(again, data(model, pattern, np.nan)[0]), found)
    again.train_on_batch(*data(model, "no sound", np.nan))
    assert all(np.isfinite(value).all() for value in values(again).values())


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_without_any_modality(name):
    """In a graph: finite, and the same whatever stands there and who else is in the batch."""
    model = built(name)
    x, _ = data(model, "samples", None)
    x["present"] = np.array([[0, 0], [1, 1], [0, 0], [0, 1]], "float32")
    x["image"][0], x["sound"][2] = np.nan, np.nan
    found = outputs(model, x)["central"]
    np.testing.assert_allclose(found[0], found[2], rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["centralnet", "moddrop", "cross_attention", "late_product"])
def test_verbs_in_a_graph(name):
    """fit, evaluate and predict as a user runs them, compiled."""
    model = built(name)
    compiled(model, run_eagerly=False, metrics=["accuracy"])
    x, y = batch(model, 8), labels(8)
    rows = PATTERNS["samples"] + PATTERNS["no image"]  # the second batch has no image at all
    x = kf.datasets.drop_modalities(x, pattern=rows, fill=np.nan)
    history = model.fit(x, y, batch_size=4, shuffle=False, validation_data=(x, y), verbose=0)
    scores = model.evaluate(x, y, batch_size=4, verbose=0)
    assert np.isfinite([v for column in history.history.values() for v in column]).all()
    assert np.isfinite(scores).all()
    assert_close(model.predict(x, batch_size=4, verbose=0), outputs(model, x), atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about SavedModel")
@pytest.mark.parametrize("name", ["centralnet", "gmu", "modality_gated", "moddrop", "late_product"])
def test_export(name, tmp_path):
    tf = pytest.importorskip("tensorflow")
    model = built(name)
    kf.export_saved_model(model, tmp_path / "1")
    served = tf.saved_model.load(tmp_path / "1").signatures["missing_modalities"]
    for pattern in PATTERNS:
        x, _ = data(model, pattern, np.nan)
        fed = {key: tf.constant(array) for key, array in x.items()}
        found = {key: tensor.numpy() for key, tensor in served(**fed).items()}
        assert_close(found, outputs(model, x), atol=1e-5)
