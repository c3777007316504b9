"""Ensembles, Fusion+Ensemble and hybrid fusion: every mean against the parts it is made of."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    OneBatch,
    assert_close,
    batch,
    labels,
    map_net,
    outputs,
    randomize,
    values,
    vector_net,
)
from keras import ops

from keras_fusion.models import (
    build_ensemble,
    build_fusion_ensemble,
    build_hybrid_fusion,
    build_intermediate_fusion,
)

PRESENT = np.array([[1, 1], [0, 1], [1, 0], [0, 0]])


def nets():
    """Not in the order of their names."""
    return {"b": vector_net("x", units=(4, 3)), "a": vector_net("y", units=(4, 3))}


def joint_part(model, x, **arguments):
    """What the joint network inside `model` predicts, from a basic fusion with its weights."""
    streams = {name: model.get_layer(f"{name}_backbone") for name in ("b", "a")}
    backbones = {n: keras.Model(s.inputs, s.outputs[-1]) for n, s in streams.items()}
    basic = build_intermediate_fusion(backbones, missing_modalities=model.has_present, **arguments)
    for layer in basic.layers:
        if layer.name.startswith("central_"):
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return outputs(basic, x)["central"]


@pytest.mark.parametrize(("operation", "level"), [("sum", 0), ("subtract", 1), ("concat", -1)])
@pytest.mark.parametrize("missing", [False, True])
def test_fusion_ensemble_is_the_mean_of_its_members(operation, level, missing):
    model = build_fusion_ensemble(
        nets(), operation=operation, level=level, missing_modalities=missing
    )
    randomize(model)
    x = batch(model)
    if missing:
        x["present"] = PRESENT
    found = outputs(model, x)
    fused = joint_part(model, x, operation=operation, level=level)
    here = {"a": PRESENT[:, :1], "b": PRESENT[:, 1:]} if missing else {"a": 1, "b": 1}
    total = fused + sum(here[n] * found[n] for n in here)
    expected = total / (1 + here["a"] + here["b"])
    np.testing.assert_allclose(found["central"], expected, rtol=1e-4, atol=1e-6)


def test_hybrid_fusion_weighs_the_joint_prediction_too():
    model = build_hybrid_fusion(nets(), operation="product", level=1)
    randomize(model)
    alpha = np.array([0.3, -0.5, 1.2])
    model.get_layer("fusion_3").alpha.assign(alpha)
    shares = np.exp(alpha) / np.exp(alpha).sum()
    x = batch(model)
    found = outputs(model, x)
    fused = joint_part(model, x, operation="product", level=1)
    expected = shares[0] * found["b"] + shares[1] * found["a"] + shares[2] * fused
    np.testing.assert_allclose(found["central"], expected, rtol=1e-4, atol=1e-6)
    assert model.fusion_weights()["level_3"] == pytest.approx(
        {"b": shares[0], "a": shares[1], "central": shares[2]}
    )


@pytest.mark.parametrize("missing", [False, True])
def test_hybrid_fusion_with_concatenated_scores(missing):
    model = build_hybrid_fusion(nets(), rule="concat", missing_modalities=missing)
    randomize(model)
    x = batch(model)
    if missing:
        x["present"] = PRESENT
    found = outputs(model, x)
    below = keras.Model(model.input, model.get_layer("central_logits").output)
    joint = below.predict({name: x[name] for name in model.input}, verbose=0)
    predicted = joint_part(model, x, operation="concat", level=-1)
    np.testing.assert_allclose(ops.convert_to_numpy(ops.softmax(joint)), predicted, rtol=1e-4)
    scores = [np.log(found["b"]), np.log(found["a"]), joint]
    if missing:
        scores[0], scores[1] = scores[0] * PRESENT[:, 1:], scores[1] * PRESENT[:, :1]
    kernel, bias = model.get_layer("central_scores").get_weights()
    logits = np.concatenate(scores, -1) @ kernel + bias
    expected = ops.convert_to_numpy(ops.softmax(logits))
    np.testing.assert_allclose(found["central"], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (build_fusion_ensemble, {}),
        (build_hybrid_fusion, {}),
        (build_hybrid_fusion, {"rule": "product", "unimodal_loss_weights": None}),
        (build_ensemble, {}),
        (build_ensemble, {"inputs": "sound"}),
    ],
)
def test_fit_save_load(build, arguments, tmp_path):
    model = build(nets(), **arguments)
    alone = arguments.get("unimodal_loss_weights", 1.0) is None
    assert sorted(model.output) == (["central"] if alone else ["a", "b", "central"])
    model.compile("sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = batch(model), labels()
    before = values(model)
    model.fit(x, y, verbose=0)
    after = values(model)
    assert all(np.any(before[path] != after[path]) for path in after)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(outputs(loaded, x), outputs(model, x))
    assert loaded.fusion_weights() == model.fusion_weights()
    loaded.run_eagerly = True  # the graph is that of `model`
    loaded.fit(x, y, verbose=0)


@pytest.mark.parametrize("build", [build_fusion_ensemble, build_hybrid_fusion, build_ensemble])
def test_absent_modality_reaches_nothing(build):
    model = build(nets(), missing_modalities=True)
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    x, y = batch(model), labels()
    x["present"] = PRESENT
    clean = outputs(model, x)["central"]
    x["a"][PRESENT[:, 0] == 0] = x["b"][PRESENT[:, 1] == 0] = np.nan
    np.testing.assert_array_equal(outputs(model, x)["central"], clean)
    assert np.isfinite(model.fit(OneBatch(x, y), verbose=0).history["loss"]).all()
    assert all(np.isfinite(value).all() for value in values(model).values())


def test_ensemble_on_one_input():
    backbones = {name: vector_net(name) for name in ("one", "two", "three")}
    model = build_ensemble(backbones, inputs="sound")
    assert (model.modalities, sorted(model.heads)) == (
        ["sound"],
        ["central", "one", "three", "two"],
    )
    randomize(model)
    x = batch(model)
    found = outputs(model, x)
    each = {name: net.predict_on_batch(x["sound"]) for name, net in backbones.items()}
    assert_close(found, {**each, "central": np.mean(list(each.values()), axis=0)})
    loss = {"central": 0.0, "one": 1.0, "two": 1.0, "three": 1.0}
    model.compile("sgd", "sparse_categorical_crossentropy", loss_weights=loss)
    model.fit(x, labels(), verbose=0)


def test_ensemble_on_two_inputs():
    backbones = {
        "ear": vector_net("ear"),
        "eye": map_net("eye"),
        "other_eye": map_net("other_eye"),
    }
    inputs = {"ear": "sound", "eye": "image", "other_eye": "image"}
    model = build_ensemble(backbones, inputs=inputs, unimodal_loss_weights=None)
    assert sorted(model.input) == ["image", "sound"] and list(model.output) == ["central"]
    x = batch(model)
    each = [net.predict_on_batch(x[inputs[name]]) for name, net in backbones.items()]
    expected = np.mean(each, axis=0)
    np.testing.assert_allclose(outputs(model, x)["central"], expected, rtol=1e-5)


def test_ensemble_of_regressions():
    backbones = {name: vector_net(name, classes=None) for name in ("one", "two")}
    model = build_ensemble(backbones, inputs="x", units=2)
    found = outputs(model, batch(model))
    np.testing.assert_allclose(found["central"], (found["one"] + found["two"]) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("build", "arguments", "error", "match"),
    [
        (build_fusion_ensemble, {"rule": "max"}, TypeError, "neither of .*hybrid.*Received: rule"),
        (build_fusion_ensemble, {"level": 3}, ValueError, "level: expected an int from 0 to 2"),
        (build_hybrid_fusion, {"rule": "median"}, ValueError, "rule: expected one of"),
        (build_hybrid_fusion, {"operation": "mean"}, ValueError, "operation: expected one of"),
        (build_ensemble, {"inputs": ["x"]}, TypeError, "inputs: expected None, a string or"),
        (build_ensemble, {"inputs": {"a": "x"}}, ValueError, r"the classifiers \['b', 'a'\]"),
        (build_ensemble, {"inputs": "present"}, ValueError, "inputs: expected names"),
        (
            build_ensemble,
            {"inputs": "x", "missing_modalities": True},
            ValueError,
            "missing_modalities: expected False together with inputs",
        ),
    ],
)
def test_errors(build, arguments, error, match):
    with pytest.raises(error, match=match):
        build(nets(), **arguments)


def test_classifiers_of_one_input_need_one_shape():
    backbones = {"a": vector_net("one"), "b": vector_net("two", features=7)}
    with pytest.raises(ValueError, match=r'for "x". Received: \(5,\).* and \(7,\).* of "b"'):
        build_ensemble(backbones, inputs="x")
