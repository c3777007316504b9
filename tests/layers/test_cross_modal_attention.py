"""CrossModalAttention against NumPy, where tokens that do not count are left out by hand."""

import itertools

import keras
import numpy as np
import pytest
from conformance import gradients
from keras.ops import convert_to_numpy as to_numpy
from layer_cases import PRESENT, Case, floats, integers

from keras_fusion.layers import CrossModalAttention

CASES = [
    Case(
        CrossModalAttention,
        "sequence and map",
        # Without dropout Keras' attention has no float16 gradient on JAX's CPU.
        {"units": 4, "num_heads": 2, "dropout": 0.5, "seed": 1},
        ([floats(3, 5, 2), floats(3, 2, 3, 4)],),
        [(3, 5, 4), (3, 2, 3, 4)],
        training_differs=True,
    ),
    Case(
        CrossModalAttention,
        "means of three with present and dropout",
        {"units": 4, "num_heads": 1, "dropout": 0.5, "pooling": "mean", "seed": 1},
        ([floats(3, 5, 2), floats(3, 4), floats(3, 4, 3)],),
        [(3, 4), (3, 4), (3, 4)],
        keywords={"present": PRESENT},
        training_differs=True,
    ),
    Case(
        CrossModalAttention,
        "integer maps and sequences without residual",
        {"units": 2, "num_heads": 2, "dropout": 0.5, "residual": False, "seed": 1},
        ([integers(3, 3, 2, 2, 1, dtype="uint8"), integers(3, 3, 4, 2)],),
        [(3, 2, 2, 2), (3, 4, 2)],
        training_differs=True,
    ),
]

SHAPES = ((4, 5), (2, 3, 2), (3,))  # a sequence, a map and a vector, without the batch
UNITS, HEADS = 6, 2


def made(n, batch=3, **arguments):
    """A built layer with weights drawn anew, its arrays by name, and inputs."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(batch, *shape)).astype("float32") for shape in SHAPES[:n]]
    layer = CrossModalAttention(UNITS, HEADS, **arguments)
    layer(x)
    values = {}
    for weight in layer.trainable_weights:
        name = "/".join(weight.path.split("/")[1:])
        values[name] = rng.normal(size=tuple(weight.shape))
        weight.assign(values[name])
    return layer, values, x


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def by_hand(values, tokens, residual=True):
    """Y_k of one sample, from `(tokens, features)` of every modality; there may be no tokens."""
    p = [
        x @ values[f"projection_{k}/kernel"] + values[f"projection_{k}/bias"]
        for k, x in enumerate(tokens)
    ]
    outputs = []
    for k, queries in enumerate(p):
        keys = np.concatenate([p[j] for j in range(len(p)) if j != k])
        w = {name: values[f"attention_{k}/{name}/kernel"] for name in ("query", "key", "value")}
        found = np.zeros_like(queries)
        for h in range(HEADS if len(keys) else 0):
            scores = (queries @ w["query"][:, h]) @ (keys @ w["key"][:, h]).T
            read = softmax(scores / np.sqrt(UNITS / HEADS)) @ keys @ w["value"][:, h]
            found = found + read @ values[f"attention_{k}/attention_output/kernel"][h]
        if residual:
            found = queries + found
            mean, variance = found.mean(-1, keepdims=True), found.var(-1, keepdims=True)
            found = (found - mean) / np.sqrt(variance + 1e-5)
            found = found * values[f"norm_{k}/gamma"] + values[f"norm_{k}/beta"]
        outputs.append(found)
    return outputs


def flat(array):
    """Its tokens: `(batch, tokens, features)`."""
    return array.reshape(len(array), -1, array.shape[-1])


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("n", [2, 3])
def test_equation(n, residual):
    layer, values, x = made(n, residual=residual)
    found = [to_numpy(y) for y in layer(x)]
    assert [y.shape for y in found] == [(3, *shape[:-1], UNITS) for shape in SHAPES[:n]]
    for sample in range(3):
        expected = by_hand(values, [flat(array)[sample] for array in x], residual)
        for y, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(flat(y)[sample], e, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pooling", [None, "mean"])
@pytest.mark.parametrize("residual", [True, False])
def test_masks_and_absent_modalities(residual, pooling):
    """Every subset of three modalities; whatever does not count is a NaN."""
    present = np.array(list(itertools.product([0, 1], repeat=3)))
    layer, values, x = made(3, batch=len(present), residual=residual, pooling=pooling)
    steps = np.arange(4) < np.array([4, 3, 2, 1, 4, 3, 2, 0])[:, None]
    counts = [steps & present[:, :1].astype(bool)]
    counts += [np.repeat(present[:, [k]], places, 1).astype(bool) for k, places in ((1, 6), (2, 1))]
    holes = [
        np.where(c[:, :, None], flat(array), np.nan).reshape(array.shape)
        for c, array in zip(counts, x, strict=True)
    ]
    for mask in (present, present.astype(bool)):
        found = [to_numpy(y) for y in layer(holes, present=mask, mask=[steps, None, None])]
        for sample in range(len(present)):
            tokens = [flat(a)[sample][c[sample]] for a, c in zip(x, counts, strict=True)]
            for k, e in enumerate(by_hand(values, tokens, residual)):
                if pooling == "mean":
                    e = e.mean(0) if len(e) else np.zeros(UNITS)
                    np.testing.assert_allclose(found[k][sample], e, rtol=1e-3, atol=1e-4)
                    continue
                of_sample, counted = flat(found[k])[sample], counts[k][sample]
                np.testing.assert_allclose(of_sample[counted], e, rtol=1e-3, atol=1e-4)
                assert not np.any(of_sample[~counted])


def test_a_modality_alone():
    """Nothing to attend to: the residual is left; without it, zeros."""
    present = np.eye(2)[[0, 1, 0]]
    layer, _, x = made(2)
    first, second = (to_numpy(y) for y in layer(x, present=present))
    assert np.abs(first[0]).min() > 0 and np.abs(second[1]).min() > 0
    layer, _, x = made(2, residual=False)
    assert not any(np.any(to_numpy(y)) for y in layer(x, present=present))


def test_without_dropout():
    """Another way through Keras' attention: half precision, training, gradients."""
    full, _, x = made(2)
    half, values, _ = made(2, dtype="mixed_bfloat16")
    for y, expected in zip(half(x), full(x), strict=True):
        assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
        expected = to_numpy(expected)
        y = to_numpy(keras.ops.cast(y, "float32"))
        np.testing.assert_allclose(y, expected, atol=5e-2 * np.abs(expected).max())
    trained = to_numpy(full(x, training=True)[0])
    np.testing.assert_array_equal(trained, to_numpy(full(x, training=False)[0]))
    by_weights, by_inputs = gradients(full, x)
    assert len(by_weights) == len(values)
    assert all(np.isfinite(g).all() and np.any(g) for g in [*by_weights, *by_inputs])


