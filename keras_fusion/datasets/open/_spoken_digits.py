"""The recordings that AV-MNIST is made of: spoken digits and noise, and which part gets which."""

import csv
import re

import numpy as np

from keras_fusion.datasets._io import files

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
PARTS = ("train", "validation", "test")
_INDICES = 50  # recordings of a digit by a speaker
# The first index (exclusive end) of the recordings: FSDD's own test split is 0 to 4.
_TEST, _VALIDATION = 5, 9
_NOISE_PARTS = {1: "train", 2: "train", 3: "train", 4: "validation", 5: "test"}
_ESC10_CLIPS = 8  # of a class in a fold
_DIGITS_FOLDERS = ("fsdd", "free-spoken-digit-dataset", "free-spoken-digit-dataset-master", "")
_NOISE_FOLDERS = {"esc50": ("ESC-50", "ESC-50-master", "esc50"), "esc10": ("esc10", "ESC-10")}
_GET = "keras_fusion.datasets.info('av_mnist') says where to get it"


def around(data_dir):
    """The folder that holds all three sources."""
    folder = files.data_folder(data_dir)
    if folder is None:
        raise FileNotFoundError(
            "av_mnist: expected data_dir= or the environment variable "
            f"{files.DATA_VARIABLE} to name the folder of mnist.npz, fsdd/ and ESC-50/ or esc10/. "
            "Received: neither"
        )
    return folder


def digits(folder, split, speaker):
    """Paths of the spoken digits, `{part: {digit: [path, ...]}}`, sorted by name.

    Raises:
        FileNotFoundError: If the folder or a recording is missing.
        ValueError: If a recording has another name.
    """
    inner = [folder / name / "recordings" for name in _DIGITS_FOLDERS]
    recordings = next((path for path in inner if path.is_dir()), None)
    if recordings is None:
        raise FileNotFoundError(
            f"av_mnist: expected the Free Spoken Digit Dataset in {inner[0]}. Received: no such "
            f"folder. {_GET}"
        )
    found, expected = {}, [
        f"{digit}_{name}_{index}.wav"
        for digit in range(10) for name in SPEAKERS for index in range(_INDICES)
    ]  # fmt: skip
    for path in recordings.glob("*.wav"):
        found[path.name] = path
    missing = [name for name in expected if name not in found]
    if missing:
        raise FileNotFoundError(
            f"{recordings}: expected {len(expected)} recordings {{digit}}_{{speaker}}_{{index}}.wav"
            f" of the speakers {', '.join(SPEAKERS)}. Missing: {len(missing)}, of the digits "
            f"{sorted({name.split('_')[0] for name in missing})} and the speakers "
            f"{sorted({name.split('_')[1] for name in missing})}, first {missing[0]}. {_GET}"
        )
    others = sorted(set(found) - set(expected))
    if others:
        raise ValueError(
            f"{recordings}: expected no recordings but the {len(expected)} of FSDD's release 1.0.10"
            f" (10 digits, 6 speakers, indices 0 to {_INDICES - 1}); move the others away. "
            f"Received: {', '.join(others[:5])}"
        )
    parts = {part: {digit: [] for digit in range(10)} for part in PARTS}
    for name in expected:
        digit, who, index = name.removesuffix(".wav").split("_")
        parts[_part(split, speaker, who, int(index))][int(digit)].append(found[name])
    return parts


def _part(split, speaker, who, index):
    if split == "official":
        return "test" if index < _TEST else "validation" if index < _VALIDATION else "train"
    if who == speaker:
        return "test"
    return "validation" if index < _TEST else "train"


def noises(folder, kind):
    """Paths of the noise clips, `{part: [path, ...]}`, sorted by name; parts are whole folds.

    Args:
        folder: `pathlib.Path` of the data sets.
        kind: `"esc50"`, `"esc10"` or `"auto"`, the first of them that is there.

    Raises:
        FileNotFoundError: If a folder or a clip is missing.
        ValueError: If the table of ESC-50 is not as published, or a clip has another name.
    """
    kinds = list(_NOISE_FOLDERS) if kind == "auto" else [kind]
    for name in kinds:
        for inner in _NOISE_FOLDERS[name]:
            if (folder / inner).is_dir():
                clips = {"esc50": _esc50, "esc10": _esc10}[name](folder / inner)
                parts = {part: [] for part in PARTS}
                for fold, path in clips:
                    parts[_NOISE_PARTS[fold]].append(path)
                return parts
    wanted = ", or ".join(str(folder / _NOISE_FOLDERS[name][0]) for name in kinds)
    raise FileNotFoundError(f"av_mnist: expected noise clips in {wanted}. Received: none. {_GET}")


def _esc50(folder):
    """ESC-50's own layout: `audio/*.wav` and the table `meta/esc50.csv`."""
    table = folder / "meta" / "esc50.csv"
    with files.complete(table, ".csv"):
        rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines(), strict=True))
        clips = sorted((row["filename"], int(row["fold"])) for row in rows)
        if {fold for _, fold in clips} != set(_NOISE_PARTS):
            raise ValueError("its folds are not 1 to 5")
    missing = [name for name, _ in clips if not (folder / "audio" / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder / 'audio'}: expected the {len(clips)} clips that {table} lists. Missing: "
            f"{len(missing)}, first {missing[0]}. {_GET}"
        )
    return [(fold, folder / "audio" / name) for name, fold in clips]


def _esc10(folder):
    """ESC-10's own layout: `NNN - Class/*.ogg`, the fold at the beginning of the name."""
    clips, counts = [], {}
    for path in sorted(folder.glob("[0-9][0-9][0-9] - */*.ogg")):
        name = re.fullmatch(r"([1-5])-\d+-[A-Z]\.ogg", path.name)
        if not name:
            raise ValueError(
                f"{path}: expected a name {{fold}}-{{clip}}-{{take}}.ogg, as 1-100032-A.ogg. "
                f"Received: {path.name}; move it away"
            )
        clips.append((int(name[1]), path))
        counts.setdefault(path.parent.name, []).append(int(name[1]))
    wrong = sorted(
        name for name, folds in counts.items()
        if [folds.count(fold) for fold in _NOISE_PARTS] != [_ESC10_CLIPS] * len(_NOISE_PARTS)
    )  # fmt: skip
    if len(counts) != 10 or wrong:
        raise FileNotFoundError(
            f"{folder}: expected 10 folders 'NNN - Class' with {_ESC10_CLIPS} clips of each of the "
            f"folds 1 to 5. Received: {len(counts)} folders, others than that: {wrong}. {_GET}"
        )
    return clips


def balanced(rng, count, choices):
    """`count` numbers below `choices` in random order, all equally often or once more."""
    rounds = [rng.permutation(choices) for _ in range(-(-count // choices))]
    return np.concatenate([*rounds, np.zeros(0, "int64")])[:count].astype("int64")
