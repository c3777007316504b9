"""One entry of a space: its check, and the hyperparameter of KerasTuner that it becomes."""

import json

from keras_fusion._checks import is_number

_RANGE = {"min", "max", "step", "sampling", "default", "per_modality"}
_CHOICE = {"values", "default", "per_modality"}
_SAMPLING = ("linear", "log", "reverse_log")


def check_entry(label, entry):
    """An error unless `entry` is a range, a choice or a fixed value."""
    if not isinstance(entry, dict):
        if isinstance(entry, (list, tuple)):
            _check_values(label, entry)
        return
    keys = _CHOICE if "values" in entry else _RANGE
    needed = {"values"} if "values" in entry else {"min", "max"}
    if not needed <= set(entry) <= keys:
        raise ValueError(
            f'{label}: expected {{"min":, "max":}} with {sorted(_RANGE - {"min", "max"})}, or '
            f'{{"values":}} with {sorted(_CHOICE - {"values"})}. Received: {entry}'
        )
    if "values" in entry:
        _check_values(label, entry["values"])
        if "default" in entry and entry["default"] not in entry["values"]:
            raise ValueError(
                f"{label}: expected a default out of {entry['values']}. "
                f"Received: {entry['default']!r}"
            )
        return
    low, high = entry["min"], entry["max"]
    if not (is_number(low) and is_number(high) and low < high):
        raise ValueError(f"{label}: expected numbers min < max. Received: {low!r} and {high!r}")
    sampling = entry.get("sampling", "linear")
    if sampling not in _SAMPLING or (sampling != "linear" and low <= 0):
        raise ValueError(
            f"{label}: expected sampling out of {_SAMPLING}, and min > 0 unless it is linear. "
            f"Received: {sampling!r} and min {low}"
        )
    default = entry.get("default", low)
    if not (is_number(default) and low <= default <= high):
        raise ValueError(f"{label}: expected a default from {low} to {high}. Received: {default!r}")
    step = entry.get("step")
    if step is not None and not (is_number(step) and step > 0):
        raise ValueError(f"{label}: expected a step > 0. Received: {step!r}")


def _check_values(label, values):
    if not isinstance(values, (list, tuple)) or not values:
        raise ValueError(f"{label}: expected a list of values, at least one. Received: {values!r}")
    if len(set(map(_label, values))) < len(values):
        raise ValueError(f"{label}: expected different values. Received: {values!r}")
    try:
        json.dumps(values)
    except TypeError:
        raise ValueError(
            f"{label}: expected values that can be written as JSON. Received: {values!r}"
        ) from None


def with_default(entry, default):
    """The entry with a default where it says none and this is one of its values."""
    if isinstance(entry, (list, tuple)):
        # A choice starts from its first value.
        values = [list(v) if isinstance(v, tuple) else v for v in entry]
        default = list(default) if isinstance(default, tuple) else default
        return {"values": values, "default": default} if default in values[1:] else entry
    if not isinstance(entry, dict) or "default" in entry or default is None:
        return entry
    fits = default in entry["values"] if "values" in entry else is_number(default)
    return {**entry, "default": default} if fits else entry


def is_per_modality(entry):
    """Whether the entry is searched for every modality by itself."""
    return isinstance(entry, dict) and bool(entry.get("per_modality"))


def declare(hp, name, entry):
    """Registers the entry with KerasTuner's `HyperParameters`; returns its value in this trial.

    None where the hyperparameter is not active.
    """
    if isinstance(entry, dict) and "values" not in entry:
        return _declare_range(hp, name, entry)
    if isinstance(entry, dict):
        values, default = entry["values"], entry.get("default", entry["values"][0])
    elif isinstance(entry, (list, tuple)):
        values, default = entry, entry[0]
    else:
        return entry
    # KerasTuner's choices are of one type: int, float, string or bool.
    plain = len({type(v) for v in values}) == 1 and isinstance(values[0], (str, bool, int, float))
    if plain:
        chosen = hp.Choice(name, list(values), default=default)
        # KerasTuner hands out 1 and 0 for True and False.
        return chosen if chosen is None else type(values[0])(chosen)
    by_label = {_label(value): value for value in values}
    chosen = hp.Choice(name, list(by_label), default=_label(default))
    return None if chosen is None else by_label[chosen]


def _declare_range(hp, name, entry):
    low, high = entry["min"], entry["max"]
    integer = isinstance(low, int) and isinstance(high, int)
    options = {
        "step": entry.get("step"),
        "sampling": entry.get("sampling", "linear"),
        "default": entry.get("default", low),
    }
    if integer:
        return hp.Int(name, low, high, **options)
    value = hp.Float(name, float(low), float(high), **options)
    # 0.1 + 22 * 0.01 is 0.32000000000000006.
    return value if value is None or options["step"] is None else round(value, 10)


def _label(value):
    return value if isinstance(value, str) else repr(value)
