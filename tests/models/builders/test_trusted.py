"""build_trusted: the network by hand, its loss in every kind of training, and uncertainties."""

import keras
import numpy as np
import pytest
from helpers.tiny import batch, labels, map_net, outputs, reloaded, untrained_weights, vector_net
from scipy import special

import keras_fusion as kf
from keras_fusion.losses import EvidentialLoss

HEADS = ("central", "a", "b")
DATA = {"a": np.zeros((2, 8, 8, 1)), "b": np.zeros((2, 5))}


def nets():
    return {"b": vector_net("one", units=(4,)), "a": map_net("two")}


def built(steps=4, metrics=("accuracy",), eagerly=False, **arguments):
    model = kf.build_trusted(nets(), **arguments)
    model.compile(
        keras.optimizers.SGD(0.1),
        EvidentialLoss(steps),
        metrics=list(metrics),
        run_eagerly=eagerly and keras.backend.backend() == "tensorflow",  # tracing takes longer
    )
    return model


def evidence_by_hand(model, x, enhanced=False):
    """`{head: evidence}` from the backbones' features and the new layers' weights."""
    own = nets()
    taken = {"b": own["b"].get_layer("dense0"), "a": own["a"].get_layer("pool1")}
    features = {}
    for name, net in own.items():
        body = keras.Model(net.input, taken[name].output)
        body.set_weights(model.get_layer(f"{name}_backbone").get_weights())
        features[name] = keras.ops.convert_to_numpy(body(x[name]))
    features["a"] = features["a"].mean((1, 2))
    if enhanced:
        features["central"] = np.concatenate([features["b"], features["a"]], axis=1)
    found = {}
    for name, h in features.items():
        kernel, bias = model.get_layer(f"{name}_own_logits").get_weights()
        found[name] = np.logaddexp(0.0, h @ kernel + bias)
    return found


def loss_by_hand(y, evidence, price):
    classes = evidence.shape[-1]
    y = np.eye(classes)[y]
    alpha = evidence.astype("float64") + 1
    a = y + (1 - y) * alpha
    s = a.sum(-1)
    kl = special.gammaln(s) - special.gammaln(classes) - special.gammaln(a).sum(-1)
    kl += ((a - 1) * (special.digamma(a) - special.digamma(s)[:, None])).sum(-1)
    expected = special.digamma(alpha.sum(-1)) - (y * special.digamma(alpha)).sum(-1)
    return expected + price * kl


@pytest.mark.parametrize("enhanced", [False, True])
def test_is_the_network_by_hand(enhanced):
    model = built(eagerly=True, enhanced=enhanced)
    x, y = batch(model), labels()
    evidence = evidence_by_hand(model, x, enhanced)
    fused = 3 * (np.prod([1 + e / 3 for e in evidence.values()], axis=0) - 1)
    by_head = {"central": fused, "a": evidence["a"], "b": evidence["b"]}
    found, uncertain = outputs(model, x), model.uncertainty(x)
    assert set(found) == set(uncertain) == set(HEADS)
    for head, e in by_head.items():
        total = e.sum(-1, keepdims=True) + 3
        np.testing.assert_allclose(found[head], (e + 1) / total, rtol=1e-4, err_msg=head)
        np.testing.assert_allclose(uncertain[head], 3 / total[:, 0], rtol=1e-4, err_msg=head)
    weights = model.fusion_weights(x, per_sample=True)["level_0"]
    sure = {name: e.sum(-1) / (e.sum(-1) + 3) for name, e in evidence.items()}
    for name, share in weights.items():
        np.testing.assert_allclose(share, sure[name] / sum(sure.values()), rtol=1e-4)
    # The first step is counted: lambda is 1/4 in it, and 1/4 afterwards.
    logs = model.train_on_batch(x, y, return_dict=True)
    expected = {head: loss_by_hand(y, e, 0.25).mean() for head, e in by_head.items()}
    if enhanced:
        expected["central"] += loss_by_hand(y, evidence["central"], 0.25).mean()
    assert float(logs["loss"]) == pytest.approx(sum(expected.values()), rel=1e-4)
    for head, value in expected.items():
        assert float(logs[f"{head}_loss"]) == pytest.approx(value, rel=1e-4), head
    accuracy = np.mean(found["central"].argmax(-1) == y)  # of probabilities, not of evidence
    assert float(logs["central_accuracy"]) == pytest.approx(accuracy)
    assert untrained_weights(model, x, y) == []


@pytest.mark.slow
def test_price_follows_the_steps_and_is_saved(tmp_path):
    model = built(steps=6)
    x, y = batch(model), labels()

    def price(model):
        """What the loss at zero learning rate says of lambda."""
        evidence = evidence_by_hand(model, x)["a"]
        low, high = (loss_by_hand(y, evidence, p).mean() for p in (0, 1))
        found = model.evaluate(x, y, verbose=0, return_dict=True)["a_loss"]
        return (found - low) / (high - low)

    assert price(model) == pytest.approx(0, abs=1e-3)
    model.fit(x, y, epochs=2, batch_size=len(y), verbose=0)
    assert price(model) == pytest.approx(2 / 6, abs=1e-3)  # evaluate counts nothing
    again = reloaded(model, tmp_path)
    assert price(again) == pytest.approx(2 / 6, abs=1e-3)
    again.fit(x, y, epochs=6, batch_size=len(y), verbose=0)
    assert price(again) == pytest.approx(1, abs=1e-3)
    assert float(keras.ops.convert_to_numpy(again.get_layer("fusion_0").steps.value)) == 8
    # Another compile without it takes it back.
    again.compile("sgd", "sparse_categorical_crossentropy")
    found = again.evaluate(x, y, verbose=0, return_dict=True)["central_loss"]
    p = outputs(again, x)["central"][np.arange(len(y)), y]
    assert found == pytest.approx(-np.log(p).mean(), rel=1e-4)


