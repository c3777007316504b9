"""The server of the serving example: what it answers to any request."""

import base64
import json
import shutil
import sys
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.served import SERVING, asked, jpeg, png, save_models

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about SavedModels")
INF, NAN = float("inf"), float("nan")


@pytest.fixture(scope="module")
def modules():
    """The modules of the server, by name."""
    for name in ("fastapi", "uvicorn"):
        pytest.importorskip(name)
    names = [path.stem for path in SERVING.glob("*.py")]
    sys.path.insert(0, str(SERVING))
    try:
        __import__("server")
        yield {name: sys.modules[name] for name in names if name in sys.modules}
    finally:
        sys.path.remove(str(SERVING))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_models(folder)
    return folder


@pytest.fixture(scope="module")
def ask(modules, folder):
    """Function that asks a server in this process: `(status, answer, headers)`."""
    import uvicorn

    settings = {"log_level": "critical", "port": 0}
    server = uvicorn.Server(uvicorn.Config(modules["server"].create_app(folder), **settings))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield lambda *request: asked(port, *request)
    server.should_exit = True
    thread.join(20)


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


def short(value):
    """A name for a row that is the same in every process."""
    return None if callable(value) else str(value)[:40]


@pytest.mark.parametrize(
    ("signature", "given", "found"),
    [
        # The second of two values, and what comes back: an answer, or the error that names it.
        ("int32", 2**31 - 1, 2**31 - 1),
        ("int32", -(2**31), -(2**31)),
        ("int32", 2**31, "x: expected int32. Received: 2147483648"),
        ("int32", 2**32 + 1, "x: expected int32. Received: 4294967297"),
        ("int32", -(2**31) - 1, "x: expected int32. Received: -2147483649"),
        ("int32", 2.0, "x: expected int32. Received: 2.0"),
        ("int32", NAN, "x: expected int32. Received: nan"),
        ("int32", INF, "x: expected int32. Received: inf"),
        ("int32", "1e400", "numbers up to 1.8e+308. Received: 1e400"),
        ("int32", True, "x: expected int32. Received: True"),
        ("int32", '"3"', "x: expected int32. Received: '3'"),
        ("int32", None, "x: expected int32. Received: None"),
        ("int32", '{"b64": "AA=="}', "x: expected int32. Received: {'b64': 'AA=='}"),
        ("int32", "[1]", "x: expected int32. Received: [1]"),
        ("int32", "1" * 5000, "JSON Parse error: Exceeds the limit"),
        ("uint8", 255, 255),
        ("uint8", 300, "x: expected uint8. Received: 300"),
        ("uint8", -1, "x: expected uint8. Received: -1"),
        ("int64", 2**63 - 1, 2**63 - 1),
        ("int64", 2**63, "x: expected int64. Received: 9223372036854775808"),
        ("bool", True, True),
        ("bool", 1, "x: expected bool. Received: 1"),
        ("bool", 0.0, "x: expected bool. Received: 0.0"),
        ("float32", 2, 2.0),
        ("float32", 0.1, 0.1),
        ("float32", NAN, NAN),
        ("float32", -INF, -INF),
        ("float32", 2**24, 2.0**24),
        ("float32", 2**24 + 1, "x: expected float32. Received: 16777217"),
        ("float32", 3.4e38, 3.4e38),
        ("float32", 1e39, "x: expected float32. Received: 1e+39"),
        ("float32", -1e39, "x: expected float32. Received: -1e+39"),
        ("float32", 10**39, "x: expected float32. Received: 1000000"),
        ("float32", 10**309, "x: expected float32. Received: 1000000"),
        ("float32", "-1e400", "numbers up to 1.8e+308. Received: -1e400"),
        ("float32", True, "x: expected float32. Received: True"),
        ("float32", '"1.5"', "x: expected float32. Received: '1.5'"),
        ("float32", None, "x: expected float32. Received: None"),
        ("float16", 65504, 65504.0),
        ("float16", 65520.0, "x: expected float16. Received: 65520.0"),
        ("bfloat16", 256, 256.0),
        ("bfloat16", 257, "x: expected bfloat16. Received: 257"),
        ("float64", 2**53, 2.0**53),
        ("float64", 2**53 + 1, "x: expected float64. Received: 9007199254740993"),
        ("text", '"\\u00e4"', "ä"),
        ("text", '{"b64": "/w=="}', {"b64": "/w=="}),  # not UTF-8, so base64 comes back too
        ("text", '{"b64": "?"}', "x: expected string"),
        ("text", '{"b64": "AA==", "c": 1}', "x: expected string"),
        ("text", '{"b64": 3}', "x: expected string. Received: {'b64': 3}"),
        ("text", '"\\ud800"', "x: expected string"),
        ("text", 3, "x: expected string. Received: 3"),
        ("bytes", '"a"', {"b64": "YQ=="}),
    ],
    ids=short,
)  # fmt: skip
def test_values(signature, given, found, ask):
    first = {"bool": "false", "text": '"b"', "bytes": '"b"'}.get(signature, "1")
    given = given if isinstance(given, str) else json.dumps(given)
    both = f"[{first}, {given}]"
    both = both if signature in ("text", "bytes") else f"[{both}]"
    request = f'{{"signature_name": "{signature}", "inputs": {both}}}'
    status, answer, _ = ask("POST", "/v1/models/echo:predict", request)
    if status != 200:
        assert status == 400 and list(answer) == ["error"], answer
        assert isinstance(found, str) and found in answer["error"], answer
        return
    value = answer["outputs"][-1] if signature in ("text", "bytes") else answer["outputs"][0][1]
    if isinstance(found, float):
        np.testing.assert_allclose(value, found, rtol=1e-6)
    else:
        assert value == found and type(value) is type(found)


