"""Modalities taken away: how often, by which pattern, and what stands there then."""

import numpy as np
import pytest

from keras_fusion.datasets import drop_modalities


def inputs(samples=6):
    rng = np.random.default_rng(0)
    return {
        "sound": rng.normal(size=(samples, 3)).astype("float32"),
        "image": rng.normal(size=(samples, 2, 2)).astype("float32"),
        "ids": rng.integers(1, 9, (samples, 4)),
    }  # sorted: ids, image, sound


def test_rates_by_modality():
    n = 4000
    x = {name: np.zeros((n, 1)) for name in ("a", "b", "c")}
    present = drop_modalities(x, rate={"a": 0.2, "c": 0.6})["present"]
    np.testing.assert_allclose(present.mean(axis=0), [0.8, 1.0, 0.4], atol=0.03)
    assert present.dtype == "float32" and present.shape == (n, 3)


def test_one_stays_and_any_of_them():
    n = 4000
    x = {name: np.zeros((n, 1)) for name in ("a", "b", "c")}
    present = drop_modalities(x, rate=1.0)["present"]
    np.testing.assert_array_equal(present.sum(axis=1), 1)
    np.testing.assert_allclose(present.mean(axis=0), 1 / 3, atol=0.03)
    # rate - rate^3 / 3, as ModDrop says
    present = drop_modalities(x, rate=0.5)["present"]
    np.testing.assert_allclose(1 - present.mean(axis=0), 0.5 - 0.125 / 3, atol=0.03)


def test_nothing_is_dropped():
    assert drop_modalities(inputs(), rate=0.0)["present"].all()


def test_seeds():
    x = inputs(50)
    first, again, other = (drop_modalities(x, 0.5, seed=s)["present"] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("pattern", ["image", ["image"], ("image",)])
def test_absent_everywhere(pattern):
    found = drop_modalities(inputs(), pattern=pattern)["present"]
    np.testing.assert_array_equal(found, np.tile([1, 0, 1], (6, 1)))


@pytest.mark.parametrize("kind", [list, np.array])
def test_rows_in_turn(kind):
    rows = [[1, 0, 0], [0, 1, 1]]
    found = drop_modalities(inputs(5), pattern=kind(rows))["present"]
    np.testing.assert_array_equal(found, [rows[i % 2] for i in range(5)])


def test_what_is_absent_stays_so():
    x = inputs(200)
    before = np.ones((200, 3))
    before[:50, 0] = before[50:60, 1:] = 0
    x["present"] = before
    found = drop_modalities(x, rate=0.9)["present"]
    assert not found[before == 0].any() and found.any(axis=1).all()
    found = drop_modalities(x, pattern="sound")["present"]
    np.testing.assert_array_equal(found[:, 2], 0)
    np.testing.assert_array_equal(found[:, :2], before[:, :2])


@pytest.mark.parametrize("fill", [None, 7.0, 0])
def test_entries(fill):
    x = inputs()
    copies = {name: array.copy() for name, array in x.items()}
    found = drop_modalities(x, pattern=[[0, 1, 1], [1, 1, 0]], fill=fill)
    for name, absent in (("ids", slice(0, None, 2)), ("sound", slice(1, None, 2))):
        expected = copies[name].copy()
        if fill is not None:
            expected[absent] = fill
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == copies[name].dtype
    for name, array in copies.items():
        np.testing.assert_array_equal(x[name], array)  # the caller's are as they were
    assert "present" not in x


def test_nan_and_several_arrays_of_one_modality():
    x = {"text": {"ids": np.ones((2, 3)), "times": np.ones((2, 1))}, "image": np.ones((2, 1))}
    found = drop_modalities(x, pattern="text", fill=float("nan"))
    assert np.isnan(found["text"]["ids"]).all() and np.isnan(found["text"]["times"]).all()
    assert np.isfinite(found["image"]).all()
    with pytest.raises(ValueError, match='a finite number for the int64 array "ids"'):
        drop_modalities(inputs(), pattern="ids", fill=float("nan"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected rate= or pattern=, one of them"),
        ({"rate": 0.5, "pattern": "ids"}, "one of them"),
        ({"rate": 1.5}, r"rate: expected floats in \[0, 1\]"),
        ({"rate": True}, "rate: expected floats"),
        ({"rate": {"ids": -0.1}}, "rate: expected floats"),
        ({"rate": {"audio": 0.1}}, r"some of \['ids', 'image', 'sound'\]. Received: \['audio'\]"),
        ({"pattern": "audio"}, r"pattern: .*Received: \['audio'\]"),
        ({"pattern": [[1, 0]]}, r"pattern: expected shape \(rows, 3\)"),
        ({"pattern": ["ids", "image", "sound"]}, "none for 6 of 6 samples"),
        ({"pattern": [[1, 0, 0], [0, 0, 0]]}, "none for 3 of 6 samples, the first being number 1"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        drop_modalities(inputs(), **arguments)


def test_errors_of_the_inputs():
    with pytest.raises(TypeError, match="x: expected a dict keyed by modality. Received: list"):
        drop_modalities([np.ones(3)], rate=0.5)
    with pytest.raises(ValueError, match="one and the same length. Received: {'a': 3, 'b': 4}"):
        drop_modalities({"a": np.ones(3), "b": np.ones(4)}, rate=0.5)
    with pytest.raises(ValueError, match="one and the same length"):
        drop_modalities({}, rate=0.5)
    with pytest.raises(ValueError, match=r"present: expected shape \(rows, 1\)"):
        drop_modalities({"a": np.ones(3), "present": np.ones((3, 2))}, rate=0.5)
    with pytest.raises(ValueError, match="present: expected 3 rows, one per sample. Received: 2"):
        drop_modalities({"a": np.ones(3), "present": np.ones((2, 1))}, rate=0.5)
