"""AVletters, CUAVE and XFlow's Digits: a few small recordings in exactly the real files' form."""

import numpy as np
import pytest

from keras_fusion.datasets import avletters, cuave, xflow_digits

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def recordings(module):
    """`(name, person, class)`: all classes of one person, one or two of two others.

    Two folds have training and test parts, and so has the fixed split, where there is one.
    """
    people = module.PEOPLE
    others = [people[4], people[0]] if module is cuave else [people[1], people[0]]
    train = people[-1]
    rows = [(train, label) for label in range(26 if module is avletters else 10)]
    rows += [(person, label) for label, person in enumerate(others)]
    rows.append((others[1], 5))
    names = {
        avletters: lambda p, k: f"{chr(65 + k)}{3 if p == people[0] else 2}_{p}",
        cuave: lambda p, k: f"{p}_{WORDS[k]}_3",
        xflow_digits: lambda p, k: f"{k}_{p}_loud",
    }
    return [(names[module](person, label), person, label) for person, label in rows]


def write_raw(folder, module, lengths=None):
    """Float64 without a header, whatever the ending says. Returns arrays by name."""
    written = {}
    rng = np.random.default_rng(0)
    for inner in ("Video frames", "MFCCs"):
        (folder / inner).mkdir(exist_ok=True, parents=True)
        (folder / inner / ".DS_Store").write_bytes(b"x")
    for i, (name, _, _) in enumerate(recordings(module)):
        frames, steps = lengths or (6 + i % 3, 7 + i % 2)
        image = np.repeat(rng.normal(size=(frames, 90, 1)), 120, axis=2)
        sound = rng.normal(size=(steps, 26))
        image.astype("<f8").tofile(folder / "Video frames" / f"{name}.npy")
        sound.astype("<f8").tofile(folder / "MFCCs" / f"{name}.mfcc")
        written[name] = image, sound
    return written


def windows(values, count):
    window = len(values) - count + 1
    return np.stack([values[j : j + window].mean(axis=0) for j in range(count)])


def mfcc_text(values, other=7.125):
    """Two sets of three lines for each frame; the second one is never read."""
    lines = ["Number of frames", "header 1.5 2.5"]
    for row in values:
        for numbers in (row, np.full(26, other)):
            for part in (numbers[:9], numbers[9:18], numbers[18:]):
                lines.append("   12:  " + " ".join(f"{number:9.4f}" for number in part))
    return "\n".join([*lines, "the last line"]) + "\n"


def write_letters(folder, extra_frames=1):
    savemat = pytest.importorskip("scipy.io", reason="needs SciPy").savemat
    written = {}
    rng = np.random.default_rng(0)
    for inner in ("Lips", "Audio/textmfcc"):
        (folder / inner).mkdir(parents=True)
    for i, (name, _, _) in enumerate(recordings(avletters)):
        steps = 12 + i % 3
        frames = steps + extra_frames
        video = np.repeat(rng.integers(0, 256, (80, 1, frames)), 60, axis=1).astype("uint8")
        sound = rng.normal(size=(steps, 26)).round(4)
        # Columns of 4,800 numbers, one for each frame.
        held = {"vid": video.reshape(4800, frames), "siz": [60.0, 80.0, float(frames)]}
        savemat(folder / "Lips" / f"{name}-lips.mat", held, do_compression=i % 2 == 0)
        (folder / "Audio" / "textmfcc" / f"{name}.text").write_text(mfcc_text(sound))
        written[name] = np.moveaxis(video, -1, 0)[:-1].astype("float64"), sound
    return written
