"""Serves SavedModels on one machine, by the REST API of TensorFlow Serving.

    python examples/serving/server.py --folder served

Needs tensorflow, fastapi and uvicorn (`pip install "keras_fusion[serve]"`), and neither Keras nor
keras_fusion. For one machine, a demonstration, or a test of a client; TensorFlow Serving does the
same with batching, several models and GPUs. README.md in this folder has the requests and errors.
"""

import argparse
import base64
import binascii
import json
from pathlib import Path

import numpy as np
import tensorflow as tf
import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

LARGEST_REQUEST = 64 * 2**20  # bytes
KINDS = {"float32": "DT_FLOAT", "float64": "DT_DOUBLE", "int32": "DT_INT32", "int64": "DT_INT64",
         "bool": "DT_BOOL", "string": "DT_STRING", "uint8": "DT_UINT8"}  # fmt: skip


class Refused(Exception):
    """An answer with an error."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Served:
    """The versions of one model, loaded when they are first asked for.

    Args:
        folder: Path of the folder that holds one folder for each version, named by its number.
    """

    def __init__(self, folder):
        self.folder = folder
        self.loaded = {}

    def versions(self):
        names = (path.name for path in self.folder.iterdir() if (path / "saved_model.pb").exists())
        return sorted(int(name) for name in names if name.isdecimal())

    def signatures(self, version=None):
        """`(version, {name: function})`; the newest version by default."""
        available = self.versions()
        if version is None:
            version = max(available, default=None)
        if version not in available:
            raise Refused(404, f"Servable not found: {self.folder.name}, version {version}")
        if version not in self.loaded:
            self.loaded[version] = tf.saved_model.load(str(self.folder / str(version)))
        return version, self.loaded[version].signatures


def create_app(folder):
    """The service for all models in `folder`, `folder/<model>/<version>/`."""
    app = FastAPI(title="SavedModels by the REST API of TensorFlow Serving")
    models = {}

    def model(name):
        path = folder / name
        # By the names that are there: no name of a request becomes a path.
        if name not in {entry.name for entry in folder.iterdir() if entry.is_dir()}:
            raise Refused(404, f"Servable not found for request: {name}")
        return models.setdefault(name, Served(path))

    @app.exception_handler(Refused)
    async def refused(request, error):
        return JSONResponse({"error": str(error)}, error.status)

    @app.get("/v1/models/{name}")
    def status(name: str):
        fine = {"error_code": "OK", "error_message": ""}
        states = [
            {"version": str(version), "state": "AVAILABLE", "status": fine}
            for version in reversed(model(name).versions())
        ]
        return {"model_version_status": states}

    @app.get("/v1/models/{name}/metadata")
    def metadata(name: str):
        return described_version(name, None)

    @app.get("/v1/models/{name}/versions/{version}/metadata")
    def metadata_of_version(name: str, version: str):
        return described_version(name, version)

    def described_version(name, version):
        version, signatures = model(name).signatures(as_number(version))
        described = {key: describe(signature) for key, signature in signatures.items()}
        return {
            "model_spec": {"name": name, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": described}},
        }

    @app.post("/v1/models/{name}:predict")
    async def newest(name: str, request: Request):
        return await answer(name, None, request)

    @app.post("/v1/models/{name}/versions/{version}:predict")
    async def chosen(name: str, version: str, request: Request):
        return await answer(name, version, request)

    async def answer(name, version, request):
        body = await whole(request)
        number = as_number(version)

        def run():
            return json.dumps(predict(model(name).signatures(number)[1], body))

        # By json: a prediction may be NaN, which starlette's own JSON refuses.
        return Response(await run_in_threadpool(run), media_type="application/json")

    return app


def as_number(version):
    if version is None:
        return None
    if not version.isdecimal():
        raise Refused(400, f"version: expected a number. Received: {version}")
    return int(version)


async def whole(request):
    """The body of a request, unless it is too long."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > LARGEST_REQUEST:
            raise Refused(413, f"Request body: expected at most {LARGEST_REQUEST} bytes")
    return b"".join(parts)


