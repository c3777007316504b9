"""AVletters: ten people say the letters from A to Z, lips and sound.

Origin: I. Matthews, T. Cootes, J. Bangham, S. Cox and R. Harvey, "Extraction of visual features for
lipreading", TPAMI 24, 198-213, 2002. Licence: for research, on request from the authors.

Read as XFlow reads it (https://github.com/catalina17/XFlow): folder `Lips` of MATLAB files
(versions 4 to 7), one for each recording, with the variables `siz` (three numbers, the third is how
many frames there are) and `vid` (4,800 numbers for each frame); and folder `Audio/textmfcc` of text
files: a line before, a line of header, then six lines for each frame (two sets of three lines; in
each line eight characters and then numbers, 26 in three lines), a line after.
"""

import re

import numpy as np

from keras_fusion.datasets._io import checks, files, matlab
from keras_fusion.datasets.licensed import _xflow_files

PEOPLE = ("Anya", "Bill", "Faye", "John", "Kate", "Nicola", "Stephen", "Steve", "Verity", "Yi")
"""The people, one for each fold, as they occur in the names of the files."""

_FRAME = (80, 60)
_NUMBER = re.compile(r"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?")


def load_data(data_dir=None, form="averaged", fold=0, validation=True):
    """Loads one fold of 780 spoken letters as two modalities, `"image"` and `"audio"`.

    Use it for the AVletters experiments of the XFlow paper: 10 folds, one person each.

    Args:
        data_dir: Folder `avletters` or the one that holds it. Defaults to the environment
            variable `KERAS_FUSION_DATA`.
        form: `"averaged"`, for `xflow_cnn_mlp`: overlapping windows of each recording are averaged
            to 11 frames. `"sequences"`, for `xflow_cnn_mlp_lstm`: all frames, with zeros after the
            last one up to 39 steps. Defaults to `"averaged"`.
        fold: Integer from 0 to 9, the person of the test part, see `PEOPLE`; or `"holdout"`, the
            fixed split of Ngiam et al. (2011): the third time that each person says each letter is
            the test part. It has no validation part. Defaults to `0`.
        validation: Boolean, whether the person after the one of the test part is kept for
            validation (`True`). This is our choice: the paper trains on all nine others, as
            with False, where the key `"validation"` is absent. Defaults to `True`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`. With `"averaged"`,
        `x["image"]` is a float32 array `(recordings, 80, 60, 11)` and `x["audio"]` one of
        `(recordings, 286)`; with `"sequences"` `(recordings, 39, 80, 60, 1)` and
        `(recordings, 39, 26)`. Values are those of the files, not scaled; the last frame is left
        out, as XFlow does. `y` is an int32 array `(recordings,)` from 0 (A) to 25 (Z).

    Raises:
        FileNotFoundError: If the folder or a file is not there, or no folder is named.
        TypeError: If `validation` is not a bool.
        ValueError: If another argument is out of its range; if a file is truncated or in another
            form, too short or too long; if the two folders do not pair.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.avletters.load_data(fold=3)  # where KERAS_FUSION_DATA names the folder
    print(data["train"][0]["image"].shape[1:])  # (80, 60, 11)
    ```

    Reference:
        Cangea et al. (2019), XFlow: cross-modal deep neural networks for audiovisual
        classification.
    """
    return _xflow_files.load(_KIND, data_dir, form, fold, validation)


def _read(image_path, audio_path):
    return parse_lips(image_path), parse_mfcc(audio_path)


def parse_lips(path):
    """The frames of one `.mat` file without the last one, `(frames, 80, 60)`.

    Args:
        path: `pathlib.Path` of the file.

    Returns:
        Float64 array.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated or holds other variables.

    Example:

    >>> import pathlib
    >>> import struct
    >>> import numpy as np
    >>> from keras_fusion.datasets import avletters
    >>> siz, vid = np.array([60.0, 80, 12]), np.ones(4800 * 12)
    >>> content = struct.pack("<5i4s", 0, 1, 3, 0, 4, b"siz") + siz.tobytes()  # version 4
    >>> content += struct.pack("<5i4s", 0, 4800, 12, 0, 4, b"vid") + vid.tobytes()
    >>> _ = pathlib.Path("A1_Anya.mat").write_bytes(content)
    >>> avletters.parse_lips(pathlib.Path("A1_Anya.mat")).shape
    (11, 80, 60)
    """
    with files.complete(path, "MATLAB"):
        held = matlab.read(path.read_bytes(), ("vid", "siz"))
        missing = [key for key in ("vid", "siz") if key not in held]
        if missing:
            raise ValueError(f"it lacks the variables {missing}")
        video, size = held["vid"], held["siz"]
        if video is None or size is None or size.size != 3:
            raise ValueError("expected numbers in `vid` and three in `siz`")
        size = np.ravel(size)
        frames = int(size[2])
        if frames != size[2] or frames < 2 or video.size != frames * _FRAME[0] * _FRAME[1]:
            raise ValueError(f"{video.size} numbers in `vid` are not {size[2]} frames of 4800")
    video = video.astype("float64").reshape(*_FRAME, frames)
    frames = np.moveaxis(video, -1, 0)[:-1]
    checks.check_finite(path, "vid", frames)
    return frames


def parse_mfcc(path):
    """The first set of coefficients of each frame of one text file, `(frames, 26)`.

    Args:
        path: `pathlib.Path` of the file.

    Returns:
        Float64 array.

    A file that is cut off between two lines cannot be told from a shorter recording.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is in another form.

    Example:

    >>> import pathlib
    >>> from keras_fusion.datasets import avletters
    >>> lines = ["   0:   " + " -1.500" * n for n in (9, 9, 8)]
    >>> text = "\\n".join(["before", "header", *lines, *lines, "after"])
    >>> _ = pathlib.Path("A1_Anya.txt").write_text(text)
    >>> avletters.parse_mfcc(pathlib.Path("A1_Anya.txt")).shape
    (1, 26)
    """
    with files.complete(path, "text"):
        lines = path.read_text(encoding="ascii").splitlines()[1:-1]
        frames = []
        for i in range(len(lines) // 6):
            chosen = lines[1 + 6 * i : 4 + 6 * i]
            numbers = [float(n) for line in chosen for n in _NUMBER.findall(line[8:])]
            if len(numbers) != _xflow_files.MFCC:
                raise ValueError(
                    f"expected 26 numbers in the lines {3 + 6 * i} to {5 + 6 * i}, "
                    f"received {len(numbers)}"
                )
            frames.append(numbers)
        if not frames:
            raise ValueError("it has no set of coefficients")
    sound = np.array(frames)
    checks.check_finite(path, "coefficients", sound)
    return sound


def _label_of(name):
    label = ord(name[0]) - ord("A")
    return label if 0 <= label < 26 else None


def _is_third(name, person):
    """As XFlow finds the repetition: the first of the three numbers that is in the name."""
    return next((number for number in "123" if number in name), None) == "3"


_KIND = _xflow_files.Kind(
    name="avletters",
    inner="avletters",
    folders={"image": "Lips", "audio": "Audio/textmfcc"},
    frame=_FRAME,
    frames=11,
    steps=39,
    people=PEOPLE,
    folds=tuple((person,) for person in PEOPLE),
    label_of=_label_of,
    num_classes=26,
    read=_read,
    together=True,
    holdout=_is_third,
)
