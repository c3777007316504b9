"""Writes a format on TensorFlow, runs it, and lets it appear if it agrees with Keras."""

import keras
import numpy as np
from keras import layers

from keras_fusion._keras import flat_layers
from keras_fusion.exporting import _files, _raw, _signatures
from keras_fusion.exporting._float32 import computes_in, expressible
from keras_fusion.exporting._runners import RUNNERS
from keras_fusion.exporting._writers import WRITERS
from keras_fusion.exporting.report import ExportReport
from keras_fusion.models.fusion_model import check_inputs

# The largest difference that passes as rounding: of float32, of 16 bits, of 8 bits.
_TOLERANCES = {"float32": 1e-4, "float16": 1e-2, "mixed": 2e-2, "dynamic": 5e-2}
_BATCHES = (3, 1)
_ANY_LENGTH = 16
_WORDS = ("soft", "and", "warm", "unknown")


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
        endpoint = _signatures.all_inputs_to_all_heads(model, suffix)
        # Compared with the model itself, also where another one is written.
        model = expressible(model, format)
        function = _signatures.all_inputs_to_all_heads(model, suffix).function
        endpoint = _signatures.Endpoint(function, endpoint.specs, endpoint.expected)
        endpoints = {"serving_default": endpoint}
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
    mixed = computes_in(model).intersection(("float16", "bfloat16"))
    own = _TOLERANCES["mixed" if mixed else "float32"]
    return own if quantize is None else max(own, _TOLERANCES[quantize])


def _compare(model, endpoints, written, format, samples, raw):
    """The largest difference over all signatures and batch sizes."""
    run = RUNNERS[format](written)
    largest = 0.0
    for name, endpoint in endpoints.items():
        for x in batches(samples):
            given = contents = {key: x[key] for key in endpoint.specs}
            if name == "raw":
                given, contents = _raw.raw_samples(model, raw, contents)
            expected = endpoint.expected(contents)
            found = run(name, with_garbage(given, model))
            where = f"{format}, signature {name!r}"
            largest = max(largest, difference(found, expected, where))
    return largest


# ---- random samples, and what is compared


def samples_for(model, samples=None, count=_BATCHES[0], seed=0):
    """`{input name: array}` to compare predictions on.

    Args:
        model: `FusionModel`.
        samples: None (random ones), or a dict as `model.predict` takes. Defaults to `None`.
    """
    named = _signatures.flat_inputs(model)
    if samples is None:
        rng = np.random.default_rng(seed)
        x = {name: _random(model, rng, tensor, count) for name, tensor in named.items()}
    else:
        try:
            samples = check_inputs(samples, model.input)
        except ValueError as error:
            raise ValueError(f"samples: {error}") from None
        x = {}
        for name, own in model.input.items():
            if name == "present":
                continue
            parts = own if isinstance(own, dict) else {None: own}
            for key, tensor in parts.items():
                given = np.asarray(samples[name] if key is None else samples[name][key])
                if given.ndim == len(tensor.shape) - 1 and tensor.shape[-1] == 1:
                    given = given[..., None]  # as Keras does
                x[tensor.name] = _of_type(given[:count], tensor.dtype)
                _check_shape(name, x[tensor.name], tensor)
    if model.has_present:
        size = len(next(iter(x.values())))
        # The first sample has everything, the others lack one modality each.
        x["present"] = np.ones((size, len(model.modalities)), named["present"].dtype)
        for row in range(1, size):
            x["present"][row, row % len(model.modalities)] = 0
    return x


def _check_shape(name, array, tensor):
    fits = array.ndim == len(tensor.shape) and len(array)
    if not fits or any(
        s not in (None, a) for s, a in zip(tensor.shape[1:], array.shape[1:], strict=True)
    ):
        raise ValueError(
            f'samples["{name}"]: expected at least one sample of shape {tuple(tensor.shape[1:])}. '
            f"Received shape: {array.shape}"
        )


def _random(model, rng, tensor, count):
    shape = (count, *(_ANY_LENGTH if size is None else size for size in tensor.shape[1:]))
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if dtype == "string":
        return _texts(model, rng, shape)
    if dtype == "bool":
        return np.ones(shape, "bool")  # a mask: of zeros alone it says that nothing is there
    if "int" in dtype:
        return rng.integers(1, _number_of_ids(model), shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def _texts(model, rng, shape):
    """Words that the model knows, alone and in fours; others too where it takes them."""
    lookups = [layer for layer in flat_layers(model) if isinstance(layer, layers.StringLookup)]
    known = {x: x.get_vocabulary(include_special_tokens=False) for x in lookups}
    strict = [set(words) for x, words in known.items() if x.num_oov_indices == 0]
    if strict:
        common = sorted(set.intersection(*strict))
        if not common:
            raise ValueError(
                "samples: expected some, as the model's layers take no unknown words and share "
                "none that they know. Received: None"
            )
        return rng.choice(common, shape).astype(object)
    known = [word for words in known.values() for word in words[:9]]
    words = rng.choice([*known, *_WORDS], (*shape, 4)).astype(object)
    words[rng.random(shape) < 0.5, 1:] = ""
    return np.apply_along_axis(lambda four: " ".join(four).strip(), -1, words).astype(object)


def _number_of_ids(model):
    """Ids below this are known to every embedding of the model."""
    known = [x.input_dim for x in flat_layers(model) if isinstance(x, layers.Embedding)]
    return min([max(size, 2) for size in known], default=2)


def _of_type(array, dtype):
    return array.astype(object) if dtype == "string" else array.astype(dtype)


def batches(x):
    """The samples at two batch sizes."""
    for count in _BATCHES:
        yield {name: array[:count] for name, array in x.items()}


def with_garbage(x, model):
    """The samples with NaN or odd words where `present` says absent, which must do no harm."""
    if "present" not in x:
        return x
    x = {name: np.array(array) for name, array in x.items()}
    for column, modality in enumerate(sorted(model.modalities)):
        for tensor in keras.tree.flatten(model.input[modality]):
            array = x[tensor.name]
            if array.dtype.kind in "fO":
                array[x["present"][:, column] == 0] = np.nan if array.dtype.kind == "f" else "nan"
    return x


def difference(found, expected, where):
    """The largest difference of two `{output: array}`, relative where values are above 1."""
    if sorted(found) != sorted(expected):
        raise RuntimeError(
            f"export: expected the outputs {sorted(expected)} of {where}. Received: {sorted(found)}"
        )
    largest = 0.0
    for name, wanted in expected.items():
        got, wanted = np.asarray(found[name], "float64"), np.asarray(wanted, "float64")
        if got.shape != wanted.shape:
            raise RuntimeError(
                f"export: expected {name!r} of {where} in the shape {wanted.shape}. "
                f"Received: {got.shape}"
            )
        if not np.isfinite(wanted).all():
            raise ValueError(
                f"samples: expected some on which the model predicts finite numbers. Received: "
                f"{name!r} of {where} is not; give others than the random ones"
            )
        worst = np.max(np.abs(got - wanted), initial=0) / max(1.0, np.abs(wanted).max(initial=0))
        largest = max(largest, worst if np.isfinite(worst) else np.inf)
    return float(largest)
