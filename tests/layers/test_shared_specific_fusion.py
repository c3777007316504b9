"""SharedSpecificFusion against NumPy for every subset, its losses, and what is absent."""

import itertools

import keras
import numpy as np
import pytest
from conformance import gradients, to_numpy
from layer_cases import PRESENT, Case, floats

from keras_fusion.layers import SharedSpecificFusion

# The domain's weights get a gradient from its own loss alone: see the tests below.
CASES = [
    Case(
        SharedSpecificFusion,
        "two vectors",
        {"units": 4, "domain_weight": 0},
        ([floats(3, 5), floats(3, 2)],),
        (3, 8),
    ),
    Case(
        SharedSpecificFusion,
        "three vectors with present",
        {"units": 2, "similarity_weight": 0.5, "domain_weight": 0},
        ([floats(3, 5), floats(3, 2), floats(3, 4)],),
        (3, 6),
        keywords={"present": PRESENT},
    ),
]

WIDTHS, UNITS = (5, 2, 3), 4


def made(n, weights=(0.3, 0.7)):
    """A built layer with weights drawn anew, and its arrays by name."""
    rng = np.random.default_rng(n)
    layer = SharedSpecificFusion(UNITS, *weights)
    layer([np.zeros((1, width)) for width in WIDTHS[:n]])
    values = {}
    for weight in layer.weights:
        name = "/".join(weight.path.split("/")[-2:])
        values[name] = rng.normal(size=tuple(weight.shape))
        weight.assign(values[name])
    return layer, values


def by_hand(values, sample, here):
    """Of one sample, by loops: the output and its two losses."""

    def affine(x, name):
        return x @ values[f"{name}/kernel"] + values[f"{name}/bias"]

    n, r, f, domain = len(sample), {}, {}, 0.0
    for k in np.flatnonzero(here):
        entry = affine(sample[k], f"entry_{k}")
        r[k] = affine(entry / (1 + np.exp(-entry)), "shared")
        s = affine(sample[k], f"specific_{k}")
        f[k] = affine(np.concatenate([r[k], s]), "projection") + r[k]
        scores = affine(s, "domain")
        domain += np.log(np.exp(scores).sum()) - scores[k]
    mean = np.mean(list(r.values()) or [np.zeros(UNITS)], axis=0)
    pairs = [np.abs(r[k] - r[j]).mean() for k, j in itertools.combinations(r, 2)]
    return (
        np.concatenate([f.get(k, mean) for k in range(n)]),
        sum(pairs) / (n * (n - 1) / 2),
        domain / n if len(r) > 1 else 0.0,
    )


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_equations_and_losses(n, masked):
    """With a mask every subset at once; what is absent is a NaN here."""
    layer, values = made(n)
    here = np.array(list(itertools.product([0, 1], repeat=n)))
    here = here if masked else np.ones_like(here)
    rng = np.random.default_rng(1)
    x = [rng.normal(size=(len(here), width)).astype("float32") for width in WIDTHS[:n]]
    rows = [by_hand(values, sample, h) for *sample, h in zip(*x, here, strict=True)]
    outputs, similarity, domain = (np.array(part) for part in zip(*rows, strict=True))
    x = [np.where(here[:, [k]], x[k], np.nan) for k in range(n)]
    found = to_numpy(layer(x, present=here if masked else None))
    np.testing.assert_allclose(found, outputs, rtol=1e-4, atol=1e-5)
    losses = [to_numpy(loss) for loss in layer.losses]
    np.testing.assert_allclose(losses, [0.3 * similarity.mean(), 0.7 * domain.mean()], rtol=1e-4)
    assert not masked or not found[0].any()


def test_with_one_present_there_is_no_loss():
    layer, _ = made(3)
    layer([np.ones((3, width), "float32") for width in WIDTHS], present=np.eye(3))
    assert [float(to_numpy(loss)) for loss in layer.losses] == [0, 0]


def test_losses_reach_the_weights_and_may_be_off():
    """What is absent moves nothing of its own modality, and spoils nothing."""
    inputs, present = [keras.Input((width,)) for width in WIDTHS], keras.Input((3,))
    x = [np.ones((3, 5), "float32"), np.ones((3, 2), "float32"), np.full((3, 3), np.nan)]
    moved = {}
    for weights in ((0, 0), (1, 0), (0, 1)):
        layer, _ = made(3, weights)
        model = keras.Model([*inputs, present], layer(inputs, present=present))
        model.compile(
            keras.optimizers.SGD(0.1),
            loss=lambda y, p: keras.ops.sum(0.0 * p, axis=-1),
            run_eagerly=keras.backend.backend() != "jax",
        )
        before = {w.path.split("/", 1)[1]: np.array(to_numpy(w)) for w in layer.weights}
        model.fit([*x, np.array([[1, 1, 0]] * 3)], np.zeros((3, 3 * UNITS)), verbose=0)
        after = {w.path.split("/", 1)[1]: np.array(to_numpy(w)) for w in layer.weights}
        assert all(np.isfinite(w).all() for w in after.values())
        moved[weights] = {n.split("/")[0] for n in before if np.any(before[n] != after[n])}
    assert moved[0, 0] == set()
    assert moved[1, 0] == {"entry_0", "entry_1", "shared"}
    assert moved[0, 1] == {"specific_0", "specific_1", "domain"}


def test_absent_reaches_no_gradient():
    layer, _ = made(2)
    present = np.array([[True, False], [True, True], [False, False]])
    x = [np.ones((3, 5), "float32"), np.ones((3, 2), "float32")]
    holes = [np.where(present[:, [k]], x[k], np.float32(np.nan)) for k in range(2)]
    by_weights, by_inputs = gradients(layer, holes, present=present)
    assert all(g is None or np.isfinite(g).all() for g in by_weights)
    for k, found in enumerate(by_inputs):
        assert np.all((found != 0) == present[:, [k]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units: expected an int >= 1. Received: 0"),
        ({"similarity_weight": -0.1}, "similarity_weight: expected a float >= 0. Received: -0.1"),
        ({"domain_weight": "1"}, "domain_weight: expected a float >= 0. Received: '1'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SharedSpecificFusion(**{"units": 2, **arguments})
