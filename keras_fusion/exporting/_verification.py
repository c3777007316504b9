"""Writes a format on TensorFlow, runs it, and lets it appear if it agrees with Keras."""

from dataclasses import dataclass

from keras_fusion._keras import flat_layers
from keras_fusion.exporting import _check, _files, _raw, _signatures
from keras_fusion.exporting._runners import RUNNERS
from keras_fusion.exporting._writers import WRITERS

# The largest difference that passes as rounding: of float32, of 16 bits, of 8 bits.
_TOLERANCES = {"float32": 1e-4, "float16": 1e-2, "mixed": 2e-2, "dynamic": 5e-2}


@dataclass(frozen=True)
class ExportReport:
    """What `export` wrote; printed it is a line.

    Attributes:
        path: Of the file or folder.
        format: Of `FORMATS`.
        signatures: Tuple of names; of ONNX and LiteRT "serving_default" alone.
        max_difference: The largest difference from Keras' predictions; where these are above 1,
            divided by the largest of them.
        tolerance: What it was compared with.
        size: In bytes.

    Example:

    >>> from keras_fusion.exporting import ExportReport
    >>> print(ExportReport("m.onnx", "onnx", ("serving_default",), 6e-8, 1e-4, 20480))
    onnx: m.onnx, 20 kB, differs from Keras by at most 6.0e-08 (allowed: 1e-04)
    """

    path: str
    format: str
    signatures: tuple
    max_difference: float
    tolerance: float
    size: int

    def __str__(self):
        return (
            f"{self.format}: {self.path}, {self.size / 1024:,.0f} kB, differs from Keras by at "
            f"most {self.max_difference:.1e} (allowed: {self.tolerance:.0e})"
        )


def write(model, path, format, samples, raw, quantize, tolerance, between=0.0):
    """What `export` does on TensorFlow: writes, compares, and moves to `path`.

    `between` is how much TensorFlow's predictions differ from those of the model's own backend.
    """
    tolerance = _tolerance(model, quantize) if tolerance is None else tolerance
    if format == "saved_model":
        endpoints = _signatures.signatures(model)
        if raw:
            endpoints["raw"] = _raw.raw_endpoint(model, raw)
    else:
        suffix = "_head" if format == "onnx" else ""
        endpoints = {"serving_default": _signatures.everything(model, suffix)}
    with _files.appears(path) as written:
        WRITERS[format](model, endpoints, written, quantize)
        largest = max(between, _compare(model, endpoints, written, format, samples, raw))
        if not largest <= tolerance:
            raise RuntimeError(
                f"export: expected predictions that differ from Keras by at most {tolerance:.1e}. "
                f"Received: {largest:.1e} from {format}; nothing was written"
            )
        size = _files.size_of(written)
    return ExportReport(path, format, tuple(endpoints), largest, tolerance, size)


def _tolerance(model, quantize):
    if quantize is not None:
        return _TOLERANCES[quantize]
    mixed = any(layer.compute_dtype in ("float16", "bfloat16") for layer in flat_layers(model))
    return _TOLERANCES["mixed" if mixed else "float32"]


def _compare(model, endpoints, written, format, samples, raw):
    """The largest difference over all signatures and batch sizes."""
    run = RUNNERS[format](written)
    largest = 0.0
    for name, endpoint in endpoints.items():
        for x in _check.batches(samples):
            given = contents = {key: x[key] for key in endpoint.specs}
            if name == "raw":
                given, contents = _raw.raw_samples(model, raw, contents)
            expected = endpoint.expected(contents)
            found = run(name, _check.with_rubbish(given, model))
            where = f"{format}, signature {name!r}"
            largest = max(largest, _check.difference(found, expected, where))
    return largest
