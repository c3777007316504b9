"""AV-MNIST as ready-made `.npy` files: those of MFAS and those of MultiBench.

Origin: both are rebuilt from MNIST and spoken digits after V. Vielzeuf et al., "CentralNet", ECCV
Workshops 2018; published by J.-M. Perez-Rua et al., "MFAS: Multimodal Fusion Architecture Search",
CVPR 2019 (https://github.com/juanmanpr/mfas), and by P. Liang et al., "MultiBench: Multiscale
Benchmarks for Multimodal Representation Learning", NeurIPS 2021
(https://github.com/pliang279/MultiBench). Licence: none is stated for the files. The sets differ
from each other and from the paper's: numbers on them cannot be compared.

Files: `audio/train_data.npy` and `audio/test_data.npy` (samples, 112, 112), `train_labels.npy`,
`test_labels.npy` (integers), and the pictures, anything with 784 numbers a sample:
`images/train_data.npy`, `images/test_data.npy` for MFAS, `image/...` for MultiBench.
"""

from keras_fusion._checks import check_choice
from keras_fusion.datasets._io import files
from keras_fusion.datasets._io.npy_folder import Modality, NpyFolder

_PICTURES = {"mfas": "images", "multibench": "image"}
# The last training row (exclusive), which is the first one for validation, and the last of these.
_ROWS = {"mfas": (50_000, 55_000), "multibench": (55_000, 60_000)}
_SCALES = {
    "mfas": {"image": (0.1307, 0.3081), "audio": None},
    "multibench": {"image": (0.0, 255.0), "audio": (0.0, 255.0)},
}


def load_data(data_dir=None, layout=None, scale=True):
    """Opens the pairs as two modalities, `"image"` and `"audio"`, which stay on disk.

    Use it to hold a model against numbers reported on one of these files.

    Args:
        data_dir: Folder of the files, or the one that holds it under the name `avmnist`. Defaults
            to the environment variable `KERAS_FUSION_DATA`.
        layout: `"mfas"` or `"multibench"`. `None` tells them by the name of the folder of the
            pictures. Defaults to `None`.
        scale: Boolean, whether values are scaled as by the loaders of their authors. MFAS:
            (image - 0.1307) / 0.3081, which takes pixels from 0 to 1 for granted, and the sound
            as it is. MultiBench: both divided by 255. Defaults to `True`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`. `x["image"]` has the shape
        `(samples, 28, 28, 1)`, `x["audio"]` `(samples, 112, 112, 1)`, float32 (integers stay what
        they are where nothing is scaled); both are read when rows are asked for, and
        `np.asarray(x["audio"])` is all of it (2.8 GB). `y` is an int32 array from 0 to 9. The
        parts are those of the authors' code: rows 0 to 49,999 and 50,000 to 54,999 (MFAS, the
        rest is not used), 0 to 54,999 and 55,000 to 59,999 (MultiBench), and the test files.

    Raises:
        FileNotFoundError: If the folder or a file is not there, or no folder is named.
        ValueError: If `layout` is another one; if a file is truncated, has another shape or type
            or too few rows; if labels are missing, out of range, or a class is absent from
            training; when rows are read, if one is not finite.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.av_mnist_npy.load_data()  # where KERAS_FUSION_DATA names the folder
    batches = kf.datasets.as_pydataset(data["train"], batch_size=128)
    ```

    Reference:
        Perez-Rua et al. (2019), MFAS; Liang et al. (2021), MultiBench.
    """
    if layout is not None:
        check_choice("layout", layout, tuple(_PICTURES))
    folder = files.find("av_mnist_npy", data_dir, "avmnist", ["audio/train_data.npy"])
    if layout is None:
        layout = "mfas" if (folder / _PICTURES["mfas"]).is_dir() else "multibench"
    scales = _SCALES[layout] if scale else {"image": None, "audio": None}
    kinds = ("float", "uint8")
    pictures, sounds = f"{_PICTURES[layout]}/{{part}}_data.npy", "audio/{part}_data.npy"
    train, validation = _ROWS[layout]
    return NpyFolder(
        name="av_mnist_npy",
        inner="",
        modalities={
            "image": Modality((28, 28, 1), kinds, 28 * 28, pictures, scales["image"]),
            "audio": Modality((112, 112, 1), kinds, 112 * 112, sounds, scales["audio"]),
        },
        num_classes=10,
        lazy=True,
        parts={
            "train": ("train", 0, train),
            "validation": ("train", train, validation),
            "test": ("test", 0, None),
        },
    ).read(folder)
