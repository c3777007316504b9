"""Checks of the inputs that a fusion model is fed."""

import numpy as np
from keras import ops

from keras_fusion._arrays import as_array, check_finite, on_disk
from keras_fusion._keras import is_optional
from keras_fusion.models.fusion_model._text import absent_samples, as_text


def check_inputs(x, inputs):
    """A copy of the dict `x`; an error if a modality is missing or it is no dict.

    Args:
        x: What was given.
        inputs: Dict `{modality: input}`, a model's own; an input is a dict where a modality has
            several. "present" may be missing in `x`.
    """
    modalities = [name for name in inputs if name != "present"]
    if not isinstance(x, dict):
        raise ValueError(
            f"x: expected a dict keyed by modality, {modalities}. Received: {type(x).__name__}"
        )
    missing = [name for name in modalities if name not in x]
    if missing:
        raise ValueError(
            f"x: expected the modalities {modalities}. "
            f"Received: {sorted(map(str, x))}, without {missing}"
        )
    # A modality alone is scored on data of several, and leaves aside all that is not its own.
    if "present" in x and "present" not in inputs and len(modalities) > 1:
        raise ValueError(
            "present: expected a model built with missing_modalities=True. Received: one without, "
            "for which every modality is there"
        )
    x = {**x, **{n: _checked_parts(n, x[n], inputs[n]) for n in modalities}}
    return {**x, **{n: _with_text(n, x, inputs) for n in modalities}}


def _checked_parts(name, given, inputs):
    """What a modality of several inputs needs, and nothing else."""
    for value in given.values() if isinstance(given, dict) else [given]:
        _check_samples_alike(name, value)
    if not isinstance(inputs, dict):
        return given
    if not isinstance(given, dict) or any(key not in given for key in inputs):
        received = sorted(given) if isinstance(given, dict) else type(given).__name__
        raise ValueError(
            f'x["{name}"]: expected a dict with {sorted(inputs)}. Received: {received}'
        )
    return {key: given[key] for key in inputs}


def _with_text(name, x, inputs):
    """What a modality is given, its text as tensors of strings."""

    def converted(label, value, tensor):
        if tensor.dtype != "string":
            return value
        return as_text(label, value, absent_samples(x, name, inputs))

    given, own, label = x[name], inputs[name], f'x["{name}"]'
    if not isinstance(own, dict):
        return converted(label, given, own)
    return {key: converted(f'{label}["{key}"]', given[key], own[key]) for key in own}


def _check_samples_alike(name, value):
    """An error where samples have shapes of their own, as sequences of different lengths do."""
    is_uneven = (
        isinstance(value, np.ndarray)
        and value.dtype == "object"
        and value.size > 0
        and isinstance(value.flat[0], (list, tuple, np.ndarray))
    )
    if is_uneven or type(value).__name__ == "RaggedTensor":
        kind = "an array of arrays" if is_uneven else "a RaggedTensor"
        raise ValueError(
            f'x["{name}"]: expected samples of one shape. Received: {kind}. Pad the shorter ones '
            "(keras.utils.pad_sequences), and let a Masking layer or an Embedding with "
            "mask_zero=True leave the padding out"
        )


def checked_data(x, inputs):
    """`x` with the model's keys only, where it is data rather than a data set."""
    if isinstance(x, dict):
        x = check_inputs(x, inputs)
        x = {name: x[name] for name in inputs if name in x}
        check_present(x)
        check_arrays(x, inputs)
    elif isinstance(x, (list, tuple)) or hasattr(x, "shape"):
        check_inputs(x, inputs)
    return x


def with_present(inputs, modalities):
    """`inputs` with the mask: every modality of every sample, unless it is given."""
    if "present" not in inputs:
        count = ops.shape(first_input(inputs))[0]
        return {**inputs, "present": ops.ones((count, len(modalities)))}
    shape = tuple(inputs["present"].shape)
    if shape[1:] not in ((len(modalities),), (None,)):
        raise ValueError(
            f"present: expected shape (batch, {len(modalities)}), one column for each of "
            f"{sorted(modalities)}. Received shape: {shape}"
        )
    return inputs


def check_present(x):
    """An error if a sample lacks all modalities, where the mask is an array or list of numbers."""
    present = x.get("present")
    if ops.is_tensor(present):
        present = ops.convert_to_numpy(present)
    if not isinstance(present, (np.ndarray, list, tuple)):
        return
    table = np.asarray(present)
    odd = table[~np.isin(table, (0, 1))] if table.dtype.kind in "iuf" else table[:0]
    if table.dtype.kind not in "biuf" or odd.size:
        received = odd.flat[0] if odd.size else f"dtype {table.dtype}"
        raise ValueError(f"present: expected values of 0 and 1, or bools. Received: {received}")
    if table.ndim != 2 or table.dtype.kind not in "biuf":
        return  # a mask of another shape is refused where its columns are known
    empty = np.flatnonzero(~table.astype("bool").any(axis=1))
    if len(empty):
        raise ValueError(
            "present: expected every sample to have a modality. Received: zeros only for "
            f"{len(empty)} of {len(table)} samples, the first being number {empty[0]}"
        )


