"""Checks of arguments, one error message each for the whole package."""

import functools
import inspect
import numbers

import keras
import numpy as np


def check_int(label, value, minimum=1):
    """`value` as a plain int; an error unless it is an int from `minimum` on."""
    if not is_int(value) or value < minimum:
        raise ValueError(f"{label}: expected an int >= {minimum}. Received: {value!r}")
    return int(value)


def check_bool(label, value):
    """`value` as a plain bool; an error unless it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{label}: expected True or False. Received: {value!r}")
    return bool(value)


def check_choice(label, value, choices):
    """An error unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{label}: expected one of {choices}. Received: {value!r}")


def is_int(value):
    """Whether `value` is an int, Python's or NumPy's, and no bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value):
    """Whether `value` is an int or a float, Python's or NumPy's, and no bool."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def plain(value):
    """`value` with plain numbers in place of NumPy's, which a config cannot hold."""
    if isinstance(value, (np.number, np.bool_)):
        return value.item()
    if type(value) is dict:
        return {key: plain(inner) for key, inner in value.items()}
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def plain_arguments(function):
    """Decorator: the function gets plain numbers where NumPy's are given."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        return function(*plain(args), **plain(kwargs))

    return wrapped


def check_rate(label, value):
    """`value` as a plain number; an error unless it is a number from 0 to below 1."""
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(f"{label}: expected a float in [0, 1). Received: {value!r}")
    return plain(value)


def check_multiple(label, units, num_heads):
    """An error unless every head of an attention gets as many units."""
    if units % num_heads:
        raise ValueError(
            f"{label}: expected a multiple of num_heads={num_heads}. Received: {units}"
        )


def check_seed(label, value):
    """`value` as a plain int; an error unless it is an int from 0 on, or None."""
    return None if value is None else check_int(label, value, minimum=0)


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
    """`value` as a plain number; an error unless it is a number from 0 on."""
    if not is_number(value) or not 0 <= value < float("inf"):
        raise ValueError(f"{label}: expected a float >= 0. Received: {value!r}")
    return plain(value)


def check_widths(label, value):
    """`value` with plain ints; an error unless it is a list or tuple of ints >= 1."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{label}: expected a sequence of ints. Received: {value!r}")
    return type(value)([check_int(f"{label}[{i}]", width) for i, width in enumerate(value)])
