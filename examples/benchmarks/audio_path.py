"""How fast do recordings become spectrograms, beside librosa; and what does AV-MNIST cost?

Both sides read wav files, trim, mix with noise, and make 112x112 spectrograms in decibels of
equal window, hop and FFT; the noise is there already. librosa works clip by clip, as its users
write it, and in a further row in batches. Ours works in batches on --workers threads, as
av_mnist does. The sides take turns, so that a busy machine slows both alike. Reported are the
medians of clips per second, and of the ratio within a round with its range; beside them the same
per second of processor time, of which a busy machine takes less away.

--build builds AV-MNIST in a process of its own and reports its time, the most memory it ever held,
size and hash.

Command:  python examples/benchmarks/audio_path.py --rounds 7 --build
Needs:    pip install -e ".[audio]"; librosa for the comparison (pip install librosa), and
          fsdd/recordings and noise clips in the folder named by KERAS_FUSION_DATA
Time:     20 s, and 2 minutes for --build, on two CPU cores
To reach: 3 times librosa's clips per second, less than 1.5 GB. Measured on two cores: 3.2
          times from files and 3.1 from signals, clip by clip; 1.01 GB
"""

import argparse
import concurrent.futures
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from keras_fusion.datasets import audio

RATE, LENGTH, NOISE_DB = 8000, 112 * 71, -6
BUILD = """
import json, resource, sys, time
from pathlib import Path
import keras_fusion as kf
start = time.perf_counter()
options = {"cache_dir": sys.argv[1], "limit": int(sys.argv[2]) or None}
data = kf.datasets.av_mnist.load_data(workers=int(sys.argv[3]), **options)
built, cpu = time.perf_counter() - start, time.process_time()
unit = 1024**3 if sys.platform == "darwin" else 1024**2
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
start = time.perf_counter()
kf.datasets.av_mnist.load_data(**options)
opened = time.perf_counter() - start
(place,) = Path(sys.argv[1]).iterdir()
size = sum(path.stat().st_size for path in place.iterdir()) / 1e6
print(f"pairs            {sum(len(y) for _, y in data.values()):,}")
print(f"built in         {built:.1f} s ({cpu:.1f} s of CPU time with all imports)")
print(f"opened again in  {opened:.1f} s, every byte checked")
print(f"most memory      {peak:.2f} GB, Keras and its backend included")
print(f"size on disk     {size:.0f} MB")
print(f"sha256           {json.loads((place / 'manifest.json').read_text())['sha256']}")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("KERAS_FUSION_DATA"))
    parser.add_argument("--clips", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--limit", type=int, default=0, help="pairs of each part for --build")
    args = parser.parse_args()
    if args.data_dir is None:
        parser.error("name the folder of the data: --data-dir or KERAS_FUSION_DATA")

    paths = sorted((args.data_dir / "fsdd" / "recordings").glob("*.wav"))
    rng = np.random.default_rng(0)
    paths = [paths[i] for i in rng.choice(len(paths), min(args.clips, len(paths)), replace=False)]
    noises = rng.standard_normal((len(paths), LENGTH)).astype("float32")
    compare(paths, noises, args.rounds, args.workers)
    if args.build:
        with tempfile.TemporaryDirectory() as cache:
            command = [sys.executable, "-c", BUILD, cache, args.limit, args.workers]
            subprocess.run(list(map(str, command)), check=True)


def compare(paths, noises, rounds, workers):
    signals = [
        audio.mix(audio.trim(audio.read(path)), noise, NOISE_DB)
        for path, noise in zip(paths, noises, strict=True)
    ]
    signals = np.stack(signals)
    sides = {
        "files to spectrograms": lambda: ours_from_files(paths, noises, workers),
        "signals to spectrograms": lambda: ours_from_signals(signals, workers),
    }
    try:
        import librosa
    except ImportError:
        print("librosa is not installed, so there is nothing to compare with")
    else:
        sides["librosa, files to spectrograms"] = lambda: librosa_from_files(librosa, paths, noises)
        sides["librosa, signals, clip by clip"] = lambda: librosa_from_signals(librosa, signals)
        sides["librosa, signals, in batches"] = lambda: librosa_in_batches(librosa, signals)
        check_equal(sides)
    speeds, by_processor = ({name: [] for name in sides} for _ in range(2))
    for side in sides.values():
        side()  # compiled, cached, in memory
    for _ in range(rounds):
        for name, side in sides.items():
            start, processor = time.perf_counter(), time.process_time()
            side()
            speeds[name].append(len(paths) / (time.perf_counter() - start))
            by_processor[name].append(len(paths) / (time.process_time() - processor))
    print(f"{len(paths)} clips, {rounds} rounds, {workers} threads, {os.cpu_count()} cores")
    for name, speed in speeds.items():
        processor = statistics.median(by_processor[name])
        print(f"{name:<34}{statistics.median(speed):8.0f} clips/s{processor:8.0f} per processor s")
    for name in [name for name in speeds if name.startswith("librosa")]:
        kind = "files to spectrograms" if "files" in name else "signals to spectrograms"
        for unit, measured in (("clock", speeds), ("processor", by_processor)):
            ratios = [a / b for a, b in zip(measured[kind], measured[name], strict=True)]
            print(f"ours / {name:<34}{statistics.median(ratios):6.2f}"
                  f" ({min(ratios):.2f} to {max(ratios):.2f}) by the {unit}")  # fmt: skip


def check_equal(sides):
    """Both sides must hear the same before anything is timed."""
    ours, theirs = (sides[name]() for name in ("signals to spectrograms",
                                               "librosa, signals, clip by clip"))  # fmt: skip
    worst = np.abs(ours - theirs).max()
    if worst > 0.001:
        raise SystemExit(f"the spectrograms differ by up to {worst}")


def ours_from_files(paths, noises, workers):
    def batch(first):
        rows = range(first, min(first + 128, len(paths)))
        mixed = [audio.mix(audio.trim(audio.read(paths[i])), noises[i], NOISE_DB) for i in rows]
        return audio.spectrogram(np.stack(mixed), 112)

    return in_batches(batch, len(paths), workers)


def ours_from_signals(signals, workers):
    def batch(first):
        return audio.spectrogram(signals[first : first + 128], 112)

    return in_batches(batch, len(signals), workers)


def in_batches(batch, count, workers):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(batch, range(0, count, 128))))


def librosa_from_files(librosa, paths, noises):
    pictures = []
    for path, noise in zip(paths, noises, strict=True):
        signal, _ = librosa.load(path, sr=RATE)
        signal, _ = librosa.effects.trim(signal, top_db=40, frame_length=256, hop_length=64)
        power = np.mean(signal**2) / np.mean(noise**2) / 10 ** (NOISE_DB / 10)
        signal = librosa.util.fix_length(signal, size=min(len(signal), LENGTH))
        signal = librosa.util.pad_center(signal, size=LENGTH)
        pictures.append(by_librosa(librosa, signal + np.sqrt(power) * noise))
    return np.stack(pictures)


def librosa_from_signals(librosa, signals):
    return np.stack([by_librosa(librosa, signal) for signal in signals])


def librosa_in_batches(librosa, signals):
    parts = [signals[first : first + 128] for first in range(0, len(signals), 128)]
    return np.concatenate([by_librosa(librosa, part) for part in parts])


def by_librosa(librosa, signal):
    """112x112 in [0, 1]: the same window, hop, FFT and decibels as ours."""
    signal = np.pad(signal, [(0, 0)] * (signal.ndim - 1) + [(0, 224 - 71)])
    spectrum = librosa.stft(signal, n_fft=224, hop_length=71, window="hann", center=False)
    magnitude = np.abs(spectrum[..., :112, :112])
    peak = magnitude.max(axis=(-2, -1), keepdims=True)
    level = librosa.amplitude_to_db(magnitude / peak, ref=1.0, amin=1e-9, top_db=None)
    return np.clip(1 + level / 80, 0, 1)


if __name__ == "__main__":
    main()
