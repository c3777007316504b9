"""SharedSpecificTransfer: the equations and losses against NumPy, absent modalities, errors."""

import itertools

import keras
import numpy as np
import pytest
from conformance import gradients
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import SharedSpecificTransfer

CASES = [
    Case(
        SharedSpecificTransfer,
        "two vectors of different widths",
        {"units": 4},
        ([floats(3, 5), floats(3, 2)],),
        (3, 24),
    ),
    Case(
        SharedSpecificTransfer,
        "three with present and low temperature",
        {"units": 3, "temperature": 0.5, "similarity_weight": 0.5, "difference_weight": 0},
        ([floats(3, 5), 1 + integers(3, 3, 2, dtype="uint8"), floats(3, 3)],),
        (3, 27),
        keywords={"present": PRESENT},
    ),
]

WIDTHS = (5, 2, 3)
UNITS = 4


def made(n, temperature=0.5, weights=(0.3, 0.7)):
    """A built layer with weights drawn anew, and its arrays by name."""
    rng = np.random.default_rng(n)
    layer = SharedSpecificTransfer(UNITS, temperature, *weights)
    layer([np.zeros((1, width)) for width in WIDTHS[:n]])
    values = {}
    for weight in layer.weights:
        name = "/".join(weight.path.split("/")[-2:])
        values[name] = rng.normal(size=tuple(weight.shape))
        weight.assign(values[name])
    return layer, values


def affine(x, values, name):
    return x @ values[f"{name}/kernel"] + values[f"{name}/bias"]


def cosine(a, b):
    length = np.linalg.norm(a) * np.linalg.norm(b)
    return a @ b / length if length else 0.0


def by_hand(values, sample, here, temperature=0.5):
    """Of one sample, by loops: output, affinities, and its two losses."""
    n = len(sample)
    shared, specific = [None] * n, [np.zeros(UNITS) for _ in range(n)]
    for k in np.flatnonzero(here):
        entry = affine(sample[k], values, f"entry_{k}")
        shared[k] = affine(entry / (1 + np.exp(-entry)), values, "shared")
        specific[k] = affine(sample[k], values, f"specific_{k}")
    known = [s for s in shared if s is not None]
    shared = [np.mean(known or [np.zeros(UNITS)], axis=0) if s is None else s for s in shared]
    a = np.zeros((n, n))
    for k in range(n):
        for j in np.flatnonzero(here):
            a[k, j] = np.exp(cosine(shared[k], shared[j]) / temperature)
        a[k] /= a[k].sum() or 1
    parts = []
    for k in range(n):
        others = sum(a[k, j] * specific[j] for j in range(n) if j != k)
        parts += [specific[k], others, sum(a[k, j] * shared[j] for j in range(n))]
    pairs = list(itertools.combinations(range(n), 2))
    similarity = sum(1 - cosine(shared[k], shared[j]) for k, j in pairs if here[k] and here[j])
    difference = sum(cosine(shared[k], specific[k]) ** 2 for k in range(n) if here[k])
    return np.concatenate(parts), a, similarity / len(pairs), difference / n


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
    outputs, affinities, similarity, difference = (
        np.array(part) for part in zip(*rows, strict=True)
    )
    x = [np.where(here[:, [k]], x[k], np.nan) for k in range(n)]
    for mask in (here, here.astype(bool), here.astype("float32")) if masked else (None,):
        found = to_numpy(layer(x, present=mask))
        np.testing.assert_allclose(found, outputs, rtol=1e-4, atol=1e-5)
    losses = [to_numpy(loss) for loss in layer.losses]
    expected = [0.3 * similarity.mean(), 0.7 * difference.mean()]
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    found = to_numpy(layer.affinities(x, present=here if masked else None))
    np.testing.assert_allclose(found, affinities, rtol=1e-4, atol=1e-6)
    assert not masked or (not np.any(outputs[0]) and np.all(np.ptp(outputs[1:], axis=1) > 0))