X = [[1, 2], [3, 4]]
TWICE = {"outputs": [[2, 4], [6, 8]]}
LARGE = "numbers, lists and objects"


def named(name, **rest):
    return {"signature_name": name, **rest}


def check(answered, status, found):
    """Whether an answer is as expected: part of it, or what its error says."""
    code, answer, headers = answered
    assert code == status, answer
    assert headers["content-type"].startswith("application/json")
    if status != 200:
        assert list(answer) == ["error"] and found in answer["error"], answer
        assert len(answer["error"]) < 2000
    elif isinstance(found, str):
        assert found in answer
    else:
        parts = [answer, answer.get("model_spec", {}), *answer.get("model_version_status", [])]
        assert any(found.items() <= part.items() for part in parts), answer


@pytest.mark.parametrize(
    ("body", "status", "found"),
    [
        ({"inputs": X}, 200, TWICE),
        (named("", inputs=X), 200, TWICE),
        (named(0, inputs=X), 400, "signature_name"),
        (named([], inputs=X), 400, "signature_name"),
        (named("no" * 10**6, inputs=X), 400, "not found"),
        (named("\ud800", inputs=X), 400, 'key "\\ud800" not found'),
        ({"inputs": [[1, 2], [3]]}, 400, "x: expected"),
        ({"inputs": [[1, 2], 3]}, 400, "x: expected"),
        ({"inputs": {"x": X, "y": X}}, 400, "expected ['x']"),
        # Outputs and inputs that are no samples.
        (named("mean", inputs=X), 200, {"outputs": 2.5}),
        (named("word", inputs=X), 200, {"outputs": "word"}),
        (named("mean", instances=X), 400, "a row for each sample"),
        (named("rows_and_mean", inputs=X), 200, {"outputs": {"rows": X, "mean": 2.5}}),
        (named("rows_and_mean", instances=X), 400, "'mean': ()"),
        (named("uneven", instances=X), 400, "'z': (3,)"),
        (named("any_rank", instances=X), 200, {"predictions": [2, 2]}),
        (named("any_rank", inputs=3), 200, {"outputs": []}),
        (named("times", inputs={"x": X, "by": 3}), 200, {"outputs": [[3, 6], [9, 12]]}),
        (named("times", inputs={"x": X, "by": [3]}), 400, "by: expected the shape ()"),
        # Depth.
        (lambda: "[" * 200_000, 400, "nested"),
        (lambda: '{"inputs": ' + "[" * 900 + "1" + "]" * 900 + "}", 400, "x: expected"),
        (lambda: named("text", inputs=json.loads("[" * 900 + '"a"' + "]" * 900)), 400, "x: "),
        (lambda: named("any_rank", inputs=json.loads("[" * 900 + "1" + "]" * 900)), 400, "x: "),
        # Sizes.
        (lambda: " " * (64 * 2**20 + 1), 413, "expected at most 67108864 bytes"),
        (lambda: '{"inputs": [' + "[]," * 2**20 + "[]]}", 413, LARGE),
        (lambda: '{"inputs": [' + "{}," * 2**20 + "{}]}", 413, LARGE),
        (lambda: '{"inputs": [' + "0," * 2**21 + "0]}", 413, LARGE),
    ],
    ids=short,
)
def test_predict(body, status, found, ask):
    body = body() if callable(body) else body
    check(ask("POST", "/v1/models/echo:predict", body), status, found)


