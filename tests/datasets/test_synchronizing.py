"""`synchronize`: each way against SciPy or pandas, its masks, windows, and what fits nowhere."""

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import interp1d
from scipy.stats import binned_statistic

from keras_fusion.datasets import synchronize

RNG = np.random.default_rng(0)
TIMES = np.sort(RNG.uniform(0, 10, 60))
TIMES = TIMES[(TIMES < 4) | (TIMES > 6)]  # a gap
VALUES = RNG.normal(size=(len(TIMES), 2, 3))
STEP = 0.25


def one(how, **given):
    x, mask, grid = synchronize({"a": (TIMES, VALUES)}, STEP, how, start=-1, end=11, **given)
    assert x["a"].dtype == VALUES.dtype and np.all(x["a"][~mask["a"]] == 0)
    np.testing.assert_allclose(grid, np.linspace(-1, 11, 49))
    return x["a"], mask["a"], grid


@pytest.mark.parametrize("tolerance", [None, 0.2])
def test_linear(tolerance):
    found, mask, grid = one("linear", tolerance=tolerance)
    expected = interp1d(TIMES, VALUES, axis=0, bounds_error=False)(grid)
    there = ~np.isnan(expected[:, 0, 0])
    if tolerance:
        near = np.abs(grid[:, None] - TIMES).min(axis=1) <= tolerance
        assert 0 < near[there].sum() < there.sum()
        there &= near
    np.testing.assert_array_equal(mask, there)
    np.testing.assert_allclose(found[there], expected[there], atol=1e-12)


@pytest.mark.parametrize("tolerance", [None, 0.2])
def test_last(tolerance):
    found, mask, grid = one("last", tolerance=tolerance)
    samples = pd.DataFrame({"t": TIMES, "row": np.arange(len(TIMES))})
    rows = pd.merge_asof(pd.DataFrame({"t": grid}), samples, on="t", tolerance=tolerance)["row"]
    np.testing.assert_array_equal(mask, rows.notna())
    assert 0 < mask.sum() < len(mask)
    np.testing.assert_array_equal(found[mask], VALUES[rows[rows.notna()].astype(int)])


@pytest.mark.parametrize("how", ["mean", "max", "sum"])
def test_windows_of_a_step(how):
    found, mask, grid = one(how)
    edges = np.append(grid - STEP / 2, grid[-1] + STEP / 2)
    expected = binned_statistic(TIMES, VALUES.reshape(len(TIMES), 6).T, how, edges).statistic.T
    there = np.isfinite(expected[:, 0])
    np.testing.assert_array_equal(mask, there)
    assert there.all() == (how == "sum")
    np.testing.assert_allclose(found[there].reshape(-1, 6), expected[there], atol=1e-12)


def test_what_is_exact():
    """A line stays a line, its own grid leaves a signal as it is, and types are kept."""
    times = 0.1 * np.arange(31)
    streams = {"line": (times, 2 * times), "label": (times, np.arange(31, dtype="int8"))}
    streams["events"] = ([0.05, 0.06, 2.0], np.ones(3, "bool"))
    how = {"line": "linear", "label": "last", "events": "sum"}
    x, mask, grid = synchronize(streams, 0.1, how)
    assert all(m.all() and m.shape == (31,) for m in mask.values())
    np.testing.assert_allclose(x["line"], 2 * grid, atol=1e-12)
    np.testing.assert_array_equal(x["label"], np.arange(31))
    assert x["label"].dtype == "int8" and x["events"].sum() == 3
    x, mask, grid = synchronize(streams, 0.07, how)
    np.testing.assert_allclose(x["line"], 2 * grid, atol=1e-12)
    # Counts that are interpolated or averaged are floats.
    for way in ("linear", "mean"):
        x, _, _ = synchronize({"n": ([0, 1, 2], [0, 1, 1])}, 0.5 if way == "linear" else 2, way)
        assert x["n"].dtype == "float32" and x["n"][0 if way == "mean" else 1] in (0, 0.5)


def test_span_and_samples_left_out():
    """The time that all have; NaN is no sample; a stream without samples is masked."""
    streams = {"a": ([0, 1, 2, 3], [0, np.nan, 4, 5]), "b": ([1, 2, 5], [1, 1, 1])}
    x, mask, grid = synchronize(streams, 1)
    assert grid.tolist() == [1, 2, 3] and x["a"].tolist() == [2, 4, 5]
    streams["c"] = ([], np.zeros((0, 2)))
    for how in ("linear", "last", "mean", "max"):
        x, mask, _ = synchronize(streams, 1, how, tolerance={"c": 1}, start=0, end=5)
        assert x["c"].shape == (6, 2) and not mask["c"].any() and not x["c"].any()


@pytest.mark.parametrize(("hop", "starts"), [(None, [0, 4]), (3, [0, 3, 6]), (5, [0, 5])])
def test_windows(hop, starts):
    times = np.arange(11)
    streams = {"a": (times, np.stack([times, -times], 1)), "b": (times[4:], times[4:])}
    x, mask, grid = synchronize(streams, 1, start=0, end=10, window=4, hop=hop)
    rows = np.array(starts)[:, None] + np.arange(4)
    np.testing.assert_array_equal(grid, rows)
    np.testing.assert_array_equal(x["a"], np.stack([rows, -rows], -1))
    np.testing.assert_array_equal(mask["b"], rows >= 4)
    assert synchronize(streams, 1, window=20)[0]["a"].shape == (0, 20, 2)
