"""A request of TensorFlow Serving's REST API and the answer to it: JSON to tensors, and back."""

import base64
import binascii
import json
import math
import reprlib
from itertools import chain

import numpy as np
import tensorflow as tf
from fastapi import HTTPException

LARGEST_COUNT = 2**21  # values in a request
LARGEST_IMAGES = 2**25  # pixels of all images in a request, which take half a gigabyte in colour
TYPES = {"bool": {bool}, "string": {str, dict}}


def predict(signatures, body):
    """The answer, row by row or by columns as the request is."""
    request = parsed(body)
    if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
        raise HTTPException(400, 'JSON: expected an object with either "instances" or "inputs"')
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise unexpected("signature_name", "a string", name)
    name = name or "serving_default"
    if name not in signatures:
        asked = json.dumps(name[:100])
        raise HTTPException(
            400, f"Serving signature key {asked} not found, there are {sorted(signatures)}"
        )
    wanted = signatures[name].structured_input_signature[1]
    by_rows = "instances" in request
    given = columns(request["instances"], wanted) if by_rows else request["inputs"]
    if len(wanted) == 1 and (not isinstance(given, dict) or given.keys() == {"b64"}):
        given = {next(iter(wanted)): given}
    found = call(signatures[name], wanted, given)
    values = {key: as_lists(key, array) for key, array in found.items()}
    if not by_rows:
        answer = {"outputs": one_or_all(values)}
    else:
        shapes = {key: array.shape for key, array in found.items()}
        lengths = {shape[:1] for shape in shapes.values()}
        if len(lengths) != 1 or () in lengths:
            raise unexpected('"instances"', "outputs with a row for each sample", shapes, str)
        rows = zip(*values.values(), strict=True)
        answer = {"predictions": [one_or_all(dict(zip(values, row, strict=True))) for row in rows]}
    # In parts: `json.dumps` keeps all other threads waiting for seconds where an answer is long.
    # By json: a prediction may be NaN, which starlette's own JSON refuses.
    return "".join(json.JSONEncoder().iterencode(answer))


def parsed(body):
    """A body as Python's values."""
    # No other thread goes on while json makes lists: half a second for as many as are allowed.
    # Every value but the first comes after one of these.
    if sum(map(body.count, (b",", b"[", b"{"))) > LARGEST_COUNT:
        raise HTTPException(
            413, f"Request: expected at most {LARGEST_COUNT} numbers, lists and objects"
        )
    try:
        return json.loads(body, parse_float=as_float)
    except RecursionError:
        raise HTTPException(400, "JSON Parse error: nested too deeply") from None
    except ValueError as error:
        raise HTTPException(400, f"JSON Parse error: {error}") from None


def as_float(text):
    value = float(text)
    if math.isinf(value):  # written as Infinity it does not come here
        raise unexpected("JSON", "numbers up to 1.8e+308", text, str)
    return value


def unexpected(what, expected, received, shown=reprlib.repr):
    return HTTPException(400, f"{what}: expected {expected}. Received: {shown(received)}")


def one_or_all(values):
    """Of a single output the name is left out."""
    return next(iter(values.values())) if len(values) == 1 else values


def columns(rows, wanted):
    """`{input: list}` of a list of `{input: value}`."""
    if not isinstance(rows, list) or not rows:
        raise HTTPException(400, '"instances": expected a list that is not empty')
    if len(wanted) == 1:
        (only,) = wanted
        rows = [r if isinstance(r, dict) and "b64" not in r else {only: r} for r in rows]
    if not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        raise HTTPException(400, '"instances": expected objects that all have the same keys')
    return {key: [row[key] for row in rows] for key in rows[0]}


def call(signature, wanted, given):
    """Runs a signature; what it is given has to be of the right names, types and shapes."""
    if not isinstance(given, dict) or given.keys() != wanted.keys():
        received = sorted(given) if isinstance(given, dict) else type(given).__name__
        raise unexpected("inputs", sorted(wanted), received, str)
    arrays = {key: as_array(key, given[key], spec) for key, spec in wanted.items()}
    batched = [key for key, spec in wanted.items() if spec.shape.rank and spec.shape[0] is None]
    sizes = {key: len(arrays[key]) for key in batched}
    if len({*sizes.values()}) > 1:
        raise unexpected("inputs", "as many samples of each", sizes, str)
    pixels = sum(size_of_images(key, arrays[key]) for key in arrays if arrays[key].dtype == object)
    if pixels > LARGEST_IMAGES:
        raise unexpected("images", f"at most {LARGEST_IMAGES} pixels in a request", pixels)
    try:
        found = signature(**{key: tf.constant(array) for key, array in arrays.items()})
    except tf.errors.InvalidArgumentError as error:
        raise HTTPException(400, reason(error.message)) from None
    return {key: as_numpy(value) for key, value in found.items()}


