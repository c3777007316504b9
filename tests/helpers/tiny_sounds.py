"""Small sources of AV-MNIST in the layouts of the real ones."""

import numpy as np
import soundfile

from keras_fusion.datasets._io import files
from keras_fusion.datasets.open import _spoken_digits, mm_mnist

SPEAKERS = ("george", "theo")
INDICES = 11


def write_all(folder):
    """`mnist.npz`, `fsdd/recordings` and `esc10`, 2 speakers, 11 indices, 10 classes of noise."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 28, 28), dtype="uint8")
    labels = (np.arange(80) % 10).astype("uint8")
    np.savez(folder / "mnist.npz", x_train=images[:60], y_train=labels[:60],
             x_test=images[60:], y_test=labels[60:])  # fmt: skip
    recordings = folder / "fsdd" / "recordings"
    recordings.mkdir(parents=True)
    for digit in range(10):
        for speaker in SPEAKERS:
            for index in range(INDICES):
                word = 0.3 * rng.standard_normal(200 + 40 * index)
                soundfile.write(recordings / f"{digit}_{speaker}_{index}.wav", word, 8000)
    for number in range(10):
        inner = folder / "esc10" / f"{number + 1:03} - Class{number}"
        inner.mkdir(parents=True)
        for fold in range(1, 6):
            clip = 0.2 * rng.standard_normal(1200)
            soundfile.write(inner / f"{fold}-{number}{fold}-A.ogg", clip, 8000)


def write_esc50(folder):
    """The same noise in ESC-50's layout: wav of 44.1 kHz and a table."""
    rng = np.random.default_rng(1)
    audio, meta = folder / "ESC-50" / "audio", folder / "ESC-50" / "meta"
    audio.mkdir(parents=True)
    meta.mkdir()
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in range(1, 6):
        name = f"{fold}-100{fold}-A-0.wav"
        soundfile.write(audio / name, 0.2 * rng.standard_normal(44100 // 5), 44100)
        rows.append(f"{name},{fold},0,dog,True,100{fold},A")
    (meta / "esc50.csv").write_text("\n".join(rows) + "\n")


def expect_small(monkeypatch, folder):
    """Makes the readers take the small sources for the published ones."""
    with np.load(folder / "mnist.npz") as arrays:
        hashes = {key: files.idx_sha256(arrays[key]) for key in mm_mnist._SHA256}
    monkeypatch.setattr(mm_mnist, "_SHA256", hashes)
    monkeypatch.setattr(mm_mnist, "_VALIDATION", 10)
    monkeypatch.setattr(_spoken_digits, "SPEAKERS", SPEAKERS)
    monkeypatch.setattr(_spoken_digits, "_INDICES", INDICES)
    monkeypatch.setattr(_spoken_digits, "_ESC10_CLIPS", 1)
    monkeypatch.delenv("KERAS_FUSION_DATA", raising=False)
