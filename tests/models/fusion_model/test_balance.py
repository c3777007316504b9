"""balance= for every method: one step against NumPy, a strong modality slowed, state kept."""

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
    vector_net,
)
from helpers.tiny import values as values_of
from keras import layers
from scipy.special import softmax

import keras_fusion as kf

BALANCES = ("blend", "ogm", "pmr")
QUICK = {"run_eagerly": keras.backend.backend() == "tensorflow"}
SLOW = pytest.mark.slow
# Networks that others reach into before they end.
ERRORS = {
    (method, balance): "no network of its own"
    for method in ("film", "xflow")
    for balance in ("ogm", "pmr")
}


def nets():
    return {"sound": vector_net("one", units=(4, 3)), "image": map_net("two")}


def linear(count=2, **arguments):
    """Modalities of a linear layer and a head each, fused by the mean of their predictions."""
    keras.utils.set_random_seed(7)
    found = {}
    for name in "abc"[:count]:
        inputs = keras.Input((2,))
        hidden = layers.Dense(3, use_bias=False, name="hidden")(inputs)
        found[name] = keras.Model(inputs, layers.Dense(2, "softmax", name="out")(hidden), name=name)
    return kf.build_late_fusion(found, **arguments)


def weights(model):
    """`{modality: (hidden kernel, out kernel, bias)}`"""
    return {
        name: [
            keras.ops.convert_to_numpy(v.value).astype("float64")
            for v in model.get_layer(f"{name}_backbone").trainable_variables
        ]
        for name in model.modalities
    }


def by_hand(x, y, before, factors, betas, extra=None, rate=0.1):
    """The weights after a step of SGD on -log mean_k p_k and the heads' losses, with factors."""
    names, rows = list(before), np.arange(len(y))
    hidden = {n: x[n] @ before[n][0] for n in names}
    p = {n: softmax(hidden[n] @ before[n][1] + before[n][2], axis=1) for n in names}
    total = sum(p[n][rows, y] for n in names)
    after = {}
    for n in names:
        # d loss / d logits: of the head, and of the mean through this head's softmax
        one_hot = np.eye(2)[y]
        share = (p[n][rows, y] / total)[:, None]
        d = (betas[n] + betas["central"] * share) * (p[n] - one_hot) / len(y)
        d_hidden = d @ before[n][1].T
        if extra is not None:
            d_hidden = d_hidden + extra[n](hidden[n])
        gradients = [x[n].T @ d_hidden, hidden[n].T @ d, d.sum(0)]
        after[n] = [w - rate * factors[n] * g for w, g in zip(before[n], gradients, strict=True)]
    return after


def assert_weights(model, expected):
    for name, found in weights(model).items():
        for a, b in zip(found, expected[name], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=name)


def sgd(model, **options):
    model.compile(
        keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", **{**QUICK, **options}
    )
    return model


ONES = {"central": 1.0, "a": 1.0, "b": 1.0, "c": 1.0}


@pytest.mark.parametrize("count", [2, pytest.param(3, marks=SLOW)])
def test_ogm_steps_equal_numpy(count):
    model = sgd(linear(count, balance={"ogm": 0.5}))
    x, y = batch(model, 6), np.array([0, 1, 1, 0, 1, 0])
    factors = dict.fromkeys(model.modalities, 1.0)  # the first step knows none
    for _ in range(3):
        before = weights(model)
        s = {
            n: softmax(x[n] @ w[0] @ w[1] + w[2], axis=1)[np.arange(6), y].mean()
            for n, w in before.items()
        }
        model.train_on_batch(x, y)
        assert_weights(model, by_hand(x, y, before, factors, ONES))
        rho = {n: np.mean([s[n] / s[m] for m in s if m != n]) for n in s}
        factors = {n: 1 - np.tanh(0.5 * rho[n]) if rho[n] > 1 else 1.0 for n in s}
        found = model.balance_coefficients()
        assert found == pytest.approx(factors, rel=1e-4) and min(found.values()) < 0.9


def test_pmr_steps_equal_numpy():
    model = sgd(linear(2, balance={"pmr": 0.7}))
    x, y = batch(model, 6), np.array([0, 1, 1, 0, 1, 0])
    one = dict.fromkeys(model.modalities, 1.0)
    before = weights(model)
    model.train_on_batch(x, y)
    assert_weights(model, by_hand(x, y, before, one, ONES))  # no prototypes yet
    centres = {
        n: np.stack([(x[n] @ w[0])[y == c].mean(0) for c in (0, 1)]) for n, w in before.items()
    }
    now = weights(model)
    scores, pulls = {}, {}
    for n, w in now.items():
        h = x[n] @ w[0]
        away = h[:, None] - centres[n]
        distances = np.linalg.norm(away, axis=-1)
        p = softmax(-distances, axis=1)
        scores[n] = p[np.arange(6), y].mean()
        d = -(p - np.eye(2)[y])[:, :, None] * away / distances[:, :, None]
        pulls[n] = d.sum(1) / 6
    behind = min(scores, key=scores.get)
    extra = {n: lambda h, n=n: 0.7 * (n == behind) * pulls[n] for n in now}
    model.train_on_batch(x, y)
    assert_weights(model, by_hand(x, y, now, one, ONES, extra))
    assert model.balance_coefficients() == pytest.approx({n: 0.7 * (n == behind) for n in now})


