"""Checks of arguments, one error message each for the whole package."""

import inspect

import keras


def check_int(label, value, minimum=1):
    """An error unless `value` is an int from `minimum` on."""
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"{label}: expected an int >= {minimum}. Received: {value!r}")


def check_bool(label, value):
    """An error unless `value` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{label}: expected True or False. Received: {value!r}")


def check_choice(label, value, choices):
    """An error unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{label}: expected one of {choices}. Received: {value!r}")


def is_number(value):
    """Whether `value` is an int or a float, and no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_rate(label, value):
    """An error unless `value` is a number from 0 to below 1."""
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(f"{label}: expected a float in [0, 1). Received: {value!r}")


def check_seed(label, value):
    """An error unless `value` is an int from 0 on, or None."""
    if value is not None:
        check_int(label, value, minimum=0)


def check_recurrent(policy):
    """An error where PyTorch cannot make the orthogonal matrices a recurrent layer starts with."""
    if keras.backend.backend() == "torch" and policy.variable_dtype == "float16":
        raise ValueError(
            'dtype: expected "mixed_float16" or another policy whose weights are float32 or '
            "bfloat16, as PyTorch has no orthogonal matrices in float16. Received: "
            f"{policy.name!r}"
        )


def check_activation(label, value):
    """An error unless Keras knows the activation `value`."""
    try:
        keras.activations.get(value)
    except (ValueError, TypeError):
        raise ValueError(f"{label}: expected an activation of Keras. Received: {value!r}") from None


def check_keywords(label, function, given):
    """An error if `function` has no arguments of the names `given`."""
    known = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise TypeError(f"{label}: expected some of {list(known)}. Received: {unknown}")


def check_factor(label, value):
    """An error unless `value` is a number from 0 on."""
    if not is_number(value) or not 0 <= value < float("inf"):
        raise ValueError(f"{label}: expected a float >= 0. Received: {value!r}")


def check_widths(label, value):
    """An error unless `value` is a list or tuple of ints >= 1."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{label}: expected a sequence of ints. Received: {value!r}")
    for i, width in enumerate(value):
        check_int(f"{label}[{i}]", width)
