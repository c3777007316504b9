"""AFEW: emotions in clips of movies, features of sound and faces.

Origin: A. Dhall et al., "Collecting large, richly annotated facial-expression databases from
movies", IEEE MultiMedia 19, 2012 (https://sites.google.com/view/emotiw2018). Licence: for research,
on request from the organizers.

The paper's features are openSMILE's of the sound (1,583 numbers) and those of a face network (512
numbers). Nobody has written down the form of their files, so this layout is a choice of this
package, not the authors': for the parts `train`, `validation` and `test` the files
`{part}_audio.npy` (clips, 1583) and `{part}_video.npy` (clips, 512), floats, and
`{part}_labels.npy`, integers from 0 to 6.
"""

from keras_fusion.datasets._io.npy_folder import Modality, NpyFolder

FEATURES = {"audio": 1583, "video": 512}
"""The modalities and how many numbers each has."""

NUM_CLASSES = 7
"""Emotions; which label is which is up to the files."""

_FILES = NpyFolder(
    name="afew",
    inner="afew",
    modalities={key: Modality((width,)) for key, width in FEATURES.items()},
    num_classes=NUM_CLASSES,
)


def load_data(data_dir=None):
    """Loads the clips as two modalities, `"audio"` and `"video"`.

    Use it for the AFEW experiment of the multilevel sensor fusion paper (1,156 clips, accuracy).
    Vectors keep their sizes; `CentralFusion` adds the zeros.

    Args:
        data_dir: Folder `afew` or the one that holds it. Defaults to the environment variable
            `KERAS_FUSION_DATA`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`, the parts of the files.
        `x["audio"]` is a float32 array `(clips, 1583)`, `x["video"]` one of `(clips, 512)`; `y`
        is an int32 array `(clips,)` from 0 to 6.

    Raises:
        FileNotFoundError: If the folder or a file is not there, or no folder is named.
        ValueError: If a file is truncated, has another shape or type or values that are not
            finite; if labels are missing, out of range, or a class is absent from the training
            part.

    Example:

    ```python
    import keras_fusion as kf

    x, y = kf.datasets.afew.load_data()["train"]  # where KERAS_FUSION_DATA names the folder
    print(x["audio"].shape[1], x["video"].shape[1])  # 1583 512
    ```

    Reference:
        Vielzeuf et al. (2018), Multi-Level Sensor Fusion with Deep Learning, section 3.3.
    """
    return _FILES.read(data_dir)
