"""The data sets of `methods.py`, and the backbones of each: small, so that many runs can be had.

A test part is three: the samples as they are; the same ones, one modality absent (zeros, which is
its mean) in every second sample; and the same ones with white noise of that modality's own power
in it. Every feature has mean 0 and deviation 1 on the training part.
"""

from dataclasses import dataclass, field
from functools import partial

import numpy as np

import keras_fusion as kf

CONDITIONS = ("as they are", "one modality absent in half", "one modality at 0 dB")


@dataclass
class Task:
    """A data set, and what is made of it.

    Attributes:
        load: Function that returns the parts.
        classes, epochs, batch_size: Integers.
        disturbed: String, the modality that is absent or noisy at test.
        arguments: Dict of arguments of every builder.
        known: String, which kind of method must win; "" where nobody knows.
        untuned: Boolean, whether the defaults are trained without a search.
    """

    load: object
    classes: int
    epochs: int
    batch_size: int
    disturbed: str
    arguments: dict = field(default_factory=dict)
    known: str = ""
    untuned: bool = False

    def parts(self):
        """Train, validation and the threefold test part."""
        data = standardized(self.load())
        data["test"] = threefold(*data["test"], self.disturbed)
        return data

    def backbones(self, shapes, dropout):
        """An MLP for a vector, a LeNet5 for an image; `shapes` are those of the modalities."""
        return {
            modality: kf.backbones.mlp(shape[0], (128,), self.classes, dropout, name=modality)
            if len(shape) == 1
            else kf.backbones.lenet5(shape, self.classes, dropout, name=modality)
            for modality, shape in shapes.items()
        }


def standardized(data):
    """Each feature by its mean and deviation on the training part; absent values stay NaN."""
    x, _ = data["train"]
    found = {part: ({}, y) for part, (_, y) in data.items()}
    for modality, values in x.items():
        if modality == "present":
            scale = 0.0, 1.0
        else:
            deviation = np.nanstd(values, axis=0)
            # A pixel that hardly ever changes would be made the loudest.
            scale = np.nanmean(values, axis=0), np.maximum(deviation, 0.1 * deviation.max())
        for part, (arrays, _) in data.items():
            found[part][0][modality] = np.float32((arrays[modality] - scale[0]) / scale[1])
    return found


def threefold(x, y, modality):
    """The three test parts, one after the other; see `by_condition`."""
    absent, noisy = dict(x), dict(x)
    absent[modality] = x[modality].copy()
    absent[modality][::2] = 0
    noisy[modality] = kf.evaluation.add_noise(x[modality], snr=0, seed=0)
    stacked = {name: np.concatenate([part[name] for part in (x, absent, noisy)]) for name in x}
    return stacked, np.concatenate([y] * len(CONDITIONS))


def by_condition(y_true, y_pred):
    """Accuracies `{condition: float}` of predictions on a threefold test part."""
    right = (np.argmax(y_pred, axis=-1) == y_true).reshape(len(CONDITIONS), -1)
    return dict(zip(CONDITIONS, right.mean(axis=1).tolist(), strict=True))


def flat(data):
    return {
        part: ({name: array.reshape(len(array), -1) for name, array in x.items()}, y)
        for part, (x, y) in data.items()
    }


def mm_digits():
    return flat(kf.datasets.mm_digits.load_data())


def mfeat(count=None):
    """With `count`, so many digits of every class to train."""
    data = kf.datasets.mfeat.load_data()
    if count is not None:
        x, y = data["train"]
        rows = np.concatenate([np.flatnonzero(y == digit)[:count] for digit in range(10)])
        data["train"] = {view: array[rows] for view, array in x.items()}, y[rows]
    return data


