"""LinearChainCRF and HiddenCRF against an enumeration of all paths."""

from itertools import product

import keras
import numpy as np
import pytest
from conformance import gradients
from layer_cases import Case, floats
from scipy.special import logsumexp

from keras_fusion.layers import HiddenCRF, LinearChainCRF

MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [0, 0, 0, 1, 0]], bool)
CASES = [
    Case(LinearChainCRF, "all steps", {}, (floats(3, 5, 4),), (3, 5, 4)),
    Case(LinearChainCRF, "mask", {}, (floats(3, 5, 3),), (3, 5, 3), keywords={"mask": MASK[:3]}),
    Case(HiddenCRF, "all steps", {"num_classes": 3, "states": 2}, (floats(3, 5, 4),), (3, 3)),
    Case(
        HiddenCRF,
        "mask",
        {"num_classes": 2},
        (floats(3, 5, 3),),
        (3, 2),
        keywords={"mask": MASK[1:]},
    ),
]


def array(x):
    return keras.ops.convert_to_numpy(x)


def paths_of(emissions, start, transitions, end):
    """`{path: score}` of one sequence, path by path."""
    steps, states = emissions.shape
    return {
        y: start[y[0]]
        + sum(emissions[t, y[t]] for t in range(steps))
        + sum(transitions[y[t - 1], y[t]] for t in range(1, steps))
        + end[y[-1]]
        for y in product(range(states), repeat=steps)
    }


def built(layer, x):
    rng = np.random.default_rng(1)
    layer(x)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return layer


def test_is_the_sum_over_all_paths():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 2, (4, 5, 3)).astype("float32")
    y = rng.integers(0, 3, (4, 5))
    layer = built(LinearChainCRF(), x)
    weights = layer.get_weights()
    found = [array(f) for f in (layer.log_partition(x, MASK), layer.log_likelihood(y, x, MASK))]
    # What stands at masked steps reaches nothing.
    dirty = np.where(MASK[..., None], x, np.nan).astype("float32")
    p, best = array(layer(dirty, mask=MASK)), array(layer.decode(dirty, MASK))
    for i, here in enumerate(MASK):
        scores = paths_of(x[i, here], *weights)
        z = logsumexp(list(scores.values()))
        assert found[0][i] == pytest.approx(z, rel=1e-5)
        assert found[1][i] == pytest.approx(scores[tuple(y[i, here])] - z, rel=1e-4)
        assert tuple(best[i, here]) == max(scores, key=scores.get)
        expected = np.zeros((here.sum(), 3))
        for path, score in scores.items():
            expected[np.arange(len(path)), path] += np.exp(score - z)
        np.testing.assert_allclose(p[i, here], expected, atol=1e-5)
    assert list(best[3]) == [best[3, 3]] * 4 + [0]


class Likelihood(keras.layers.Layer):
    """log p(y | x) as what a layer returns, for `gradients`."""

    def __init__(self, y):
        super().__init__()
        self.y, self.crf = y, LinearChainCRF()

    def build(self, shape):
        self.crf.build(shape)

    def call(self, x):
        return self.crf.log_likelihood(self.y, x, MASK[:2])


def test_gradient_is_that_of_the_enumeration():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    y = np.array([[0, 2, 1, 1, 0], [2, 2, 0, 1, 1]])
    layer = built(Likelihood(y), x)
    found, (by_x,) = gradients(layer, x)
    values = [w.astype("float64") for w in (*layer.get_weights(), x)]

    def total():
        factors = np.random.default_rng(2).normal(size=2)  # those of `gradients`
        result = 0
        for factor, sequence, labels, here in zip(factors, values[3], y, MASK, strict=False):
            scores = paths_of(sequence[here], *values[:3])
            result += factor * (scores[tuple(labels[here])] - logsumexp(list(scores.values())))
        return result

    for value, gradient in zip(values, (*found, by_x), strict=True):
        assert np.abs(gradient).max() > 0.1
        for place in np.ndindex(value.shape):
            at = value[place]
            value[place] = at + 1e-4
            high = total()
            value[place] = at - 1e-4
            low = total()
            value[place] = at
            assert gradient[place] == pytest.approx((high - low) / 2e-4, abs=1e-4)


def test_without_transitions_is_a_softmax_per_step():
    x = floats(3, 1, 4)
    for sequence in (x, floats(3, 5, 4)):
        layer = LinearChainCRF()
        p = array(keras.ops.softmax(sequence))
        np.testing.assert_allclose(array(layer(sequence)), p, atol=1e-6)
        y = np.ones(sequence.shape[:2], int)
        found = array(layer.log_likelihood(y, sequence))
        np.testing.assert_allclose(found, np.log(p[..., 1]).sum(1), rtol=1e-5)


def test_forbidden_transitions_are_never_decoded():
    layer = LinearChainCRF()
    x = np.array([[[5.0, 0.0], [0.0, 4.0], [5.0, 0.0]]])
    layer(x)
    layer.set_weights([np.zeros(2), np.array([[0, -1e4], [0, 0]]), np.zeros(2)])
    assert array(layer.decode(x)).tolist() == [[0, 0, 0]]


def test_hidden_states_are_summed_over():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4, 5, 3)).astype("float32")
    layer = built(HiddenCRF(3, states=2), x)
    found = array(layer(x, mask=MASK))
    by_name = {w.path.split("/")[-1]: array(w) for w in layer.weights}
    emissions = (x @ by_name["kernel"] + by_name["bias"]).reshape(4, 5, 3, 2)
    for i, c in np.ndindex(4, 3):
        scores = [by_name[name][c] for name in ("start", "transitions", "end")]
        expected = logsumexp(list(paths_of(emissions[i, MASK[i], c], *scores).values()))
        assert found[i, c] == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: LinearChainCRF()(floats(3, 4)), "LinearChainCRF: expected logits"),
        (lambda: LinearChainCRF()(floats(3, 4, 1)), "LinearChainCRF: expected logits"),
        (lambda: HiddenCRF(3)(floats(3, 4)), "HiddenCRF: expected a sequence"),
        (lambda: HiddenCRF(0), "num_classes: expected an int >= 1. Received: 0"),
        (lambda: HiddenCRF(2, states=1.5), "states: expected an int >= 1. Received: 1.5"),
    ],
)
def test_errors(make, match):
    with pytest.raises(ValueError, match=match):
        make()