def check_arrays(x, inputs):
    """An error where an array of `x` is not what the input of its name takes.

    Args:
        x: Dict `{modality: array}`, maybe with "present"; only what has a shape is looked at.
        inputs: Dict `{modality: input}`, a model's own.
    """
    counts = {}
    for name, given in x.items():
        parts = given.items() if isinstance(given, dict) else [(None, given)]
        for part, value in parts:
            tensor = inputs[name] if part is None else inputs[name][part]
            label = f'x["{name}"]' + ("" if part is None else f'["{part}"]')
            if value is None and not is_optional(tensor):
                raise ValueError(f"{label}: expected an array. Received: None")
            if isinstance(value, (list, tuple)):
                raise TypeError(f"{label}: expected an array. Received: {type(value).__name__}")
            shape = getattr(value, "shape", None)
            if shape is None or len(shape) == 0:
                continue
            counts.setdefault(name, shape[0])
            if name != "present":
                _check_array(label, value, tensor)
    rows = counts.pop("present", None)
    if len(set(counts.values())) > 1:
        raise ValueError(f"x: expected equally many samples of each. Received: {counts}")
    if rows not in (None, *counts.values()):
        raise ValueError(
            f"present: expected a row for each of {next(iter(counts.values()))} samples. "
            f"Received: {rows}"
        )


def _check_array(label, value, tensor):
    wanted, found = tuple(tensor.shape[1:]), tuple(value.shape[1:])
    # Keras adds and takes away a last axis of size 1.
    accepted = [wanted, (*wanted, 1), *([wanted[:-1]] if wanted[-1:] == (1,) else [])]
    if not any(
        len(shape) == len(found)
        and all(None in (w, f) or w == f for w, f in zip(shape, found, strict=True))
        for shape in accepted
    ):
        raise ValueError(
            f"{label}: expected the shape (batch, {', '.join(map(str, wanted))}). "
            f"Received shape: {tuple(value.shape)}"
        )
    if tensor.dtype == "string" or (value := as_array(value)) is None:
        return
    if value.dtype.kind not in "biuf" and value.dtype.name != "bfloat16":
        raise ValueError(f"{label}: expected numbers. Received: an array of {value.dtype}")
    if "int" in tensor.dtype and value.dtype.kind == "f" and not on_disk(value):
        value = np.asarray(value)
        broken = value[np.isfinite(value) & (value != np.round(value))]
        if broken.size:
            raise ValueError(
                f"{label}: expected integers, {tensor.dtype}. Received: {broken[0]} in an array "
                f"of {value.dtype}"
            )


def check_finite_inputs(x, inputs, in_batches):
    """An error where an array has NaN or infinity in a sample whose modality is not absent.

    Args:
        x: Dict `{modality: array}`, checked, maybe with "present".
        inputs: Dict `{modality: input}`, a model's own.
        in_batches: Boolean, whether arrays on disk are left out.
    """
    present = x.get("present")
    if present is not None:
        present = np.asarray(ops.convert_to_numpy(present)).astype("bool")
        if present.shape[1:] != (len(inputs) - 1,):
            return  # refused where the mask is used
    hint = ', which "present" does not call absent'
    if "present" not in inputs:
        hint = (
            ". Where it stands for a modality that is absent, build the model with "
            'missing_modalities=True and give "present"'
        )
    names = sorted(name for name in inputs if name != "present")
    for k, name in enumerate(names):
        counted = None if present is None else present[:, k]
        given = x[name]
        for part, value in given.items() if isinstance(given, dict) else [(None, given)]:
            values = as_array(value)
            if values is not None and not (in_batches and on_disk(values)):
                label = f'x["{name}"]' + ("" if part is None else f'["{part}"]')
                check_finite(label, values, counted, hint)


def count_samples(x):
    """Number of samples in a dict of inputs."""
    if not isinstance(x, dict) or not x:
        raise ValueError(f"x: expected a dict keyed by modality. Received: {type(x).__name__}")
    return _length(first_input(x))


def _length(value):
    return value.shape[0] if hasattr(value, "shape") else len(value)


def first_input(x):
    """The first array or tensor of a dict of inputs; optional ones may be `None`."""
    while isinstance(x, dict):
        x = next((value for value in x.values() if value is not None), None)
    return x