def test_losses_reach_the_weights_and_may_be_off():
    """With 0 there is none; else each changes what it is about, and NaN changes nothing."""
    inputs = [keras.Input((width,)) for width in WIDTHS[:2]]
    present = keras.Input((2,))
    x = [np.ones((3, 5), "float32"), np.full((3, 2), [[2.0], [np.nan], [np.nan]], "float32")]
    mask = np.array([[1, 1], [1, 0], [1, 0]], "float32")
    moved = {}
    for weights in ((0, 0), (1, 0), (0, 1)):
        layer, _ = made(2, weights=weights)
        model = keras.Model([*inputs, present], layer(inputs, present=present))
        model.compile(keras.optimizers.SGD(0.1), loss=lambda y, p: keras.ops.sum(0.0 * p, axis=-1))
        before = {w.path.split("/", 1)[1]: np.array(w) for w in layer.weights}
        model.fit([*x, mask], np.zeros((3, 24)), verbose=0)
        after = {w.path.split("/", 1)[1]: np.array(w) for w in layer.weights}
        assert all(np.all(np.isfinite(w)) for w in after.values())
        moved[weights] = {name for name in before if np.any(before[name] != after[name])}
        layer(x, present=mask)
        assert len(layer.losses) == sum(weights)
    assert not moved[0, 0]
    assert {"shared/kernel", "entry_1/kernel"} <= moved[1, 0]
    assert not any(name.startswith("specific") for name in moved[1, 0])
    assert {"shared/kernel", "specific_0/kernel", "specific_1/kernel"} <= moved[0, 1]


def test_shared_parts_of_zeros():
    """They have the cosine 0 with all, and spoil no gradient."""
    layer, _ = made(2)
    for weight in layer.shared.weights:
        weight.assign(np.zeros(weight.shape))
    x = [np.ones((3, width), "float32") for width in WIDTHS[:2]]
    layer(x)
    np.testing.assert_allclose([to_numpy(loss) for loss in layer.losses], [0.3, 0], atol=1e-6)
    np.testing.assert_allclose(to_numpy(layer.affinities(x)), np.full((3, 2, 2), 0.5), rtol=1e-5)
    assert all(np.all(np.isfinite(g)) for g in gradients(layer, x)[0])


def test_absent_reaches_no_gradient():
    layer, _ = made(2)
    present = np.array([[True, False], [True, True], [False, False]])
    x = [np.ones((3, 5), "float32"), np.ones((3, 2), "float32")]
    holes = [np.where(present[:, [k]], x[k], np.float32(np.nan)) for k in range(2)]
    by_weights, by_inputs = gradients(layer, holes, present=present)
    assert all(np.all(np.isfinite(g)) for g in by_weights)
    for k, found in enumerate(by_inputs):
        assert np.all(found[~present[:, k]] == 0) and np.all(found[present[:, k]] != 0)


def test_temperature():
    """High: all modalities alike. Low: none but those that agree, of which it is one itself."""
    x = [np.ones((1, width), "float32") for width in WIDTHS]
    np.testing.assert_allclose(to_numpy(made(3, 1e6)[0].affinities(x)), 1 / 3, rtol=1e-4)
    np.testing.assert_allclose(to_numpy(made(3, 1e-4)[0].affinities(x))[0], np.eye(3), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units: expected an int >= 1. Received: 0"),
        ({"temperature": 0}, "temperature: expected a float > 0. Received: 0"),
        ({"temperature": "1"}, "temperature: expected a float > 0. Received: '1'"),
        ({"similarity_weight": -0.1}, "similarity_weight: expected a float >= 0. Received: -0.1"),
        ({"difference_weight": True}, "difference_weight: expected a float >= 0. Received: True"),
        ({"difference_weight": np.nan}, "difference_weight: expected a float >= 0. Received: nan"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SharedSpecificTransfer(**{"units": 2, **arguments})


def test_affinities_before_the_first_call():
    layer = SharedSpecificTransfer(2, name="late")
    with pytest.raises(ValueError, match="affinities: expected a layer .*Received: late, which"):
        layer.affinities([np.zeros((3, 5)), np.zeros((3, 2))])


def test_weights_of_the_losses_by_default():
    layer = SharedSpecificTransfer(2)
    assert layer.similarity_weight == layer.difference_weight == 0.1
