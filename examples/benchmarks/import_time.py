"""How much does `import keras_fusion` add to `import keras`?

Every import runs in a new Python process; the two kinds alternate, so that a busy machine slows
both alike. Reported are both medians, their ratio and its 95 % interval (bootstrap over the pairs).

Command:  python examples/benchmarks/import_time.py --pairs 20
Time:     about 10 s for a pair on TensorFlow
Expected: a ratio of at most 1.05
"""

import argparse
import subprocess
import sys

import keras
import numpy as np

SCRIPT = """
import time
start = time.perf_counter()
import {package}
print(time.perf_counter() - start)
"""


def import_seconds(package):
    """Seconds that the import takes in a new process, the start of Python left out."""
    command = [sys.executable, "-c", SCRIPT.format(package=package)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(output.splitlines()[-1])


def ratio_interval(pairs, draws=10_000, seed=0):
    """The 95 % bootstrap interval of the ratio of the two medians."""
    rows = np.random.default_rng(seed).integers(0, len(pairs), (draws, len(pairs)))
    medians = np.median(pairs[rows], axis=1)
    return np.percentile(medians[:, 1] / medians[:, 0], [2.5, 97.5])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=20)
    count = parser.parse_args().pairs

    packages = ("keras", "keras_fusion")
    for package in packages:  # files into the cache, .pyc files written
        import_seconds(package)
    pairs = np.array([[import_seconds(package) for package in packages] for _ in range(count)])

    alone, ours = np.median(pairs, axis=0)
    low, high = ratio_interval(pairs)
    print(f"backend {keras.backend.backend()}, {count} pairs")
    print(f"import keras         {alone:.2f} s")
    print(f"import keras_fusion  {ours:.2f} s")
    print(f"ratio                {ours / alone:.3f} (95 % interval {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
