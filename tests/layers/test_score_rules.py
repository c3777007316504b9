"""ScoreRule against its equations, with distinct probabilities, and at its limits."""

import layer_cases
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import Case, probabilities

from keras_fusion.layers import ScoreRule

CASES = [
    Case(
        ScoreRule,
        "product with priors and present",
        {"rule": "product", "priors": [0.1, 0.2, 0.3, 0.4]},
        ([probabilities(3, 4), probabilities(3, 4), probabilities(3, 4)],),
        (3, 4),
        keywords={"present": layer_cases.PRESENT},
    ),
    Case(
        ScoreRule,
        "mean per step with central",
        {},
        ([probabilities(3, 5, 4), probabilities(3, 5, 4)], probabilities(3, 5, 4)),
        (3, 5, 4),
    ),
]

RULES = ("mean", "max", "product", "vote")
# The middle classifier prefers class 1, the last class 2; three classes.
P = np.array([[[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]], [[0.25, 0.7, 0.05], [0.2, 0.5, 0.3]]], "float32")
THIRD = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]], "float32")
PRESENT = np.array([[True, True, False], [False, False, False]])


def run(rule, modalities, activation="softmax", priors=None, **call):
    return to_numpy(ScoreRule(rule, activation, priors)(list(modalities), **call))


def normalized(p):
    return p / p.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("mean", P.mean(0)),
        ("max", normalized(P.max(0))),
        ("product", normalized(P.prod(0))),
    ],
)
def test_equation(rule, expected):
    np.testing.assert_allclose(run(rule, P), expected, rtol=1e-5)


def test_product_with_priors_is_bayes_rule():
    priors = np.array([0.2, 0.5, 0.3])
    found = run("product", [*P, THIRD], priors=(2 * priors).tolist())
    expected = normalized(P.prod(0) * THIRD / priors**2)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_product_of_binary_decisions():
    priors = np.array([0.2, 0.5, 0.3])
    found = run("product", P, "sigmoid", priors.tolist())
    odds = (P / (1 - P)).prod(0) / (priors / (1 - priors))
    np.testing.assert_allclose(found, odds / (1 + odds), rtol=1e-4)


def test_majority_wins_whatever_the_probabilities():
    """Two are barely for class 0, one is sure of class 1."""
    votes = [np.array([[0.5001, 0.4999]])] * 2 + [np.array([[0.0, 1.0]])]
    found = run("vote", votes)
    assert found.argmax() == 0 and np.mean(votes, 0).argmax() == 1
    np.testing.assert_allclose(found.sum(), 1, rtol=1e-6)
    weight = 0.01 / 3
    expected = (1 - weight) * np.array([2 / 3, 1 / 3]) + weight * np.mean(votes, 0)[0]
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)


def test_equal_votes_go_by_the_mean():
    found = run("vote", [np.array([[0.6, 0.4]]), np.array([[0.1, 0.9]])])
    assert found.argmax() == 1
    np.testing.assert_allclose(found, [[0.5, 0.5]], atol=0.01)
    found = run("vote", [np.array([[0.6]]), np.array([[0.45]])], "sigmoid")
    assert 0.5 < found[0, 0] < 0.505


def test_binary_votes():
    found = run("vote", [*P, THIRD], "sigmoid")
    share = (np.stack([*P, THIRD]) > 0.5).mean(0)
    np.testing.assert_allclose(found, share, atol=0.01)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("rubbish", [np.nan, np.inf])
def test_present_leaves_the_others_out(rule, activation, rubbish):
    broken = [np.where(PRESENT[:, k, None], p, rubbish) for k, p in enumerate([*P, THIRD])]
    layer = ScoreRule(rule, activation)
    found = to_numpy(layer(broken, present=PRESENT))
    alone = run(rule, [p[:1] for p in P], activation)
    # The tie break is divided by the number of all modalities.
    np.testing.assert_allclose(found[:1], alone, rtol=1e-5, atol=0.005 if rule == "vote" else 0)
    np.testing.assert_allclose(found[1], 1 / 3 if activation == "softmax" else 0.5, rtol=1e-6)
    _, by_tensors = gradients(layer, broken, present=PRESENT)
    for k, gradient in enumerate(by_tensors):
        if gradient is None:
            assert rule == "vote"
            continue
        assert np.isfinite(gradient).all() and not gradient[~PRESENT[:, k]].any()


def test_no_modality_gets_the_priors_of_the_product():
    none = np.zeros((2, 2), bool)
    found = run("product", P, priors=[0.2, 0.5, 0.3], present=none)
    np.testing.assert_allclose(found, [[0.2, 0.5, 0.3]] * 2, rtol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_central_is_one_more_source(rule):
    all_three = run(rule, [*P, THIRD])
    np.testing.assert_allclose(run(rule, P, central=THIRD), all_three, rtol=1e-6)
    none = np.zeros((2, 2), bool)
    found = run(rule, P, central=THIRD, present=none)
    one = run(rule, [THIRD])
    np.testing.assert_allclose(found, one, rtol=1e-5, atol=0.01 if rule == "vote" else 0)


def test_zero_and_one_stay_finite():
    sure = [np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])]
    np.testing.assert_allclose(run("product", sure), [[0.5, 0.5]], rtol=1e-5)
    np.testing.assert_allclose(run("product", sure, "sigmoid"), [[0.5, 0.5]], rtol=1e-5)


def test_no_gradient_goes_through_votes():
    for rule in RULES:
        _, found = gradients(ScoreRule(rule), list(P))
        moved = [g is not None and np.any(g != 0) for g in found]
        assert moved == [rule != "vote"] * 2


def test_mean_of_a_regression():
    values = [np.array([[-3.0, 5.0]]), np.array([[1.0, 2.0]])]
    np.testing.assert_allclose(run("mean", values, "linear"), [[-1.0, 3.5]])
    assert not run("mean", values, "linear", present=np.zeros((1, 2))).any()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"rule": "median"}, "rule: expected one of .*Received: 'median'"),
        ({"activation": "relu"}, "activation: expected one of .*Received: 'relu'"),
        ({"rule": "max", "activation": "linear"}, "rule: expected \"mean\".*Received: 'max'"),
        ({"priors": [0.5, 0.5]}, 'priors: expected None.*rule="mean"'),
        ({"rule": "product", "priors": [0.0, 1.0]}, "priors: expected one float > 0"),
        ({"rule": "product", "activation": "sigmoid", "priors": [1.5]}, "each below 1"),
        ({"rule": "product", "activation": "sigmoid", "priors": [1.0]}, "each below 1"),
    ],
)
def test_wrong_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        ScoreRule(**arguments)


def test_number_of_priors():
    with pytest.raises(ValueError, match=r"priors: expected one value for each of the 3 classes"):
        ScoreRule("product", priors=[0.5, 0.5])(list(P))
