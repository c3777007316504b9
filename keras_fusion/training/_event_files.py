"""TensorBoard's event files, written without TensorFlow and the same on every backend."""

import io
import os
import socket
import struct
import time


def check_log_dir(log_dir):
    """Returns the path as a string; an unusable one, or a missing package, is an error here."""
    if not isinstance(log_dir, (str, os.PathLike)):
        raise TypeError(f"expected `log_dir` to be a local folder. Received: log_dir={log_dir!r}")
    log_dir = os.fspath(log_dir)
    if "://" in log_dir:
        raise ValueError(f"expected `log_dir` to be a local folder. Received: log_dir={log_dir!r}")
    import_tensorboard()
    return log_dir


def import_tensorboard():
    """Only these two modules: they do without TensorFlow and do not load it if it is there."""
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise ImportError(
            '`log_dir` needs the package tensorboard: pip install "keras_fusion[tune]", or '
            "pip install tensorboard"
        ) from error
    return event_pb2, summary_pb2, RecordWriter


def new_event_file(log_dir, restart_at=None):
    """Begins a file; from step `restart_at` on, it replaces what earlier files hold."""
    event_pb2, _, _ = import_tensorboard()
    try:
        os.makedirs(log_dir, exist_ok=True)
    except OSError as error:
        raise OSError(
            "expected `log_dir` to be a folder that can be written. "
            f"Received: log_dir={log_dir!r} ({error.strerror})"
        ) from error
    now = time.time_ns()
    # TensorBoard reads the files of a folder in the order of their names.
    name = f"events.out.tfevents.{now // 10**9:010d}.{socket.gethostname()}.{os.getpid()}.{now}"
    file = os.path.join(log_dir, name)
    _append(file, event_pb2.Event(wall_time=now / 1e9, file_version="brain.Event:2"))
    if restart_at is not None:
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        _append(file, event_pb2.Event(wall_time=now / 1e9, step=restart_at, session_log=start))
    return file


def _append(file, event):
    _, _, RecordWriter = import_tensorboard()
    # Opened for every event: no handle or thread is kept, so that the callback can be copied
    # and what was logged is on disk if the process is killed.
    with open(file, "ab") as stream:
        RecordWriter(stream).write(event.SerializeToString())


def add_events(file, step, scalars, figures=None):
    """Writes `{tag: float}` and `{tag: matplotlib figure}` for one step."""
    event_pb2, summary_pb2, _ = import_tensorboard()
    Value = summary_pb2.Summary.Value
    values = [Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
    for name, figure in (figures or {}).items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100)
        png = buffer.getvalue()
        width, height = struct.unpack(">II", png[16:24])  # of the PNG header
        picture = summary_pb2.Summary.Image(
            width=width, height=height, colorspace=4, encoded_image_string=png
        )
        values.append(Value(tag=name, image=picture))
    summary = summary_pb2.Summary(value=values)
    _append(file, event_pb2.Event(wall_time=time.time(), step=step, summary=summary))
