"""Late fusion: every rule against NumPy, on the predictions of the model's own heads."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    OneBatch,
    assert_close,
    batch,
    cross_entropy,
    labels,
    map_net,
    outputs,
    randomize,
    values,
    vector_net,
)
from keras import layers, ops

from keras_fusion.models import build_late_fusion
from keras_fusion.models.builders.late_fusion import RULES

FIXED = [rule for rule in RULES if rule not in ("weighted_mean", "concat")]
PRESENT = np.array([[1, 1, 1], [0, 1, 0], [1, 0, 1], [1, 1, 0]])


def three():
    """Not in the order of their names, so that mixed up columns of `present` show."""
    return {"text": vector_net("net_t"), "picture": map_net("net_p"), "sound": vector_net("net_s")}


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def by_hand(rule, p):
    """One sample at a time: what the docstring of `build_late_fusion` says."""
    if rule == "mean":
        return p.mean(0)
    if rule == "max":
        return p.max(0) / p.max(0).sum()
    if rule == "product":
        return p.prod(0) / p.prod(0).sum()
    votes = np.eye(p.shape[1])[p.argmax(1)].mean(0)
    weight = 0.01 / 3  # divided by the number of all modalities
    return (1 - weight) * votes + weight * p.mean(0)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("rule", FIXED)
def test_fixed_rules(rule, missing):
    model = build_late_fusion(three(), rule=rule, missing_modalities=missing)
    randomize(model)
    x = batch(model)
    if missing:
        x["present"] = PRESENT  # columns in the order of the sorted names
    found = outputs(model, x)
    order = sorted(model.modalities)
    for sample, row in enumerate(PRESENT if missing else np.ones_like(PRESENT)):
        p = np.array([found[n][sample] for n, here in zip(order, row, strict=True) if here])
        expected = by_hand(rule, p)
        np.testing.assert_allclose(found["central"][sample], expected, rtol=1e-5, atol=1e-6)
    assert model.fusion_weights() == {}


@pytest.mark.parametrize("missing", [False, True])
def test_weighted_mean(missing):
    model = build_late_fusion(
        three(), rule="weighted_mean", unimodal_loss_weights=1.0, missing_modalities=missing
    )
    randomize(model)
    alphas = {"text": 0.4, "picture": -0.7, "sound": 1.1}
    model.get_layer("fusion_0").alpha.assign(list(alphas.values()))
    x = batch(model)
    if missing:
        x["present"] = PRESENT
    found = outputs(model, x)
    order = sorted(alphas)
    for sample, row in enumerate(PRESENT if missing else np.ones_like(PRESENT)):
        here = [n for n, there in zip(order, row, strict=True) if there]
        weights = softmax(np.array([alphas[n] for n in here]))
        expected = sum(w * found[n][sample] for w, n in zip(weights, here, strict=True))
        np.testing.assert_allclose(found["central"][sample], expected, rtol=1e-5, atol=1e-6)
    shares = dict(zip(alphas, softmax(np.array(list(alphas.values()))), strict=True))
    assert model.fusion_weights()["level_0"] == pytest.approx(shares)


@pytest.mark.parametrize("fuse", ["logits", "probabilities"])
@pytest.mark.parametrize("missing", [False, True])
def test_concat(missing, fuse):
    model = build_late_fusion(
        three(), rule="concat", fuse=fuse, unimodal_loss_weights=1.0, missing_modalities=missing
    )
    randomize(model)
    x = batch(model)
    if missing:
        x["present"] = PRESENT
    found = outputs(model, x)
    scores = []
    for name in model.modalities:
        column = PRESENT[:, sorted(model.modalities).index(name)]
        score = np.log(found[name]) if fuse == "logits" else found[name]
        scores.append(score * (column[:, None] if missing else 1))
    kernel, bias = map(np.array, model.get_layer("central_logits").get_weights())
    expected = softmax(np.concatenate(scores, -1) @ kernel + bias)
    np.testing.assert_allclose(found["central"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_default_heads_are_those_of_the_paper(rule):
    model = build_late_fusion({"a": vector_net("one"), "b": vector_net("two")}, rule=rule)
    learned = rule in ("weighted_mean", "concat")
    assert sorted(model.output) == (["central"] if learned else ["a", "b", "central"])
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    x, y = batch(model), labels()
    loss = model.test_on_batch(x, y, return_dict=True)["loss"]
    heads = outputs(model, x)
    expected = sum(cross_entropy(p, y).mean() for p in heads.values())
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


@pytest.mark.parametrize("rule", ["product", "vote", "weighted_mean", "concat"])
def test_fit_save_load(rule, tmp_path):
    nets = {"a": vector_net("one"), "b": map_net("two")}
    model = build_late_fusion(nets, rule=rule)
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


def test_concat_multi_task_is_concat_with_unimodal_losses():
    nets = {"a": vector_net("one"), "b": vector_net("two")}
    model = build_late_fusion(nets, rule="concat", unimodal_loss_weights={"a": 1.0, "b": 0.5})
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    x, y = batch(model), labels()
    heads = outputs(model, x)
    expected = sum(
        beta * cross_entropy(heads[head], y).mean()
        for head, beta in {"central": 1, "a": 1, "b": 0.5}.items()
    )
    found = model.test_on_batch(x, y, return_dict=True)["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_central_loss_alone_does_not_train_through_votes():
    """Each classifier on its own, as the docstring says, for "mean" too."""
    nets = {"a": vector_net("one"), "b": vector_net("two")}
    apart = {"central": 0.0, "a": 1.0, "b": 1.0}
    results = []
    for rule, weights in (("vote", None), ("mean", apart), ("mean", None)):
        copies = {name: keras.models.clone_model(net) for name, net in nets.items()}
        for name, net in nets.items():
            copies[name].set_weights(net.get_weights())
        model = build_late_fusion(copies, rule=rule)
        model.compile("sgd", "sparse_categorical_crossentropy", loss_weights=weights)
        model.train_on_batch(batch(model), labels())
        results.append(copies["a"].get_weights())
    vote, mean_apart, mean = results
    for one, two in zip(vote, mean_apart, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)
    assert any(np.abs(one - two).max() > 1e-5 for one, two in zip(mean, mean_apart, strict=True))


@pytest.mark.parametrize("rule", ["mean", "weighted_mean"])
def test_regression(rule):
    nets = {"a": vector_net("one", classes=None), "b": vector_net("two", classes=None)}
    model = build_late_fusion(nets, rule=rule, units=2, unimodal_loss_weights=1.0)
    randomize(model)
    found = outputs(model, batch(model))
    weights = np.array([0.5, 0.5])
    if rule == "weighted_mean":
        weights = softmax(ops.convert_to_numpy(model.get_layer("fusion_0").alpha))
        assert abs(weights[0] - 0.5) > 0.01
    expected = weights[0] * found["a"] + weights[1] * found["b"]
    np.testing.assert_allclose(found["central"], expected, rtol=1e-5, atol=1e-6)


def test_regression_on_concatenated_values():
    nets = {"a": vector_net("one", classes=None), "b": vector_net("two", classes=None)}
    model = build_late_fusion(nets, rule="concat", units=2, unimodal_loss_weights=1.0)
    randomize(model)
    found = outputs(model, batch(model))
    kernel, bias = model.get_layer("central_logits").get_weights()
    expected = np.concatenate([found["a"], found["b"]], axis=-1) @ kernel + bias
    np.testing.assert_allclose(found["central"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", ["max", "product", "vote"])
def test_rules_for_probabilities_only(rule):
    nets = [vector_net("one", classes=None), vector_net("two", classes=None)]
    with pytest.raises(ValueError, match=rf"for regression.*Received: '{rule}'"):
        build_late_fusion(nets, rule=rule, units=2)


@pytest.mark.parametrize("rule", RULES)
def test_several_labels_at_once(rule):
    nets = {n: vector_net(n, activation="sigmoid") for n in "ab"}
    model = build_late_fusion(nets, rule=rule, unimodal_loss_weights=1.0)
    randomize(model)
    found = outputs(model, batch(model))
    p = np.array([found["a"], found["b"]])
    assert found["central"].min() >= 0 and found["central"].max() <= 1
    if rule == "product":
        odds = (p / (1 - p)).prod(0)
        np.testing.assert_allclose(found["central"], odds / (1 + odds), rtol=1e-4)
    if rule == "max":
        np.testing.assert_allclose(found["central"], p.max(0), rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_absent_modality_reaches_nothing(rule):
    nets = three()
    model = build_late_fusion(nets, rule=rule, missing_modalities=True, unimodal_loss_weights=1.0)
    model.compile("sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = batch(model), labels()
    x["present"] = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]])
    clean = outputs(model, x)["central"]
    for k, name in enumerate(sorted(nets)):
        x[name][x["present"][:, k] == 0] = np.nan
    broken = outputs(model, x)["central"]
    np.testing.assert_array_equal(clean, broken)
    np.testing.assert_allclose(broken.sum(-1), 1, rtol=1e-5)
    assert np.isfinite(model.fit(OneBatch(x, y), verbose=0).history["loss"]).all()
    assert all(np.isfinite(value).all() for value in values(model).values())


def test_missing_modalities_without_the_mask_are_all_present():
    nets = three()
    one = build_late_fusion(nets, missing_modalities=True)
    two = build_late_fusion(nets)
    assert_close(outputs(one, batch(two)), outputs(two, batch(two)))


@pytest.mark.parametrize("rule", ["mean", "weighted_mean", "concat"])
def test_mixed_precision(rule):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_late_fusion([vector_net("one"), vector_net("two")], rule=rule)
        x = batch(model)
        central = outputs(model, x)["central"]
        assert central.dtype == np.float32
        # The backbones' own softmax, in bfloat16, is not nearer to 1.
        np.testing.assert_allclose(central.sum(-1), 1, rtol=5e-3)
    finally:
        keras.config.set_dtype_policy("float32")


def test_networks_without_anything_to_fuse_below():
    """No hidden layer in one, a kind of tensors that could not be aligned in the other."""
    inputs = keras.Input((2, 2, 2, 2, 1))
    odd = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten()(inputs)))
    model = build_late_fusion({"odd": odd, "flat": vector_net("flat", units=())})
    found = outputs(model, batch(model))
    np.testing.assert_allclose(found["central"], (found["odd"] + found["flat"]) / 2, rtol=1e-5)


def test_priors():
    nets = {"a": vector_net("one"), "b": vector_net("two")}
    priors = np.array([0.2, 0.3, 0.5])
    model = build_late_fusion(nets, rule="product", priors=priors.tolist())
    randomize(model)
    found = outputs(model, batch(model))
    expected = found["a"] * found["b"] / priors
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(found["central"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"rule": "median"}, "rule: expected one of .*Received: 'median'"),
        ({"rule": "mean", "priors": [0.5, 0.5]}, 'priors: .*"product".*rule="mean"'),
        ({"rule": "product", "priors": [0.5, 0.5]}, "one value for each of the 3 classes"),
        ({"rule": "concat", "fuse": "scores"}, "fuse: expected one of .*Received: 'scores'"),
        ({"unimodal_loss_weights": "all"}, "unimodal_loss_weights: .*Received: 'all'"),
    ],
)
def test_errors(arguments, match):
    with pytest.raises(ValueError, match=match):
        build_late_fusion([vector_net("one"), vector_net("two")], **arguments)