def test_weights_of_samples_and_absent_modalities():
    betas = {"a": 2.0, "b": 0.5}
    model = built(1, eagerly=True, missing_modalities=True, unimodal_loss_weights=betas)
    x, y = batch(model), labels()
    x["present"] = present = np.array([[1, 1], [0, 1], [1, 0], [1, 1]], "float32")
    x["a"][1], x["b"][2] = np.nan, np.nan
    weight = np.array([1.0, 2.0, 0.5, 3.0], "float32")
    seen = {name: np.nan_to_num(x[name]) for name in "ab"}
    evidence = evidence_by_hand(model, seen)
    here = {"a": present[:, 0], "b": present[:, 1]}
    fused = 3 * (np.prod([1 + evidence[k] * here[k][:, None] / 3 for k in "ab"], axis=0) - 1)
    expected = np.mean(weight * loss_by_hand(y, fused, 1))
    expected += 2 * np.mean(weight * here["a"] * loss_by_hand(y, evidence["a"], 1))
    expected += 0.5 * np.mean(weight * here["b"] * loss_by_hand(y, evidence["b"], 1))
    found = model.train_on_batch(x, y, sample_weight=weight, return_dict=True)
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-4)
    uncertain = model.uncertainty(x)
    assert uncertain["a"][1] == uncertain["b"][2] == 1
    assert model.fusion_weights(x, per_sample=True)["level_0"]["a"][1] == 0


@pytest.mark.slow
def test_replicas_are_as_alone():
    def build():
        return built(metrics=())

    x, y = batch(build()), labels()
    many = kf.training.fit_replicas(build, x, y, seeds=[1, 2], epochs=3, batch_size=2)
    one = kf.training.fit_replicas(build, x, y, seeds=[2], epochs=3, batch_size=2)
    np.testing.assert_allclose(many.history["loss"][1], one.history["loss"][0], rtol=1e-5)
    for _, model in many.models():
        assert float(keras.ops.convert_to_numpy(model.get_layer("fusion_0").steps.value)) == 6


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = built(steps=1, eagerly=True, enhanced=True)
    finally:
        keras.config.set_dtype_policy("float32")
    x, y = batch(model), labels()
    logits = model.get_layer("a_own_logits")
    logits.set_weights([logits.get_weights()[0], np.array([6e4, 0.0, 0.0])])
    found = model.train_on_batch(x, y, return_dict=True)  # S is beyond half precision
    assert float(found["central_loss"]) > 20  # of wrong labels, which the price is for
    assert np.isfinite([float(value) for value in found.values()]).all()
    assert all(np.isfinite(p).all() for p in outputs(model, x).values())
    assert all(p.dtype == "float32" for p in model.outputs)


def test_other_targets_are_refused():
    model = built()
    x = batch(model)
    with pytest.raises(ValueError, match="class indices from 0 to 2 for head"):
        model.fit(x, np.array([1, 2, 3, 1]), verbose=0)
    with pytest.raises(ValueError, match="expected class indices .samples,. with a sparse loss"):
        model.fit(x, np.eye(3)[labels()], verbose=0)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: kf.build_trusted(nets(), enhanced=1), "enhanced: expected True or False"),
        (
            lambda: kf.build_trusted([vector_net(n, activation="sigmoid") for n in "ab"]),
            "build_trusted: expected to predict one of two .*Received: 3 values through sig",
        ),
        (
            lambda: kf.build_gmu(nets(), fusion_units=2).compile("sgd", EvidentialLoss(3)),
            "loss: expected EvidentialLoss for heads that are made of evidence.*head 'central'",
        ),
        (
            lambda: kf.build_gmu(nets(), fusion_units=2).uncertainty(DATA),
            "uncertainty: expected a model whose central prediction is made of evidence",
        ),
    ],
)
def test_errors(make, match):
    with pytest.raises((TypeError, ValueError), match=match):
        make()


def test_the_loss_of_other_predictions_is_no_number():
    model = built()
    x, y = batch(model), labels()
    predicted = {head: keras.ops.convert_to_tensor(p) for head, p in outputs(model, x).items()}
    loss = keras.ops.convert_to_numpy(model.compute_loss(x, y, predicted))
    assert np.isnan(loss)
    assert np.isfinite(keras.ops.convert_to_numpy(model.compute_loss(x, y, model(x))))


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="written by TensorFlow")
def test_exported_uncertainty(tmp_path):
    import tensorflow as tf

    model = built(enhanced=True, missing_modalities=True)
    assert "uncertainty" in kf.export(model, tmp_path / "1", verbose=False).signatures
    x = batch(model)
    x.pop("present", None)
    served = tf.saved_model.load(tmp_path / "1").signatures["uncertainty"]
    found = served(**{name: tf.constant(values) for name, values in x.items()})
    expected = model.uncertainty(x)
    assert set(found) == set(expected) == set(HEADS)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5)
    other = kf.build_quality_aware(nets())
    assert "uncertainty" not in kf.export(other, tmp_path / "2", verbose=False).signatures