@pytest.mark.parametrize(
    ("method", "path", "status", "found"),
    [
        ("GET", "echo", 200, "model_version_status"),
        ("GET", "echo/", 404, "Not Found"),
        ("GET", "..", 404, "not found"),
        ("GET", "echo/versions", 404, "Not Found"),
        ("GET", "other", 404, "Servable not found"),
        ("GET", "echo/metadata", 200, "metadata"),
        ("GET", "empty/metadata", 404, "Servable not found"),
        ("GET", "broken/metadata", 404, "Servable not found"),
        ("POST", "echo", 405, "Method Not Allowed"),
        ("DELETE", "echo/versions/1", 405, "Method Not Allowed"),
        ("PUT", "echo:predict", 405, "Method Not Allowed"),
        ("POST", "echo/versions/01:predict", 200, TWICE),
        ("POST", "echo/versions/-1:predict", 400, "version: expected a number"),
        ("POST", "echo/versions/%C2%B2:predict", 400, "version: expected a number"),
        ("GET", "echo/versions/" + "9" * 5000, 400, "version: expected a number"),
        ("GET", "echo/versions/2", 404, "Servable not found"),
        # Of these 4, 5 and 6 are broken, and 7 is none.
        ("POST", "versions:predict", 200, TWICE),
        ("GET", "versions/metadata", 200, {"version": "3"}),
        ("POST", "versions/versions/1:predict", 200, TWICE),
        ("POST", "versions/versions/5:predict", 404, "version 5"),
        ("POST", "versions/versions/7:predict", 404, "version 7"),
        ("GET", "versions/versions/0001", 200, {"version": "1", "state": "AVAILABLE"}),
        ("GET", "versions/versions/5", 200, {"version": "5", "state": "END"}),
    ],
    ids=short,
)
def test_paths(method, path, status, found, ask):
    body = None if method == "GET" else {"inputs": X}
    answered = ask(method, f"/v1/models/{path}", body)
    check(answered, status, found)
    assert (status == 405) == ("allow" in answered[2])


def test_states_of_versions(ask, folder, modules):
    def states(*version):
        found = modules["versions"].Served(folder / "versions").states(*version)
        return {part["version"]: part["state"] for part in found}

    # What nobody has asked for is there, but not loaded.
    assert states() == {"6": "END", "5": "END", "4": "END", "3": "AVAILABLE", "1": "START"}
    assert states(1) == {"1": "AVAILABLE"} and states(5) == {"5": "END"}
    (broken,) = ask("GET", "/v1/models/versions/versions/5")[1]["model_version_status"]
    assert broken["status"]["error_code"] == "UNKNOWN" and broken["status"]["error_message"]
    assert ask("GET", "/v1/models/empty")[1] == {"model_version_status": []}


