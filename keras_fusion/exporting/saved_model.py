"""SavedModel export (TensorFlow; from the JAX backend too where TensorFlow is installed)."""

import importlib.util

import keras
from keras import ops

from keras_fusion.exporting._files import appears, new_folder


def export_saved_model(model, path):
    """Writes a fusion model as a TensorFlow SavedModel with two signatures.

    `export` writes more signatures, other formats, and compares what it wrote with the model.
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
        RuntimeError: the PyTorch backend (Keras cannot write SavedModels from it; `export` can,
            with TensorFlow installed).
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
    check_model(model)
    _check_backend()
    path = new_folder(path)
    specs = keras.tree.map_structure(input_spec, dict(model.input))
    endpoints = {
        "serving_default": (lambda inputs: {"central": heads(model, inputs)["central"]}, specs),
        "all_heads": (lambda inputs: heads(model, inputs), specs),
    }
    with appears(path) as written:
        write_saved_model(model, endpoints, written)


def write_saved_model(model, endpoints, path):
    """Writes the functions `{signature: (function, specs)}`, which use the model's weights."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, specs) in endpoints.items():
        archive.add_endpoint(name, function, [specs])
    archive.write_out(path, verbose=False)


def check_model(model):
    """An error unless `model` is a fusion model."""
    if not hasattr(model, "fusion_weights") or not isinstance(model, keras.Model):
        raise TypeError(f"model: expected a FusionModel. Received: {type(model).__name__}")


def _check_backend():
    if keras.backend.backend() == "torch":
        raise RuntimeError(
            "export_saved_model: expected the TensorFlow or JAX backend. Received: torch. Save the "
            "model as .keras, load it with KERAS_BACKEND=tensorflow and export it there"
        )
    if importlib.util.find_spec("tensorflow") is None:
        raise ImportError("export_saved_model: writing a SavedModel needs tensorflow")


def input_spec(tensor):
    """What an exported function is told of an input: its name, any batch size."""
    return keras.InputSpec(shape=(None, *tensor.shape[1:]), dtype=tensor.dtype, name=tensor.name)


def heads(model, inputs):
    """Every prediction, in float32 whatever the model computes in."""
    return {
        name: ops.cast(tensor, "float32") for name, tensor in model(inputs, training=False).items()
    }
