"""Loss, metrics and targets of a fusion model, against NumPy with distinct weights per head."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    BATCH,
    assert_close,
    batch,
    compiled,
    cross_entropy,
    labels,
    outputs,
    untrained_weights,
    vector_net,
)

from keras_fusion import build_centralnet

SPARSE = "sparse_categorical_crossentropy"
HEADS = ["central", "a", "b"]


def two_vectors(**arguments):
    nets = {"a": vector_net("one"), "b": vector_net("two")}
    return build_centralnet(nets, dropout=0, **arguments)


def losses_by_hand(model, x, y, weight=1.0, training=False):
    """Mean cross entropy of every head."""
    predicted = outputs(model, x, training)
    return {head: (weight * cross_entropy(p, y)).mean() for head, p in predicted.items()}


# How the betas are given: to the builder, to compile, or as Keras' own loss_weights; the result.
BETAS = [
    ({}, {}, {"central": 1, "a": 1, "b": 1}),
    ({"unimodal_loss_weights": 0.3}, {}, {"central": 1, "a": 0.3, "b": 0.3}),
    ({"unimodal_loss_weights": {"a": 0.3, "b": 2}}, {}, {"central": 1, "a": 0.3, "b": 2}),
    ({"unimodal_loss_weights": {"b": 0.0}}, {}, {"central": 1, "a": 1, "b": 0}),
    ({}, {"unimodal_loss_weights": 0.7}, {"central": 1, "a": 0.7, "b": 0.7}),
    (
        {"unimodal_loss_weights": 5.0},
        {"unimodal_loss_weights": {"a": 0.2, "b": 0.6}},
        {"central": 1, "a": 0.2, "b": 0.6},
    ),
    (
        {"unimodal_loss_weights": 5.0},
        {"loss_weights": {"central": 3.0, "a": 0.5, "b": 0.25}},
        {"central": 3, "a": 0.5, "b": 0.25},
    ),
]


@pytest.mark.parametrize(("built", "compiled_with", "betas"), BETAS)
def test_loss_is_equation_2(built, compiled_with, betas):
    model = compiled(two_vectors(**built), **compiled_with)
    x, y = batch(model), labels()
    expected = losses_by_hand(model, x, y)
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    for head in HEADS:
        assert logs[f"{head}_loss"] == pytest.approx(expected[head], rel=1e-5)
    total = sum(betas[head] * expected[head] for head in HEADS)
    assert logs["loss"] == pytest.approx(total, rel=1e-5)


def test_gradients_go_by_the_betas():
    """With beta 0 a head's own last layer gets its gradient through the central loss alone."""
    model = two_vectors(unimodal_loss_weights={"a": 0.0, "b": 0.0})
    # The prediction enters the central sum with weight 0, so nothing reaches a's last layer.
    model.get_layer("fusion_2").weights[0].assign([0.0, 1.0, 1.0, 1.0])
    kept = untrained_weights(model, batch(model), labels())
    assert kept == ["prediction/kernel", "prediction/bias"]
    assert [w.path for w in model.trainable_weights].count("prediction/kernel") == 2


