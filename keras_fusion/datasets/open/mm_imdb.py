"""MM-IMDb: the genres of a movie from its plot and its poster.

Origin: J. Arevalo, T. Solorio, M. Montes-y-Gomez and F. Gonzalez, "Gated Multimodal Units for
Information Fusion", ICLR Workshops 2017 (http://lisi1.unal.edu.co/mmimdb/). Licence: for research;
plots and posters are their owners'.

Read from the authors' own file `multimodal_imdb.hdf5` (8 GB), in the layout of Fuel: data sets of
one row for each movie, `features` (float32, 300: the mean word vector of the plot), `vgg_features`
(float32, 4096: VGG-16 of the poster), `images` (int32, 3 x 256 x 160: the poster, blue green red,
less the means 103.939, 116.779, 123.68), `three_grams` and `word_grams` (float32, tf-idf) and
`genres` (int32, 0 and 1), which has the attribute `target_names`, a JSON list; and the attribute
`split` of the file, which says where the parts begin and end.
"""

import functools
import json

import numpy as np

from keras_fusion._checks import check_choice
from keras_fusion.datasets._io import checks, files
from keras_fusion.datasets._io.rows import Rows

_FILE = "multimodal_imdb.hdf5"
_PARTS = {"train": "train", "validation": "dev", "test": "test"}
_TEXTS = {"features": 300, "three_grams": None, "word_grams": None}
_POSTERS = {"features": "vgg_features", "pixels": "images"}


def load_data(data_dir=None, text="features", image="features"):
    """Opens the movies as two modalities, `"text"` and `"image"`, which stay on disk.

    Use it for the MM-IMDb experiments of the GMU and CentralNet papers: 15,552, 2,608 and 7,799
    movies, 23 genres of which a movie may have several, F1 in four averages. Needs h5py, which
    comes with Keras.

    Args:
        data_dir: Folder `mmimdb` with `multimodal_imdb.hdf5`, or the one that holds it. Defaults
            to the environment variable `KERAS_FUSION_DATA`.
        text: `"features"` (default, 300 numbers), `"three_grams"` or `"word_grams"`, one number for
            each group of three letters or each word of the vocabulary. Defaults to `"features"`.
        image: `"features"` (default, 4,096 numbers) or `"pixels"`. Defaults to `"features"`.

    Returns:
        Dict `{"train": (x, y), "validation": (x, y), "test": (x, y)}`, the parts of the file.
        `x["text"]` has the shape `(movies, 300)` (or the vocabulary), `x["image"]`
        `(movies, 4096)` or `(movies, 256, 160, 3)`, all float32. They are read when rows are asked
        for: `x["image"][:8]`; `as_pydataset` and `as_dataset` read batch after batch, and
        `np.asarray(x["text"])` is all of it. `y` is an int32 array `(movies, genres)` of 0 and 1,
        in the order of `genres()`.

    Raises:
        FileNotFoundError: If the folder or the file is not there, or no folder is named.
        ValueError: If an argument is another one; if the file is truncated, lacks a data set or
            the parts, or has other shapes, types or labels; when rows are read, if one is not
            finite.

    Example:

    ```python
    import keras_fusion as kf

    data = kf.datasets.mm_imdb.load_data()  # where KERAS_FUSION_DATA names the folder
    batches = kf.datasets.as_pydataset(data["train"], batch_size=128)
    print(kf.datasets.mm_imdb.genres()[:2])  # ('Drama', 'Comedy')
    ```

    Reference:
        Arevalo et al. (2017), Gated Multimodal Units for Information Fusion.
    """
    check_choice("text", text, tuple(_TEXTS))
    check_choice("image", image, tuple(_POSTERS))
    path, labels, ranges, shapes = _read(data_dir, text, _POSTERS[image])
    data = {}
    for part, (first, last) in ranges.items():
        x = {}
        for key, source in (("text", text), ("image", _POSTERS[image])):
            read = functools.partial(_read_rows, path, source)
            shape = shapes[source][1:]
            if source == "images":
                shape = (*shape[1:], shape[0])
            x[key] = Rows(read, np.arange(first, last), shape, "float32")
        data[part] = x, labels[first:last].astype("int32")
    return data


