"""BU-3DFE: facial expressions of 100 people, pictures and depth maps.

Origin: L. Yin, X. Wei, Y. Sun, J. Wang and M. Rosato, "A 3D facial expression database for facial
behavior research", FG 2006 (http://www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html).
Licence: for research, on request from Binghamton University.

Read from one folder for each person (`F0001` to `F0056`, `M0001` to `M0044`) with the database's
own pictures, `F0001_AN03WH_F2D.bmp` (person, expression AN, DI, FE, HA, SA, SU or NE, intensity 01
to 04, ethnicity). The database has surfaces (`..._F3D.wrl`) instead of depth maps, and the paper
does not publish how it rendered them; they have to be rendered first. Their form is a choice of
this package: `F0001_AN03WH_F3D_depth.png` beside the picture, grey of 16 bit, in millimetres, 0
where there is no face.
"""

import re

import numpy as np

from keras_fusion.datasets._io import files, splits
from keras_fusion.datasets.licensed import _rgbd

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""The expressions of the labels 0 to 5."""

_CODES = ("AN", "DI", "FE", "HA", "SA", "SU")
_NAME = re.compile(r"([FM]\d{4})_([A-Z]{2})(\d\d)([A-Z]{2})_F2D\.bmp")


def load_data(
    data_dir=None, folds=10, fold=0, intensities=(3, 4), image_size=(224, 224), validation=True
):
    """Opens the expressions as two modalities, `"rgb"` and `"depth"`, which stay on disk.

    Use it for the BU-3DFE experiment of the modality gate paper, 10-fold cross-validation. The
    paper names neither people nor intensities; its accuracies are multiples of 1/720, as those
    of 60 people, six expressions and two intensities would be.

    Args:
        data_dir: Folder `BU_3DFE` of the people's folders, or the one that holds it. Defaults to
            the environment variable `KERAS_FUSION_DATA`.
        folds: Integer >= 3, number of folds. Defaults to `10`.
        fold: Integer from 0 to `folds - 1`, the fold of the test part. Defaults to `0`.
        intensities: Which intensities, 1 to 4; the neutral face is left out. Defaults to
            `(3, 4)`, the strongest two.
        image_size: `(height, width)` that pictures and maps are brought to. Defaults to
            `(224, 224)`.
        validation: Boolean, whether the fold after that of the test part is kept for validation
            (`True`) or trained on, in which case the key `"validation"` is absent.
            Defaults to `True`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`. `x["rgb"]` has the shape
        `(faces, height, width, 3)`, uint8, `x["depth"]` `(faces, height, width, 1)`, float32 in
        metres, 0 where there is no face. They are read when rows are asked for, and
        `np.asarray(x["rgb"])` is all of it. `y` is an int32 array `(faces,)` from 0 to 5. Folds
        are ours: people are dealt to them at random, always alike, so nobody is in two parts.

    Raises:
        FileNotFoundError: If the folder or a depth map is not there, or no folder is named.
        ImportError: If Pillow is not installed.
        ValueError: If an argument is out of its range or no picture is found; when rows are
            read, if a file is truncated or no such picture.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.bu_3dfe.load_data(fold=2)  # where KERAS_FUSION_DATA names the folder
    batches = kf.datasets.as_pydataset(data["train"], batch_size=32)
    ```

    Reference:
        Oyedotun et al. (2019), Learning to fuse latent representations for multimodal data.
    """
    splits.check_fold(folds, fold)
    allowed = isinstance(intensities, (list, tuple)) and all(i in (1, 2, 3, 4) for i in intensities)
    if not intensities or not allowed:
        raise ValueError(f"intensities: expected some of 1, 2, 3, 4. Received: {intensities!r}")
    folder = files.find("bu_3dfe", data_dir, "BU_3DFE", [])
    rgb, depth, labels, people = [], [], [], []
    for path in sorted(folder.glob("[FM]*/*_F2D.bmp")):
        found = _NAME.fullmatch(path.name)
        if found is None or found[1] != path.parent.name:
            raise ValueError(
                f"{path}: expected a name as F0001_AN03WH_F2D.bmp, in the folder of the person. "
                f"Received: {path.name}"
            )
        if found[2] in _CODES and int(found[3]) in intensities:
            rgb.append(path)
            depth.append(path.with_name(path.name.replace("_F2D.bmp", "_F3D_depth.png")))
            labels.append(_CODES.index(found[2]))
            people.append(found[1])
    if not rgb:
        raise FileNotFoundError(
            f"bu_3dfe: expected pictures as F0001/F0001_AN03WH_F2D.bmp in {folder}. Received: "
            "none. keras_fusion.datasets.info('bu_3dfe') says where to get it"
        )
    missing = [path for path in depth if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"bu_3dfe: expected a depth map beside every picture, rendered from its .wrl. "
            f"Missing: {len(missing)}, first {missing[0]}"
        )
    fold_of_row = splits.folds(people, folds)
    rows = splits.of_fold(fold_of_row, fold, validation)
    return _rgbd.parts(rgb, depth, np.array(labels), rows, image_size)
