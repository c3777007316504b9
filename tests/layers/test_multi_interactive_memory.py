"""MultiInteractiveMemory against NumPy, where tokens that do not count are left out by hand."""

import itertools

import keras
import numpy as np
import pytest
from conformance import gradients
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats, integers

import keras_fusion as kf
from keras_fusion.layers import MultiInteractiveMemory

# Entries whose step, in the one model of all rows, may be too small for float32.
SMALL_STEPS = tuple(
    f"{name}_{k}/{kind}"
    for k in range(3)
    for name, kind in (
        ("keys", "kernel"),
        ("keys", "bias"),
        ("guide", "kernel"),
        ("gru", "kernel"),
        ("gru", "recurrent_kernel"),
    )
)

CASES = [
    Case(
        MultiInteractiveMemory,
        "sequence and map",
        # Small values: far out, the gates of its cells hardly have a gradient.
        {"units": 2, "hops": 2},
        ([0.3 * floats(3, 5, 2), 0.3 * floats(3, 2, 3, 4)],),
        (3, 4),
        partly_still=SMALL_STEPS,
    ),
    Case(
        MultiInteractiveMemory,
        "three with query and present",
        {"units": 2},
        ([0.3 * floats(3, 5, 2), 0.3 * floats(3, 4, 4), 0.3 * floats(3, 4, 3)],),
        (3, 6),
        keywords={
            "query": floats(3, 2, 2),
            "present": np.concatenate([PRESENT, [[True], [True], [False]]], axis=1),
        },
        partly_still=SMALL_STEPS,
    ),
    Case(
        MultiInteractiveMemory,
        "integer sequences",
        {"units": 2, "hops": 1},
        ([integers(3, 3, 5, 2, dtype="uint8"), integers(3, 3, 4, 1)],),
        (3, 4),
        keywords={"query": 1 + integers(3, 3, 2)},
        partly_still=SMALL_STEPS,
    ),
]

SHAPES = ((4, 5), (2, 3, 2), (3, 3))  # without the batch
UNITS, QUERY = 4, 2


