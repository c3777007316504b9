"""What XFlow's three audio-visual data sets share: pairs of files, windows, padding, folds."""

import dataclasses

import numpy as np

from keras_fusion._checks import check_bool
from keras_fusion.datasets._io import checks, files

MFCC = 26
"""Mel-frequency cepstral coefficients of one step of time."""

RAW_FRAME = (90, 120)
"""Height and width of the frames in files without a header."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is particular to one data set.

    Attributes:
        name: Name of the data set, for messages.
        inner: Name of its folder.
        folders: Dict, for `"image"` and `"audio"` the folder of the files.
        frame: Height and width of a frame.
        frames: How many frames windows are averaged to.
        steps: How many steps sequences are padded to.
        people: Names of the people, as they occur in the names of files.
        folds: Tuple, the people of each fold.
        label_of: Callable, name of a file to its class, or None.
        num_classes: How many classes there are.
        read: Callable, the paths of both files to images `(frames, height, width)` and
            coefficients `(steps, 26)`, or bands `(steps, bands)`.
        spectrogram: Bands and steps of the sound where it is a picture of averaged frames, and not
            coefficients; `()` where it is not.
        together: Boolean, whether one window, from the number of steps of the sound, serves both.
        holdout: Callable, name of a file and its person to whether it is in the test part of the
            data set's one fixed split, or None where there is no such split.
    """

    name: str
    inner: str
    folders: dict
    frame: tuple
    frames: int
    steps: int
    people: tuple
    folds: tuple
    label_of: object
    num_classes: int
    read: object
    spectrogram: tuple = ()
    together: bool = False
    holdout: object = None


def averaged(values, frames, window=None):
    """Means of overlapping windows: a sequence of any length to `frames` steps.

    Output `j` is the mean of the steps `j` to `j + window - 1`, with `window = steps - frames + 1`
    unless another one is given.
    """
    window = len(values) - frames + 1 if window is None else window
    if window < 1 or len(values) < frames:
        raise ValueError(f"expected at least {frames} steps. Received: {len(values)}")
    return np.stack([values[j : j + window].mean(axis=0) for j in range(frames)])


def load(kind, data_dir, form, fold, validation):
    """`{"train": (x, y), ...}` of one fold; see `load_data` of the data sets."""
    if form not in ("averaged", "sequences"):
        raise ValueError(f"form: expected 'averaged' or 'sequences'. Received: {form!r}")
    check_bool("validation", validation)
    _check_fold(kind, fold, validation)
    examples = pairs(kind, data_dir)
    others, part_of = _parts(kind, fold, validation)
    data = {}
    for part in ("train", "validation", "test") if validation else ("train", "test"):
        chosen = [e for e in examples if part_of(e) == part]
        if not chosen:
            raise ValueError(
                f"{kind.name}: expected recordings of {others.get(part, 'people')} for the part "
                f"{part!r} of fold {fold!r}. Received: none"
            )
        labels = np.array([label for _, _, label, _ in chosen], "int32")
        checks.check_labels(
            f"{kind.name}, part {part!r}", "labels", labels, kind.num_classes, part == "train"
        )
        data[part] = _arrays(kind, chosen, form), labels
    return data


def _check_fold(kind, fold, validation):
    last = len(kind.folds) - 1
    if fold == "holdout" and kind.holdout is not None:
        if validation:
            raise ValueError(
                "validation: expected False with fold='holdout', which has no such part. "
                "Received: True"
            )
    elif not isinstance(fold, int) or isinstance(fold, bool) or not 0 <= fold <= last:
        other = "" if kind.holdout is None else " or 'holdout'"
        raise ValueError(f"fold: expected an int from 0 to {last}{other}. Received: {fold!r}")


def _parts(kind, fold, validation):
    """The people of the parts other than training, and which part an example is in."""
    if fold == "holdout":
        return {}, lambda e: "test" if kind.holdout(e[0].name, e[3]) else "train"
    others = {"test": kind.folds[fold]}
    if validation:
        others["validation"] = kind.folds[(fold + 1) % len(kind.folds)]
    part_of = {person: part for part, people in others.items() for person in people}
    return others, lambda e: part_of.get(e[3], "train")