def test_blend_equals_numpy():
    """The weights after the second epoch, and a step with them."""
    model = sgd(linear(2, balance="blend"), loss_weights={"central": 1.0, "a": 0.5, "b": 0.0})
    x, y = batch(model, 6), np.array([0, 1, 1, 0, 1, 0])
    held = batch(model, 4, seed=5), np.array([1, 0, 0, 1])
    assert model.balance_coefficients() == {"central": 1.0, "a": 0.5, "b": 0.0}
    history = model.fit(x, y, epochs=1, validation_data=held, verbose=0).history
    assert model.balance_coefficients() == {"central": 1.0, "a": 0.5, "b": 0.0}
    second = model.fit(x, y, epochs=1, validation_data=held, verbose=0).history
    gains = {}
    for head in model.heads:
        (t0,), (v0,) = history[f"{head}_loss"], history[f"val_{head}_loss"]
        (t1,), (v1,) = second[f"{head}_loss"], second[f"val_{head}_loss"]
        gains[head] = max(v0 - v1, 1e-8) / ((v1 - t1 - v0 + t0) ** 2 + 1e-8)
    total = gains["central"] + 0.5 * gains["a"]
    expected = {"central": 1.5 * gains["central"] / total, "a": 0.75 * gains["a"] / total, "b": 0.0}
    found = model.balance_coefficients()
    assert found == pytest.approx(expected, rel=1e-2) and sum(found.values()) == pytest.approx(1.5)
    before = weights(model)
    reported = model.test_on_batch(x, y, return_dict=True)
    assert reported["loss"] == pytest.approx(
        reported["central_loss"] + 0.5 * reported["a_loss"], rel=1e-5
    )  # evaluation has the weights of `compile`
    model.train_on_batch(x, y)
    assert_weights(model, by_hand(x, y, before, dict.fromkeys("ab", 1.0), found))


@pytest.mark.parametrize("balance", BALANCES)
def test_first_step_is_that_of_plain_training_and_predictions_stay(balance):
    """Coefficients are still 1 (of prototypes 0): bit for bit."""
    models = [sgd(linear(balance=b)) for b in (None, balance)]
    x, y = batch(models[0]), np.array([0, 1, 1, 0])
    for model in models:
        model.train_on_batch(x, y)
    plain, balanced = (weights(model) for model in models)
    for name, found in balanced.items():
        for a, b in zip(found, plain[name], strict=True):
            np.testing.assert_array_equal(a, b)
    for head, p in outputs(models[0], x).items():
        np.testing.assert_array_equal(outputs(models[1], x)[head], p)
    assert "balance" not in models[0].get_config() and models[0].balance is None
    assert models[1].get_config()["balance"]["kind"] == models[1].balance == balance


@pytest.mark.parametrize("balance", BALANCES)
def test_state_survives_saving(balance, tmp_path):
    model = compiled(
        kf.build_centralnet(nets(), dropout=0.0, balance=balance, missing_modalities=True)
    )
    x, y = batch(model, 8), labels(8)
    x["present"] = np.array([[1, 0], [0, 1], [1, 1], [1, 1]] * 2)
    held = (x, y)
    model.fit(x, y, epochs=3, validation_data=held, verbose=0)
    again = reloaded(model, tmp_path)
    assert again.balance_coefficients() == model.balance_coefficients()
    assert len(set(model.balance_coefficients().values())) > 1
    for one in (model, again):
        one.fit(x, y, epochs=2, validation_data=held, verbose=0, shuffle=False)
    assert_close(outputs(again, x), outputs(model, x))
    assert again.balance_coefficients() == pytest.approx(model.balance_coefficients(), rel=1e-3)
    assert all(np.isfinite(value).all() for value in values_of(model).values())


def test_blend_weighs_the_heads_of_the_last_compile():
    model = linear(balance="blend")
    assert model.balance_coefficients() == {"central": 1.0, "a": 1.0, "b": 1.0}
    model.compile("sgd", {"central": "sparse_categorical_crossentropy"})
    assert model.balance_coefficients() == {"central": 1.0}
    sgd(model, unimodal_loss_weights=0.5)
    assert model.balance_coefficients() == {"central": 1.0, "a": 0.5, "b": 0.5}


def test_absent_in_the_whole_batch():
    model = sgd(linear(3, balance="ogm", missing_modalities=True))
    x = {**batch(model), "present": np.array([[1, 0, 1]] * 4)}
    x["b"][:] = np.nan
    y, rows = np.array([0, 1, 1, 0]), np.arange(4)
    s = {
        n: softmax(x[n] @ w[0] @ w[1] + w[2], axis=1)[rows, y].mean()
        for n, w in weights(model).items()
    }
    model.train_on_batch(x, y)
    rho = {"a": s["a"] / s["c"], "c": s["c"] / s["a"]}
    expected = {n: 1 - np.tanh(0.1 * r) if r > 1 else 1.0 for n, r in rho.items()}
    assert model.balance_coefficients() == pytest.approx({**expected, "b": 1.0}, rel=1e-4)


