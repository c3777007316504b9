"""Multimodal MNIST: every digit seen twice, through two sets of singular vectors.

Origin: the handwritten digits of Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database
of handwritten digits"; the two views follow Vielzeuf et al., "CentralNet: a Multilayer Approach
for Multimodal Fusion", ECCV Workshops 2018, section 3.1.

Licence of the digits: Creative Commons Attribution-Share Alike 3.0,
https://creativecommons.org/licenses/by-sa/3.0/
"""

import numpy as np

from keras_fusion.datasets._io import files
from keras_fusion.datasets.pca import pca_modalities

# SHA-256 of the uncompressed IDX files as published by the authors.
_SHA256 = {
    "x_train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "y_train": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "x_test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "y_test": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_VALIDATION = 5000


def load_data(data_dir=None, energy=0.5, share_ratio=0.5, seed=0, shared="tail"):
    """Loads MNIST as two artificial modalities, `"image_a"` and `"image_b"`.

    Use it to compare fusions where the energy of each modality and the overlap of both are
    known; `keras_fusion.datasets.pca_modalities` explains the views and makes them from other
    images. The paper's Table 2 has energy 0.5 and share ratio 0.5; its figure 4 varies energy
    over 0.1, 0.25, 0.5 and share ratio over 0, 0.1, 0.5, 0.9. The views are fitted on the
    55,000 training images only. Takes 4 to 15 seconds on two cores and 0.6 GB.

    Args:
        data_dir: Folder with `mnist.npz` (arrays `x_train`, `y_train`, `x_test`, `y_test`).
            Defaults to the environment variable `KERAS_FUSION_DATA`; if that is unset too,
            `keras.datasets.mnist` downloads the digits (11 MB) once and keeps them.
        energy: Float in `(0, 1]`, energy of each view. Defaults to `0.5`.
        share_ratio: Float in `[0, 1]`, part of a view's singular vectors that the other view
            has too. Defaults to `0.5`.
        seed: Integer, seed of the draw of the vectors. Defaults to `0`.
        shared: `"tail"`, `"random"` or `"leading"`, which vectors the views share. Defaults to
            `"tail"`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}` of 55,000, 5,000 and
        10,000 digits. `x` is a dict of `"image_a"` and `"image_b"`, float32 arrays
        `(digits, 28, 28, 1)` with pixels around `[0, 1]`, not clipped. `y` is an int32 array
        `(digits,)` from 0 to 9. Training has the first 55,000 images of MNIST's training
        file (the number the paper trains on; it does not say which) and validation the last
        5,000; test is MNIST's test file. The order is MNIST's.

    Raises:
        FileNotFoundError: If the folder or its `mnist.npz` is not there.
        ValueError: If `mnist.npz` is truncated, lacks an array or is not the published MNIST
            (pinned SHA-256), or if an argument is out of its range.
        TypeError: If an argument has a wrong type.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.mm_mnist.load_data(energy=0.25)
    x, y = data["train"]
    print(x["image_a"].shape, y.shape)
    ```

    Reference:
        Vielzeuf et al., "CentralNet: a Multilayer Approach for Multimodal Fusion",
        ECCV Workshops 2018, section 3.1.
    """
    x_train, y_train, x_test, y_test = _read(data_dir)
    x_train, x_validation = x_train[:-_VALIDATION], x_train[-_VALIDATION:]
    y_train, y_validation = y_train[:-_VALIDATION], y_train[-_VALIDATION:]
    views = pca_modalities(x_train, energy, share_ratio, seed, shared)
    return {
        "train": (views.transform(x_train), y_train.astype("int32")),
        "validation": (views.transform(x_validation), y_validation.astype("int32")),
        "test": (views.transform(x_test), y_test.astype("int32")),
    }


def _read(data_dir):
    """The four checked uint8 arrays of MNIST."""
    folder = files.data_folder(data_dir)
    if folder is None:
        import keras  # only to download: reading a folder needs NumPy alone

        source = "What keras.datasets.mnist keeps"
        train, test = keras.datasets.mnist.load_data()
        arrays = [*train, *test]
    else:
        source = folder / "mnist.npz"
        arrays = files.read_npz(source, list(_SHA256))
    for (key, expected), array in zip(_SHA256.items(), arrays, strict=True):
        received = files.idx_sha256(array) if array.dtype == np.uint8 else array.dtype
        if received != expected:
            raise ValueError(
                f"{source} is not the published MNIST: expected `{key}` as uint8 with SHA-256 "
                f"{expected} (in IDX format). Received: {received}"
            )
    return arrays
