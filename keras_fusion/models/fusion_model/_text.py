"""Inputs of text: every kind of array that holds strings becomes a tensor of strings."""

import contextlib

import keras
import numpy as np
from keras import ops

from keras_fusion.models.fusion_model._labels import WORDS


def reads_text(inputs):
    """Whether one of the inputs of a model is strings."""
    return any(tensor.dtype == "string" for tensor in keras.tree.flatten(dict(inputs)))


def check_backend(inputs):
    """An error where a model reads text on a backend that has no strings."""
    backend = keras.backend.backend()
    if backend != "tensorflow" and reads_text(inputs):
        raise ValueError(
            "inputs: expected numbers, as only TensorFlow has strings; on other backends turn the "
            f"text into numbers before the model gets it. Received: strings on {backend}"
        )


def as_text(label, value, absent=None):
    """`value` as a tensor of strings; an error if it is none.

    Keras itself takes arrays of Python's `str` only; here pandas' columns, arrays of dtype `<U`
    and `S`, bytes and lists are the same.

    Args:
        label: String, what to call it in errors.
        value: What was given for an input of strings.
        absent: Optional array of bools: samples of which it does not matter what they have.
            Defaults to `None`.
    """
    if value is None or isinstance(value, keras.KerasTensor):
        return value
    if ops.is_tensor(value):
        if keras.backend.standardize_dtype(value.dtype) != "string":
            raise ValueError(f"{label}: expected strings. Received: a tensor of {value.dtype}")
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "USTO" or not array.ndim:
        raise ValueError(
            f"{label}: expected an array of strings. Received: {type(value).__name__} of "
            f"{array.dtype}, shape {array.shape}"
        )
    if array.dtype.kind in "TO":
        array = array.astype(object)  # a copy
        if absent is not None and len(absent) == len(array):
            array[absent] = ""
        odd = [i for i, text in enumerate(array.flat) if not isinstance(text, (str, bytes))]
        if odd:
            first = odd[0] // (array.size // len(array))
            raise ValueError(
                f"{label}: expected strings; a sample without the modality is marked in "
                f'"present" (missing_modalities=True). Received: {array.flat[odd[0]]!r} in sample '
                f"{first}, {len(odd)} of {array.size} values"
            )
    return ops.convert_to_tensor(array, dtype="string")


def absent_samples(x, modality, inputs):
    """Bools, whether a sample lacks the modality; None where `x` does not say."""
    present = x.get("present")
    if "present" not in inputs or not isinstance(present, (np.ndarray, list, tuple)):
        return None
    columns = sorted(name for name in inputs if name != "present")
    table = np.asarray(present)
    if table.shape[1:] != (len(columns),):
        return None  # an error, where the mask is checked
    return ~table[:, columns.index(modality)].astype("bool")


@contextlib.contextmanager
def text_of_data_sets(model):
    """Says what batches of a data set have to be, where Keras says "Invalid dtype" of strings."""
    try:
        yield
    except ValueError as error:
        before, _, dtype = str(error).partition("Invalid dtype: ")
        if before or not dtype:
            raise
        if not reads_text(model.input):
            hint = WORDS if dtype.startswith(("str", "bytes", "object")) else ""
            raise ValueError(
                f"x, y: expected batches of numbers. Received: batches of {dtype}{hint}"
            ) from error
        raise ValueError(
            "x: expected batches whose text is tensors of strings: convert it with tf.constant, "
            "or use keras_fusion.datasets.as_pydataset or as_dataset. Received: batches of "
            f"{dtype}"
        ) from error
