"""AudioSet clips of pets: spectrogram and frames of videos with several labels.

Origin: J. Gemmeke et al., "Audio Set: An ontology and human-labeled dataset for audio events",
ICASSP 2017 (https://research.google.com/audioset/). Licence: the labels are under Creative Commons
Attribution 4.0; the videos are their owners', on YouTube, and have to be fetched one by one.

The paper takes 19,842 clips of 10 s below "domestic animals, pets", with 211 labels. It does not
publish its files, so this layout is a choice of this package, not the authors': for the parts
`train`, `validation` and `test` the files `{part}_audio.npy` (clips, 512, 512), spectrograms of
uint8 or floats, `{part}_video.npy` (clips, 16, 256, 256, 3), frames of uint8, and
`{part}_labels.npy` (clips, 211), integers 0 and 1.
"""

from keras_fusion.datasets._io.npy_folder import Modality, NpyFolder

NUM_CLASSES = 211
"""Labels; a clip may have several."""

_FILES = NpyFolder(
    name="audioset",
    inner="audioset",
    modalities={
        "audio": Modality((512, 512, 1), ("uint8", "float"), stored=(512, 512)),
        "video": Modality((16, 256, 256, 3), ("uint8",)),
    },
    num_classes=NUM_CLASSES,
    several=True,
    lazy=True,
)


def load_data(data_dir=None):
    """Opens the clips as two modalities, `"audio"` and `"video"`, which stay on disk.

    Use it for the AudioSet experiment of the multilevel sensor fusion paper (micro F1). All frames
    together take 62 GB: `as_pydataset` and `as_dataset` read batch after batch.

    Args:
        data_dir: Folder `audioset` or the one that holds it. Defaults to the environment variable
            `KERAS_FUSION_DATA`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`, the parts of the files.
        `x["audio"]` has the shape `(clips, 512, 512, 1)`, uint8 or float32 as in the file,
        `x["video"]` `(clips, 16, 256, 256, 3)`, uint8. Both are read when rows are asked for:
        `x["video"][3]`, `x["video"][:8]`. `y` is an int32 array `(clips, 211)` of 0 and 1.

    Raises:
        FileNotFoundError: If the folder or a file is not there, or no folder is named.
        ValueError: If a file is truncated or has another shape or type, if labels are missing
            or not 0 and 1; when rows are read, if one is not finite.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.audioset.load_data()  # where KERAS_FUSION_DATA names the folder
    batches = kf.datasets.as_pydataset(data["train"], batch_size=8)
    ```

    Reference:
        Vielzeuf et al. (2018), Multi-Level Sensor Fusion with Deep Learning, section 3.4.
    """
    return _FILES.read(data_dir)