def test_dicts_of_losses_and_targets():
    """A loss and a target of its own for every head."""
    model = two_vectors()
    compiled(model, loss={"central": SPARSE, "a": "mse", "b": SPARSE}, unimodal_loss_weights=0.5)
    x = batch(model)
    y = {"central": labels(seed=1), "a": np.eye(BATCH, 3, dtype="float32"), "b": labels(seed=2)}
    p = outputs(model, x)
    expected = {
        "central": cross_entropy(p["central"], y["central"]).mean(),
        "a": np.square(p["a"] - y["a"]).mean(),
        "b": cross_entropy(p["b"], y["b"]).mean(),
    }
    expected["loss"] = expected["central"] + 0.5 * expected["a"] + 0.5 * expected["b"]
    logs = model.evaluate(x, {**y, "further": y["a"]}, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    for head in HEADS:
        assert logs[f"{head}_loss"] == pytest.approx(expected[head], rel=1e-5)


def test_loss_of_one_head_only():
    model = compiled(two_vectors(), loss={"central": SPARSE})
    x, y = batch(model), labels()
    expected = losses_by_hand(model, x, y)["central"]
    assert model.evaluate(x, y, verbose=0, return_dict=True)["loss"] == pytest.approx(expected)


class Doubled(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return 2 * keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


@pytest.mark.parametrize(
    "loss",
    [
        Doubled,
        lambda: lambda y, p: 2 * keras.losses.sparse_categorical_crossentropy(y, p),
    ],
    ids=["object", "function"],
)
def test_own_losses(loss):
    model = compiled(two_vectors(), loss=loss())
    x, y = batch(model), labels()
    expected = 2 * sum(losses_by_hand(model, x, y).values())
    assert model.evaluate(x, y, verbose=0, return_dict=True)["loss"] == pytest.approx(
        expected, rel=1e-5
    )


def weights_of(kind):
    one = np.array([1.0, 0.5, 0.0, 2.0], "float32")
    if kind == "array":
        return one, dict.fromkeys(HEADS, one)
    other = one[::-1].copy()
    return {"central": one, "a": other}, {"central": one, "a": other, "b": np.ones(BATCH)}


@pytest.mark.parametrize("kind", ["array", "dict"])
@pytest.mark.parametrize("verb", ["evaluate", "test_on_batch", "train_on_batch", "fit"])
def test_sample_weights(kind, verb):
    model = compiled(two_vectors(), weighted_metrics=["accuracy"])
    x, y = batch(model), labels()
    given, per_head = weights_of(kind)
    p = outputs(model, x, training=verb in ("fit", "train_on_batch"))
    if verb == "fit":
        history = model.fit(x, y, sample_weight=given, batch_size=BATCH, verbose=0).history
        logs = {name: value[0] for name, value in history.items()}
    elif verb == "evaluate":
        logs = model.evaluate(x, y, sample_weight=given, verbose=0, return_dict=True)
    else:
        logs = getattr(model, verb)(x, y, sample_weight=given, return_dict=True)
    total = 0
    for head in HEADS:
        weight = per_head[head]
        loss = (weight * cross_entropy(p[head], y)).mean()
        assert logs[f"{head}_loss"] == pytest.approx(loss, rel=1e-5)
        right = (p[head].argmax(-1) == y) * weight
        assert logs[f"{head}_accuracy"] == pytest.approx(right.sum() / weight.sum(), abs=1e-6)
        total += loss
    assert logs["loss"] == pytest.approx(total, rel=1e-5)


def test_class_weights():
    """They become sample weights, as in any Keras model with one target."""
    model = compiled(two_vectors())
    x, y = batch(model), labels()
    weight = np.array([1.0, 0.25, 3.0])[y]
    expected = losses_by_hand(model, x, y, weight, training=True)
    history = model.fit(x, y, class_weight={0: 1.0, 1: 0.25, 2: 3.0}, verbose=0).history
    assert history["loss"][0] == pytest.approx(sum(expected.values()), rel=1e-5)


def accuracy(p, y):
    return (p.argmax(-1) == y).mean()


def top_2(p, y):
    return np.mean([label in np.argsort(row)[-2:] for row, label in zip(p, y, strict=True)])


@pytest.mark.parametrize(
    ("metrics", "by_hand"),
    [
        ("accuracy", {"accuracy": accuracy}),
        (["accuracy"], {"accuracy": accuracy}),
        (
            lambda: keras.metrics.SparseCategoricalAccuracy(name="right"),
            {"right": accuracy},
        ),
        (
            lambda: ["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top")],
            {"accuracy": accuracy, "top": top_2},
        ),
        (
            lambda: {h: [keras.metrics.SparseCategoricalAccuracy(name="right")] for h in HEADS},
            {"right": accuracy},
        ),
    ],
)
@pytest.mark.parametrize("argument", ["metrics", "weighted_metrics"])
def test_every_head_has_metrics_of_its_own(metrics, by_hand, argument):
    model = two_vectors()
    x, y = batch(model, 16), np.zeros(16, "int64")
    # Biases that make a's head right, b's wrong and the central one mixed.
    for name, bias in (("a", [9.0, 0.0, 0.0]), ("b", [0.0, 9.0, 0.0])):
        model.get_layer(f"{name}_backbone").get_layer("prediction").bias.assign(bias)
    model.get_layer("fusion_2").weights[0].assign([0.1, 0.1, 2.0, 1.0])
    given = metrics() if callable(metrics) else metrics
    compiled(model, **{argument: given})
    logs = model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    p = outputs(model, x)
    expected = {f"{h}_{m}": by_hand[m](p[h], y) for h in HEADS for m in by_hand}
    found = {name: logs[name] for name in logs if not name.endswith("loss")}
    assert_close(found, expected)
    assert (logs[f"a_{next(iter(by_hand))}"], logs[f"b_{next(iter(by_hand))}"])[0] == 1.0
    assert len(set(np.round(list(expected.values()), 3))) > 1


def test_metrics_of_some_heads_only():
    model = compiled(two_vectors(), metrics={"central": ["accuracy"]})
    logs = model.evaluate(batch(model), labels(), verbose=0, return_dict=True)
    assert sorted(logs) == ["a_loss", "b_loss", "central_accuracy", "central_loss", "loss"]


def test_metric_objects_stay_the_users():
    given = keras.metrics.SparseCategoricalAccuracy(name="right")
    model = compiled(two_vectors(), metrics=[given])
    model.evaluate(batch(model), labels(), verbose=0)
    assert float(given.count) == 0


def test_keys_of_the_history():
    model = compiled(two_vectors(), metrics=["accuracy"])
    x, y = batch(model), labels()
    history = model.fit(x, y, validation_data=(x, y), epochs=2, verbose=0).history
    keys = ["loss", *(f"{head}_{what}" for head in HEADS for what in ("loss", "accuracy"))]
    assert sorted(history) == sorted([*keys, *(f"val_{key}" for key in keys)])
    assert all(len(column) == 2 for column in history.values())


def test_loss_of_a_layer_is_added_once():
    """Regularization belongs to the model, not to each head."""
    net = vector_net("one")
    inputs = keras.Input((5,))
    x = keras.layers.Dense(4, activation="tanh", kernel_regularizer="l2")(inputs)
    regular = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    model = compiled(build_centralnet({"a": regular, "b": net}))
    x, y = batch(model), labels()
    penalty = 0.01 * np.square(regular.layers[1].get_weights()[0]).sum()
    expected = sum(losses_by_hand(model, x, y).values()) + penalty
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