def as_numpy(tensor):
    return np.asarray(tensor.numpy(), object if tensor.dtype == tf.string else None)


def reason(message):
    """The line of TensorFlow's message that says what is wrong."""
    around = ("Graph execution error", "Detected at node", "<stack traces", "[[")
    lines = [line.strip() for line in message.splitlines()]
    return next((line for line in lines if line and not line.startswith(around)), message)


def as_array(key, value, spec):
    """Lists as an array that holds the same values, or an error that names one it cannot hold."""
    dtype, items, shape = spec.dtype, [value], ()
    while {*map(type, items)} == {list} and len(shape) < (spec.shape.rank or 64):
        lengths = {*map(len, items)}
        if len(lengths) > 1:
            raise unexpected(key, f"{dtype.name} in lists of equal length", sorted(lengths))
        shape += (lengths.pop(),)
        items = [*chain.from_iterable(items)]
    types = TYPES.get(dtype.name, {int} if dtype.is_integer else {int, float})
    wrong = [item for item in items if type(item) not in types]  # a bool is an int to isinstance
    if wrong:
        raise unexpected(key, dtype.name, wrong[0])
    if not spec.shape.is_compatible_with(shape):
        raise unexpected(key, f"the shape {tuple(spec.shape)}", shape)
    if dtype == tf.string:
        array = np.empty(len(items), object)
        array[:] = [as_bytes(key, item) for item in items]
    elif dtype.is_integer:
        wrong = [item for item in items if not dtype.min <= item <= dtype.max]
        array = None if wrong else np.array(items, dtype.as_numpy_dtype)
    elif dtype == tf.bool:
        array = np.array(items, bool)
    else:
        array, wrong = as_floats(items, dtype.as_numpy_dtype)
    if wrong:
        raise unexpected(key, dtype.name, wrong[0])
    return array.reshape(shape)


def as_floats(items, dtype):
    """Rounded as always, and what of it is another number: too large, or an integer rounded."""
    try:
        with np.errstate(over="ignore"):
            array = np.array(items, "float64").astype(dtype)
    except OverflowError:
        return None, [max(items, key=abs)]
    pairs = zip(items, array.tolist(), strict=True)
    return array, [a for a, b in pairs if a != b and (type(a) is int or math.isinf(b))]


def as_bytes(key, item):
    try:
        if isinstance(item, str):
            return item.encode()
        if item.keys() == {"b64"} and isinstance(item["b64"], str):
            return base64.b64decode(item["b64"], validate=True)
    except (binascii.Error, UnicodeError) as error:
        raise unexpected(key, "string", error, str) from None
    raise unexpected(key, "string", item)


def size_of_images(key, array):
    """Pixels of those that are images, by their headers."""
    return sum(size_of_image(key, data) for data in array.flat)


def size_of_image(key, data):
    if data.startswith(b"\x89PNG"):
        if data[12:16] != b"IHDR" or len(data) < 24:
            raise HTTPException(400, f"{key}: expected a PNG. Received: one without its header")
        return int.from_bytes(data[16:20]) * int.from_bytes(data[20:24])
    if data.startswith(b"\xff\xd8\xff"):
        try:
            height, width, _ = tf.io.extract_jpeg_shape(data).numpy().tolist()
        except tf.errors.InvalidArgumentError:
            raise HTTPException(
                400, f"{key}: expected a JPEG. Received: one without its header"
            ) from None
        return height * width
    # TensorFlow decodes these too, and their headers do not say how much there is in them.
    others = (b"GIF8", b"\xff\x0a", b"\0\0\0\x0cJXL ")
    if data.startswith(others) or data[:4] + data[8:12] == b"RIFFWEBP":
        raise unexpected(key, "PNG, JPEG or BMP", data[:12])
    return 0  # the pixels of a BMP are as long as the file


def as_lists(key, array):
    """Values for JSON; bytes as text, or as base64 where they are none or named so."""
    if array.dtype != object:
        return array.tolist()
    texts = np.empty(array.size, object)
    texts[:] = [as_text(item, key.endswith("_bytes")) for item in array.flat]
    return texts.reshape(array.shape).tolist()


def as_text(item, binary):
    try:
        if not binary:
            return item.decode()
    except UnicodeDecodeError:
        pass
    return {"b64": base64.b64encode(item).decode()}