def test_samples_do_not_meet():
    layer, _, x = made(2)
    before = [to_numpy(y) for y in layer(x)]
    other = [np.concatenate([array[:1], 7 - array[1:]]) for array in x]
    for y, b, alone in zip(layer(other), before, layer([a[:1] for a in x]), strict=True):
        np.testing.assert_allclose(to_numpy(y)[0], b[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(to_numpy(alone)[0], b[0], rtol=1e-5, atol=1e-5)
        assert np.abs(to_numpy(y) - b)[1:].max() > 1e-2


def test_limits():
    """Queries of zeros look at all tokens alike; sharp ones at one, and it is that of the key."""
    layer, values, x = made(2, residual=False)
    attention = layer.attentions[0]
    values["attention_0/query/kernel"] *= 0
    attention.query_dense.kernel.assign(values["attention_0/query/kernel"])
    found = to_numpy(layer(x)[0])
    np.testing.assert_allclose(found, np.repeat(found[:, :1], 4, axis=1), rtol=1e-4, atol=1e-5)
    keys = flat(x[1]) @ values["projection_1/kernel"] + values["projection_1/bias"]
    mean = np.einsum(
        "bu,uhd,hdo->bo",
        keys.mean(1),
        values["attention_0/value/kernel"],
        values["attention_0/attention_output/kernel"],
    )
    np.testing.assert_allclose(found[:, 0], mean, rtol=1e-3, atol=1e-4)


def test_nothing_absent_in_gradients():
    """NaN where nothing counts, a sample without any modality, a mask that leaves nothing."""
    layer, _, x = made(2)
    present = np.array([[1, 0], [0, 0], [1, 1]])
    steps = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    x[1][:2] = np.nan
    x[0][1] = np.nan
    x[0][0, 2:] = np.nan
    by_weights, by_inputs = gradients(layer, x, present=present, mask=[steps, None])
    assert all(np.isfinite(g).all() for g in by_weights)
    assert all(np.isfinite(g).all() for g in by_inputs[:2])
    assert not np.any(by_inputs[1][:2]) and not np.any(by_inputs[0][0, 2:])
    assert np.any(by_inputs[0][0, :2]) and np.any(by_inputs[1][2])


def test_masks_that_keras_carries():
    """From an embedding, to the attention and on to what comes after it."""
    rng = np.random.default_rng(2)
    ids = np.array([[1, 2, 3, 0, 0], [4, 0, 0, 0, 0]])
    image = rng.normal(size=(2, 2, 3, 2)).astype("float32")
    words = keras.layers.Embedding(5, 5, mask_zero=True)
    present = np.ones((2, 2))
    for options in ({}, {"present": present}):
        layer, _, _ = made(2)
        first, second = layer([words(ids), image], **options)
        pooled = to_numpy(keras.layers.GlobalAveragePooling1D()(first))
        for sample, length in ((0, 3), (1, 1)):
            short = {name: value[sample : sample + 1] for name, value in options.items()}
            alone = layer([words(ids[[sample], :length]), image[[sample]]], **short)
            one = to_numpy(alone[0])[0]
            np.testing.assert_allclose(to_numpy(first)[sample, :length], one, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(pooled[sample], one.mean(0), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(
                to_numpy(second)[sample], to_numpy(alone[1])[0], rtol=1e-4, atol=1e-5
            )


def test_mask_of_a_video():
    """A mask over time stands for all places of its frames."""
    rng = np.random.default_rng(3)
    video, text = rng.normal(size=(2, 3, 2, 2, 2)), rng.normal(size=(2, 4, 3))
    frames = np.array([[1, 1, 0], [1, 0, 0]], bool)
    layer = CrossModalAttention(4, 2)
    found = to_numpy(layer([video, text], mask=[frames, None])[1])
    for sample, length in ((0, 2), (1, 1)):
        alone = layer([video[[sample], :length], text[[sample]]])[1]
        np.testing.assert_allclose(found[sample], to_numpy(alone)[0], rtol=1e-4, atol=1e-5)


def test_dropout():
    """Reproducible by the seed, other weights in every modality, none at inference."""

    def outputs(training, **arguments):
        layer, _, x = made(2, dropout=0.5, residual=False, **arguments)
        return [to_numpy(y) for y in layer(x, training=training)]

    still, same = outputs(False, seed=1), made(2, residual=False)
    np.testing.assert_allclose(still[0], to_numpy(same[0](same[2])[0]), rtol=1e-4, atol=1e-5)
    first, again, other = outputs(True, seed=1), outputs(True, seed=1), outputs(True, seed=2)
    np.testing.assert_array_equal(first[0], again[0])
    assert np.any(first[0] != other[0]) and np.any(first[0] != still[0])
    layer = CrossModalAttention(4, 2, dropout=0.5, seed=3)
    layer([np.zeros((1, 2, 2))] * 2)
    assert [attention.seed for attention in layer.attentions] == [3, 4]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"units": 0}, ValueError, "units: expected an int >= 1. Received: 0"),
        ({"units": 6}, ValueError, "units: expected a multiple of num_heads=4. Received: 6"),
        ({"units": 4, "num_heads": 0}, ValueError, "num_heads: expected an int >= 1"),
        ({"units": 4, "dropout": 1.0}, ValueError, "dropout: expected a float in .0, 1.."),
        ({"units": 4, "residual": 1}, TypeError, "residual: expected True or False. Received: 1"),
        ({"units": 4, "pooling": "max"}, ValueError, "pooling: expected one of .*Received: 'max'"),
        ({"units": 4, "seed": -1}, ValueError, "seed: expected an int >= 0. Received: -1"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        CrossModalAttention(**arguments)


def test_bad_masks():
    a, b = np.zeros((3, 5, 2)), np.zeros((3, 4))
    layer = CrossModalAttention(4)
    with pytest.raises(ValueError, match="mask: expected a list with one mask or None for each"):
        layer([a, b], mask=[np.ones((3, 5), bool)])
    for bad in (np.ones((3, 4), bool), np.ones((3, 5, 2), bool)):
        with pytest.raises(ValueError, match="mask: expected the first axes of its tensor"):
            layer([a, b], mask=[bad, None])
