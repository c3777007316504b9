"""XFlow's Digits: 15 people say the digits in five manners, frames and sound.

Origin: C. Cangea, P. Velickovic and P. Lio, "XFlow: cross-modal deep neural networks for
audiovisual classification", IEEE TNNLS 2019 (https://github.com/catalina17/XFlow). Licence: none is
stated; the recordings are the authors'.

Read as XFlow reads it: folder `Video frames` with one file for each recording, float64 numbers
without a header, grey frames of 90 x 120; folder `MFCCs` of the same kind, 26 numbers a step; and
folder `Spectrograms`, 128 rows of any length. Names begin with the digit and say the person.
"""

import dataclasses

from keras_fusion._checks import check_bool
from keras_fusion.datasets._io import files
from keras_fusion.datasets.licensed import _xflow_files

PEOPLE = (
    "Andreea", "Andrej", "Catalina", "Costin", "Dani", "Edgar", "Hugo", "Ioana",
    "Laura", "Lucia", "Milos", "Petar", "Razvan", "Sisi", "Tudor",
)  # fmt: skip
"""The people, one for each fold, as they occur in the names of the files."""

_SPECTROGRAM = (128, 19)


def load_data(data_dir=None, form="averaged", fold=0, validation=True, spectrogram=False):
    """Loads one fold of 750 spoken digits as two modalities, `"image"` and `"audio"`.

    Use it for the Digits experiments of the XFlow paper: 15 folds, one person each. The paper has
    the sound as coefficients or as 2D spectrograms, and experiments with the former alone: its
    networks take vectors. For spectrograms give `build_xflow` two networks of maps.

    Args:
        data_dir: Folder `Digits` or the one that holds it. Defaults to the environment variable
            `KERAS_FUSION_DATA`.
        form: `"averaged"`, for `xflow_cnn_mlp`: overlapping windows of each recording are averaged
            to 6 frames. `"sequences"`, for `xflow_cnn_mlp_lstm`: as many steps as the shorter
            modality has, to which the longer one is averaged, with zeros after the last one up to
            58 steps. Sequences of all recordings take 1.9 GB. Defaults to `"averaged"`.
        fold: Integer from 0 to 14, the person of the test part, see `PEOPLE`. Defaults to `0`.
        validation: Boolean, whether the person after the one of the test part is kept for
            validation (`True`). This is our choice: the paper trains on all others, as with
            False, where the key `"validation"` is absent. Defaults to `True`.
        spectrogram: Boolean, whether the sound is a spectrogram, averaged like the frames, to 19
            steps of 128 bands, from the folder `Spectrograms`. Only with `form="averaged"`.
            Defaults to `False`: MFCCs.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`. With `"averaged"`,
        `x["image"]` is a float32 array `(recordings, 90, 120, 6)` and `x["audio"]` one of
        `(recordings, 156)`, or with `spectrogram` `(recordings, 128, 19, 1)`; with `"sequences"`
        `(recordings, 58, 90, 120, 1)` and `(recordings, 58, 26)`. Values are those of the files,
        not scaled. `y` is an int32 array `(recordings,)` from 0 to 9.

    Raises:
        FileNotFoundError: If the folder or a file is not there, or no folder is named.
        TypeError: If `validation` or `spectrogram` is not a bool.
        ValueError: If another argument is out of its range or does not fit `spectrogram`; if a
            file is truncated or in another form, too short or too long; if the two folders do not
            pair.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.xflow_digits.load_data(fold=3)  # where KERAS_FUSION_DATA names the folder
    print(data["train"][0]["image"].shape[1:])  # (90, 120, 6)
    ```

    Reference:
        Cangea et al. (2019), XFlow: cross-modal deep neural networks for audiovisual
        classification.
    """
    check_bool("spectrogram", spectrogram)
    if spectrogram and form != "averaged":
        raise ValueError(
            f"form: expected 'averaged' with spectrogram=True, a picture of the whole recording. "
            f"Received: {form!r}"
        )
    kind = _WITH_SPECTROGRAMS if spectrogram else _KIND
    return _xflow_files.load(kind, data_dir, form, fold, validation)


def parse_spectrogram(path):
    """The spectrogram of one recording, averaged to 19 steps like the frames, `(128, 19)`.

    Args:
        path: `pathlib.Path` of the file in `Spectrograms`.

    Returns:
        Float32 array.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated or shorter than 19 steps.

    Example:

    >>> import pathlib
    >>> import numpy as np
    >>> from keras_fusion.datasets import xflow_digits
    >>> np.ones((128, 25)).tofile("3_Dani_loud.npy")
    >>> xflow_digits.parse_spectrogram(pathlib.Path("3_Dani_loud.npy")).shape
    (128, 19)
    """
    values = _bands(path)
    with files.complete(path, "spectrogram"):
        return _xflow_files.averaged(values, _SPECTROGRAM[1]).T.astype("float32")


def _bands(path):
    """The steps of a spectrogram, `(steps, 128)`; the file has band after band."""
    bands = _SPECTROGRAM[0]
    return _xflow_files.read_raw(path, (bands,)).reshape(bands, -1).T


def _frames_and_bands(image_path, audio_path):
    return _xflow_files.read_raw(image_path, _xflow_files.RAW_FRAME), _bands(audio_path)


def _label_of(name):
    return int(name[0]) if name[0] in "0123456789" else None


_KIND = _xflow_files.Kind(
    name="xflow_digits",
    inner="Digits",
    folders={"image": "Video frames", "audio": "MFCCs"},
    frame=_xflow_files.RAW_FRAME,
    frames=6,
    steps=58,
    people=PEOPLE,
    folds=tuple((person,) for person in PEOPLE),
    label_of=_label_of,
    num_classes=10,
    read=_xflow_files.read_raw_pair,
)

_WITH_SPECTROGRAMS = dataclasses.replace(
    _KIND,
    folders={**_KIND.folders, "audio": "Spectrograms"},
    read=_frames_and_bands,
    spectrogram=_SPECTROGRAM,
)
