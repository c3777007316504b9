"""Serves SavedModels on one machine, by the REST API of TensorFlow Serving.

    python examples/serving/server.py --folder served

Needs tensorflow, fastapi and uvicorn (`pip install "keras_fusion[serve]"`), and neither Keras nor
keras_fusion. For one machine, a demonstration, or a test of a client; TensorFlow Serving does the
same with batching, several models and GPUs. README.md in this folder has the requests and errors.
"""

import argparse
import asyncio
import gc
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from prediction import predict
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import ClientDisconnect
from versions import Served, describe

LARGEST_BODY = 64 * 2**20  # bytes
BODY_SECONDS = 30  # in which the whole body of a request has to come
PREDICTIONS = 4  # at once; others wait, and status and metadata do not
SETTINGS = {  # of uvicorn
    "http": "h11",  # the one that limits the head of a request, to 16 kB
    "ws": "none",
    "limit_concurrency": 32,  # connections: one more is answered with 503
    "timeout_graceful_shutdown": 5,  # seconds
    "log_level": "warning",
}
CLOSE = {"Connection": "close"}


def create_app(folder):
    """The service for all models in `folder`, `folder/<model>/<version>/`."""
    title = "SavedModels by the REST API of TensorFlow Serving"
    app = FastAPI(title=title, redirect_slashes=False)
    models, threads = {}, ThreadPoolExecutor(PREDICTIONS)

    def model(name):
        path = folder / name
        # By the names that are there: no name of a request becomes a path.
        if name not in {entry.name for entry in folder.iterdir() if entry.is_dir()}:
            raise HTTPException(404, f"Servable not found for request: {name}")
        return models.setdefault(name, Served(path))

    @app.exception_handler(AnyHTTPException)
    async def refused(request, error):
        return JSONResponse({"error": error.detail[:1000]}, error.status_code, error.headers)

    @app.exception_handler(ClientDisconnect)
    async def gone(request, error):
        return Response()  # to nobody

    @app.exception_handler(Exception)
    async def failed(request, error):  # uvicorn's log has the rest
        return JSONResponse({"error": "Internal Server Error"}, 500)

    @app.get("/v1/models/{name}")
    def status(name: str):
        return {"model_version_status": model(name).states()}

    @app.get("/v1/models/{name}/versions/{version}")
    def status_of_version(name: str, version: str):
        return {"model_version_status": model(name).states(as_number(version))}

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
        number = as_number(version)

        def run():
            return predict(model(name).signatures(number)[1], body)

        try:
            body = await whole(request)
            text = await asyncio.get_running_loop().run_in_executor(threads, run)
        except asyncio.CancelledError:  # by uvicorn when the time of grace is over
            raise HTTPException(503, "The server shuts down", CLOSE) from None
        return Response(text, media_type="application/json")

    return app


def as_number(version):
    if version is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", version):
        raise HTTPException(400, f"version: expected a number. Received: {version}")
    return int(version)


async def whole(request):
    """The body of a request, unless it is too long or takes too long."""
    # FastAPI's `max_body_size` would answer in plain text.
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                # What is too long is read all the same: many clients only then read an answer.
                if size > LARGEST_BODY:
                    parts.clear()
                else:
                    parts.append(part)
    except TimeoutError:
        message = f"Request body: expected within {BODY_SECONDS} seconds"
        raise HTTPException(408, message, CLOSE) from None
    if size > LARGEST_BODY:
        raise HTTPException(413, f"Request body: expected at most {LARGEST_BODY} bytes")
    return b"".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("served"), help="of the models")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to answer other machines")
    parser.add_argument("--port", type=int, default=8501)
    args = parser.parse_args()
    if not args.folder.is_dir():
        parser.error(f"--folder: {args.folder} does not exist; prepare.py makes one")
    # Python looks for garbage whenever 700 lists are new, which is most of the time that a large
    # request takes, and all other requests wait meanwhile.
    gc.set_threshold(100_000, 50, 100)
    uvicorn.run(create_app(args.folder), host=args.host, port=args.port, **SETTINGS)


if __name__ == "__main__":
    main()
