"""Retrieval: the losses and Recall@K against loops, their limits, and a fit on a fused query."""

import itertools

import keras
import numpy as np
import pytest
from helpers.tiny import vector_net
from keras import ops
from scipy.special import logsumexp

import keras_fusion as kf
from keras_fusion.losses import BatchClassification, SoftTriplet
from keras_fusion.metrics import recall_at_k

LABELS = np.array([0, 1, 0, 2, 1])
PAIRS = np.random.default_rng(0).normal(size=(5, 2, 3)).astype("float32")


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def classified(labels, pairs, scale):
    q, t = unit(pairs[:, 0]), unit(pairs[:, 1])
    found = []
    for i, label in enumerate(labels):
        among = [j for j in range(len(labels)) if j == i or labels[j] != label]
        found.append(logsumexp([scale * q[i] @ t[j] for j in among]) - scale * q[i] @ t[i])
    return found


def triplets(labels, pairs, scale):
    items, found = scale * unit(pairs), []
    for i, label in enumerate(labels):
        own = np.sum((items[i, 0] - items[i, 1]) ** 2)
        others = items[labels != label].reshape(-1, 3)
        distances = [np.sum((items[i, side] - other) ** 2) for side in (0, 1) for other in others]
        found.append(np.mean(np.log1p(np.exp(own - np.array(distances)))))
    return found


@pytest.mark.parametrize(
    ("kind", "by_hand"), [(BatchClassification, classified), (SoftTriplet, triplets)]
)
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_equations(kind, by_hand, scale):
    expected = by_hand(LABELS, PAIRS, scale)
    loss = kind(scale, reduction=None)
    np.testing.assert_allclose(loss(LABELS, PAIRS), expected, rtol=1e-4)
    np.testing.assert_allclose(loss(LABELS[:, None], 7 * PAIRS), expected, rtol=1e-4)
    order = np.random.default_rng(1).permutation(5)
    np.testing.assert_allclose(
        loss(LABELS[order], PAIRS[order]), np.array(expected)[order], rtol=1e-4
    )
    again = kind.from_config(kind(scale, reduction="sum", name="of_pairs").get_config())
    assert float(again(LABELS, PAIRS)) == pytest.approx(sum(expected), rel=1e-4)
    registered = keras.saving.serialize_keras_object(kind(scale))
    assert keras.saving.deserialize_keras_object(registered).scale == scale
    half = loss(LABELS, ops.cast(PAIRS, "float16"))
    np.testing.assert_allclose(ops.convert_to_numpy(half), expected, rtol=5e-3)


@pytest.mark.parametrize(
    ("kind", "nothing"), [(BatchClassification, np.log(5)), (SoftTriplet, np.log(2))]
)
def test_limits(kind, nothing):
    loss = kind(reduction=None)
    np.testing.assert_allclose(loss(np.arange(5), np.ones((5, 2, 3))), nothing, rtol=1e-5)
    for zeros in (np.zeros((5, 2, 3)), PAIRS[:1]):  # no length; nothing to be told from
        found = ops.convert_to_numpy(loss(np.arange(len(zeros)), zeros))
        assert np.all(np.isfinite(found))
    np.testing.assert_allclose(loss(np.zeros(5), PAIRS), 0, atol=1e-6)
    perfect = np.repeat(np.eye(5)[:, None], 2, axis=1)
    np.testing.assert_allclose(kind(30.0)(np.arange(5), perfect), 0, atol=1e-6)
    with pytest.raises(ValueError, match=rf"{kind.__name__}: expected pairs .* Received: \(5, 3\)"):
        loss(LABELS, PAIRS[:, 0])


def drawn(queries, candidates, k, asked, labels, left_out):
    """Over all orders of the candidates, which a stable sort by the cosine keeps."""
    orders = list(itertools.permutations(range(len(candidates))))
    hits = 0
    for query, label, own in zip(queries, asked, left_out, strict=True):
        scores = np.round(unit(candidates) @ unit(query), 9)
        for order in orders:
            best = sorted((i for i in order if i != own), key=lambda i: -scores[i])
            hits += label in [labels[i] for i in best[:k]]
    return hits / len(queries) / len(orders)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 9])
def test_recall_with_labels(k):
    """Ties between right and wrong ones, several right ones, and a query without any."""
    candidates = np.array([[1, 0], [2, 0], [1, 0], [1, 1], [0, 3.0]])
    labels, asked = np.array(list("abacb")), np.array(list("abcaz"))
    queries = np.array([[1, 0], [1, 0.1], [1, 0], [1, 0], [1, 1.0]])
    left_out = np.array([0, 3, 1, 4, 2])
    expected = drawn(queries, candidates, k, asked, labels, left_out)
    assert 0 < expected < 1
    found = recall_at_k(queries, candidates, [k], asked, labels, left_out)
    assert found == pytest.approx({f"recall@{k}": expected})


def test_recall_of_pairs():
    candidates = np.eye(5)[[0, 1, 3, 2, 4]]
    assert recall_at_k(np.eye(5), candidates, [1, 5]) == {"recall@1": 0.6, "recall@5": 1.0}
    equal = np.ones((5, 2))
    assert recall_at_k(equal, equal, [1, 2]) == pytest.approx({"recall@1": 0.2, "recall@2": 0.4})
    assert np.isnan(recall_at_k(equal[:0], equal[:0], [1])["recall@1"])
    many = np.random.default_rng(0).normal(size=(2100, 8))  # more than are compared at a time
    assert recall_at_k(many, many, (1,)) == {"recall@1": 1.0}
    assert recall_at_k(many, many, (1,), left_out=np.arange(2100)) == {"recall@1": 0.0}
    with pytest.raises(ValueError, match="labels: expected both"):
        recall_at_k(equal, equal, labels=np.arange(5))


@pytest.mark.parametrize("kind", [BatchClassification, SoftTriplet])
def test_a_fused_query_learns_to_find_its_target(kind):
    """As in the example: the model of the query and a network of the target, in one model."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    nets = {
        "a": vector_net("net_a", features=4, classes=None),
        "b": vector_net("net_b", features=2, classes=None),
    }
    query = kf.build_residual_gated(nets, units=8)
    inputs = {
        name: keras.Input((n,), name=name) for name, n in {"a": 4, "b": 2, "target": 4}.items()
    }
    target = keras.layers.Dense(8, name="target_embedding")(nets["a"](inputs["target"]))
    found = query({"a": inputs["a"], "b": inputs["b"]})["central"]
    model = keras.Model(inputs, ops.stack([found, target], 1))
    model.compile(keras.optimizers.Adam(0.01), loss=kind())
    assert {w.path for w in nets["a"].weights} <= {w.path for w in query.weights}  # one encoder
    a, b = rng.normal(size=(64, 4)), rng.normal(size=(64, 2))
    x = {"a": a, "b": b, "target": a + np.repeat(b, 2, axis=1)}
    losses = model.fit(x, np.arange(64), batch_size=32, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    pair = query.predict(x, verbose=0)["central"], model.predict(x, verbose=0)[:, 1]
    assert recall_at_k(*pair, [10])["recall@10"] > 0.3  # by chance 0.16
