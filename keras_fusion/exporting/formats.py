"""One function for every format: write it, run it, compare it with Keras, only then let it appear.

All formats are written by TensorFlow. A model on JAX or PyTorch is handed to a process on
TensorFlow, see `_subprocess`.
"""

import importlib.util

import keras

from keras_fusion._checks import check_bool, check_choice, is_number
from keras_fusion.exporting import _files, _raw, _signatures, _subprocess
from keras_fusion.exporting._float32 import check_not_quantized
from keras_fusion.exporting._verification import samples_for, write
from keras_fusion.exporting.report import ExportReport
from keras_fusion.models.fusion_model import check_first_names

FORMATS = ("saved_model", "onnx", "litert")
QUANTIZE = (None, "dynamic", "float16")
_NEEDS = {
    "saved_model": {"tensorflow": "tensorflow"},
    "onnx": {"tensorflow": "tensorflow", "onnx": "onnx", "tf2onnx": "tf2onnx",
             "onnxruntime": "onnxruntime"},
    "litert": {"tensorflow": "tensorflow", "ai_edge_litert": "ai-edge-litert"},
}  # fmt: skip


def export(
    model,
    path,
    format=None,
    *,
    raw=None,
    quantize=None,
    samples=None,
    tolerance=None,
    verbose=True,
):
    """Writes a fusion model for other programs, and checks that it answers as Keras does.

    Inputs and outputs are named as in Keras, and batches may have any size. Inputs
    are named after the modalities; where a modality has several inputs, after both, as in
    "text_token_ids". Predictions are float32.

    - "saved_model": a folder for TensorFlow Serving or `tf.saved_model.load`, which needs neither
      Keras nor this package. Signatures: `serving_default`, the central prediction; `all_heads`;
      `missing_modalities`, which takes the mask "present" as well (in the others all modalities
      count as present); `<modality>_only`, a modality's own head from its own inputs, where
      no other modality reaches that head; `fusion_weights`, the shares `<level>_<source>` of
      every sample, where the method has gates; `raw`, see there. All but the first give every
      head they have.
    - "onnx": a file with all inputs (the mask too) and all heads. There inputs and outputs share
      one space of names: the heads are "central" and "<modality>_head". Extra `onnx`.
    - "litert": a file for phones and small devices, the same content. Extra `litert`.

    Models in mixed precision or 16 bits are written to LiteRT in float32, those in bfloat16 to
    ONNX too. After `model.quantize(...)` a model goes to SavedModel and ONNX, not to LiteRT: give
    `quantize="dynamic"` with the model from before.

    What was written is loaded again and compared on `samples`, in batches of 3 and 1; of models
    with missing modalities also with NaN in the absent ones. A model on JAX or PyTorch is saved
    as `.keras` and exported by a process on TensorFlow, which compares with that backend's
    predictions too.

    Args:
        model: `FusionModel`.
        path: String or path object. For "saved_model" a folder that does not exist yet or is
            empty. For the others a file that ends in ".onnx" or ".tflite" and does not exist yet,
            or a folder, in which "model.onnx" or "model.tflite" is written. It appears when all
            is checked, never half-written.
        format: String or `None`, one of `"saved_model"`, `"onnx"`, `"litert"`. If `None`, the
            suffix of `path` decides, and a folder means `"saved_model"`. Defaults to `None`.
        raw: Dict `{modality: kind}` or `None`, for "saved_model": the signature `raw` takes for
            these modalities the bytes of files. "jpeg" or "png" (either reads both): decoded,
            resized to the input's size, 0 to 255. "wav": PCM of 16 bits, -1 to 1, cut or padded
            to the input's length. `{modality: (kind, scale)}` multiplies by a number, as
            `("jpeg", 1 / 255)`. Defaults to `None`.
        quantize: String or `None`, for "litert": `"dynamic"` (weights in 8 bits, a quarter of the
            size) or `"float16"` (half of it). Defaults to `None`.
        samples: Dictionary of arrays as for `predict`, to compare on, or `None` for random ones.
            Defaults to `None`.
        tolerance: Non-negative float, the largest `max_difference` that passes. If `None`, 1e-4;
            0.01 with "float16", 0.05 with "dynamic", 0.02 for models in mixed precision. Defaults
            to `None`.
        verbose: Boolean, whether the report is printed. Defaults to `True`.

    Returns:
        `ExportReport`.

    Raises:
        TypeError: not a fusion model, or arguments of the wrong kind.
        ValueError: an argument out of its range, a `path` that cannot be written, or for "litert" a
            model on which `quantize` was called.
        ImportError: TensorFlow or a package of the format's extra is not installed.
        RuntimeError: the format cannot express the model, or the predictions differ by more than
            `tolerance`. Nothing is written then.

    Example:

    >>> import os, tempfile
    >>> import keras
    >>> import keras_fusion as kf
    >>> model = kf.build_gmu({"image": kf.backbones.mlp(4), "sound": kf.backbones.mlp(6)})
    >>> if keras.backend.backend() == "tensorflow":
    ...     path = os.path.join(tempfile.mkdtemp(), "served", "1")
    ...     report = kf.export(model, path, verbose=False)
    ...     assert "fusion_weights" in report.signatures and report.max_difference < 1e-5
    """
    if not hasattr(model, "fusion_weights") or not isinstance(model, keras.Model):
        raise TypeError(f"model: expected a FusionModel. Received: {type(model).__name__}")
    check_bool("verbose", verbose)
    check_choice("format", format, (None, *FORMATS))
    path, format = _files.target(path, format)
    options = {"raw": raw, "quantize": quantize, "tolerance": tolerance}
    _check_options(model, format, **options)
    _check_inputs(model, format)
    check_not_quantized(model, format)
    samples = samples_for(model, samples)
    if keras.backend.backend() == "tensorflow":
        report = write(model, path, format, samples, **options)
    else:
        expected = _signatures.all_inputs_to_all_heads(model).expected(samples)
        report = _subprocess.export_on_tensorflow(model, path, format, samples, expected, **options)
        report = ExportReport(**{**report, "signatures": tuple(report["signatures"])})
    if verbose:
        print(report)
    return report