def test_versions_that_change(ask, folder):
    """Loaded as soon as the files are whole; gone, and then another, when the files are."""
    changing = folder / "changing" / "1"
    for source, status in (("versions/05", 404), ("echo/1", 200), ("versions/05", 404)):
        shutil.copytree(folder / source, changing, dirs_exist_ok=status == 200)
        assert ask("GET", "/v1/models/changing/metadata")[0] == status
        if status == 200:
            shutil.rmtree(changing)
            assert ask("GET", "/v1/models/changing/metadata")[0] == 404


def test_a_version_is_loaded_once(modules, folder, monkeypatch):
    """Also where it is broken, and where many ask at once."""
    import tensorflow as tf

    load, loads = tf.saved_model.load, []
    monkeypatch.setattr(tf.saved_model, "load", lambda path: loads.append(path) or load(path))
    served = modules["server"].Served(folder / "versions")
    threads = [threading.Thread(target=served.signatures) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [Path(path).name for path in loads] == ["6", "05", "4", "0003"]


def test_metadata_of_any_signature(ask):
    _, answer, _ = ask("GET", "/v1/models/echo/metadata")
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    shape = signatures["any_rank"]["inputs"]["x"]["tensor_shape"]
    assert shape == {"dim": [], "unknown_rank": True}
    assert signatures["mean"]["outputs"]["y"]["tensor_shape"] == {"dim": [], "unknown_rank": False}
    kinds = {name: signatures[name]["inputs"]["x"]["dtype"] for name in ("float16", "int64")}
    assert kinds == {"float16": "DT_HALF", "int64": "DT_INT64"}


ONE = png(1, 1)
PIXELS = 2**25


@pytest.mark.parametrize(
    ("files", "found"),
    [
        # The headers alone: nothing is decoded, so nothing is missed of what comes after them.
        ([png(12_000, 12_000)], "Received: 144000000"),
        ([png(1, PIXELS + 1)], f"Received: {PIXELS + 1}"),
        ([png(1, PIXELS), ONE], f"Received: {PIXELS + 1}"),
        ([jpeg(12_000, 12_000)], "Received: 144000000"),
        ([png(12_000, 12_000, before=b"\0\0\0\0aaAa\x38\x1c\xc1\xe7")], "x: expected a PNG"),
        ([png(2, 2)[:20]], "x: expected a PNG"),
        ([b"\xff\xd8\xff"], "x: expected a JPEG"),
        ([b"GIF89a" + bytes(20)], "x: expected PNG, JPEG or BMP"),
        ([b"RIFF\0\0\0\0WEBPVP8L" + bytes(20)], "x: expected PNG, JPEG or BMP"),
        ([b"\xff\x0a" + bytes(20)], "x: expected PNG, JPEG or BMP"),
        ([b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20)], "x: expected PNG, JPEG or BMP"),
    ],
)  # fmt: skip
def test_pixels(files, found, ask):
    request = {"signature_name": "image", "instances": list(map(b64, files))}
    status, answer, _ = ask("POST", "/v1/models/echo:predict", request)
    assert status == 400 and found in answer["error"], answer


def test_images_within_the_limit(ask):
    import tensorflow as tf

    pixels = np.zeros((5, 6, 3), "uint8")
    files = [tf.io.encode_png(pixels), tf.io.encode_jpeg(pixels)]
    request = {"signature_name": "image", "instances": [b64(file.numpy()) for file in files]}
    status, answer, _ = ask("POST", "/v1/models/echo:predict", request)
    assert status == 200 and answer["predictions"] == [[5, 6, 3]] * 2


def test_what_goes_wrong_inside(ask, modules, monkeypatch):
    """Not the user's fault: 500, without a word about it."""
    monkeypatch.setattr(modules["server"], "predict", lambda *arguments: 1 / 0)
    status, answer, headers = ask("POST", "/v1/models/echo:predict", {"inputs": X})
    assert status == 500 and answer == {"error": "Internal Server Error"}
    assert headers["content-type"] == "application/json"
