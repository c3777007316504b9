"""WeightedBinaryCrossentropy: the text of Sect. 3.4, extremes, saving, on a fusion model."""

import keras
import numpy as np
import pytest
from helpers.tiny import batch, vector_net

from keras_fusion import build_centralnet
from keras_fusion.losses import WeightedBinaryCrossentropy


def data(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (6, 5)).astype("float32"), rng.normal(size=(6, 5)).astype("float32")


def by_hand(y, p, weight):
    return (-weight * y * np.log(p) - (1 - y) * np.log(1 - p)).mean(-1)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("weight", [2, 0.5, 1.0])
def test_equation(weight, from_logits):
    y, logits = data()
    p = 1 / (1 + np.exp(-logits))
    pred = logits if from_logits else p
    expected = by_hand(y, p, weight)
    loss = WeightedBinaryCrossentropy(weight, from_logits, reduction=None)
    np.testing.assert_allclose(loss(y, pred), expected, rtol=1e-4)
    # Labels of any kind of number.
    np.testing.assert_allclose(loss(y.astype("int64"), pred), expected, rtol=1e-4)
    mean = WeightedBinaryCrossentropy(weight, from_logits)
    assert float(mean(y, pred)) == pytest.approx(expected.mean(), rel=1e-4)
    if weight == 1:
        plain = keras.losses.BinaryCrossentropy(from_logits=from_logits)
        assert float(mean(y, pred)) == pytest.approx(float(plain(y, pred)), rel=1e-4)


def test_is_not_the_printed_equation():
    """Eq. (4) as printed differs from the plain cross-entropy by a constant: it has no weight."""
    y, logits = data()
    p = 1 / (1 + np.exp(-logits))
    printed = (-np.log(2 * p) * y - (1 - y) * np.log(1 - p)).mean(-1)
    np.testing.assert_allclose(
        printed - by_hand(y, p, 1), -np.log(2) * y.mean(-1), rtol=1e-4, atol=1e-6
    )
    ours = np.array(WeightedBinaryCrossentropy(from_logits=True, reduction=None)(y, logits))
    assert np.all(np.abs(ours - printed) > 0.01)


def test_one_label():
    y, logits = data()
    loss = WeightedBinaryCrossentropy(2, from_logits=True)
    assert float(loss(y[:, 0], logits[:, :1])) == float(loss(y[:, :1], logits[:, :1]))


def test_extreme_logits():
    loss = WeightedBinaryCrossentropy(2, from_logits=True, reduction=None)
    y = np.array([[1.0], [0.0], [1.0], [0.0]])
    logits = np.array([[-200.0], [200.0], [200.0], [-200.0]])
    np.testing.assert_allclose(loss(y, logits), [400, 200, 0, 0], atol=1e-5)


def test_extreme_probabilities():
    loss = WeightedBinaryCrossentropy(2, reduction=None)
    found = np.array(loss(np.array([[1.0], [0.0], [1.0]]), np.array([[0.0], [1.0], [1.0]])))
    assert np.all(np.isfinite(found))
    assert found[0] == pytest.approx(2 * -np.log(1e-7), rel=1e-3) and found[2] < 1e-5


def test_on_a_fusion_model(tmp_path):
    nets = {n: vector_net(f"net_{n}", classes=4, activation="sigmoid") for n in ("a", "b")}
    model = build_centralnet(nets)
    model.compile("sgd", loss=WeightedBinaryCrossentropy(3.0))
    x = batch(model)
    y = np.random.default_rng(0).integers(0, 2, (4, 4)).astype("float32")
    predictions = model.predict(x, verbose=0)
    expected = {head: by_hand(y, np.array(p), 3.0).mean() for head, p in predictions.items()}
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    for head, value in expected.items():
        assert found[f"{head}_loss"] == pytest.approx(value, rel=1e-4)
    assert found["loss"] == pytest.approx(sum(expected.values()), rel=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.evaluate(x, y, verbose=0, return_dict=True)
    assert again == pytest.approx(found, rel=1e-5)
    before = [np.array(w) for w in loaded.get_weights()]
    loaded.fit(x, y, verbose=0)
    after = [np.array(w) for w in loaded.get_weights()]
    assert any(np.any(a != b) for a, b in zip(before, after, strict=True))


def test_config():
    loss = WeightedBinaryCrossentropy(3, from_logits=True, reduction="sum", name="mine")
    assert keras.saving.get_registered_name(type(loss)) == "keras_fusion>WeightedBinaryCrossentropy"
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == loss.get_config()
    assert (again.positive_weight, again.from_logits, again.reduction) == (3.0, True, "sum")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"positive_weight": 0}, ValueError, "positive_weight: expected a float > 0. Received: 0"),
        ({"positive_weight": float("nan")}, ValueError, "positive_weight.*Received: nan"),
        ({"positive_weight": "2"}, ValueError, "positive_weight.*Received: '2'"),
        ({"from_logits": 1}, TypeError, "from_logits: expected True or False. Received: 1"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        WeightedBinaryCrossentropy(**arguments)


@pytest.mark.parametrize("shape", [(3, 1), (3, 4)])
def test_bad_shapes(shape):
    with pytest.raises(ValueError, match="expected labels and predictions of one shape"):
        WeightedBinaryCrossentropy()(np.zeros(shape), np.zeros((3, 5)))