def made(n, hops=2, has_query=False, batch=3):
    """A built layer with weights drawn anew, its arrays by name, memories, call arguments."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(batch, *shape)).astype("float32") for shape in SHAPES[:n]]
    options = {"query": rng.normal(size=(batch, 3, QUERY)).astype("float32")} if has_query else {}
    layer = MultiInteractiveMemory(UNITS, hops)
    layer(x, **options)
    values = {}
    for weight in layer.trainable_weights:
        name = "/".join(weight.path.split("/")[1:])
        values[name] = rng.normal(size=tuple(weight.shape))
        weight.assign(values[name])
    return layer, values, x, options


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(values, k, x, state):
    bias = values[f"gru_{k}/bias"]
    x = x @ values[f"gru_{k}/kernel"] + bias[0]
    inner = state @ values[f"gru_{k}/recurrent_kernel"] + bias[1]
    z, r = (sigmoid(x[i * UNITS :][:UNITS] + inner[i * UNITS :][:UNITS]) for i in (0, 1))
    return z * state + (1 - z) * np.tanh(x[2 * UNITS :] + r * inner[2 * UNITS :])


def by_hand(values, tokens, query, hops):
    """One sample: `(tokens, features)` of every memory, there may be none; e(0) is given."""
    here = [k for k, x in enumerate(tokens) if len(x)]
    m = [
        x @ values[f"projection_{k}/kernel"] + values[f"projection_{k}/bias"]
        for k, x in enumerate(tokens)
    ]
    states = [query] * len(tokens)
    for _ in range(hops):
        reads = {}
        for j, k in itertools.product(here, here):
            u = values[f"keys_{k}/kernel"][:, j * UNITS :][:, :UNITS]
            b = values[f"keys_{k}/bias"][j * UNITS :][:UNITS]
            v = values[f"guide_{j}/kernel"][:, k * UNITS :][:, :UNITS]
            scores = np.tanh(m[k] @ u + states[j] @ v + b) @ values["scores"][k, j]
            weights = np.exp(scores) / np.exp(scores).sum()
            reads[j, k] = weights @ m[k]
        states = [
            gru(values, k, np.mean([reads[j, k] for j in here], axis=0), states[k])
            if k in here
            else states[k]
            for k in range(len(tokens))
        ]
    return np.concatenate([e if k in here else 0 * e for k, e in enumerate(states)])


def first_state(values, query):
    """e(0) from the tokens of a query, or without one."""
    if query is None:
        return values["initial_state"]
    mean = query.mean(0) if len(query) else np.zeros(QUERY)
    return mean @ values["query_projection/kernel"] + values["query_projection/bias"]


def flat(array):
    return array.reshape(len(array), -1, array.shape[-1])


@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("has_query", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_equations(n, has_query, hops):
    layer, values, x, options = made(n, hops, has_query)
    found = to_numpy(layer(x, **options))
    assert found.shape == (3, n * UNITS)
    for sample in range(3):
        start = first_state(values, options["query"][sample] if has_query else None)
        expected = by_hand(values, [flat(array)[sample] for array in x], start, hops)
        np.testing.assert_allclose(found[sample], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("has_query", [False, True])
def test_masks_and_absent_modalities(has_query):
    """Every subset; whatever does not count, of the query too, is a NaN."""
    present = np.array(list(itertools.product([0, 1], repeat=3 + has_query)))
    batch = len(present)
    layer, values, x, options = made(3, 2, has_query, batch)
    steps = np.arange(4) < (np.arange(batch) % 5)[:, None]
    counts = [steps & present[:, :1].astype(bool)]
    counts += [np.repeat(present[:, [k]], places, 1).astype(bool) for k, places in ((1, 6), (2, 3))]
    holes = [
        np.where(c[:, :, None], flat(array), np.nan).reshape(array.shape)
        for c, array in zip(counts, x, strict=True)
    ]
    asked = np.ones((batch, 3), bool)
    if has_query:
        asked = (np.arange(3) < (np.arange(batch) % 4)[:, None]) & present[:, 3:].astype(bool)
        query = np.where(asked[:, :, None], options["query"], np.nan)
        options = {"query": query, "query_mask": asked}
    for mask in (present, present.astype(bool)):
        found = to_numpy(layer(holes, present=mask, mask=[steps, None, None], **options))
        for sample in range(batch):
            query = options["query"][sample][asked[sample]] if has_query else None
            start = first_state(values, query)
            if has_query and not present[sample, 3]:
                start = np.zeros(UNITS)
            tokens = [flat(a)[sample][c[sample]] for a, c in zip(x, counts, strict=True)]
            expected = by_hand(values, tokens, start, 2)
            np.testing.assert_allclose(found[sample], expected, rtol=1e-3, atol=1e-4)
    assert not np.any(found[0]) and np.any(found[-1])


def test_samples_do_not_meet():
    layer, _, x, options = made(2, has_query=True)
    before = to_numpy(layer(x, **options))
    other = [np.concatenate([array[:1], 2 - array[1:]]) for array in (*x, options["query"])]
    found = to_numpy(layer(other[:2], query=other[2]))
    np.testing.assert_allclose(found[0], before[0], rtol=1e-5, atol=1e-6)
    assert np.abs(found - before)[1:].max() > 1e-3
    alone = layer([array[:1] for array in x], query=options["query"][:1])
    np.testing.assert_allclose(to_numpy(alone)[0], before[0], rtol=1e-5, atol=1e-6)


def test_limits():
    """Gates that keep the state leave the query; a learned vector is there without one."""
    layer, values, x, options = made(2, has_query=True)
    for k, cell in enumerate(layer.cells):
        shut = values[f"gru_{k}/bias"].copy()
        shut[:, :UNITS] = 500
        cell.bias.assign(shut)
    start = np.stack([first_state(values, query) for query in options["query"]])
    found = to_numpy(layer(x, **options))
    np.testing.assert_allclose(found, np.concatenate([start, start], 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("has_query", [False, True])
def test_every_entry_of_every_weight_learns(has_query):
    layer, values, x, options = made(3, has_query=has_query)
    by_weights, by_inputs = gradients(layer, x, **options)
    assert len(by_weights) == len(values)
    assert all(np.isfinite(g).all() and np.all(g != 0) for g in [*by_weights, *by_inputs])


def test_nothing_absent_in_gradients():
    layer, _, x, options = made(2, has_query=True)
    present = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]])
    steps = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    x[1][:2] = np.nan
    x[0][1] = np.nan
    options["query"][1] = np.nan
    by_weights, by_inputs = gradients(layer, x, present=present, mask=[steps, None], **options)
    assert all(np.isfinite(g).all() for g in by_weights)
    assert all(np.isfinite(g).all() for g in by_inputs[:3])
    assert not np.any(by_inputs[1][:2]) and not np.any(by_inputs[2][1])
    assert np.any(by_inputs[0][0, :2]) and np.any(by_inputs[1][2]) and np.any(by_inputs[2][0])


@pytest.mark.parametrize("with_present", [False, True])
def test_masks_that_keras_carries(with_present):
    """Of a memory and of the query, which come from one embedding."""
    rng = np.random.default_rng(2)
    ids, asked = np.array([[1, 2, 3, 0], [4, 0, 0, 0]]), np.array([[3, 0], [2, 4]])
    image = rng.normal(size=(2, 2, 3, 2)).astype("float32")
    words = keras.layers.Embedding(5, 5, mask_zero=True)
    layer = MultiInteractiveMemory(UNITS)

    def call(ids, asked, image):
        options = {"present": np.ones((len(ids), 3))} if with_present else {}
        return to_numpy(layer([words(ids), image], query=words(asked), **options))

    found = call(ids, asked, image)
    for sample, length, query in ((0, 3, 1), (1, 1, 2)):
        alone = call(ids[[sample], :length], asked[[sample], :query], image[[sample]])
        np.testing.assert_allclose(found[[sample]], alone, rtol=1e-4, atol=1e-5)
    only_memory = to_numpy(MultiInteractiveMemory(UNITS)([words(0 * ids), image]))
    assert not np.any(only_memory[:, :UNITS]) and np.all(np.isfinite(only_memory))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units: expected an int >= 1. Received: 0"),
        ({"units": 4, "hops": 0}, "hops: expected an int >= 1. Received: 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiInteractiveMemory(**arguments)


def test_bad_queries():
    a, b, q = np.zeros((3, 5, 2)), np.zeros((3, 4)), np.zeros((3, 6))
    with pytest.raises(ValueError, match="query: expected a tensor .batch, ..., features.*3,"):
        MultiInteractiveMemory(2)([a, b], query=np.zeros(3))
    with pytest.raises(ValueError, match="present: expected shape .batch, 3.*Received: .3, 2."):
        MultiInteractiveMemory(2)([a, b], query=q, present=np.ones((3, 2)))
    layer = MultiInteractiveMemory(2)
    layer([a, b])
    with pytest.raises(ValueError, match="query: expected the width None.*Received: 6"):
        layer([a, b], query=q)
    layer = MultiInteractiveMemory(2)
    layer([a, b], query=q)
    with pytest.raises(ValueError, match="query: expected the width 6.*Received: None"):
        layer([a, b])
    with pytest.raises(ValueError, match="mask: expected the first axes of its tensor"):
        layer([a, b], query=q, query_mask=np.ones((3, 6), bool))


def test_float16_on_pytorch(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    says = "dtype: expected \"mixed_float16\".* PyTorch has no orthogonal.*Received: 'float16'"
    with pytest.raises(ValueError, match=says):
        MultiInteractiveMemory(4, dtype="float16")
    assert MultiInteractiveMemory(4, dtype="mixed_float16").compute_dtype == "float16"
    keras.config.set_dtype_policy("float16")
    with pytest.raises(ValueError, match=says):
        kf.presets.xflow_cnn_mlp_lstm("digits")