@pytest.mark.parametrize("balance", ["ogm", "pmr"])
def test_a_copy_of_the_label_is_ahead(balance):
    model = sgd(linear(2, balance=balance))
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 64)
    x = {"a": np.eye(2, dtype="float32")[y] * 3, "b": rng.normal(size=(64, 2)).astype("float32")}
    for _ in range(10):
        model.train_on_batch(x, y)
    found = model.balance_coefficients()
    assert found["a"] < 1.0 if balance == "ogm" else found["a"] == 0.0
    assert found["b"] == 1.0


# All kinds with two methods, and one of them, in turn, with every other.
ROWS = [(method, balance) for method in ("gmu", "xflow") for balance in BALANCES]
ROWS += [
    pytest.param(method.name, BALANCES[i % 3], marks=SLOW)
    for i, method in enumerate(kf.methods())
    if method.name not in ("gmu", "xflow")
]


@pytest.mark.parametrize(("method", "balance"), ROWS)
def test_every_method_trains_or_says_why_not(method, balance):
    options = {"balance": balance, "unimodal_loss_weights": 1.0, "missing_modalities": True}
    if (method, balance) in ERRORS:
        with pytest.raises(ValueError, match=ERRORS[method, balance]):
            kf.build(method, nets(), **options)
        return
    model = compiled(kf.build(method, nets(), **options))
    x, y = batch(model), labels()
    for _ in range(2):
        assert np.isfinite(model.train_on_batch(x, y)).all()
    if balance != "blend":
        assert len(set(model.balance_coefficients().values())) == 2


@pytest.mark.parametrize("balance", BALANCES)
def test_in_a_graph_with_mixed_precision(balance):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = kf.build_gmu(nets(), balance=balance, unimodal_loss_weights=1.0)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = batch(model), labels()
    history = model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert len(set(model.balance_coefficients().values())) > 1


def shared():
    net = vector_net("one")
    return {"a": net, "b": net}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: kf.build_gmu(nets(), balance="ogm"), "needs unimodal heads"),
        (lambda: kf.build_gmu(nets(), balance="blend"), "needs unimodal heads"),
        (lambda: kf.build_centralnet(shared(), balance="ogm"), "network of its own"),
        (lambda: kf.build_gmu(nets(), balance={"ogm": 0}), "a finite float > 0"),
        (lambda: kf.build_gmu(nets(), balance={"blend": 1}), "without a number"),
        (lambda: kf.build_gmu(nets(), balance="agm"), "balance: expected one of"),
        (
            lambda: kf.build_centralnet(
                [vector_net(activation=None)] * 2, head="linear", balance="pmr"
            ),
            "for regression",
        ),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_blend_needs_validation_data():
    model = compiled(kf.build_centralnet(nets(), balance="blend"))
    with pytest.raises(ValueError, match="validation_data: expected some"):
        model.fit(batch(model), labels(), verbose=0)
    with pytest.raises(ValueError, match="validation_data: expected some"):
        kf.training.fit_replicas(lambda: model, batch(model), labels(), [0])


@pytest.mark.parametrize(
    "balance", ["blend", *(pytest.param(b, marks=SLOW) for b in ("ogm", "pmr"))]
)
def test_replicas_equal_ordinary_fits(balance):
    def build():
        keras.utils.set_random_seed(7)
        model = kf.build_gmu(nets(), balance=balance, unimodal_loss_weights=1.0)
        return compiled(model, keras.optimizers.SGD(0.05), **QUICK)

    model = build()
    x, y, held = batch(model, 8), labels(8), (batch(model, 4, seed=5), labels(4))
    found = kf.training.fit_replicas(build, x, y, [1, 2], 4, 4, validation_data=held)
    for epoch in range(4):
        order = np.random.default_rng([2, epoch]).permutation(8)
        model.fit(
            {name: array[order] for name, array in x.items()},
            y[order],
            batch_size=4,
            shuffle=False,
            verbose=0,
            validation_data=held,
            validation_batch_size=4,
        )
    again = found.replica(1)
    expected = model.balance_coefficients()
    assert len(set(expected.values())) > 1
    assert again.balance_coefficients() == pytest.approx(expected, rel=1e-2)
    assert_close(outputs(again, x), outputs(model, x), atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="written by TensorFlow")
@pytest.mark.parametrize(
    ("balance", "path"),
    [
        ("blend", "1"),
        *(pytest.param(b, "1", marks=SLOW) for b in ("ogm", "pmr")),
        *(pytest.param(b, f"net.{s}", marks=SLOW) for b in BALANCES for s in ("onnx", "tflite")),
    ],
)
def test_export(balance, path, tmp_path):
    model = compiled(kf.build_gmu(nets(), balance=balance, unimodal_loss_weights=1.0))
    x, y = batch(model), labels()
    model.fit(x, y, epochs=2, validation_data=(x, y), verbose=0)
    assert kf.export(model, tmp_path / path, verbose=False).max_difference < 1e-5
