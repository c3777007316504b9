"""Files that are written whole or not at all, and read without trusting what they say."""

import contextlib
import json
import math
import os
import re
import secrets
import shutil
import stat
import time
import zipfile

import numpy as np

_DAY = 24 * 3600  # seconds after which what nobody can say anything about counts as left over
_MOST, _RATIO = 2**28, 100  # bytes, and times what is stored, that an array may inflate to
_NAME = re.compile(r"\.whole-(?P<machine>[0-9a-f]+)-(?P<process>[0-9]+-[0-9]+)-[0-9a-f]+")


@contextlib.contextmanager
def whole_file(path):
    """Gives another path of the same name to write to; the file takes `path` when all went well.

    A kill in between leaves what stood at `path` before; an error, as of a full disk, leaves
    nothing new. A symbolic link stays one, and a file keeps its mode. What is no file, such as
    `/dev/stdout`, is given as it is.
    """
    given = os.fspath(path)
    path = os.path.realpath(given) if os.path.islink(given) else given
    replaced = os.path.exists(path)
    if replaced and not os.path.isfile(path):
        yield given
        return
    if replaced:  # what may not be written may not be replaced either
        with open(given, "rb+"):
            pass
    try:
        with work_folder(os.path.dirname(path)) as folder:
            temporary = os.path.join(folder, os.path.basename(given))
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())  # a name for data that are still on their way says too much
            if replaced:
                _keep_rights(path, temporary)
            os.replace(temporary, path)
    except OSError as error:
        if ".whole-" in str(error.filename):
            error.filename = given  # the only name that the user knows
        raise


@contextlib.contextmanager
def work_folder(parent):
    """A new folder in `parent`, for what is not complete yet; gone at the end.

    What killed processes left there goes first, see `remove_left_overs`.
    """
    remove_left_overs(parent)
    machine, process = _here()
    name = f".whole-{machine}-{process}-{secrets.token_hex(4)}"
    folder = os.path.join(parent, name)
    os.mkdir(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left_overs(parent, age=_DAY):
    """Removes the work folders in `parent` of processes that are no more.

    Of this machine and container it is known at once whether a process is there; those of others,
    which may share the folder, go after a day.

    Args:
        parent: Path of a folder.
        age: Number of seconds, after which those of others go. Defaults to `86400`.
    """
    with contextlib.suppress(OSError), os.scandir(parent or os.curdir) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found and _is_left_over(entry.stat(), found["machine"], found["process"], age):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_left_over(status, machine, process, age):
    # Of other users' processes a machine may say nothing.
    if machine == _here()[0] and status.st_uid == os.getuid():
        return _process(process.partition("-")[0]) != process
    return time.time() - status.st_mtime > age


def _here():
    """Names of this machine or container, and of this process in it.

    Not the process' number alone: in containers that share a folder all may have the same, and
    after a restart it is another's. Where there is no /proc a name says nothing.
    """
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().replace("-", "").strip()
        space = re.sub("[^0-9]", "", os.readlink("/proc/self/ns/pid"))
        return f"{boot}{space}", _process(os.readlink("/proc/self"))
    except OSError:
        return secrets.token_hex(16), f"{os.getpid()}-0"


def _process(number):
    """Number and start of a process, "7-1234"; `None` if there is none."""
    try:
        with open(f"/proc/{number}/stat", "rb") as file:
            return f"{number}-{int(file.read().rpartition(b')')[2].split()[19])}"
    except OSError:
        return None


def _keep_rights(path, temporary):
    """Mode, owner and group of the file that is replaced, as far as this user may give them."""
    before = os.stat(path)
    for owner, group in ((before.st_uid, -1), (-1, before.st_gid)):
        with contextlib.suppress(OSError, AttributeError):  # Windows has no owners
            os.chown(temporary, owner, group)
    os.chmod(temporary, stat.S_IMODE(before.st_mode))


def json_dict(text, where):
    """The dict in a JSON text, string or bytes.

    Raises:
        ValueError: anything else; names `where` it stands.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: expected JSON. Received: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{where}: expected a dict. Received: {text[:40]!r}")
    return found


def npz_arrays(path, names=None):
    """The arrays of an `.npz` file, a dict; never from a pickle.

    Args:
        path: Path of the file.
        names: Optional sequence of the arrays that are wanted. Defaults to all.

    Raises:
        Exception: whatever NumPy and zipfile raise for what is no such file.
        ValueError: an array that is to inflate to far more than is stored, or than its header says;
            nothing is inflated then.
    """
    # As a zip file first: np.load would take anything else for a pickle.
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            _check_size(archive, member)
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in (arrays.files if names is None else names)}


def _check_size(archive, member):
    size, stored = member.file_size, member.compress_size
    if size > _MOST and size > _RATIO * stored:
        raise ValueError(f"{member.filename}: {size} bytes are to come of {stored}")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
        said = math.prod(shape) * dtype.itemsize
        if said > size - file.tell():
            raise ValueError(f"{member.filename}: its header promises {shape} of {dtype}")
