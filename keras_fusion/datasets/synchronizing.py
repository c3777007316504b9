"""Streams that were sampled at times of their own, on one grid."""

import numpy as np

from keras_fusion._checks import check_choice, check_int, is_number

_HOW = ("linear", "last", "mean", "max", "sum")


def synchronize(
    streams, step, how="linear", tolerance=None, start=None, end=None, window=None, hop=None
):
    """Brings streams with time stamps to one grid of equal steps, and cuts windows out of it.

    Use it for modalities that were recorded at different rates, before anything that fuses them
    step by step, such as `build_early_fusion` or `build_centralnet` on sequences. Where the
    modalities meet by attention (`build_cross_attention`) none of it is needed: sequences of any
    lengths attend to each other. Of each modality, `how` says what stands at time g of the grid:

        linear     a signal: interpolated between the samples before and after g
        last       a state or a label: the last sample at or before g, with its type
        mean, max  a signal of a higher rate: of the samples from g - step / 2 to g + step / 2
        sum        events: the sum of those, 0 where there are none; counts, if the values are 1

    Args:
        streams: Dictionary `{modality: (times, values)}`, of arrays `(samples,)`, not decreasing,
            and `(samples, ...)`. Samples with NaN are left out.
        step: Positive float, from one time of the grid to the next, in the unit of the times.
        how: String, or dictionary `{modality: string}`. Defaults to `"linear"`.
        tolerance: Optional float >= 0, or dictionary `{modality: float}` in which not all have to
            be: how far the nearest sample ("last": the last one) may be from g; not for "sum".
            Defaults to `None`, as far as may be.
        start, end: Optional floats, the first time of the grid and the one that it does not
            exceed. Default to `None`: the time that all streams have, but those that are summed.
        window: Optional positive integer, the number of steps of a window. Defaults to `None`,
            no windows.
        hop: Optional positive integer, the number of steps from one window to the next. Defaults
            to `None`, as `window`.

    Returns:
        Three things: dictionary `{modality: array (steps, ...)}`; dictionary of boolean arrays
        `(steps,)`, whether there is a sample: not before the first, with "linear" not after the
        last, not in an empty window of "mean" and "max", nor beyond the tolerance; what stands
        there is 0. And the grid, `(steps,)`. With `window` all have `(windows, window, ...)`; what
        is left after the last whole window is left out.

    Raises:
        TypeError, ValueError: arguments that are not as above, or no time that all streams have.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> streams = {
    ...     "heat": ([0.0, 2.0, 4.0], [[10.0], [20.0], [20.0]]),
    ...     "door": ([0.9, 1.1, 3.0], [1, 1, 1]),
    ... }
    >>> x, mask, times = kf.datasets.synchronize(streams, 1.0, {"heat": "linear", "door": "sum"})
    >>> x["heat"][:, 0].tolist(), x["door"].tolist()
    ([10.0, 15.0, 20.0, 20.0, 20.0], [0, 2, 0, 1, 0])
    >>> kf.datasets.synchronize(streams, 1.0, "last", start=0, end=3, window=2)[1]["door"].tolist()
    [[False, True], [True, True]]
    """
    if not isinstance(streams, dict) or not streams:
        raise TypeError(
            f"streams: expected a dict {{modality: (times, values)}}. Received: {streams!r}"
        )
    if not is_number(step) or not 0 < step < np.inf:
        raise ValueError(f"step: expected a float > 0. Received: {step!r}")
    streams = {name: _checked(name, stream) for name, stream in streams.items()}
    how = _for_each("how", how, streams)
    for name in streams:
        check_choice("how", how.get(name), _HOW)
    tolerance = _for_each("tolerance", tolerance, streams)
    for value in tolerance.values():
        if value is not None and (not is_number(value) or not value >= 0):
            raise ValueError(f"tolerance: expected a float >= 0. Received: {value!r}")
    window = None if window is None else check_int("window", window)
    hop = window if hop is None else check_int("hop", hop)
    if window is None and hop is not None:
        raise ValueError(f"hop: expected none without window. Received: {hop!r}")
    grid = _grid(streams, how, step, start, end)
    x, mask = {}, {}
    for name, (times, values) in streams.items():
        x[name], there = _AT[how[name]](times, values, grid, step)
        limit = tolerance.get(name)
        if limit is not None and len(times) and how[name] != "sum":
            there &= _distance(times, grid, how[name]) <= limit
        x[name][~there] = 0
        mask[name] = there
    if window is None:
        return x, mask, grid
    first = np.arange(0, len(grid) - window + 1, hop)
    rows = first[:, None] + np.arange(window)
    cut = lambda arrays: {name: array[rows] for name, array in arrays.items()}  # noqa: E731
    return cut(x), cut(mask), grid[rows]


