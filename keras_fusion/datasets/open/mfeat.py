"""UCI multiple features: 2,000 handwritten digits, each described in six ways.

Origin: R. Duin, "Multiple Features", UCI Machine Learning Repository, 1998
(https://doi.org/10.24432/C5HC70), digits from Dutch utility maps. Licence: Creative Commons
Attribution 4.0, https://creativecommons.org/licenses/by/4.0/

Read from UCI's own six text files `mfeat-fou`, ... (2,000 lines each, numbers between blanks,
200 lines for each digit from 0 to 9), or from one file `mfeat.npz` with the same numbers as
float32 arrays `fou`, `fac`, `kar`, `pix`, `zer`, `mor`, and the digits as `y`.
"""

import numpy as np

from keras_fusion.datasets._io import checks, files, splits

FEATURES = {"fac": 216, "fou": 76, "kar": 64, "mor": 6, "pix": 240, "zer": 47}
"""The views and how many numbers each has: profile correlations, Fourier coefficients,
Karhunen-Loeve coefficients, morphological features, pixel averages and Zernike moments."""

_ROWS = 2000
_COUNTS = {"train": None, "validation": 200, "test": 400}
_SHA256 = {
    "fac": "0fa9fc7d3a614426b61455d247f23616fd655f2e0be3923d02e02128ca1c996d",
    "fou": "466f461179ca27a1793a3eb0c1805cc723f2944b06ab66acceaef72118474dd0",
    "kar": "c349bec3274df7b11c972d3fdac1a93ff51c46c63a57a0dca393694d15240fa9",
    "mor": "edb4a1f491262800fb734cc07cd738b203f0e8169d669310c3a4270107603e9e",
    "pix": "e2279467a82c8f5d533cbd2a4fcc0ab0861dd8ace2e2080d7fe9a63b29b74e27",
    "zer": "643bdcd7e8c82ba9ebe9466d3362db949cc8acc0e54de1cc2e5fe1038dc4a2cf",
    "y": "7d3ce117f547beef990b9dc2a7dcb31021ed1682827b1a826d31e876849446ae",
}


def load_data(data_dir=None, standardize=True):
    """Loads the digits as six modalities of numbers: `"fac"`, `"fou"`, `"kar"`, `"mor"`, ...

    Use it for more than two modalities in seconds. All six together are nearly saturated
    (logistic regression: 98.5 %, the best one alone 97.7 %), so use few training digits or the
    weak views: `fou`, `zer` and `mor` have 81.6, 81.6 and 73.5 % alone and 89.9 % together.

    Args:
        data_dir: Folder `mfeat` or the one that holds it. Defaults to the environment variable
            `KERAS_FUSION_DATA`.
        standardize: Boolean, whether each number is brought to mean 0 and deviation 1 on the
            training digits. Defaults to `True`: the raw ones reach from -16 to 17,572.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}` of 1,400, 200 and 400
        digits. `x` has a float32 array `(digits, FEATURES[view])` for each view; `y` is an int32
        array `(digits,)` from 0 to 9. The set has no split of its own: this one is drawn at
        random, stratified by digit, always with the same seed. Within a part the digits are in
        the order of the file, which is by class: shuffle. 6 of the 2,000 repeat another one.

    Raises:
        FileNotFoundError: If the folder or a file is not there, or no folder is named.
        ValueError: If a file is truncated, has other shapes, types or values that are not
            finite, or if `mfeat.npz` is not the known one (pinned SHA-256 of each array).

    Example:

    ```python
    import keras_fusion as kf

    x, y = kf.datasets.mfeat.load_data()["train"]  # where KERAS_FUSION_DATA names the folder
    print(x["fou"].shape, y.shape)  # (1400, 76) (1400,)
    ```

    Reference:
        van Breukelen et al. (1998), Handwritten digit recognition by combined classifiers.
    """
    views, y = _read(data_dir)
    rows = splits.stratified(y, _COUNTS)
    parts = {}
    for view in FEATURES:
        parts[view] = {part: views[view][kept] for part, kept in rows.items()}
        if standardize:
            parts[view] = splits.standardized(parts[view], "train")
    return {
        part: ({view: parts[view][part] for view in FEATURES}, y[kept].astype("int32"))
        for part, kept in rows.items()
    }


def _read(data_dir):
    """Dict of the six checked views, and the digits."""
    folder = files.data_folder(data_dir)
    in_npz = folder is not None and any(
        (place / "mfeat.npz").exists() for place in (folder, folder / "mfeat")
    )
    names = ["mfeat.npz"] if in_npz else [f"mfeat-{view}" for view in FEATURES]
    folder = files.find("mfeat", data_dir, "mfeat", names)
    if in_npz:
        path = folder / "mfeat.npz"
        keys = [*FEATURES, "y"]
        views = dict(zip(keys, files.read_npz(path, keys), strict=True))
        y = views.pop("y")
        sources = dict.fromkeys(FEATURES, path)
    else:
        sources = {view: folder / f"mfeat-{view}" for view in FEATURES}
        views = {view: parse_view(sources[view], FEATURES[view]) for view in FEATURES}
        y = np.repeat(np.arange(10), _ROWS // 10)
    for view, array in views.items():
        checks.check_array(sources[view], view, array, (_ROWS, FEATURES[view]), ("float",))
        checks.check_finite(sources[view], view, array)
    if in_npz:
        checks.check_array(path, "y", y, (_ROWS,), ("int", "uint"))
        checks.check_labels(path, "y", y, 10)
        for key, array in {**views, "y": y}.items():
            checks.check_hash(path, f"`{key}`", files.array_sha256(array), _SHA256[key])
    return views, y


def parse_view(path, features):
    """One of UCI's text files as a float32 array.

    Args:
        path: `pathlib.Path` of the file.
        features: Integer, how many numbers a line has.

    Returns:
        Array `(lines, features)`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line has another number of fields, or one that is no number.

    Example:

    >>> import pathlib
    >>> from keras_fusion.datasets import mfeat
    >>> path = pathlib.Path("mfeat-mor")
    >>> _ = path.write_text(" 1 0 0 133.15 1.3117 1620.2\\n 0 0 1 99 1.5 907.5\\n")
    >>> mfeat.parse_view(path, 6).shape
    (2, 6)
    """
    with files.complete(path, "text"):
        lines = path.read_text(encoding="ascii").splitlines()
        rows = [line.split() for line in lines if line.strip()]
        for number, row in enumerate(rows, start=1):
            if len(row) != features:
                raise ValueError(f"line {number} has {len(row)} numbers, expected {features}")
        if not rows:
            raise ValueError("it has no line")
        return np.array(rows, "float32").reshape(len(rows), features)
