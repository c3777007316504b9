"""The pairs of AV-MNIST: which image, recording and noise belong together, and making them."""

import collections
import concurrent.futures
import dataclasses
import math
import numbers

import numpy as np

from keras_fusion._checks import check_choice
from keras_fusion.datasets import audio
from keras_fusion.datasets._io import files, singular_vectors
from keras_fusion.datasets._io.checks import is_finite
from keras_fusion.datasets.audio.spectrograms import Settings
from keras_fusion.datasets.open import _spoken_digits, mm_mnist
from keras_fusion.datasets.pca import pca_modalities

SAMPLE_RATE = 8000
IMAGE_RANGE = (-0.5, 1.5)
SIZE = 112
_TRIM_DB = 40
_QUIET_DB = 40  # noise is taken from where it is at most so far below its loudest part
_GRID = 80  # samples between the places where it may begin
_CHUNK = 128  # pairs that are made at a time, whatever the number of workers


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The checked arguments that decide what the pairs are."""

    split: str
    speaker: str | None
    seed: int
    energy: float
    leading: int | None
    noise: str
    noise_db: object
    limit: int | None
    picture: Settings

    def __post_init__(self):
        check_choice("split", self.split, ("official", "speaker"))
        if self.speaker is not None or self.split == "speaker":
            check_choice("speaker", self.speaker, _spoken_digits.SPEAKERS)
        check_choice("noise", self.noise, ("auto", "esc50", "esc10"))
        for name, low, high in (
            ("seed", 0, 2**32 - 1), ("leading", 1, math.inf), ("limit", 1, math.inf)
        ):  # fmt: skip
            value = getattr(self, name)
            whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            if not (low <= value <= high if whole else value is None and name != "seed"):
                raise ValueError(f"{name}: expected an integer >= {low}. Received: {value!r}")
        if not is_finite(self.energy) or not 0 < self.energy <= 1:
            raise ValueError(f"energy: expected a float in (0, 1]. Received: {self.energy!r}")
        pair = isinstance(self.noise_db, (tuple, list)) and len(self.noise_db) == 2
        values = self.noise_db if pair else [self.noise_db]
        if not all(map(is_finite, values)) or (pair and values[0] > values[1]):
            raise ValueError(
                "noise_db: expected a finite number, or a pair of them, the smaller one first. "
                f"Received: {self.noise_db!r}"
            )

    def facts(self):
        """The arguments as JSON holds them."""
        facts = dataclasses.asdict(self)
        return {**facts.pop("picture"), **facts}


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which recording, noise, place in the noise and ratio every pair of a part gets."""

    recordings: list
    noises: list
    digits: np.ndarray
    recording: np.ndarray
    noise: np.ndarray
    place: np.ndarray
    noise_db: np.ndarray

    def rows(self, kept):
        """The plan of some pairs only."""
        arrays = {
            field.name: getattr(self, field.name)[kept]
            for field in dataclasses.fields(self)
            if field.type is np.ndarray
        }
        return dataclasses.replace(self, **arrays)


class Sources:
    """The files that pairs are made of, found and counted."""

    def __init__(self, data_dir, recipe):
        folder = _spoken_digits.around(data_dir)
        self.recipe = recipe
        self.spoken = _spoken_digits.digits(folder, recipe.split, recipe.speaker)
        self.noises = _spoken_digits.noises(folder, recipe.noise)
        x_train, y_train, x_test, y_test = mm_mnist._read(folder)
        last = mm_mnist._VALIDATION
        self.fitted_on = x_train[:-last]
        self.images = {
            "train": (x_train[:-last], y_train[:-last]),
            "validation": (x_train[-last:], y_train[-last:]),
            "test": (x_test, y_test),
        }
        if recipe.limit is not None:
            for part, (images, labels) in self.images.items():
                self.images[part] = images[: recipe.limit], labels[: recipe.limit]

    def counts(self):
        return {part: len(labels) for part, (_, labels) in self.images.items()}

    def fingerprints(self):
        spoken = [paths for part in self.spoken.values() for paths in part.values()]
        spoken, noises = (
            [path for paths in groups for path in paths]
            for groups in (spoken, self.noises.values())
        )
        return {
            "mnist": mm_mnist._SHA256,
            "spoken_digits": files.fingerprint(sorted(spoken)),
            "noise": files.fingerprint(sorted(noises)),
        }

    def plan(self, part):
        """All draws of a part, made at once and before any work: no worker's time can enter."""
        recipe, digits = self.recipe, self.images[part][1].astype("int32")
        # RandomState, because NumPy keeps its stream for good; that of a Generator may change.
        rng = np.random.RandomState([recipe.seed, _spoken_digits.PARTS.index(part)])
        recordings = [path for digit in range(10) for path in self.spoken[part][digit]]
        recording, first = np.empty(len(digits), "int64"), 0
        for digit in range(10):
            choices = len(self.spoken[part][digit])
            rows = np.flatnonzero(digits == digit)
            recording[rows] = first + _spoken_digits.balanced(rng, len(rows), choices)
            first += choices
        low, high = (
            recipe.noise_db if isinstance(recipe.noise_db, (tuple, list)) else [recipe.noise_db] * 2
        )
        return Plan(
            recordings=recordings,
            noises=self.noises[part],
            digits=digits,
            recording=recording,
            noise=_spoken_digits.balanced(rng, len(digits), len(self.noises[part])),
            place=rng.random_sample(len(digits)),
            noise_db=low + (high - low) * rng.random_sample(len(digits)),
        )


