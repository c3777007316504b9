"""`align`: its losses against NumPy, what is absent, and backbones that find their partners."""

import keras
import numpy as np
import pytest
from helpers.tiny import OneBatch, vector_net
from keras import ops
from scipy.special import logsumexp

import keras_fusion as kf
from keras_fusion.training import _alignment_losses as losses

LOSSES = ("infonce", "siglip", "symile", "dcca", "correlation")
RNG = np.random.default_rng(0)
A, B, C = RNG.normal(size=(3, 7, 4)).astype("float32")
HERE = np.array([1, 1, 0, 1, 1, 0, 1], "float32")
DRAWS = np.random.default_rng(1).uniform(size=(3, 7)).astype("float32")


def of(kind, a, b, here):
    a, b, here = (ops.convert_to_tensor(x) for x in (a, b, here))
    if kind == "infonce":
        found = losses.infonce(a, b, 1.5, here)
    elif kind == "siglip":
        found = losses.siglip(a, b, 2.0, -3.0, here)
    elif kind == "symile":
        found = losses.symile(
            [a, b, ops.convert_to_tensor(C)], 1.5, here, ops.convert_to_tensor(DRAWS)
        )
    else:
        found = getattr(losses, kind)(a, b, here)
    return float(ops.convert_to_numpy(found))


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def by_hand(kind, a, b):
    scores = unit(a) @ unit(b).T
    if kind == "infonce":
        scores = np.exp(1.5) * scores
        ways = [logsumexp(scores, axis=axis) - np.diag(scores) for axis in (0, 1)]
        return np.mean(ways)
    if kind == "siglip":
        signs = 2 * np.eye(len(a)) - 1
        return np.log1p(np.exp(-signs * (np.exp(2) * scores - 3))).sum() / len(a)
    a, b = a - a.mean(0), b - b.mean(0)
    if kind == "correlation":
        return -sum(np.corrcoef(a[:, j], b[:, j])[0, 1] for j in range(a.shape[1]))
    s = [x.T @ y / (len(a) - 1) for x, y in ((a, a), (a, b), (b, b))]
    roots = [np.linalg.inv(np.linalg.cholesky(m + 1e-3 * np.eye(4))) for m in (s[0], s[2])]
    return -np.linalg.svd(roots[0] @ s[1] @ roots[1].T, compute_uv=False).sum()


@pytest.mark.parametrize("kind", ["infonce", "siglip", "dcca", "correlation"])
def test_equation_of_those_who_are_here(kind):
    there = HERE.astype(bool)
    holes = np.where(there[:, None], A, np.nan).astype("float32")
    expected = by_hand(kind, A[there].astype("float64"), B[there].astype("float64"))
    assert of(kind, holes, B, HERE) == pytest.approx(expected, rel=1e-4)
    assert of(kind, A, B, np.ones(7, "float32")) == pytest.approx(by_hand(kind, A, B), rel=1e-4)


def test_symile_by_hand():
    there = np.flatnonzero(HERE)
    drawn = [there[np.argsort(draws[there])] for draws in DRAWS]
    vectors, total = [unit(x[there].astype("float64")) for x in (A, B, C)], 0
    for k in range(3):
        first, second = (j for j in range(3) if j != k)
        candidates = [unit((A, B, C)[j].astype("float64"))[drawn[j]] for j in (first, second)]
        scores = vectors[k] @ (candidates[0] * candidates[1]).T
        np.fill_diagonal(scores, (vectors[0] * vectors[1] * vectors[2]).sum(1))
        scores *= np.exp(1.5)
        total += (logsumexp(scores, axis=1) - np.diag(scores)).mean() / 3
    holes = np.where(HERE[:, None] > 0, A, np.nan).astype("float32")
    assert of("symile", holes, B, HERE) == pytest.approx(total, rel=1e-4)


def test_symile_of_two_with_all_in_place_is_infonce():
    a, b, here = (ops.convert_to_tensor(x) for x in (A, B, np.ones(7, "float32")))
    in_place = ops.convert_to_tensor(np.tile(np.arange(7, dtype="float32") / 7, (2, 1)))
    found = float(ops.convert_to_numpy(losses.symile([a, b], 1.5, here, in_place)))
    assert found == pytest.approx(by_hand("infonce", A, B), rel=1e-4)


@pytest.mark.parametrize("kind", LOSSES)
def test_nobody_is_here(kind):
    assert of(kind, np.full_like(A, np.nan), B, np.zeros(7, "float32")) == pytest.approx(0)


def test_limits():
    ones = np.ones(7, "float32")
    equal = np.ones_like(A)
    assert of("infonce", equal, equal, ones) == pytest.approx(np.log(7), rel=1e-5)
    assert of("infonce", 5 * A, B, ones) == pytest.approx(of("infonce", A, B, ones), rel=1e-5)
    assert of("infonce", A[:1], B[:1], ones[:1]) == pytest.approx(0, abs=1e-6)
    assert of("correlation", A, -A, ones) == pytest.approx(4, rel=1e-5)
    assert of("correlation", equal, A, ones) == pytest.approx(0, abs=1e-5)
    many = np.random.default_rng(2).normal(size=(400, 4)).astype("float32")
    affine = (many @ np.random.default_rng(3).normal(size=(4, 4)) + 2).astype("float32")
    assert of("dcca", many, affine, np.ones(400, "float32")) == pytest.approx(-4, abs=0.05)
    # Equal canonical correlations, of which a decomposition has no derivative.
    assert of("dcca", many, many, np.ones(400, "float32")) == pytest.approx(-4, abs=0.05)