def genres(data_dir=None):
    """The names of the genres, in the order of the columns of `y`.

    Args:
        data_dir: As in `load_data`.

    Returns:
        Tuple of strings.

    Raises:
        FileNotFoundError: If the folder or the file is not there, or no folder is named.
        ValueError: If the file is truncated or has no such list.

    Example:

    ```python
    import keras_fusion as kf

    print(kf.datasets.mm_imdb.genres())  # where KERAS_FUSION_DATA names the folder
    ```
    """
    import h5py

    path = files.find("mm_imdb", data_dir, "mmimdb", [_FILE]) / _FILE
    with files.complete(path, "HDF5"), h5py.File(path, "r") as file:
        names = json.loads(file["genres"].attrs["target_names"])
        width = file["genres"].shape[1]
    if (
        not isinstance(names, list)
        or len(names) != width
        or not all(isinstance(name, str) for name in names)
    ):
        raise ValueError(
            f"{path}: expected the attribute `target_names` of `genres` to be a JSON list of "
            f"{width} names. Received: {names!r}"
        )
    return tuple(names)


def _read(data_dir, text, image):
    """Path, labels, `{part: (first, last)}`, and the shapes of the data sets."""
    import h5py

    path = files.find("mm_imdb", data_dir, "mmimdb", [_FILE]) / _FILE
    with files.complete(path, "HDF5"), h5py.File(path, "r") as file:
        held = {key: value for key, value in file.items() if isinstance(value, h5py.Dataset)}
        split = file.attrs.get("split")
        wanted = (text, image, "genres")
        missing = [key for key in wanted if key not in held]
        found = {key: _Like(held[key].shape, held[key].dtype) for key in wanted if key in held}
        labels = held["genres"][()] if "genres" in held else None
    if missing:
        raise ValueError(f"{path}: expected the data sets {list(wanted)}. Missing: {missing}")
    features = {text: (_TEXTS[text],), "vgg_features": (4096,), "images": (3, 256, 160)}
    for key in (text, image):
        kinds = ("int32",) if key == "images" else ("float",)
        checks.check_array(path, key, found[key], (None, *features[key]), kinds)
    checks.check_array(path, "genres", labels, (None, None), ("int", "uint"))
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{path}: expected `genres` of 0 and 1. Received: others")
    checks.check_counts(path, {key: array.shape[0] for key, array in found.items()})
    shapes = {key: array.shape for key, array in found.items()}
    return path, labels, _ranges(path, split, wanted, len(labels)), shapes


class _Like:
    """Shape and type of a data set, without its values."""

    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype


def _ranges(path, split, sources, count):
    """Where the parts begin and end, from Fuel's attribute `split`.

    It has a row for each part and data set, with the fields `split`, `source`, `start`, `stop`,
    `indices` (a reference that is empty where the part is a range), `available`, `comment`.
    """
    fields = getattr(getattr(split, "dtype", None), "names", None) or ()
    needed = {"split": "S", "source": "S", "start": "iu", "stop": "iu", "available": "b"}
    if not all(key in fields and split.dtype[key].kind in needed[key] for key in needed):
        raise ValueError(
            f"{path}: expected the attribute `split` with the fields {list(needed)}. "
            f"Received: {getattr(split, 'dtype', split)}"
        )
    if "indices" in fields and any(bool(row["indices"]) for row in np.ravel(split)):
        raise ValueError(
            f"{path}: expected parts that are ranges in the attribute `split`. Received: `indices`"
        )
    ranges = {}
    for part, key in _PARTS.items():
        found = {
            (int(row["start"]), int(row["stop"]))
            for row in np.ravel(split)
            if row["split"] == key.encode()
            and row["source"].decode("latin-1") in sources
            and row["available"]
        }
        if len(found) != 1:
            raise ValueError(
                f"{path}: expected one range for the part {key!r} of {list(sources)} in the "
                f"attribute `split`. Received: {sorted(found)}"
            )
        ranges[part] = found.pop()
    edges = [edge for part in ranges.values() for edge in part]
    if edges != sorted(edges) or edges[0] < 0 or edges[-1] > count or edges[1:-1:2] != edges[2::2]:
        raise ValueError(
            f"{path}: expected parts one after the other within {count} rows in the attribute "
            f"`split`. Received: {ranges}"
        )
    return ranges


def _read_rows(path, source, numbers):
    """Rows of a data set; opened for each reading, so that threads and processes can share it."""
    import h5py

    with files.complete(path, "HDF5"), h5py.File(path, "r") as file:
        if len(numbers) == numbers[-1] - numbers[0] + 1:
            values = file[source][numbers[0] : numbers[-1] + 1]  # much faster than a list
        else:
            values = file[source][numbers]
    values = values.astype("float32")
    checks.check_finite(path, source, values, numbers)
    return values.transpose(0, 2, 3, 1) if source == "images" else values
