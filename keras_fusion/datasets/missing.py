"""Takes modalities away from samples, at random or by pattern."""

import keras
import numpy as np


def drop_modalities(x, rate=None, pattern=None, fill=None, seed=0):
    """Adds the mask `"present"` to a dict of inputs, with modalities dropped.

    Use it to train a model for modalities that will be missing, or to see what it is worth
    without them (`evaluation.modality_subsets` tries all subsets). The model has to be built with
    `missing_modalities=True`. A sample always keeps at least one of the modalities that it has:
    where all of them are drawn, one of them, each with the same probability, stays.

    Args:
        x: Dict keyed by modality of arrays `(samples, ...)`, or of dicts of them. A mask
            `"present"` that it has already is kept: what is absent there stays so.
        rate: Float in `[0, 1]`, or a dict `{modality: float}` (others are 0): how often a modality
            is dropped, each sample and modality by itself. Defaults to `None`.
        pattern: Instead of `rate`: a modality or a list of them, absent in every sample; or an
            array `(rows, modalities)` of 0 and 1, columns in the order of the sorted names, whose
            rows are taken in turn, again from the first one when they are used up. Defaults to
            `None`.
        fill: Number that replaces the entries of absent modalities, for example `float("nan")` to
            show that nothing depends on them, or `None` to leave them as they are. Defaults to
            `None`.
        seed: Integer, of the draw. Defaults to `0`.

    Returns:
        A new dict with the arrays of `x` (copies where `fill` is given) and `"present"`, a float32
        array `(samples, modalities)` with columns in the order of the sorted names.

    Raises:
        TypeError: If `x` is not a dict.
        ValueError: If not one of `rate` and `pattern` is given, a modality is unknown, a rate is
            outside `[0, 1]`, arrays differ in length, a sample is left without a modality, or NaN
            is to fill integers.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> x = {"image": np.ones((4, 8)), "sound": np.ones((4, 3))}
    >>> kf.datasets.drop_modalities(x, pattern="sound")["present"].tolist()[0]
    [1.0, 0.0]
    >>> kf.datasets.drop_modalities(x, pattern=[[1, 1], [0, 1]])["present"][:, 0].tolist()
    [1.0, 0.0, 1.0, 0.0]
    >>> kf.datasets.drop_modalities(x, rate=1.0)["present"].sum(axis=1).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if not isinstance(x, dict):
        raise TypeError(f"x: expected a dict keyed by modality. Received: {type(x).__name__}")
    names = sorted(name for name in x if name != "present")
    samples = _count(x, names)
    before = np.ones((samples, len(names)), "bool")
    if "present" in x:
        before = _table("present", x["present"], names)
        if len(before) != samples:
            raise ValueError(
                f"present: expected {samples} rows, one per sample. Received: {len(before)}"
            )
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed: expected an int >= 0. Received: {seed!r}")
    if fill is not None and (isinstance(fill, bool) or not isinstance(fill, (int, float))):
        raise ValueError(f"fill: expected a number or None. Received: {fill!r}")
    if (rate is None) == (pattern is None):
        raise ValueError(
            f"expected rate= or pattern=, one of them. Received: rate={rate!r}, pattern={pattern!r}"
        )
    if pattern is not None:
        present = before & _repeated(pattern, names, samples)
    else:
        present = _drawn(_rates(rate, names), before, np.random.default_rng(seed))
    empty = np.flatnonzero(~present.any(axis=1))
    if len(empty):
        raise ValueError(
            "expected every sample to keep a modality. Received: none for "
            f"{len(empty)} of {samples} samples, the first being number {empty[0]}"
        )
    kept = dict(x)
    if fill is not None:
        for k, name in enumerate(names):
            absent = ~present[:, k]
            kept[name] = keras.tree.map_structure(
                lambda array, name=name, absent=absent: _filled(name, array, absent, fill), x[name]
            )
    return {**kept, "present": present.astype("float32")}


def _count(x, names):
    lengths = {name: len(keras.tree.flatten(x[name])[0]) for name in names}
    if not lengths or len(set(lengths.values())) != 1:
        raise ValueError(f"x: expected arrays of one and the same length. Received: {lengths}")
    return next(iter(lengths.values()))


def _table(label, table, names):
    table = np.asarray(table)
    if table.ndim != 2 or table.shape[1] != len(names) or not len(table):
        raise ValueError(
            f"{label}: expected shape (rows, {len(names)}), one column for each of {names}. "
            f"Received: {table.shape}"
        )
    return table.astype("bool")


def _repeated(pattern, names, samples):
    absent = [pattern] if isinstance(pattern, str) else pattern
    if isinstance(absent, (list, tuple, set)) and all(isinstance(name, str) for name in absent):
        unknown = sorted(set(absent) - set(names))
        if unknown:
            raise ValueError(f"pattern: expected some of {names}. Received: {unknown}")
        return np.tile([name not in absent for name in names], (samples, 1))
    table = _table("pattern", absent, names)
    return table[np.arange(samples) % len(table)]


def _rates(rate, names):
    rates = rate if isinstance(rate, dict) else dict.fromkeys(names, rate)
    unknown = sorted(set(rates) - set(names))
    if unknown:
        raise ValueError(f"rate: expected some of {names}. Received: {unknown}")
    for value in rates.values():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError(f"rate: expected floats in [0, 1]. Received: {rate!r}")
    return np.array([rates.get(name, 0.0) for name in names])


def _drawn(rates, before, generator):
    drawn = generator.random(before.shape)
    kept = before & (drawn >= rates)
    # Where all are dropped, drawn / rate is uniform for each of them: the largest is any of them.
    order = np.where(before, drawn / np.maximum(rates, 1e-12), -1.0)
    last = np.arange(before.shape[1]) == order.argmax(axis=1)[:, None]
    return np.where(kept.any(axis=1, keepdims=True), kept, last & before)


def _filled(name, array, absent, fill):
    array = np.array(array)
    if array.dtype.kind in "USTO":
        raise ValueError(f'fill: expected None, as "{name}" is strings. Received: {fill!r}')
    if array.dtype.kind not in "fc" and not np.isfinite(fill):
        raise ValueError(
            f'fill: expected a finite number for the {array.dtype} array "{name}". '
            f"Received: {fill!r}"
        )
    array[absent] = fill
    return array