def test_gradient_of_dcca():
    """By central differences of the value."""
    a, b = np.random.default_rng(4).normal(size=(2, 30, 3))
    b[:, 0] += 2 * a[:, 1]
    ones = np.ones(30, "float32")

    class Scaled(keras.layers.Layer):
        def build(self, _):
            self.scales = self.add_weight((3, 3), "zeros", name="scales")

        def call(self, x):
            return x + x @ self.scales

    inputs = keras.Input((3,))
    model = keras.Model(inputs, Scaled()(inputs))
    model.compile(
        keras.optimizers.SGD(1.0),
        loss=lambda target, x: losses.dcca(x, ops.convert_to_tensor(b, "float32"), ones),
    )
    model.train_on_batch(a, b)
    step = -model.get_weights()[0]

    def value(change):
        moved = (a + a @ change).astype("float32")
        return of("dcca", moved, b.astype("float32"), ones)

    for place in ((0, 1), (1, 1), (2, 0)):
        change = np.zeros((3, 3))
        change[place] = 0.02
        expected = (value(change) - value(-change)) / 0.04
        assert step[place] == pytest.approx(expected, rel=0.05, abs=2e-3), place


def pairs(samples=96, seed=0):
    """Three views of one thing that has two coordinates."""
    rng = np.random.default_rng(seed)
    thing = rng.normal(size=(samples, 2))
    views = np.random.default_rng(9).normal(size=(3, 2, 6))
    x = {name: np.tanh(thing @ view) for name, view in zip("bac", views, strict=True)}
    return {name: values.astype("float32") for name, values in x.items()}


def networks(names="bac"):
    keras.utils.set_random_seed(1)
    return {name: kf.backbones.mlp(6, (16,), num_classes=3) for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_partners_are_found(loss):
    x, nets = pairs(), networks()
    heads = {name: net.layers[-1].get_weights() for name, net in nets.items()}
    x["present"] = np.ones((96, 3))
    x["present"][::4, 1] = 0
    x["b"][::4] = np.nan
    options = {"epochs": 12, "batch_size": 32, "units": 4, "optimizer": keras.optimizers.Adam(0.02)}
    aligned = kf.training.align(nets, x, loss, **options)
    assert (
        len(aligned.history["loss"]) == 12
        and aligned.history["loss"][-1] < aligned.history["loss"][0]
    )
    assert all(aligned.backbones[name] is nets[name] for name in nets)
    for name, old in heads.items():  # its prediction is left as it was
        for before, after in zip(old, nets[name].layers[-1].get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)
    found = aligned.evaluate(pairs(40, seed=5), k=[5])
    assert len(found) == (3 if loss == "symile" else 6)
    assert all(row["samples"] == 40 for row in found.values())
    seen = aligned.evaluate(x, k=[96])
    here = {pair: row["samples"] for pair, row in seen.items()}
    expected = {pair: 72 if "b" in pair else 96 for pair in here}
    assert here == expected and all(row["recall@96"] == 1 for row in seen.values())
    by_chance = 5 / 40
    assert np.mean([row["recall@5"] for row in found.values()]) > 2 * by_chance
    model = kf.build_concat_features(aligned.backbones)
    assert model.heads == ["central"]


def test_two_runs_are_equal_and_frozen_layers_stay():
    trained = []
    for _ in range(2):
        nets = networks("ba")
        nets["a"].trainable = False
        frozen = nets["a"].get_weights()
        x = {name: values for name, values in pairs().items() if name != "c"}
        aligned = kf.training.align(nets, x, epochs=2, batch_size=32, seed=3)
        for before, after in zip(frozen, nets["a"].get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)
        trained.append(aligned.model.get_weights())
    for one, other in zip(*trained, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_the_scale_stays_below_100():
    x = {name: values for name, values in pairs(32).items() if name != "c"}
    aligner = kf.training.align(networks("ba"), x, batch_size=32)._aligner
    aligner.scalars["log_scale"].assign(9.0)
    aligner.train_on_batch(x)
    found = float(ops.convert_to_numpy(aligner.scalars["log_scale"]))
    assert found == pytest.approx(np.log(100), rel=1e-3)


def test_a_data_set_and_a_backbone_under_two_names():
    one = vector_net("one")
    before = one.get_weights()[0].copy()
    x = {name: np.random.default_rng(6).normal(size=(8, 5)).astype("float32") for name in "ab"}
    options = {"units": 3, "validation_data": x}
    aligned = kf.training.align({"a": one, "b": one}, OneBatch(x, np.zeros(8)), **options)
    assert not np.array_equal(before, one.get_weights()[0])
    assert aligned.evaluate(x, k=[8])["a", "b"] == {"samples": 8, "recall@8": 1.0}
    assert np.isfinite(aligned.history["val_loss"]).all()


def test_ends_that_do_not_show_are_asked_for():
    nets = {"a": vector_net("linear", activation=None), "b": vector_net("two")}
    x = {name: np.random.default_rng(6).normal(size=(8, 5)).astype("float32") for name in "ab"}
    with pytest.raises(ValueError, match=r'"a": expected ends_in=.*Received: None'):
        kf.training.align(nets, x)
    assert kf.training.align(nets, x, units=3, ends_in={"a": "logits"}).backbones == nets


def test_errors():
    nets, x = networks("ba"), {name: pairs()[name] for name in "ba"}
    with pytest.raises(ValueError, match="loss: expected one of .*Received: 'clip'"):
        kf.training.align(nets, x, "clip")
    with pytest.raises(TypeError, match="data: expected a dict of arrays.*Received: list"):
        kf.training.align(nets, [x["a"], x["b"]])
    with pytest.raises(ValueError, match="at least one sample"):
        kf.training.align(nets, {name: values[:0] for name, values in x.items()})
    x["a"][2, 1] = np.nan
    with pytest.raises(ValueError, match=r"x\[\"a\"\]: expected finite numbers"):
        kf.training.align(nets, x)
