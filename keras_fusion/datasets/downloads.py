"""Fetching the data sets whose licences allow a program to do so."""

import contextlib
import dataclasses
import pathlib
import re
import shutil
import tarfile
import zipfile

from keras.utils import get_file

from keras_fusion.datasets import catalogue
from keras_fusion.datasets._io import array_cache, checks, files

_FILE_LIMIT = 2**27  # bytes of one file; those of the sets here have at most a few MB


def download(name, data_dir=None):
    """Fetches the files of a data set into the folder that `load_data` reads from.

    Use it for `"mm_mnist"`, `"av_mnist"` (with ESC-10 as noise) and `"mfeat"`. The other sets need
    an account, an agreement or work of your own, or have no copy whose bytes are known; for these
    `info(name).download` says what to get from where, and so does the error.

    Every file is fetched by `keras.utils.get_file` and printed with its address, licence and
    size. Only the files that belong to the set are taken out of an archive, each by its own name,
    so that nothing can be written outside it; an archive with a path that leads out of its folder
    is refused. What was fetched has to have the SHA-256 that is pinned here: that of the file, or
    of the contents where servers pack archives on request. It gets its name when it is whole and
    checked; after an error or an interruption nothing is left, and the next call begins again.
    What is there already is checked and left alone.

    Args:
        name: Name of the data set, see `info()`.
        data_dir: Folder, made if it is not there. Defaults to the environment variable
            `KERAS_FUSION_DATA`.

    Returns:
        `pathlib.Path` of the folder, to be given to `load_data` as `data_dir`.

    Raises:
        FileNotFoundError: If no folder is named.
        OSError: If something cannot be fetched.
        ValueError: If the set cannot be downloaded, or if what was fetched, or lies in its place,
            is not what was published.

    Example:

    ```python
    import os
    import keras_fusion as kf

    folder = kf.datasets.download("mm_mnist", os.environ["KERAS_FUSION_DATA"])  # 11 MB
    print(folder / "mnist.npz")  # what kf.datasets.mm_mnist.load_data(folder) reads
    ```
    """
    entry = catalogue.info(name)
    if name not in _PARTS:
        raise ValueError(
            f"name: expected one of {sorted(_PARTS)}, which can be downloaded. Received: {name!r}; "
            f"its licence: {entry.licence}. What to get: {entry.download}"
        )
    folder = files.data_folder() if data_dir is None else pathlib.Path(data_dir).expanduser()
    if folder is None:
        raise FileNotFoundError(
            f"{name}: expected data_dir= or the environment variable {files.DATA_VARIABLE} to "
            "name a folder. Received: neither"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for part in _PARTS[name]:
        _fetch(_SOURCES[part], folder)
    return folder


@dataclasses.dataclass(frozen=True)
class Source:
    """Something to fetch.

    Attributes:
        place: Name of the file or folder it becomes.
        url: Address.
        licence: Under which terms.
        size: What to expect, for people.
        check: Function of the path of `place` that raises unless it is what was published.
        members: Regular expression of the paths in the archive; the group `kept` is the path
            below `place`. None for a file that is no archive.
        file_hash: SHA-256 of the file, None where an archive's own bytes may change.
    """

    place: str
    url: str
    licence: str
    size: str
    check: object
    members: str | None = None
    file_hash: str | None = None


def _fetch(source, folder):
    place = folder / source.place
    if place.exists():
        try:
            source.check(place)
        except (OSError, ValueError) as error:
            raise ValueError(f"{place}: move it away to download it again. {error}") from error
        print(f"{place} is there already")
        return
    print(f"{source.url} ({source.licence}, {source.size}) to {place}", flush=True)
    with array_cache.partial_folder(place) as partial:
        try:
            fetched = get_file(
                "fetched", source.url, cache_dir=str(partial), cache_subdir=".",
                file_hash=source.file_hash, force_download=True,
            )  # fmt: skip
        except Exception as error:  # get_file raises plain exceptions of networks
            kind = ValueError if isinstance(error, ValueError) else OSError
            raise kind(
                f"{source.url}: expected to fetch {source.place}. Received: {error} Nothing was "
                "kept; try again, or get it by hand"
            ) from error
        new = partial / source.place
        if source.members is None:
            pathlib.Path(fetched).replace(new)
        else:
            _extract(fetched, source, new)
        try:
            source.check(new)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{source.url}: expected what was published. Nothing was kept. {error}"
            ) from error
        new.replace(place)
    print(f"{place} is complete")