def predict(signatures, body):
    """The answer to a request as TensorFlow Serving gives it, row by row or by columns."""
    try:
        request = json.loads(body)
    except ValueError as error:
        raise Refused(400, f"JSON Parse error: {error}") from None
    if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
        raise Refused(400, 'JSON: expected an object with either "instances" or "inputs"')
    name = request.get("signature_name") or "serving_default"
    if not isinstance(name, str) or name not in signatures:
        raise Refused(
            400, f'Serving signature key "{name}" not found, there are {sorted(signatures)}'
        )
    wanted = signatures[name].structured_input_signature[1]
    by_rows = "instances" in request
    given = columns(request["instances"], wanted) if by_rows else request["inputs"]
    if not isinstance(given, dict) and len(wanted) == 1:
        given = {next(iter(wanted)): given}
    found = call(signatures[name], wanted, given)
    if not by_rows:
        return {"outputs": one_or_all({key: value.tolist() for key, value in found.items()})}
    rows = zip(*(value.tolist() for value in found.values()), strict=True)
    return {"predictions": [one_or_all(dict(zip(found, row, strict=True))) for row in rows]}


def one_or_all(values):
    """Of a single output the name is left out."""
    return next(iter(values.values())) if len(values) == 1 else values


def columns(rows, wanted):
    """`{input: list}` of a list of `{input: value}`."""
    if not isinstance(rows, list) or not rows:
        raise Refused(400, '"instances": expected a list that is not empty')
    if len(wanted) == 1:
        (only,) = wanted
        rows = [r if isinstance(r, dict) and "b64" not in r else {only: r} for r in rows]
    if not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        raise Refused(400, '"instances": expected objects that all have the same keys')
    return {key: [row[key] for row in rows] for key in rows[0]}


def call(signature, wanted, given):
    """Runs a signature; what it is given has to be of the right names, types and shapes."""
    if not isinstance(given, dict) or given.keys() != wanted.keys():
        received = sorted(given) if isinstance(given, dict) else type(given).__name__
        raise Refused(400, f"inputs: expected {sorted(wanted)}. Received: {received}")
    arrays = {key: as_array(key, given[key], spec) for key, spec in wanted.items()}
    if len({len(array) for array in arrays.values()}) > 1:
        sizes = {key: len(array) for key, array in arrays.items()}
        raise Refused(400, f"inputs: expected as many samples of each. Received: {sizes}")
    try:
        found = signature(**{key: tf.constant(array) for key, array in arrays.items()})
    except tf.errors.OpError as error:
        raise Refused(400, reason(error.message)) from None
    return {key: value.numpy() for key, value in found.items()}


def reason(message):
    """The line of TensorFlow's message that says what is wrong."""
    around = ("Graph execution error", "Detected at node", "<stack traces", "[[")
    lines = [line.strip() for line in message.splitlines()]
    return next((line for line in lines if line and not line.startswith(around)), message)


def as_array(key, value, spec):
    text = spec.dtype == tf.string
    try:
        array = np.array(decoded(value) if text else value, object if text else None)
        if not text:
            if array.dtype.kind not in "biuf" or (
                array.dtype.kind == "f" and spec.dtype.is_integer
            ):
                raise TypeError(f"numbers of the type {array.dtype}")
            array = array.astype(spec.dtype.as_numpy_dtype)
    except (ValueError, TypeError, binascii.Error) as error:
        raise Refused(400, f"{key}: expected {spec.dtype.name}. Received: {error}") from None
    if not spec.shape.is_compatible_with(array.shape):
        raise Refused(
            400, f"{key}: expected the shape {tuple(spec.shape)}. Received: {array.shape}"
        )
    return array


def decoded(value):
    """Strings and `{"b64": ...}` as bytes, in lists of any depth."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str):
        return base64.b64decode(value["b64"], validate=True)
    if isinstance(value, str):
        return value.encode()
    raise TypeError(f"{type(value).__name__} instead of a string or an object with b64")


def describe(signature):
    """Names, types and shapes of inputs and outputs, in the words of TensorFlow Serving."""

    def tensor(name, spec):
        dims = [{"size": str(-1 if size is None else size), "name": ""} for size in spec.shape]
        shape = {"dim": dims, "unknown_rank": False}
        return {
            "dtype": KINDS.get(spec.dtype.name, spec.dtype.name),
            "tensor_shape": shape,
            "name": name,
        }

    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    return {
        "inputs": {name: tensor(name, spec) for name, spec in inputs.items()},
        "outputs": {name: tensor(name, spec) for name, spec in outputs.items()},
        "method_name": "tensorflow/serving/predict",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("served"), help="of the models")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to answer other machines")
    parser.add_argument("--port", type=int, default=8501)
    args = parser.parse_args()
    if not args.folder.is_dir():
        parser.error(f"--folder: {args.folder} does not exist; prepare.py makes one")
    uvicorn.run(create_app(args.folder), host=args.host, port=args.port, log_level="warning")


if __name__ == "__main__":
    main()
