"""The server of the serving example in a process of its own: who is slow holds up nobody."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time

import keras
import pytest
from helpers.served import SERVING, asked, save_models

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about SavedModels"),
]
for name in ("fastapi", "uvicorn"):
    pytest.importorskip(name)
START = """
import sys
script, *sys.argv[1:] = sys.argv[1:]
sys.path.insert(0, script)
import server
server.BODY_SECONDS, server.SETTINGS["timeout_graceful_shutdown"] = 2, 1
server.main()
"""
HEAD = b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
UNFINISHED = HEAD % 1000 + b"{"


@pytest.fixture
def process(tmp_path):
    """A server in a process of its own, where a body has two seconds: `(process, port)`."""
    save_models(folder := tmp_path / "models")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", START, str(SERVING), "--folder", str(folder)]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log)
    try:
        ends = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                if asked(port, "GET", "/v1/models/echo")[0] == 200:
                    break
            running = process.poll() is None and time.monotonic() < ends
            assert running, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield process, port
    finally:
        process.kill()
        process.wait(20)


@pytest.fixture
def connect():
    """Function that opens a connection and sends something; at the end all are closed."""
    with contextlib.ExitStack() as connections:

        def connect(port, sent):
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            connections.enter_context(connection).sendall(sent)
            return connection

        yield connect


def until_closed(connection):
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(2**16):
            parts.append(part)
    return b"".join(parts)


def meanwhile(port, body):
    """The seconds that a request takes, and the longest that others wait at the same time."""
    answers, longest, starts = [], 0, time.monotonic()
    thread = threading.Thread(
        target=lambda: answers.append(asked(port, "POST", "/v1/models/echo:predict", body))
    )
    thread.start()
    while thread.is_alive():
        since = time.monotonic()
        assert asked(port, "GET", "/v1/models/echo")[0] == 200
        longest = max(longest, time.monotonic() - since)
        time.sleep(0.01)
    assert answers[0][0] == 200
    return time.monotonic() - starts, longest


def test_clients_that_are_slow(process, connect):
    process, port = process
    # A byte every now and then: answered when the time is over, and the connection is closed.
    connection, starts, stopped = connect(port, UNFINISHED), time.monotonic(), threading.Event()

    def drip():
        with contextlib.suppress(OSError):
            while not stopped.wait(0.2):
                connection.sendall(b" ")

    dripping = threading.Thread(target=drip)
    dripping.start()
    answer = until_closed(connection)
    stopped.set()
    dripping.join()
    assert answer.startswith(b"HTTP/1.1 408 ") and b'{"error":"' in answer
    assert 1.9 < time.monotonic() - starts < 6

    # As many lists as are taken hold up nobody for long, nor does a long answer.
    lists = '{"signature_name": "any_rank", "inputs": [' + "[]," * (2**20 - 3) + "[]]}"
    took, longest = meanwhile(port, lists)
    assert longest < 2, took
    took, longest = meanwhile(port, {"signature_name": "long", "inputs": [[0.1, 0.1]]})
    assert longest < took / 2

    # More connections than are taken at once.
    many = [connect(port, UNFINISHED) for _ in range(32)]
    assert b"503 Service Unavailable" in until_closed(many[-1])
    for connection in many:
        connection.close()

    # It ends while one client is at the head, one at the body, and one reads no answer.
    body = json.dumps({"inputs": [[0.1, 0.2]] * 500_000}).encode()
    reader = connect(port, HEAD % len(body) + body)
    assert reader.recv(12) == b"HTTP/1.1 200"
    connect(port, HEAD[:40])
    slow = connect(port, UNFINISHED)
    process.send_signal(signal.SIGTERM)
    assert process.wait(8) == -signal.SIGTERM
    answer = until_closed(slow)
    assert answer.startswith(b"HTTP/1.1 503 ") and b'{"error":"' in answer
