"""Small files of the data sets that need a licence, in the readers' formats."""

import itertools
import json

import h5py
import numpy as np

PARTS = ("train", "validation", "test")


def labels_of(part, classes):
    rng = np.random.default_rng(len(part))
    return np.concatenate([rng.permutation(classes), [0]]) if part == "train" else np.array([1, 0])


def write_features(folder, module, **changes):
    rng = np.random.default_rng(0)
    written = {}
    for part in PARTS:
        labels = labels_of(part, module.NUM_CLASSES)
        arrays = {
            key: rng.normal(size=(len(labels), width)).astype("float64" if width == 400 else "f4")
            for key, width in module.FEATURES.items()
        }
        for key, array in {**arrays, "labels": labels}.items():
            name = f"{part}_{key}"
            written[name] = changes.get(name, array)
            np.save(folder / f"{name}.npy", written[name])
    return written


def write_clips(folder, spectrograms="uint8"):
    rng = np.random.default_rng(0)
    written = {}
    for part in PARTS:
        arrays = {
            "audio": rng.integers(0, 256, (2, 512, 512)).astype(spectrograms),
            "video": np.broadcast_to(
                rng.integers(0, 256, (2, 16, 1, 1, 3), "uint8"), (2, 16, 256, 256, 3)
            ),
            "labels": rng.integers(0, 2, (2, 211), "uint8"),
        }
        for key, array in arrays.items():
            np.save(folder / f"{part}_{key}.npy", array)
            written[f"{part}_{key}"] = array
    return written


COUNTS = {"train": 6, "dev": 3, "test": 4}
SOURCES = {
    "features": ((300,), "float32"),
    "vgg_features": ((4096,), "float32"),
    "images": ((3, 256, 160), "int32"),
    "three_grams": ((12,), "float32"),
    "word_grams": ((9,), "float32"),
    "genres": ((5,), "int32"),
}
NAMES = ["Drama", "Comedy", "Romance", "Thriller", "Film-Noir"]


def split_attribute(counts=None, sources=None):
    """As fuel.datasets.H5PYDataset.create_split_array writes it."""
    counts = counts or COUNTS
    sources = sorted(sources or [*SOURCES, "imdb_ids", "sequences"])
    fields = [
        ("split", "S5"),
        ("source", "S12"),
        ("start", "int64"),
        ("stop", "int64"),
        ("indices", h5py.special_dtype(ref=h5py.Reference)),
        ("available", "bool"),
        ("comment", "S1"),
    ]
    rows = np.empty(len(counts) * len(sources), np.dtype(fields))
    stops = dict(zip(counts, itertools.accumulate(counts.values()), strict=True))
    for row, (part, source) in zip(rows, itertools.product(counts, sources), strict=True):
        row["split"], row["source"] = part.encode(), source.encode()
        row["start"], row["stop"] = stops[part] - counts[part], stops[part]
        row["indices"], row["available"], row["comment"] = h5py.Reference(), True, b"."
    return rows


def write_movies(folder, split=True, names=NAMES, **changes):
    """The file as the authors' script writes it; a change of None leaves a data set out."""
    rng = np.random.default_rng(0)
    count = sum(COUNTS.values())
    arrays = {}
    for name, (shape, dtype) in SOURCES.items():
        if name == "genres":
            arrays[name] = rng.integers(0, 2, (count, *shape)).astype(dtype)
        elif name == "images":
            small = rng.integers(-120, 150, (count, 3, 4, 5))
            arrays[name] = np.tile(small, (1, 1, 64, 32)).astype(dtype)
        else:
            arrays[name] = rng.normal(size=(count, *shape)).astype(dtype)
    arrays.update(changes)
    with h5py.File(folder / "multimodal_imdb.hdf5", "w") as file:
        for name, array in arrays.items():
            if array is not None:
                dataset = file.create_dataset(name, array.shape, array.dtype)
                dataset[...] = array
                dataset.dims[0].label = "batch"
        sequences = h5py.special_dtype(vlen=np.dtype("int32"))
        file.create_dataset("sequences", (count,), sequences)[0] = np.array([4, 0, 7], "int32")
        file.create_dataset("imdb_ids", (count,), "S7")[...] = np.array(b"0012349")
        if names is not None and arrays["genres"] is not None:
            file["genres"].attrs["target_names"] = json.dumps(names)
        if split is not None:
            file.attrs["split"] = split_attribute() if split is True else split
    return arrays


def save_pair(rgb_path, depth_path, value):
    """A picture and its depth map, which both tell `value`."""
    from PIL import Image

    rgb_path.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.full((6, 8, 3), (value % 256, value // 256, 9), "uint8")
    depth = np.full((6, 8), 700 + value, "uint16")
    depth[:, 4:] = 0
    Image.fromarray(rgb).save(rgb_path)
    Image.fromarray(depth).save(depth_path)


def write_faces(folder, people):
    """`BU_3DFE` with six expressions and the neutral one of these people; names by value."""
    names = {}
    for person in people:
        for code in ("AN", "DI", "FE", "HA", "SA", "SU", "NE"):
            for level in (1,) if code == "NE" else (1, 3, 4):
                name = f"{person}_{code}{level:02d}WH"
                inside = folder / "BU_3DFE" / person
                save_pair(inside / f"{name}_F2D.bmp", inside / f"{name}_F3D_depth.png", len(names))
                names[len(names)] = name
    return names


def write_objects(folder, frames_of):
    """`rgbd-dataset` with five objects a category; names by value.

    Args:
        folder: Where it is made.
        frames_of: Dict `{category: frames of each object}`.
    """
    names = {}
    for category, frames in frames_of.items():
        for thing in range(1, 6):
            for frame in range(1, frames + 1):
                name = f"{category}_{thing}_1_{frame}"
                inside = folder / "rgbd-dataset" / category / f"{category}_{thing}"
                paths = (inside / f"{name}_crop.png", inside / f"{name}_depthcrop.png")
                save_pair(*paths, len(names))
                (inside / f"{name}_maskcrop.png").write_bytes(b"not read")
                names[len(names)] = name
    return names