class Mixer:
    """The sounds of the pairs of a plan; what the plan names is decoded once, at the beginning."""

    def __init__(self, plan, length):
        self.plan, self.length = plan, length
        self.spoken = {
            i: audio.trim(audio.read(plan.recordings[i], SAMPLE_RATE), _TRIM_DB)
            for i in np.unique(plan.recording).tolist()
        }
        self.noises, self.begins = {}, {}
        for i in np.unique(plan.noise).tolist():
            clip = audio.read(plan.noises[i], SAMPLE_RATE)
            if len(clip) < length:
                clip = np.resize(clip, length)  # again from its beginning
            self.noises[i], self.begins[i] = clip, _loud_places(clip, length)

    def signal(self, row):
        """The sound of one pair."""
        plan = self.plan
        begins = self.begins[plan.noise[row]]
        begin = begins[int(plan.place[row] * len(begins))]
        noise = self.noises[plan.noise[row]][begin : begin + self.length]
        return audio.mix(self.spoken[plan.recording[row]], noise, plan.noise_db[row])


def _loud_places(clip, length):
    """Where a part of a clip may begin: clips hold silence, which no gain makes noise."""
    energy = np.concatenate([[0.0], np.cumsum(clip.astype("float64") ** 2)])
    begins = np.arange(0, len(clip) - length + 1, _GRID)
    energy = energy[begins + length] - energy[begins]
    return begins[energy >= energy.max() * 10 ** (-_QUIET_DB / 10)]


def build(create, sources, recipe, workers):
    """Writes all arrays, from the first row to the last."""
    length = recipe.picture.hop * SIZE
    counts = sources.counts()
    # Sounds first: what is wrong with a file is said before the longer work.
    for part in _spoken_digits.PARTS:
        mixer = Mixer(sources.plan(part), length)

        def pictures(first, mixer=mixer, count=counts[part]):
            rows = range(first, min(first + _CHUNK, count))
            values = recipe.picture.transform(np.stack([mixer.signal(row) for row in rows]))
            values *= 255
            return np.rint(values, out=values).astype("uint8")[..., None]

        writer = create(f"{part}_audio", (counts[part], SIZE, SIZE, 1), "uint8")
        for values in _in_order(pictures, range(0, counts[part], _CHUNK), workers):
            writer.append(values)
        create(f"{part}_labels", (counts[part],), "int32").append(mixer.plan.digits)
    views = _image_view(sources.fitted_on, recipe)
    for part in _spoken_digits.PARTS:
        images = sources.images[part][0]
        writer = create(f"{part}_image", (counts[part], 28, 28, 1), "uint8")
        for first in range(0, counts[part], 4096):
            values = views.reconstruct(images[first : first + 4096], "image")
            values = (values - IMAGE_RANGE[0]) * (255 / (IMAGE_RANGE[1] - IMAGE_RANGE[0]))
            writer.append(np.rint(np.clip(values, 0, 255)).astype("uint8"))


def _in_order(function, arguments, workers):
    """Results in the order of the arguments, a few of them at work at a time."""
    if workers == 1:
        yield from map(function, arguments)
        return
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        pending = collections.deque()
        try:
            for argument in arguments:
                pending.append(pool.submit(function, argument))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _image_view(images, recipe):
    """The view `"image"`: vectors drawn among the leading ones."""
    # All vectors, of which some are then chosen.
    whole = pca_modalities(images, energy=1, share_ratio=1, shared="leading")
    spectrum = whole.spectrum[: recipe.leading]
    held = spectrum.sum()
    if recipe.energy > held:
        raise ValueError(
            f"energy: expected at most {held:.4f}, what the {len(spectrum)} leading vectors hold. "
            f"Received: energy={recipe.energy}, leading={recipe.leading}"
        )
    kept, _ = singular_vectors.random_vectors(
        spectrum / held, recipe.energy / held, 1.0, recipe.seed
    )
    return dataclasses.replace(whole, vectors={"image": np.sort(kept)})
