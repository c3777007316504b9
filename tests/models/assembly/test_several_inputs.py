"""A backbone with several inputs is one modality: its part of `x` is a dict."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    compiled,
    labels,
    map_net,
    outputs,
    reloaded,
    sequence_net,
    text_net,
    untrained_weights,
    vector_net,
)

import keras_fusion as kf

BATCH = 4


def data(count=BATCH, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "text": {
            "words": rng.integers(1, 9, (count, 6)),
            "padding": (rng.uniform(size=(count, 6)) < 0.7).astype("int32"),
        },
        "table": rng.normal(size=(count, 5)).astype("float32"),
    }


def backbones(structure=dict):
    return {"text": text_net(structure), "table": vector_net()}


@pytest.mark.parametrize("structure", [dict, list])
def test_the_backbone_computes_what_it_did(structure):
    nets, x = backbones(structure), data()
    given = x["text"] if structure is dict else [x["text"]["words"], x["text"]["padding"]]
    model = kf.build_centralnet(nets)
    assert model.modalities == ["text", "table"]
    assert sorted(model.input["text"]) == ["padding", "words"]
    expected = keras.ops.convert_to_numpy(nets["text"](given))
    np.testing.assert_allclose(outputs(model, x)["text"], expected, rtol=1e-5)


@pytest.mark.parametrize("missing", [False, True])
def test_every_weight_learns_and_files_hold_it(missing, tmp_path):
    model = kf.build_centralnet(backbones(), missing_modalities=missing)
    x = data()
    if missing:
        x["present"] = np.array([[1, 1], [1, 0], [0, 1], [1, 1]])
    assert untrained_weights(model, x, labels()) == []
    loaded = reloaded(model, tmp_path)
    assert_close(outputs(loaded, x), outputs(model, x))
    loaded.fit(x, labels(), verbose=0)


def test_an_absent_text_changes_nothing():
    model = kf.build_centralnet(backbones(), missing_modalities=True)
    x = {**data(), "present": np.array([[1, 0]] * BATCH)}  # sorted: table, text
    before = outputs(model, x)
    x["text"] = {key: np.roll(value, 1) for key, value in x["text"].items()}
    assert_close(outputs(model, x), before)


def test_fit_evaluate_and_predict_with_more_keys_than_needed():
    model = compiled(kf.build_centralnet(backbones()), metrics=["accuracy"])
    x = data(8)
    more = {**x, "other": np.zeros(8), "text": {**x["text"], "raw": np.zeros(8)}}
    y = labels(8)
    history = model.fit(more, y, batch_size=4, validation_data=(more, y), verbose=0).history
    assert np.isfinite(history["val_loss"]).all()
    assert model.evaluate(more, y, verbose=0, return_dict=True).keys() >= {"central_accuracy"}
    assert_close(model.predict(more, verbose=0), outputs(model, x))


@pytest.mark.parametrize("method", ["gmu", "moddrop", "early"])
def test_other_methods(method):
    model = kf.build(method, backbones())
    assert untrained_weights(model, data(), labels()) == []


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="elsewhere by a process")
def test_saved_model(tmp_path):
    import tensorflow as tf

    model, x = kf.build_centralnet(backbones()), data()
    kf.export_saved_model(model, tmp_path / "model")
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    served = serve(
        text_words=tf.constant(x["text"]["words"], "int32"),
        text_padding=tf.constant(x["text"]["padding"], "int32"),
        table=tf.constant(x["table"]),
    )
    np.testing.assert_allclose(served["central"], outputs(model, x)["central"], atol=1e-6)


def test_samples_of_different_lengths():
    nets = {"table": vector_net(), "track": sequence_net(length=None)}
    model = compiled(kf.build_centralnet(nets))
    uneven = np.empty(2, "object")
    uneven[:] = [np.zeros((4, 2)), np.zeros((6, 2))]
    received = {"an array of arrays": uneven}
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        received["a RaggedTensor"] = tf.RaggedTensor.from_row_lengths(np.zeros((10, 2)), [4, 6])
    for kind, track in received.items():
        x = {"table": np.zeros((2, 5)), "track": track}
        for verb in (model.predict, lambda x: model.fit(x, labels(2))):
            with pytest.raises(ValueError, match=f'x."track".*one shape. Received: {kind}. Pad'):
                verb(x)


def without(key):
    x = data()
    del x["text"][key]
    return x


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            lambda model: model.predict(without("padding"), verbose=0),
            r'x\["text"\]: expected a dict with .*padding.*Received: .*words',
        ),
        (
            lambda model: model.predict({**data(), "text": np.zeros((4, 6))}, verbose=0),
            r'x\["text"\].*Received: ndarray',
        ),
        (
            lambda model: kf.build_xflow({"text": text_net(), "image": map_net()}),
            "expected one input for this method",
        ),
        (
            lambda model: kf.build_ensemble(
                {"a": text_net(name="a"), "b": text_net(name="b")}, inputs="text"
            ),
            "expected one input for this method",
        ),
    ],
)
def test_errors(call, match):
    model = kf.build_centralnet(backbones())
    with pytest.raises(ValueError, match=match):
        call(model)


def test_absent_texts_where_words_meet():
    """Fused at the words' vectors already, which the mask of an empty text would make NaN."""
    text = kf.backbones.text_encoder(9, hidden_units=(4,), num_classes=3)
    nets = {"table": vector_net(units=(4, 4, 4)), "text": text}
    model = compiled(kf.build_centralnet(nets, missing_modalities=True))
    x = {"table": data()["table"], "text": np.zeros((BATCH, 5), "int32")}
    x["text"][0, :2] = 3
    x["present"] = np.array([[1, 1], [1, 1], [1, 0], [1, 0]])
    assert np.isfinite(model.train_on_batch(x, labels())).all()
    assert all(np.isfinite(value).all() for value in outputs(model, x).values())
    assert list(model.fusion_levels.values()) == ["64", "4", "prediction"]