def pairs(kind, data_dir):
    """List of `(path of the images, path of the sound, class, person)`.

    Both folders are sorted by name and paired by position. Where the names of a pair say the
    class or the person of both, they have to agree: one missing file would shift all that follow.
    """
    folder = files.find(kind.name, data_dir, kind.inner, list(kind.folders.values()))
    listed = {
        key: sorted(
            path
            for path in (folder / inner).iterdir()
            if path.is_file() and not path.name.endswith("Store")
        )
        for key, inner in kind.folders.items()
    }
    counts = {str(kind.folders[key]): len(paths) for key, paths in listed.items()}
    checks.check_counts(f"{folder} (a missing file? one of each kind makes a pair)", counts)
    examples = []
    for image, audio in zip(*listed.values(), strict=True):
        label, person = kind.label_of(image.name), _person(kind, image.name)
        if label is None or person is None:
            raise ValueError(
                f"{image}: expected a name that says the class and one of {kind.people}. "
                f"Received: {image.name}"
            )
        other = kind.label_of(audio.name), _person(kind, audio.name)
        if any(b not in (None, a) for a, b in zip((label, person), other, strict=True)):
            raise ValueError(
                f"{folder}: expected pairs in the order of the names. Received: {image.name} "
                f"beside {audio.name} (a file is missing before them)"
            )
        examples.append((image, audio, label, person))
    return examples


def _person(kind, name):
    return next((person for person in kind.people if person in name), None)


def _arrays(kind, examples, form):
    height, width = kind.frame
    count = len(examples)
    if form == "averaged":
        image = np.empty((count, height, width, kind.frames), "float32")
        shape = (*kind.spectrogram, 1) if kind.spectrogram else (MFCC * kind.frames,)
        audio = np.empty((count, *shape), "float32")
    else:
        image = np.zeros((count, kind.steps, height, width, 1), "float32")
        audio = np.zeros((count, kind.steps, MFCC), "float32")
    for i, (image_path, audio_path, _, _) in enumerate(examples):
        frames, sound = kind.read(image_path, audio_path)
        try:
            if form == "averaged":
                window = len(sound) - kind.frames + 1 if kind.together else None
                image[i] = np.moveaxis(averaged(frames, kind.frames, window), 0, -1)
                if kind.spectrogram:
                    audio[i, ..., 0] = averaged(sound, kind.spectrogram[1]).T
                else:
                    audio[i] = averaged(sound, kind.frames).ravel()
            else:
                # The shorter one is copied; the longer one is averaged down to it.
                steps = len(sound) if kind.together else min(len(sound), len(frames))
                if not 0 < steps <= min(kind.steps, len(frames)):
                    raise ValueError(
                        f"expected 1 to {min(kind.steps, len(frames))} steps of sound. "
                        f"Received: {steps}"
                    )
                if kind.together:
                    image[i, :steps, ..., 0], audio[i, :steps] = frames[:steps], sound
                else:
                    image[i, :steps, ..., 0] = averaged(frames, steps)
                    audio[i, :steps] = averaged(sound, steps)
        except ValueError as error:
            raise ValueError(f"{image_path} and {audio_path.name}: {error}") from None
    return {"image": image, "audio": audio}


def read_raw(path, shape):
    """A file of float64 numbers without a header, little-endian, as rows of a shape."""
    with files.complete(path, "raw float64"):
        content = path.read_bytes()
        size = 8 * int(np.prod(shape))
        if not content or len(content) % size:
            raise ValueError(f"its {len(content)} bytes are not rows of {size}")
    values = np.frombuffer(content, "<f8").reshape(-1, *shape)
    checks.check_finite(path, "values", values)
    return values


def read_raw_pair(image_path, audio_path):
    """Frames and coefficients of one recording, both in files without a header."""
    return read_raw(image_path, RAW_FRAME), read_raw(audio_path, (MFCC,))
