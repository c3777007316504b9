"""Models for the server of the serving example, requests to it, and files without pixels."""

import contextlib
import http.client
import json
import shutil
import struct
import zlib
from pathlib import Path

SERVING = Path(__file__).parents[2] / "examples" / "serving"


def save_models(folder):
    """Models: `echo` has a signature for each dtype, `versions` good and broken versions."""
    import tensorflow as tf

    module, signatures = tf.Module(), {}
    module.weight = tf.Variable(2.0)  # a version without its variables is broken

    def signature(name, function, **specs):
        specs = {key: tf.TensorSpec(shape, dtype, key) for key, (shape, dtype) in specs.items()}
        signatures[name] = tf.function(function).get_concrete_function(**specs)

    for dtype in ("bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"):
        signature(dtype, lambda x: {"y": tf.identity(x)}, x=((None, 2), dtype))
    signature("serving_default", lambda x: {"y": x * module.weight}, x=((None, 2), "float32"))
    signature("text", lambda x: {"y": tf.identity(x)}, x=((None,), "string"))
    signature("bytes", lambda x: {"y_bytes": tf.identity(x)}, x=((None,), "string"))
    signature("any_rank", lambda x: {"y": tf.shape(x)}, x=(None, "float32"))
    signature("mean", lambda x: {"y": tf.reduce_mean(x)}, x=((None, 2), "float32"))
    signature("long", lambda x: {"y": tf.fill([1_500_000], x[0, 0])}, x=((None, 2), "float32"))
    signature("word", lambda x: {"y": tf.constant("word")}, x=((None, 2), "float32"))
    signature(
        "rows_and_mean",
        lambda x: {"rows": x + 0, "mean": tf.reduce_mean(x)},
        x=((None, 2), "float32"),
    )
    signature("uneven", lambda x: {"y": x + 0, "z": tf.zeros(3)}, x=((None, 2), "float32"))
    signature("times", lambda x, by: {"y": x * by}, x=((None, 2), "float32"), by=((), "float32"))
    signature(
        "image",
        lambda x: {
            "y": tf.map_fn(
                lambda data: tf.shape(tf.io.decode_image(data, expand_animations=False)),
                x,
                fn_output_signature=tf.int32,
            )
        },
        x=((None,), "string"),
    )
    tf.saved_model.save(module, str(folder / "echo" / "1"), signatures)
    versions = folder / "versions"
    good = shutil.copytree(folder / "echo" / "1", versions / "001")
    shutil.copytree(good, versions / "0003")
    shutil.copytree(good, versions / "4", ignore=shutil.ignore_patterns("variables.*"))
    shutil.copytree(good, versions / "05")
    (versions / "05" / "saved_model.pb").write_bytes(b"nothing")
    (versions / "6").mkdir()
    (versions / "7").write_text("no folder")
    shutil.copytree(good, versions / "old")
    shutil.copytree(versions / "05", folder / "broken" / "1")
    (folder / "empty").mkdir()


def asked(port, method, path, body=None):
    body = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.request(method, path, body)
        answer = client.getresponse()
        return answer.status, json.loads(answer.read() or "null"), answer.headers


def png(height, width, before=b""):
    """A PNG without pixels: only its header says that there are any."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + before + chunk(b"IHDR", header) + chunk(b"IEND", b"")


def jpeg(height, width):
    """The same of a JPEG."""
    header = struct.pack(">HBHHBBBB", 11, 8, height, width, 1, 1, 0x11, 0)
    return b"\xff\xd8\xff\xc0" + header + b"\xff\xda\0\x08\1\1\0\0\x3f\0"
