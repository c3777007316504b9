"""Files that are written whole or not at all."""

import contextlib
import os
import secrets


@contextlib.contextmanager
def whole_file(path):
    """Gives a temporary name to write to; the file takes `path` when the block ends well.

    A kill in between leaves what stood at `path` before; an error leaves nothing new.
    """
    # Not the process' number alone: in containers that share a folder all may have the same.
    temporary = f"{os.fspath(path)}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # a name for data that are still on their way says too much
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
