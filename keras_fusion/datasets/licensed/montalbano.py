"""Montalbano gestures: features of sound, skeleton and both hands.

Origin: S. Escalera et al., "ChaLearn Looking at People Challenge 2014", ECCV Workshops 2014
(https://chalearnlap.cvc.uab.cat/dataset/13/description/), with the features of N. Neverova et al.,
"ModDrop: adaptive multi-modal gesture recognition", TPAMI 2016. Licence: on request from the
organizers; the features are the authors'.

Nobody has written down the form of the feature files, so this layout is a choice of this package,
not the authors': for the parts `train`, `validation` and `test` the files `{part}_audio.npy`
(samples, 350), `{part}_mocap.npy` (samples, 350), `{part}_left_hand.npy` and
`{part}_right_hand.npy` (samples, 400), all floats, and `{part}_labels.npy`, integers from 0 to 20
(20 gestures and none).
"""

import numpy as np

from keras_fusion.datasets._io.npy_folder import Modality, NpyFolder

FEATURES = {"audio": 350, "left_hand": 400, "mocap": 350, "right_hand": 400}
"""The modalities and how many numbers each has in its file."""

NUM_CLASSES = 21
"""Twenty gestures and none of them."""

_FILES = NpyFolder(
    name="montalbano",
    inner="montalbano",
    modalities={key: Modality((width,)) for key, width in FEATURES.items()},
    num_classes=NUM_CLASSES,
)


def load_data(data_dir=None, size=400):
    """Loads the gestures as four modalities: `"audio"`, `"mocap"` and both hands.

    Use it for the Montalbano experiment of the CentralNet paper, with
    `keras_fusion.datasets.BalancedBatches(data["train"], per_class=2)` for its batches of 42, two
    samples of each class. Its Table 5 reports macro accuracy on the validation part.

    Args:
        data_dir: Folder `montalbano` or the one that holds it. Defaults to the environment
            variable `KERAS_FUSION_DATA`.
        size: Integer >= 400: zeros are added to the end of each vector up to this size, 400 as in
            the paper, for `centralnet_montalbano(padded=True)`. None keeps the sizes of the files,
            for `centralnet_montalbano()`, which adds the zeros itself. Defaults to `400`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`, the parts of the files.
        `x` has a float32 array `(samples, size)` for each of `"audio"`, `"left_hand"`, `"mocap"`
        and `"right_hand"`; `y` is an int32 array
        `(samples,)` from 0 to 20.

    Raises:
        FileNotFoundError: If the folder or a file is not there, or no folder is named.
        ValueError: If `size` is too small; if a file is truncated, has another shape or type or
            values that are not finite; if labels are missing, out of range, or a class is absent
            from the training part.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.montalbano.load_data()  # where KERAS_FUSION_DATA names the folder
    batches = kf.datasets.BalancedBatches(data["train"], per_class=2)
    x, y = batches[0]
    print(x["audio"].shape)  # (42, 400)
    ```

    Reference:
        Vielzeuf et al., "CentralNet: a Multilayer Approach for Multimodal Fusion",
        ECCV Workshops 2018, section 3.3.
    """
    largest = max(FEATURES.values())
    if size is not None and (not isinstance(size, int) or size < largest):
        raise ValueError(f"size: expected an int >= {largest} or None. Received: {size!r}")
    data = _FILES.read(data_dir)
    for x, _ in data.values():
        for key, array in x.items():
            if size is not None:
                x[key] = np.pad(array, ((0, 0), (0, size - array.shape[1])))
    return data
