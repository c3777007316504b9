"""tf.data, PyDataset and balanced batches: orders, types, masks, and training on them."""

import sys

import keras
import numpy as np
import pytest

from keras_fusion.datasets import BalancedBatches, as_dataset, as_pydataset
from keras_fusion.datasets._io.rows import Rows

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data is TensorFlow's"
)
SAMPLES = 11


def split():
    rng = np.random.default_rng(0)
    x = {
        "image": rng.integers(0, 256, (SAMPLES, 4, 4, 1), "uint8"),
        "sound": rng.normal(size=(SAMPLES, 3)).astype("float32"),
    }
    return x, np.arange(SAMPLES, dtype="int32")


def read(numbers):
    assert (np.diff(numbers) > 0).all()
    return split()[0]["sound"][numbers]


def on_disk():
    x, y = split()
    return {**x, "sound": Rows(read, np.arange(SAMPLES), (3,), "float32")}, y


def order_of(batches):
    return [np.asarray(y).tolist() for _, y in batches]


def flat(lists):
    return [item for inner in lists for item in inner]


def epochs_of_pydataset(count, **arguments):
    batches, orders = as_pydataset(split(), 4, **arguments), []
    for _ in range(count):
        orders.append(order_of(batches))
        batches.on_epoch_end()
    return orders


def test_order_is_a_function_of_seed_and_epoch():
    first, second = epochs_of_pydataset(2)
    assert first != second and [len(batch) for batch in first] == [4, 4, 3]
    assert sorted(flat(first)) == sorted(flat(second)) == list(range(SAMPLES))
    assert epochs_of_pydataset(2) == [first, second]
    assert epochs_of_pydataset(1, seed=1)[0] != first
    plain = epochs_of_pydataset(2, shuffle=False)
    assert plain == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]] * 2
    assert epochs_of_pydataset(1, shuffle=False, drop_remainder=True) == [plain[0][:2]]
    # Pinned: a seed means the same order for good.
    assert flat(first) == [4, 6, 7, 3, 8, 1, 0, 2, 10, 5, 9]


@pytest.mark.parametrize("make", [split, on_disk])
def test_rows_stay_together_and_types_stay(make):
    x, _ = split()
    batches = as_pydataset(make(), 4)
    for i in range(len(batches)):
        received, labels = batches[i]
        assert received["image"].dtype == "uint8" and received["sound"].dtype == "float32"
        assert labels.dtype == "int32" and list(received) == list(x)
        for name, array in received.items():
            np.testing.assert_array_equal(array, x[name][labels])
    with pytest.raises(IndexError, match="from 0 to 2. Received: 3"):
        batches[3]


@on_tensorflow
@pytest.mark.parametrize("make", [split, on_disk])
def test_tf_data_has_the_same_batches(make):
    keras.utils.set_random_seed(5)  # of no influence
    x, _ = split()
    dataset = as_dataset(make(), 4)
    assert dataset.cardinality() == 3
    images = dataset.element_spec[0]["image"]
    assert images.dtype == "uint8" and tuple(images.shape) == (None, 4, 4, 1)
    assert [order_of(dataset), order_of(dataset)] == epochs_of_pydataset(3)[1:]
    for received, labels in dataset:
        for name, array in received.items():
            np.testing.assert_array_equal(array, x[name][labels])
    even = as_dataset(make(), 4, seed=3, drop_remainder=True)
    assert even.element_spec[1].shape == (4,)
    assert order_of(even) == epochs_of_pydataset(2, seed=3, drop_remainder=True)[1]
    plain = epochs_of_pydataset(1, shuffle=False)[0]
    assert order_of(as_dataset(make(), 4, shuffle=False)) == plain


@on_tensorflow
def test_tf_data_of_strings():
    words = np.array(["a", "b\u00e9", "", "dd d", "e"])
    dataset = as_dataset(({"text": words}, np.arange(5)), 2, shuffle=False)
    assert dataset.element_spec[0]["text"].dtype == "string"
    received = [text.decode() for x, _ in dataset for text in x["text"].numpy()]
    assert received == words.tolist()


def test_without_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match="as_dataset needs TensorFlow .*; as_pydataset gives"):
        as_dataset(split(), 4)


def test_present():
    x, y = split()
    x["sound"][[2, 5]] = np.nan
    received, labels = as_pydataset((x, y), SAMPLES, present=True)[0]
    expected = np.ones((SAMPLES, 2))
    expected[np.isin(labels, [2, 5]), 1] = 0
    np.testing.assert_array_equal(received["present"], expected)
    assert received["present"].dtype == "float32"
    assert list(received) == ["image", "sound", "present"]
    assert "present" not in x and "present" not in as_pydataset(split(), 4)[0][0]
    x["sound"][3, 0] = np.nan  # one number is missing, not the modality
    with pytest.raises(ValueError, match=r'x\["sound"\]: .*NaN in 1 of .*number 3'):
        as_pydataset((x, y), SAMPLES, present=True)[0]
    own = np.zeros((SAMPLES, 2), "float32")
    received, _ = as_pydataset(({**x, "present": own}, y), 4, present=True)[0]
    assert not received["present"].any()


