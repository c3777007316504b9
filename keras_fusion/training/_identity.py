"""The identity of a training: digests of data, models and arguments, the same in every process."""

import functools
import hashlib
import json
import types
import warnings

import keras
import numpy as np

from keras_fusion._arrays import on_disk
from keras_fusion.training._state import groups


def digest(value):
    """32 hexadecimal digits that stand for a plain value."""
    text = json.dumps(described(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def data_digest(data):
    """The digest of arrays in any nesting: their bytes, dtypes, shapes and places."""
    found = hashlib.sha256()
    for path, array in keras.tree.flatten_with_path(data):
        if not on_disk(array):
            array = np.asarray(array)
        place = [list(map(str, path)), str(array.dtype), list(array.shape)]
        found.update(json.dumps(place).encode())
        # In parts: an array on disk is never in memory as a whole.
        count = array.shape[0] if array.shape else 0
        step = max(1, 2**24 // max(1, array[:1].nbytes)) if count else 1
        for part in [array] if not count else (array[i : i + step] for i in range(0, count, step)):
            if part.dtype.kind == "O":  # strings: their bytes are addresses
                part = part.astype(str)
            found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:32]


def model_digest(model):
    """The digest of a compiled model: its architecture, how it is compiled, its values now.

    Two calls of one builder with one seed give the same one, in whatever process: names that
    Keras numbers are replaced by the layers' places. A model without a config counts by its class
    and its variables.
    """
    return digest(
        {
            "class": _name(type(model)),
            "model": _config(model, "get_config", "name"),
            "compile": _config(model, "get_compile_config", "optimizer"),
            "loss": described(model.loss),
            "optimizer": [
                _name(type(model.optimizer)),
                _config(model.optimizer, "get_config", "name"),
            ],
            "values": data_digest(state_values(model)),
        }
    )


def state_values(model):
    """Copies of a model's values, weights and states of random layers, without the optimizer's."""
    return [
        [np.array(keras.ops.convert_to_numpy(v.value)) for v in group]
        for group in groups(model)[:2]
    ]


def described(value, inside=False):
    """Any value as JSON knows it; functions and objects by qualified names and plain attributes.

    What a function does cannot be seen, nor what stands in attributes that are not plain. Objects
    `inside` another one's attributes count by their classes.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return data_digest(value)
    if isinstance(value, dict):
        return {str(name): described(part, inside) for name, part in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [described(part, inside) for part in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, functools.partial):
        return [described(part, inside) for part in (value.func, value.args, value.keywords)]
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType)):
        return _name(value)
    if callable(getattr(value, "get_config", None)):
        return [_name(type(value)), described(value.get_config(), inside)]
    attributes = {} if inside else getattr(value, "__dict__", {})
    plain = {n: described(v, True) for n, v in attributes.items() if isinstance(v, _PLAIN)}
    return [_name(type(value)), plain]


_PLAIN = (bool, int, float, str, list, tuple, dict, np.generic, types.FunctionType, type(None))


def _name(value):
    return f"{value.__module__}.{value.__qualname__}"


def _config(thing, method, without):
    """A config in plain values, but for one entry; `None` where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on lambdas, which are only looked at here
            config = getattr(thing, method)()
    except Exception:
        return None
    config = dict(config or {})
    config.pop(without, None)
    return _canonical(described(config), {})


def _canonical(value, places):
    """A config with the names of layers, which Keras numbers, replaced by the layers' places."""
    if isinstance(value, str):
        return places.get(value, value)
    if isinstance(value, list):
        return [_canonical(part, places) for part in value]
    if not isinstance(value, dict):
        return value
    layers = value.get("layers")
    if isinstance(layers, list) and all(isinstance(layer, dict) for layer in layers):
        names = [layer.get("config", {}).get("name", "") for layer in layers]
        places = {**places, **{name: f"#{place}" for place, name in enumerate(names)}}
    return {
        name: _canonical(part, places) for name, part in value.items() if name != "shared_object_id"
    }