def grid_digits():
    """Frames of the lips at a quarter of their size; sound with noise of its own power."""
    data = kf.datasets.grid_digits.load_data(noise_db=0, spectrogram=True)
    for x, _ in data.values():
        clips, steps, height, width, _ = x["lips"].shape
        squares = x["lips"].reshape(clips, steps, height // 4, 4, width // 4, 4)
        x["lips"] = squares.mean(axis=(3, 5))
    return flat(data)


def tcga_breast():
    """Without the proteins, which no test tumour has."""
    data = kf.datasets.tcga_breast.load_data()
    return {part: ({m: x[m] for m in ("mirna", "mrna")}, y) for part, (x, y) in data.items()}


def womens_clothing():
    """The text as 100 directions of its TF-IDF; 3,000 reviews to train."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    data = kf.datasets.womens_clothing.load_data()
    text = make_pipeline(
        TfidfVectorizer(min_df=5, sublinear_tf=True), TruncatedSVD(100, random_state=0)
    ).fit(data["train"][0]["text"])
    rows = {"train": np.random.default_rng(0).permutation(len(data["train"][1]))[:3000]}
    found = {}
    for part, (x, y) in data.items():
        kept = rows.get(part, slice(None))
        x = {"text": text.transform(x["text"][kept]), "table": x["table"][kept]}
        found[part] = x, y[kept]
    return found


def mm_mnist():
    return small(kf.datasets.mm_mnist.load_data())


def av_mnist():
    return small(kf.datasets.av_mnist.load_data())


def small(data, count=5000):
    """The first `count` pairs, half of the validation part; images of 14x14, or of a quarter."""
    found = {}
    for part, (x, y) in data.items():
        kept = slice(count if part != "validation" else count // 2)
        x = {name: shrunk(np.asarray(images[kept])) for name, images in x.items()}
        found[part] = x, y[kept]
    return found


def shrunk(images):
    """Means of squares, so that 14 pixels are left, or 28 of a spectrogram."""
    step = images.shape[1] // (14 if images.shape[1] == 28 else 28)
    height, width = images.shape[1] // step, images.shape[2] // step
    images = images[:, : height * step, : width * step]
    shape = (len(images), height, step, width, step, images.shape[-1])
    return images.reshape(shape).mean((2, 4), dtype="float32")


def made(kind, samples=4000):
    """Two vectors of 20 numbers, half of the samples to train.

    "redundant": both show the class, each with noise of its own, so that averaging what each says
    loses nothing. "xor": each shows one bit and the class is whether they differ, so that neither
    alone, nor any sum of what each says alone, is better than chance.
    """
    rng = np.random.default_rng(0)
    if kind == "redundant":
        y = rng.integers(0, 4, samples)
        codes, shown = rng.normal(size=(2, 4, 20)), (y, y)
    else:
        bits = rng.integers(0, 2, (2, samples))
        y, codes, shown = bits[0] ^ bits[1], rng.normal(size=(2, 2, 20)), bits
    x = {
        name: (code[which] + 2 * rng.normal(size=(samples, 20))).astype("float32")
        for name, code, which in zip(("a", "b"), codes, shown, strict=True)
    }
    edges = {"train": (0, 0.5), "validation": (0.5, 0.6), "test": (0.6, 1)}
    parts = {part: slice(*(int(samples * edge) for edge in of)) for part, of in edges.items()}
    return {part: ({m: a[rows] for m, a in x.items()}, y[rows]) for part, rows in parts.items()}


DATA = {
    "mm_digits": Task(mm_digits, 10, 10, 16, "image_a"),
    "mfeat": Task(mfeat, 10, 10, 16, "fac"),
    "grid_digits": Task(grid_digits, 10, 15, 16, "audio"),
    "tcga_breast": Task(tcga_breast, 3, 20, 8, "mrna"),
    "womens_clothing": Task(womens_clothing, 6, 10, 64, "text"),
    "mm_mnist": Task(mm_mnist, 10, 12, 64, "image_a", untuned=True),
    "av_mnist": Task(av_mnist, 10, 12, 64, "audio", untuned=True),
    "redundant": Task(
        partial(made, "redundant"), 4, 10, 32, "a", untuned=True,
        known="a mean or product of the predictions",
    ),
    "xor": Task(
        partial(made, "xor"), 2, 10, 32, "a", untuned=True,
        known="what joins features before a nonlinear layer",
    ),
    "mfeat_few": Task(partial(mfeat, 20), 10, 40, 16, "fac"),
}  # fmt: skip
