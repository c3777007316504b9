"""Washington RGB-D objects: pictures and depth maps of household objects of 51 categories.

Origin: K. Lai, L. Bo, X. Ren and D. Fox, "A large-scale hierarchical multi-view RGB-D object
dataset", ICRA 2011 (https://rgbd-dataset.cs.washington.edu). Licence: for research and other uses
that are not commercial, see there.

Read from the cropped pictures in the data set's own layout (`rgbd-dataset_eval.tar`):
`rgbd-dataset/apple/apple_1/apple_1_1_1_crop.png` (category, object, camera, frame), and beside
each `..._depthcrop.png`, grey of 16 bit, in millimetres, 0 where nothing was measured.
"""

import re

import numpy as np

from keras_fusion.datasets._io import files, splits
from keras_fusion.datasets.licensed import _rgbd

NUM_CLASSES = 51
"""Categories; labels are in the order of their names."""

_NAME = re.compile(r"([a-z_]+)_(\d+)_(\d+)_(\d+)_crop\.png")


def load_data(
    data_dir=None,
    folds=10,
    fold=0,
    samples=4500,
    by="frame",
    image_size=(224, 224),
    validation=True,
):
    """Opens the objects as two modalities, `"rgb"` and `"depth"`, which stay on disk.

    Use it for the Washington experiment of the modality gate paper: 4,500 samples of 51
    categories, 10-fold and 5-fold cross-validation. The paper does not say how it draws samples
    and folds. Folds of frames have neighbouring frames of one object in training and in test,
    which flatters; `by="object"` keeps each object in one part.

    Args:
        data_dir: Folder `rgbd-dataset` or the one that holds it. Defaults to the environment
            variable `KERAS_FUSION_DATA`.
        folds: Integer >= 3, number of folds. Defaults to `10`; the paper's other number is 5.
        fold: Integer from 0 to `folds - 1`, the fold of the test part. Defaults to `0`.
        samples: Integer, how many are drawn, at random, stratified by category, always alike. None
            takes all. Defaults to `4500`.
        by: `"frame"` or `"object"`, what is dealt to the folds, stratified by category. Defaults to
            `"frame"`.
        image_size: `(height, width)` that pictures and maps are brought to. Defaults to
            `(224, 224)`.
        validation: Boolean, whether the fold after that of the test part is kept for validation
            (`True`) or trained on, in which case the key `"validation"` is absent.
            Defaults to `True`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`. `x["rgb"]` has the shape
        `(frames, height, width, 3)`, uint8, `x["depth"]` `(frames, height, width, 1)`, float32 in
        metres, 0 where nothing was measured. They are read when rows are asked for, and
        `np.asarray(x["rgb"])` is all of it. `y` is an int32 array `(frames,)` from 0 to 50.

    Raises:
        FileNotFoundError: If the folder or a depth map is not there, or no folder is named.
        ImportError: If Pillow is not installed.
        ValueError: If an argument is out of its range, a name has another form, or there are
            other than 51 categories; when rows are read, if a file is truncated or no such
            picture.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.washington_rgbd.load_data(folds=5)  # KERAS_FUSION_DATA names the folder
    batches = kf.datasets.as_pydataset(data["train"], batch_size=32)
    ```

    Reference:
        Oyedotun et al. (2019), Learning to fuse latent representations for multimodal data.
    """
    splits.check_fold(folds, fold)
    if by not in ("frame", "object"):
        raise ValueError(f"by: expected 'frame' or 'object'. Received: {by!r}")
    if samples is not None and (not isinstance(samples, int) or samples < folds):
        raise ValueError(f"samples: expected an int >= {folds} or None. Received: {samples!r}")
    folder = files.find("washington_rgbd", data_dir, "rgbd-dataset", [])
    rgb, categories, objects = [], [], []
    for path in sorted(folder.glob("*/*/*_crop.png")):
        found = _NAME.fullmatch(path.name)
        expected = found and (found[1], f"{found[1]}_{found[2]}")
        if not found or expected != (path.parent.parent.name, path.parent.name):
            raise ValueError(
                f"{path}: expected apple/apple_1/apple_1_1_1_crop.png. Received: another name"
            )
        rgb.append(path)
        categories.append(found[1])
        objects.append(path.parent.name)
    if not rgb:
        raise FileNotFoundError(
            f"washington_rgbd: expected pictures as apple/apple_1/apple_1_1_1_crop.png in "
            f"{folder}. Received: none. keras_fusion.datasets.info('washington_rgbd') says where "
            "to get it"
        )
    depth = [path.with_name(path.name.replace("_crop.png", "_depthcrop.png")) for path in rgb]
    missing = [path for path in depth if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"washington_rgbd: expected a depth map beside every picture. Missing: "
            f"{len(missing)}, first {missing[0]}"
        )
    names, labels = np.unique(categories, return_inverse=True)
    if len(names) != NUM_CLASSES:
        raise ValueError(
            f"{folder}: expected the folders of {NUM_CLASSES} categories. Received: {len(names)}"
        )
    chosen = np.arange(len(rgb))
    if samples is not None and samples < len(rgb):
        chosen = splits.stratified(labels, {"others": None, "chosen": samples})["chosen"]
    rgb, depth = [rgb[i] for i in chosen], [depth[i] for i in chosen]
    labels = labels[chosen]
    if by == "frame":
        fold_of_row = splits.stratified_folds(labels, folds)
    else:
        things, first, of_row = np.unique(
            np.array(objects)[chosen], return_index=True, return_inverse=True
        )
        if len(things) < folds:
            raise ValueError(f"folds: expected at most {len(things)} objects. Received: {folds}")
        fold_of_row = splits.stratified_folds(labels[first], folds)[of_row]
    rows = splits.of_fold(fold_of_row, fold, validation)
    return _rgbd.parts(rgb, depth, labels, rows, image_size)