def _extract(path, source, target):
    """Writes the members of an archive that belong to the set, and no others."""
    with contextlib.ExitStack() as stack:
        with files.complete(path, "archive"):
            if zipfile.is_zipfile(path):
                archive = stack.enter_context(zipfile.ZipFile(path))
                found = [(m.filename, m.file_size, m) for m in archive.infolist() if not m.is_dir()]
                opened = archive.open
            else:
                archive = stack.enter_context(tarfile.open(path))
                # A link is no file: what it leads to is not asked.
                found = [(m.name, m.size, m) for m in archive.getmembers() if m.isreg()]
                opened = archive.extractfile
        kept = {}
        for name, size, member in found:
            if ".." in re.split(r"[/\\]", name) or name.startswith(("/", "\\")) or ":" in name:
                raise ValueError(f"{path} holds {name!r}, which leads out of its folder")
            match = re.fullmatch(source.members, name)
            if match is not None and size > _FILE_LIMIT:
                raise ValueError(f"{path} holds {name!r} of {size} bytes")
            if match is not None:
                kept[match["kept"]] = member
        target.mkdir()
        with files.complete(path, "archive"):
            for name, member in kept.items():
                inner = target / name
                inner.parent.mkdir(parents=True, exist_ok=True)
                with opened(member) as content, inner.open("wb") as file:
                    shutil.copyfileobj(content, file)


def _contents(pattern, sha256):
    """A check of the names and contents of the files of a folder."""

    def check(place):
        paths = sorted(place.glob(pattern))
        checks.check_hash(place, f"{len(paths)} files", files.fingerprint(paths), sha256)

    return check


def _mnist(path):
    # Its arrays: an .npz made elsewhere has other bytes.
    from keras_fusion.datasets.open import mm_mnist

    mm_mnist._read(path.parent)


def _mfeat(place):
    from keras_fusion.datasets.open import mfeat

    for view, features in mfeat.FEATURES.items():
        path = place / f"mfeat-{view}"
        values = mfeat.parse_view(path, features)
        checks.check_hash(path, "values", files.array_sha256(values), mfeat._SHA256[view])


_SOURCES = {
    "mnist": Source(
        place="mnist.npz",
        url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
        licence="CC BY-SA 3.0",
        size="11 MB",
        check=_mnist,
        # The one that keras.datasets.mnist has.
        file_hash="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    ),
    "spoken_digits": Source(
        place="fsdd",
        url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.10.zip",
        licence="CC BY-SA 4.0",
        size="21 MB of recordings",
        members=r"[^/]+/(?P<kept>recordings/[0-9]_[a-z]+_[0-9]+\.wav)",
        check=_contents(
            "recordings/*.wav", "8fed8b0b058a7efa7544bbb3e8e98607ecdcbd47a2f0ea31139cab18a6b679c9"
        ),
    ),
    "esc10": Source(
        place="esc10",
        url="https://github.com/karoldvl/ESC-10/archive/master.zip",
        licence="CC BY 3.0",
        size="41 MB of clips",
        members=r"[^/]+/(?P<kept>[0-9]{3} - [A-Za-z ]+/[0-9]-[0-9]+-[A-Z]\.ogg)",
        check=_contents(
            "*/*.ogg", "50873968fc7b487c4a8c5e1764d3adf52ab876cf59ffe0ed625987617cbddcba"
        ),
    ),
    "mfeat": Source(
        place="mfeat",
        url="https://archive.ics.uci.edu/static/public/72/multiple+features.zip",
        licence="CC BY 4.0",
        size="2 MB",
        members=r"(?:[^/]+/)*(?P<kept>mfeat-(?:fac|fou|kar|mor|pix|zer))",
        check=_mfeat,
    ),
}
_PARTS = {
    "av_mnist": ("mnist", "spoken_digits", "esc10"),
    "mfeat": ("mfeat",),
    "mm_mnist": ("mnist",),
}
