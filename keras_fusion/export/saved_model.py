"""SavedModel export (TensorFlow; from the JAX backend too where TensorFlow is installed)."""

import importlib.util
import os
import shutil
import tempfile

import keras
from keras import ops


def export_saved_model(model, path):
    """Writes a fusion model as a TensorFlow SavedModel.

    The result loads where neither Keras nor this package is installed: with TensorFlow Serving,
    or `tf.saved_model.load(path).signatures["serving_default"](image=..., audio=...)`.

    Signatures, each with the named inputs of the model, any batch size, and named outputs:

    - `serving_default`: `{"central": ...}`, the central prediction.
    - `all_heads`: every head.

    The mask `present` of a model with missing modalities is an input as well.

    Args:
        model: `FusionModel`.
        path: Folder to write, str or path object. It must not exist yet, or be empty; missing
            parents are made. It appears when the export is complete, never half-written.

    Raises:
        TypeError: not a fusion model.
        ValueError: `path` is a file or a folder that is not empty, or cannot be written.
        RuntimeError: the PyTorch backend (Keras cannot write SavedModels from it: save the model
            as `.keras`, load it with KERAS_BACKEND=tensorflow and export there).
        ImportError: TensorFlow is not installed.

    Example:

    >>> import os, tempfile
    >>> import keras
    >>> import keras_fusion as kf
    >>> model = kf.build_centralnet([kf.backbones.mlp(4), kf.backbones.mlp(6)])
    >>> if keras.backend.backend() == "tensorflow":
    ...     path = os.path.join(tempfile.mkdtemp(), "served", "1")
    ...     kf.export_saved_model(model, path)
    ...     assert "saved_model.pb" in os.listdir(path)
    """
    _check(model)
    path = _target(path)
    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = [_specs(model)]
    archive.add_endpoint(
        "serving_default", lambda inputs: {"central": _heads(model, inputs)["central"]}, signature
    )
    archive.add_endpoint("all_heads", lambda inputs: _heads(model, inputs), signature)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        parts = tempfile.mkdtemp(prefix=".export-", dir=os.path.dirname(path))
    except OSError as error:
        raise ValueError(
            f"path: expected a folder that can be written. Received: {path} ({error})"
        ) from error
    try:
        written = os.path.join(parts, "model")
        archive.write_out(written, verbose=False)
        if os.path.isdir(path):
            os.rmdir(path)
        os.rename(written, path)
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def _check(model):
    if not hasattr(model, "fusion_weights") or not isinstance(model, keras.Model):
        raise TypeError(f"model: expected a FusionModel. Received: {type(model).__name__}")
    if keras.backend.backend() == "torch":
        raise RuntimeError(
            "export_saved_model: expected the TensorFlow or JAX backend. Received: torch. Save the "
            "model as .keras, load it with KERAS_BACKEND=tensorflow and export it there"
        )
    if importlib.util.find_spec("tensorflow") is None:
        raise ImportError("export_saved_model: writing a SavedModel needs tensorflow")


def _target(path):
    path = os.path.abspath(os.fspath(path))
    if os.path.exists(path) and (not os.path.isdir(path) or os.listdir(path)):
        raise ValueError(
            f"path: expected a folder that does not exist yet or is empty. Received: {path}"
        )
    return path


def _specs(model):
    return {
        name: keras.InputSpec(shape=(None, *tensor.shape[1:]), dtype=tensor.dtype, name=name)
        for name, tensor in model.input.items()
    }


def _heads(model, inputs):
    """Every prediction, in float32 whatever the model computes in."""
    return {
        name: ops.cast(tensor, "float32") for name, tensor in model(inputs, training=False).items()
    }