def model():
    inputs = {
        "image": keras.Input((4, 4, 1), name="image"),
        "sound": keras.Input((3,), name="sound"),
    }
    flat = keras.layers.Flatten()(inputs["image"])
    merged = keras.layers.Concatenate()([keras.layers.Rescaling(1 / 255)(flat), inputs["sound"]])
    built = keras.Model(inputs, keras.layers.Dense(SAMPLES)(merged))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    built.compile("sgd", loss=loss)
    return built


def trained_on(batches, **arguments):
    keras.utils.set_random_seed(1)
    built = model()
    history = built.fit(batches, epochs=2, shuffle=False, verbose=0, **arguments)
    return history.history["loss"], built.get_weights()


def test_training_is_the_same_however_arrays_are_read():
    losses, weights = trained_on(as_pydataset(on_disk(), 4))
    again, other_weights = trained_on(as_pydataset(split(), 4))
    np.testing.assert_allclose(losses, again, rtol=1e-6)
    for a, b in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    if keras.backend.backend() == "tensorflow":
        np.testing.assert_allclose(trained_on(as_dataset(split(), 4))[0], losses, rtol=1e-6)
    predicted = model().predict(as_pydataset(split(), 4, shuffle=False), verbose=0)
    assert predicted.shape == (SAMPLES, SAMPLES)


class Seen(keras.callbacks.Callback):
    """Keeps the weights after every batch, which say what was in it."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights()[0].copy())


def test_fit_trains_on_the_batches_of_each_epoch_in_order():
    seen = Seen()
    batches = as_pydataset(on_disk(), 4)
    trained_on(batches, callbacks=[seen])
    keras.utils.set_random_seed(1)
    by_hand, expected = model(), []
    again = as_pydataset(split(), 4)
    for _ in range(2):
        again.on_epoch_end()  # as fit does before the first epoch
        for x, y in again:
            by_hand.train_on_batch(x, y)
            expected.append(by_hand.get_weights()[0])
    np.testing.assert_allclose(seen.weights, expected, rtol=1e-4, atol=1e-6)


# Balanced batches.


def montalbano_like():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(21), rng.integers(1, 9, 21)))
    return {"audio": np.stack([np.arange(len(y)), y], axis=1)}, y


def test_balanced_batches_of_42_with_two_of_each_class():
    x, y = montalbano_like()
    batches = BalancedBatches((x, y), per_class=2, seed=1)
    assert len(batches) == -(-len(y) // 42)
    epochs = []
    for _ in range(2):
        rows = []
        for i in range(len(batches)):
            received, labels = batches[i]
            np.testing.assert_array_equal(np.bincount(labels, minlength=21), np.full(21, 2))
            np.testing.assert_array_equal(received["audio"][:, 1], labels)
            rows += received["audio"][:, 0].tolist()
        epochs.append(rows)
        # A class is used up before any of its samples comes again.
        for label in range(21):
            drawn = [row for row in rows if y[row] == label]
            times = np.bincount(drawn, minlength=len(y))[y == label]
            assert times.max() - times.min() <= 1
        batches.on_epoch_end()
    assert epochs[0] != epochs[1]
    again = BalancedBatches((x, y), per_class=2, seed=1)
    assert again[1][0]["audio"][:, 0].tolist() == epochs[0][42:84]
    other = BalancedBatches((x, y), per_class=2, seed=2)
    assert other[0][0]["audio"][:, 0].tolist() != epochs[0][:42]


def test_balanced_batches_train():
    x, y = split()
    batches = BalancedBatches((x, y % 3), per_class=1)
    assert len(batches) == 4 and sorted(batches[3][1].tolist()) == [0, 1, 2]
    losses = model().fit(batches, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("make", [as_dataset, as_pydataset])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size: expected an int >= 1. Received: 0"),
        ({"batch_size": 2.0}, ValueError, "batch_size: expected an int >= 1"),
        ({"batch_size": 12, "drop_remainder": True}, ValueError, "expected at most the 11 samples"),
        ({"seed": -1}, ValueError, "seed: expected an int >= 0. Received: -1"),
        ({"shuffle": None}, TypeError, "shuffle: expected True or False. Received: None"),
        ({"present": "all"}, TypeError, "present: expected True or False"),
        ({"split": split()[0]}, TypeError, r"split: expected a pair \(x, y\)"),
        ({"split": (split()[1], split()[1])}, TypeError, r"split: expected a pair \(x, y\)"),
        ({"split": (split()[0], np.arange(9))}, ValueError, "equally many samples.*'y': 9"),
        ({"split": ({}, np.arange(9))}, ValueError, "equally many samples"),
        ({"split": ({"a": np.zeros((0, 3))}, np.zeros(0))}, ValueError, "at least one"),
    ],
)
def test_bad_arguments(make, arguments, error, message):
    with pytest.raises(error, match=message):
        make(**{"split": split(), "batch_size": 4, **arguments})


def test_bad_balanced_batches():
    x, y = split()
    for arguments, message in (
        ({"per_class": 0}, "per_class: expected an int >= 1"),
        ({"seed": 0.5}, "seed: expected an int >= 0"),
        ({"split": (x, y / 2)}, "integer labels"),
        ({"split": (x, np.eye(SAMPLES, dtype=int))}, "integer labels"),
    ):
        with pytest.raises(ValueError, match=message):
            BalancedBatches(**{"split": (x, y), **arguments})
