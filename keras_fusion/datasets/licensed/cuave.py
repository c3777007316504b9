"""CUAVE: 36 people say the digits from zero to nine, frames and sound.

Origin: E. Patterson, S. Gurbuz, Z. Tufekci and J. Gowdy, "CUAVE: A new audio-visual database for
multimodal human-computer interface research", ICASSP 2002. Licence: for research, on request from
Clemson University.

Read as XFlow reads it (https://github.com/catalina17/XFlow): folder `Video frames` with one file
for each recording, float64 numbers without a header (whatever the ending of the name says), grey
frames of 90 x 120; and folder `MFCCs` of the same kind, 26 numbers a step. Names say the digit as
an English word and the person as s01 to s36.
"""

from keras_fusion.datasets.licensed import _xflow_files

PEOPLE = tuple(f"s{number:02d}" for number in range(1, 37))
"""The people, as they occur in the names of the files."""

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def load_data(data_dir=None, form="averaged", fold=0, validation=True):
    """Loads one fold of 1,790 spoken digits as two modalities, `"image"` and `"audio"`.

    Use it for the CUAVE experiments of the XFlow paper: 9 folds, four people each. XFlow's own
    files have a defect: the first frame of each recording is memory that was never written.

    Args:
        data_dir: Folder `CUAVE` or the one that holds it. Defaults to the environment variable
            `KERAS_FUSION_DATA`.
        form: `"averaged"`, for `xflow_cnn_mlp`: overlapping windows of each recording are averaged
            to 6 frames. `"sequences"`, for `xflow_cnn_mlp_lstm`: as many steps as the shorter
            modality has, to which the longer one is averaged, with zeros after the last one up to
            44 steps. Sequences of all recordings take 3.4 GB. Defaults to `"averaged"`.
        fold: Integer from 0 to 8; the test part are the people `PEOPLE[4 * fold : 4 * fold + 4]`.
            Or `"holdout"`, the fixed split of Ngiam et al. (2011): people of odd numbers are the
            test part, those of even numbers the training part. It has no validation part. Defaults
            to `0`.
        validation: Boolean, whether the people of the fold after that are kept for validation
            (`True`). This is our choice: the paper trains on all others, as with False,
            where the key `"validation"` is absent. Defaults to `True`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`. With `"averaged"`,
        `x["image"]` is a float32 array `(recordings, 90, 120, 6)` and `x["audio"]` one of
        `(recordings, 156)`; with `"sequences"` `(recordings, 44, 90, 120, 1)` and
        `(recordings, 44, 26)`. Values are those of the files, not scaled. `y` is an int32 array
        `(recordings,)` from 0 to 9.

    Raises:
        FileNotFoundError: If the folder or a file is not there, or no folder is named.
        TypeError: If `validation` is not a bool.
        ValueError: If another argument is out of its range; if a file is truncated or in another
            form, too short or too long; if the two folders do not pair.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.cuave.load_data(fold=3)  # where KERAS_FUSION_DATA names the folder
    print(data["train"][0]["image"].shape[1:])  # (90, 120, 6)
    ```

    Reference:
        Cangea et al. (2019), XFlow: cross-modal deep neural networks for audiovisual
        classification.
    """
    return _xflow_files.load(_KIND, data_dir, form, fold, validation)


def _label_of(name):
    return next((label for label, word in enumerate(_WORDS) if word in name), None)


_KIND = _xflow_files.Kind(
    name="cuave",
    inner="CUAVE",
    folders={"image": "Video frames", "audio": "MFCCs"},
    frame=_xflow_files.RAW_FRAME,
    frames=6,
    steps=44,
    people=PEOPLE,
    folds=tuple(PEOPLE[first : first + 4] for first in range(0, 36, 4)),
    label_of=_label_of,
    num_classes=10,
    read=_xflow_files.read_raw_pair,
    holdout=lambda name, person: int(person[1:]) % 2 == 1,
)
