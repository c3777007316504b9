"""TCGA breast: three measurements of a tumour, one of which is absent in every test patient.

Origin: A. Singh et al., "DIABLO: an integrative approach for identifying key molecular drivers
from multi-omics assays", Bioinformatics 35, 3055-3062, 2019, who filtered it from The Cancer
Genome Atlas; object `breast.TCGA` of the R package mixOmics (https://mixomics.org). Licence: TCGA
open-access data may be used and shared freely (NIH Genomic Data Sharing Policy); the R package
that carries them is under GPL 2 or later.

Read from one file, `tcga_breast.npz`: for both parts float32 arrays, rows are patients,
`train_mirna` (150, 184), `train_mrna` (150, 200), `train_protein` (150, 142), `test_mirna`
(70, 184), `test_mrna` (70, 200), and the subtypes as integers, `train_y` and `test_y`.
"""

import numpy as np

from keras_fusion.datasets._io import checks, files, splits

FEATURES = {"mirna": 184, "mrna": 200, "protein": 142}
"""The modalities, in the order of the columns of `present`, and how many numbers each has."""

CLASSES = ("Basal", "Her2", "LumA")
"""The subtypes of the labels 0, 1 and 2."""

_ROWS = {"train": 150, "test": 70}
_COUNTS = {"train": None, "validation": 30}
_SHA256 = {
    "train_mirna": "cb24b58854442c3cee9e3d348ec2c4dab43bfe35985e6fe09024e96f2030b3bb",
    "train_mrna": "eb6a50c3fb3e1154d669753da0daa94f22a4f4301da3e6e73ccf302762a587ac",
    "train_protein": "d37f0333386dfec96f137c7e1e2fd0e437f3601b1d8902af7b69243b1d9a557c",
    "train_y": "f9534ebd3c48d4870a7bb5876faf29ce76ce4e5cd66cb9b92edabc3a11772510",
    "test_mirna": "c61692c65b61e2c827d539d03ee17715204f827559508ab3c8eda00aa71a37ce",
    "test_mrna": "5a1c3f59f0efe5a85294d5e6fa3b1af6d73512bb985b8bde03c03623228408f7",
    "test_y": "8b2120e10ae0ce18052a12aecd6a1996e28a481a099af080a0933bb23e75989b",
}


def load_data(data_dir=None, standardize=True):
    """Loads 220 tumours as three modalities, `"mirna"`, `"mrna"` and `"protein"`.

    Use it for a modality that is really missing, and for more features than samples. The
    features were picked with the subtype in mind, so accuracies flatter (logistic regression,
    cross-validated on train: 90.9, 96.4 and 90.2 %), and fusion hardly helps (94.7 to 95.8 %).

    Args:
        data_dir: Folder `tcga_breast` or the one that holds it. Defaults to the environment
            variable `KERAS_FUSION_DATA`.
        standardize: Boolean, whether each feature is brought to mean 0 and deviation 1 on the
            training tumours. Defaults to `True`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}` of 120, 30 and 70 tumours.
        `x` has a float32 array `(tumours, FEATURES[modality])` for each modality, and
        `x["present"]`, a float32 array `(tumours, 3)` of 1 and 0 in the order mirna, mrna,
        protein: the mask of a model that was built with `missing_modalities=True` (others
        refuse it). At test no tumour has proteins: `x["protein"]` is all NaN there, and the last
        column of `present` 0. `y` is an int32 array `(tumours,)`, see `CLASSES`. Train and test
        are those of the source; validation is drawn from its training patients at random,
        stratified by subtype, always with the same seed. Rows are in the order of the file,
        which is by subtype: shuffle.

    Raises:
        FileNotFoundError: If the folder or the file is not there, or no folder is named.
        ValueError: If the file is truncated, lacks an array, or is not the known one (shapes,
            types, NaN, labels, pinned SHA-256 of each array).

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.tcga_breast.load_data()  # where KERAS_FUSION_DATA names the folder
    x, y = data["test"]
    print(x["protein"].shape, x["present"][0])  # (70, 142) [1. 1. 0.]
    ```

    Reference:
        Singh et al. (2019), DIABLO: an integrative approach for identifying key molecular
        drivers from multi-omics assays.
    """
    arrays = _read(data_dir)
    rows = {
        **splits.stratified(arrays["train_y"], _COUNTS),
        "test": np.arange(_ROWS["test"]),
    }
    source = {"train": "train", "validation": "train", "test": "test"}
    views = {}
    for modality, features in FEATURES.items():
        absent = np.full((_ROWS["test"], features), np.nan, "float32")
        views[modality] = {
            part: arrays.get(f"{source[part]}_{modality}", absent)[kept]
            for part, kept in rows.items()
        }
        if standardize:
            views[modality] = splits.standardized(views[modality], "train")
    data = {}
    for part, kept in rows.items():
        x = {modality: views[modality][part] for modality in FEATURES}
        has = [f"{source[part]}_{modality}" in arrays for modality in FEATURES]
        x["present"] = np.tile(np.array(has, "float32"), (len(kept), 1))
        data[part] = x, arrays[f"{source[part]}_y"][kept].astype("int32")
    return data


def _read(data_dir):
    """Dict of the checked arrays of the file."""
    path = files.find("tcga_breast", data_dir, "tcga_breast", ["tcga_breast.npz"])
    path /= "tcga_breast.npz"
    arrays = dict(zip(_SHA256, files.read_npz(path, list(_SHA256)), strict=True))
    for key, array in arrays.items():
        part, _, modality = key.partition("_")
        if modality == "y":
            checks.check_array(path, key, array, (_ROWS[part],), ("int", "uint"))
            checks.check_labels(path, key, array, len(CLASSES))
        else:
            shape = (_ROWS[part], FEATURES[modality])
            checks.check_array(path, key, array, shape, ("float",))
            checks.check_finite(path, key, array)
        checks.check_hash(path, f"`{key}`", files.array_sha256(array), _SHA256[key])
    return arrays
