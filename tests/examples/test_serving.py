"""The serving example from end to end: a running server, where this package cannot be imported."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import keras
import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about SavedModels"),
]
SERVING = Path(__file__).parents[2] / "examples" / "serving"
# Nothing that the server does may need the package.
START = """
import os, runpy, sys
sys.modules["keras_fusion"] = None
script, *sys.argv[1:] = sys.argv[1:]
sys.path[0] = os.path.dirname(script)
runpy.run_path(script, run_name="__main__")
"""


@pytest.fixture(scope="module")
def client_module():
    sys.path.insert(0, str(SERVING))
    try:
        import client

        yield client
    finally:
        sys.path.remove(str(SERVING))
        sys.modules.pop("client", None)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Its URL, while it runs on a model that prepare.py made."""
    for name in ("fastapi", "uvicorn", "sklearn"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("serving")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    made = [sys.executable, str(SERVING / "prepare.py"), "--epochs", "1"]
    done = subprocess.run(made, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / "served" / "models.config").exists()
    assert "differs from Keras by at most" in done.stdout
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", START, str(SERVING / "server.py"), "--port", str(port)]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}", folder, process
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def client(server, client_module):
    url, folder, process = server
    client = client_module.Client(url, timeout=60)
    ends = time.monotonic() + 120
    while not client.is_ready():
        assert process.poll() is None and time.monotonic() < ends, (folder / "log").read_text()
        time.sleep(0.2)
    return client


@pytest.fixture(scope="module")
def signatures(server):
    import tensorflow as tf

    return tf.saved_model.load(str(server[1] / "served" / "fusion" / "1")).signatures


def images(count, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.random((count, 8, 8, 1), "float32") for name in ("image_a", "image_b")}


def expected(signatures, name, x):
    import tensorflow as tf

    return {k: v.numpy() for k, v in signatures[name](**x_as_tensors(tf, x)).items()}


def x_as_tensors(tf, x):
    return {name: tf.constant(value) for name, value in x.items()}


@pytest.mark.parametrize(
    "name", ["serving_default", "all_heads", "missing_modalities", "image_a_only", "fusion_weights"]
)
def test_answers(name, client, signatures):
    x = images(3)
    if name == "missing_modalities":
        x["present"] = np.array([[1, 1], [0, 1], [1, 0]], "float32")
        x["image_a"][1] = np.nan
    if name == "image_a_only":
        del x["image_b"]
    found, wanted = client.predict(x, name), expected(signatures, name, x)
    assert set(found) == set(wanted)
    for key in wanted:
        np.testing.assert_allclose(found[key], wanted[key], atol=1e-5)


def test_raw_bytes(client):
    import tensorflow as tf

    pixels = np.random.default_rng(0).integers(0, 256, (2, 2, 8, 8, 1), dtype="uint8")
    files = {
        name: [tf.io.encode_png(image).numpy() for image in part]
        for name, part in zip(("image_a", "image_b"), pixels, strict=True)
    }
    arrays = {name: part / 255 for name, part in zip(files, pixels, strict=True)}
    found = client.predict(files, "raw")
    wanted = client.predict(arrays, "all_heads")
    np.testing.assert_allclose(found["central"], wanted["central"], atol=1e-5)


def ask(url, body=None):
    """`(status, answer)`, without the client."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_rows_and_columns(client, signatures):
    x = {name: values.tolist() for name, values in images(2).items()}
    wanted = expected(signatures, "all_heads", images(2))
    rows = [dict(zip(x, values, strict=True)) for values in zip(*x.values(), strict=True)]
    status, answer = ask(f"{client.model}:predict", {"instances": rows})
    assert status == 200 and list(answer) == ["predictions"]
    np.testing.assert_allclose(answer["predictions"], wanted["central"], atol=1e-5)
    url = f"{client.model}/versions/1:predict"
    status, answer = ask(url, {"instances": rows, "signature_name": "all_heads"})
    assert status == 200 and set(answer["predictions"][1]) == set(wanted)
    np.testing.assert_allclose(answer["predictions"][1]["image_a"], wanted["image_a"][1], atol=1e-5)
    status, answer = ask(url, {"inputs": x})
    assert status == 200
    np.testing.assert_allclose(answer["outputs"], wanted["central"], atol=1e-5)
    one = [row["image_a"] for row in rows]  # a single input needs no name
    status, answer = ask(url, {"instances": one, "signature_name": "image_a_only"})
    np.testing.assert_allclose(answer["predictions"], wanted["image_a"], atol=1e-5)


def test_status_and_metadata(client):
    status, answer = ask(client.model)
    assert status == 200
    assert [s["state"] for s in answer["model_version_status"]] == ["AVAILABLE"]
    described = client.metadata()
    shape = described["serving_default"]["inputs"]["image_a"]
    assert shape["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in shape["tensor_shape"]["dim"]] == ["-1", "8", "8", "1"]
    assert described["raw"]["inputs"]["image_a"]["dtype"] == "DT_STRING"


GOOD = {name: np.zeros((2, 8, 8, 1)).tolist() for name in ("image_a", "image_b")}


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (":predict", b"{", 400, "JSON Parse error"),
        (":predict", [], 400, 'either "instances" or "inputs"'),
        (":predict", {"inputs": {}, "instances": []}, 400, 'either "instances" or "inputs"'),
        (":predict", {"instances": []}, 400, "not empty"),
        (":predict", {"instances": [{"image_a": 1}, {"image_b": 1}]}, 400, "the same keys"),
        (":predict", {"inputs": GOOD, "signature_name": "all"}, 400, 'key "all" not found'),
        (":predict", {"inputs": {"image_a": []}}, 400, "expected ['image_a', 'image_b']"),
        (":predict", {"inputs": 3}, 400, "Received: int"),
        (":predict", {"inputs": {**GOOD, "image_b": [[1.0]]}}, 400, "image_b: expected the shape"),
        (":predict", {"inputs": {**GOOD, "image_b": [[1], [1, 2]]}}, 400, "image_b: expected"),
        (":predict", {"inputs": {**GOOD, "image_b": "x"}}, 400, "image_b: expected float32"),
        (":predict", {"inputs": {**GOOD, "image_b": GOOD["image_b"][:1]}}, 400, "as many samples"),
        (
            ":predict",
            {"signature_name": "raw", "inputs": {"image_a": [{"b64": "?"}], "image_b": ["x"]}},
            400,
            "image_a: expected string",
        ),
        (
            ":predict",
            {"signature_name": "raw", "inputs": {"image_a": ["x"], "image_b": ["x"]}},
            400,
            "Unknown image file format",
        ),
        ("/versions/7:predict", {"inputs": GOOD}, 404, "version 7"),
        ("/versions/x:predict", {"inputs": GOOD}, 400, "expected a number"),
        ("_2:predict", {"inputs": GOOD}, 404, "not found"),
        ("/../..:predict", {"inputs": GOOD}, 404, ""),
    ],
)
def test_errors(path, body, status, message, client):
    found, answer = ask(client.model + path, body)
    assert found == status and message in str(answer.get("error", answer)), answer


def test_client_says_what_the_server_said(client, client_module):
    with pytest.raises(client_module.ServerError, match="400: .*image_b: expected the shape") as e:
        client.predict({**images(2), "image_b": np.zeros((2, 3))})
    assert e.value.status == 400
    with pytest.raises(client_module.ServerError, match="400: .*not found"):
        client.predict(images(1), "nothing")
    other = client_module.Client(client.model.partition("/v1")[0], "other")
    assert not other.is_ready()
    with pytest.raises(client_module.ServerError, match="404: Servable not found"):
        other.predict(images(1))


def test_command_of_the_client(client, server):
    command = [sys.executable, str(SERVING / "client.py"), "--url", server[0], "--samples", "2"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("central: ") and "level_0_image_b" in done.stdout
