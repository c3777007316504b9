"""EvidentialLoss and the functions behind it, against SciPy."""

import keras
import numpy as np
import pytest
from conformance import to_numpy
from keras import ops
from scipy import special

from keras_fusion.losses import EvidentialLoss
from keras_fusion.losses._gamma import digamma_and_excess

X = np.concatenate([np.linspace(1, 9, 81), np.geomspace(9, 1e12, 60)]).astype("float32")
IN_64 = X.astype("float64")


def digamma(x):
    return digamma_and_excess(x)[0]


def excess(x):
    return digamma_and_excess(x)[1]


def slope(function, x):
    """d function / d x of every entry."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return np.array(jax.grad(lambda x: ops.sum(function(x)))(ops.convert_to_tensor(x)))
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = ops.sum(function(x))
        return tape.gradient(total, x).numpy()
    x = ops.convert_to_tensor(x).requires_grad_()
    ops.sum(function(x)).backward()
    return x.grad.cpu().numpy()


def test_digamma():
    np.testing.assert_allclose(
        to_numpy(digamma(ops.convert_to_tensor(X))), special.digamma(IN_64), rtol=2e-6, atol=2e-6
    )
    expected = special.polygamma(1, IN_64)
    np.testing.assert_allclose(slope(digamma, X), expected, rtol=2e-5)


def test_excess():
    """In float64 even SciPy's difference is none of large numbers: there its own series."""
    some = IN_64 < 1e5
    expected = (IN_64 - 1) * (special.digamma(IN_64) - 1) - special.gammaln(IN_64)
    found = to_numpy(excess(ops.convert_to_tensor(X)))
    np.testing.assert_allclose(found[some], expected[some], rtol=1e-5, atol=1e-5)
    series = 0.5 - 0.5 * np.log(IN_64) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(found[~some], series[~some], rtol=1e-4)
    expected = (IN_64 - 1) * special.polygamma(1, IN_64) - 1
    np.testing.assert_allclose(slope(excess, X)[some], expected[some], rtol=1e-4, atol=2e-5)


def by_hand(y, evidence, price):
    """As printed, in float64."""
    y = np.eye(evidence.shape[-1])[y]
    alpha = evidence.astype("float64") + 1
    total = alpha.sum(-1, keepdims=True)
    losses = (y * (special.digamma(total) - special.digamma(alpha))).sum(-1)
    a = y + (1 - y) * alpha
    s = a.sum(-1, keepdims=True)
    divergence = special.gammaln(s[:, 0]) - special.gammaln(a.shape[-1])
    divergence -= special.gammaln(a).sum(-1)
    divergence += ((a - 1) * (special.digamma(a) - special.digamma(s))).sum(-1)
    return losses + price * divergence


def data(classes=4, scale=3.0):
    rng = np.random.default_rng(0)
    return rng.integers(classes, size=9), rng.exponential(scale, (9, classes)).astype("float32")


@pytest.mark.parametrize("scale", [0.01, 3.0, 1e4])
@pytest.mark.parametrize("steps", [0.0, 4.0, 20.0, 50.0])  # of 20: lambda 0, 0.2, 1 and 1
def test_equation(steps, scale):
    y, evidence = data(scale=scale)
    expected = by_hand(y, evidence, min(1.0, steps / 20))
    count = keras.Variable(steps, dtype="float32")
    loss = EvidentialLoss(20, reduction=None).annealed_by(count)
    np.testing.assert_allclose(to_numpy(loss(y, evidence)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_numpy(loss(y[:, None], evidence)), expected, rtol=1e-4, atol=1e-5)
    count.assign(20.0)
    alone = EvidentialLoss(20, reduction=None)(y, evidence)
    np.testing.assert_allclose(to_numpy(alone), to_numpy(loss(y, evidence)))


def test_limits():
    """No evidence costs log K as a mean over the simplex; what is wrong has a price."""
    loss = EvidentialLoss(1, reduction=None)
    none = to_numpy(loss(np.array([2]), np.zeros((1, 4), "float32")))
    np.testing.assert_allclose(none, 1 + 1 / 2 + 1 / 3, rtol=1e-5)
    huge = np.zeros((2, 4), "float32")
    huge[:, 1] = 1e26  # float32's difference of log Gammas would be off by 1e20
    right, wrong = to_numpy(loss(np.array([1, 0]), huge))
    assert abs(right) < 1e-4
    price = 3 * np.log(1e26) - special.gammaln(4) - 3  # its limit
    np.testing.assert_allclose(wrong, special.digamma(1e26) - special.digamma(1) + price, rtol=1e-4)
    grown = slope(lambda e: loss(np.array([1, 0]), e), huge)
    assert np.isfinite(grown).all()


def test_views_are_added():
    y, evidence = data()
    _, other = data(scale=1.0)
    loss = EvidentialLoss(5, reduction=None)
    both = to_numpy(loss(y, np.stack([evidence, other], axis=1)))
    np.testing.assert_allclose(both, by_hand(y, evidence, 1) + by_hand(y, other, 1), rtol=1e-4)


def test_config_and_errors():
    again = EvidentialLoss.from_config(EvidentialLoss(7, reduction="sum").get_config())
    assert (again.annealing_steps, again.reduction) == (7, "sum")
    with pytest.raises(ValueError, match="annealing_steps: expected an int >= 1. Received: 0"):
        EvidentialLoss(0)