def export_saved_model(model, path, *, verbose=False, **options):
    """Writes a fusion model as a TensorFlow SavedModel: `export` with that format.

    Args:
        model: `FusionModel`.
        path: String or path object, a folder that does not exist yet or is empty.
        verbose: Boolean, whether the report is printed. Defaults to `False`.
        **options: `raw`, `samples` and `tolerance` of `export`.

    Returns:
        `ExportReport`.

    Raises:
        TypeError, ValueError, ImportError, RuntimeError: As `export`.

    Example:

    >>> import os, tempfile
    >>> import keras
    >>> import keras_fusion as kf
    >>> model = kf.build_centralnet([kf.backbones.mlp(4), kf.backbones.mlp(6)])
    >>> if keras.backend.backend() == "tensorflow":
    ...     path = os.path.join(tempfile.mkdtemp(), "served", "1")
    ...     report = kf.export_saved_model(model, path)
    ...     assert "saved_model.pb" in os.listdir(path)
    """
    return export(model, path, "saved_model", verbose=verbose, **options)


def _check_inputs(model, format):
    inputs = _signatures.flat_inputs(model)
    if format != "onnx":
        check_first_names(f"export, inputs of {format}", inputs)
    texts = [name for name, tensor in inputs.items() if tensor.dtype == "string"]
    if texts and format != "saved_model":
        raise ValueError(
            f'format: expected "saved_model" for a model that reads text, {texts}: no other format '
            f"has the operations on strings. Received: {format!r}"
        )


def _check_options(model, format, raw, quantize, tolerance):
    check_choice("quantize", quantize, QUANTIZE)
    if quantize is not None and format != "litert":
        raise ValueError(f'quantize: expected None unless format="litert". Received: {quantize!r}')
    if raw is not None:
        if format != "saved_model":
            raise ValueError(f'raw: expected None unless format="saved_model". Received: {raw!r}')
        _raw.check_raw(model, raw)
    if tolerance is not None and not (is_number(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance: expected a float >= 0 or None. Received: {tolerance!r}")
    missing = [
        package
        for name, package in _NEEDS[format].items()
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        extra = "" if format == "saved_model" else f', the extra "{format}" of keras_fusion'
        raise ImportError(
            f"export: expected {', '.join(missing)} to be installed{extra}: TensorFlow writes "
            f"every format, whatever the model was trained on. Received: format={format!r} "
            f"without {'it' if len(missing) == 1 else 'them'}"
        )