def _checked(name, stream):
    if not isinstance(stream, (tuple, list)) or len(stream) != 2:
        raise TypeError(f'streams: expected (times, values) of "{name}". Received: {stream!r}')
    times, values = np.asarray(stream[0], "float64"), np.asarray(stream[1])
    if times.ndim != 1 or not values.ndim or len(times) != len(values):
        raise ValueError(
            f'streams: expected times (samples,) and values (samples, ...) of "{name}". '
            f"Received: {times.shape} and {values.shape}"
        )
    if values.dtype.kind not in "fiub":
        raise ValueError(f'streams: expected numbers of "{name}". Received: {values.dtype}')
    if not np.isfinite(times).all() or np.any(np.diff(times) < 0):
        raise ValueError(
            f'streams: expected finite times of "{name}" that do not decrease. Received: {times}'
        )
    kept = ~np.isnan(values.reshape(len(values), -1)).any(axis=1) if len(values) else slice(None)
    return times[kept], values[kept]


def _for_each(label, value, streams):
    if not isinstance(value, dict):
        return dict.fromkeys(streams, value)
    unknown = sorted(set(value) - set(streams))
    if unknown:
        raise ValueError(f"{label}: expected some of {sorted(streams)}. Received: {unknown}")
    return value


def _grid(streams, how, step, start, end):
    for label, value in (("start", start), ("end", end)):
        if value is not None and (not is_number(value) or not np.isfinite(value)):
            raise ValueError(f"{label}: expected a finite float or None. Received: {value!r}")
    spans = {
        name: (t[0], t[-1]) for name, (t, _) in streams.items() if len(t) and how[name] != "sum"
    }
    if spans and start is None:
        start = max(first for first, _ in spans.values())
    if spans and end is None:
        end = min(last for _, last in spans.values())
    if start is None or end is None or end < start:
        raise ValueError(
            "start, end: expected a time that all streams have, or both of them. "
            f"Received: start={start!r}, end={end!r} and streams of {spans}"
        )
    return start + step * np.arange(int(np.floor((end - start) / step + 1e-9)) + 1)


def _distance(times, grid, how):
    before = np.searchsorted(times, grid + 1e-9 * (grid[-1] - grid[0]), side="right") - 1
    ago = np.where(before >= 0, grid - times[np.maximum(before, 0)], np.inf)
    if how == "last":
        return ago
    after = np.minimum(before + 1, len(times) - 1)
    return np.minimum(ago, np.abs(times[after] - grid))


def _linear(times, values, grid, step):
    values = values if values.dtype.kind == "f" else values.astype("float32")
    if not len(times):
        return _nothing(values, grid)
    i = np.maximum(np.searchsorted(times, grid, side="right") - 1, 0)
    j = np.minimum(i + 1, len(times) - 1)
    gap = times[j] - times[i]
    share = np.divide(grid - times[i], gap, out=np.zeros(len(grid)), where=gap > 0)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    found = (1 - share) * values[i] + share * values[j]
    edge = 1e-9 * step  # a grid's times are rounded
    return found.astype(values.dtype), (grid >= times[0] - edge) & (grid <= times[-1] + edge)


def _last(times, values, grid, step):
    if not len(times):
        return _nothing(values, grid)
    i = np.searchsorted(times, grid + 1e-9 * step, side="right") - 1
    return values[np.maximum(i, 0)], i >= 0


def _windowed(reduced, always=False):
    def at(times, values, grid, step):
        if reduced is not np.maximum and not always and values.dtype.kind != "f":
            values = values.astype("float32")  # a mean
        if values.dtype.kind == "b":
            values = values.astype("int64")
        cells = np.floor((times - grid[0]) / step + 0.5 + 1e-9)
        inside = (cells >= 0) & (cells < len(grid))
        cells, values = cells[inside].astype("int64"), values[inside]
        found, there = _nothing(values, grid)
        if len(cells):  # samples of one cell stand together, as times do not decrease
            first = np.flatnonzero(np.diff(cells, prepend=-1))
            found[cells[first]] = reduced.reduceat(values, first, axis=0)
            there[cells[first]] = True
            if reduced is np.add and not always:
                counts = np.diff(first, append=len(cells))
                found[cells[first]] /= counts.reshape(-1, *[1] * (values.ndim - 1))
        return found, there | always

    return at


def _nothing(values, grid):
    return np.zeros((len(grid), *values.shape[1:]), values.dtype), np.zeros(len(grid), "bool")


_AT = {
    "linear": _linear,
    "last": _last,
    "mean": _windowed(np.add),
    "max": _windowed(np.maximum),
    "sum": _windowed(np.add, always=True),
}
