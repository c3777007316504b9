"""What do runs of a comparison cost beyond their training?

cell: the runs of a comparison with their checks, identities and files, beside `fit` alone; both
build and compile an MLP of 100,000 parameters for every run and score it on a test part, by turns.
A comparison checks before it trains, and on TensorFlow compiles once for all seeds of a method: so
the runs of several seeds cost less than one alone (`--seeds 1`), or than one on an executor.
processes: the wall time of 12 such runs one after the other, on one process and on two.
reading: the time that `Comparison.read` takes for a folder of 20,000 results.

Command:  python examples/benchmarks/cells.py
          python examples/benchmarks/cells.py --only cell --seeds 1
Time:     about 5 minutes on TensorFlow and two CPU cores
Expected: a cell of five seeds at most 10 % or 0.3 s more than `fit`; reading below 5 s. Two
          processes against one: a ratio near 0.5 where two cores are free
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

import keras
import numpy as np
from _report import interval, load

import keras_fusion as kf

BATCH = 64


def build():
    layers = [keras.layers.Dense(units, "relu") for units in (256, 128)]
    top = keras.layers.Dense(10, "softmax")
    model = keras.Sequential([keras.Input((256,)), *layers, top])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def make_data(samples=4000):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, 256))
    y = rng.integers(0, 10, samples + 1000)
    x = (centres[y] + 4 * rng.normal(size=(len(y), 256))).astype("float32")
    return {"train": (x[:samples], y[:samples]), "test": (x[samples:], y[samples:])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=["cell", "processes", "reading"])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--runs", type=int, default=20, help="of cells and of fit alone")
    parser.add_argument("--seeds", type=int, default=5, help="of them in one comparison")
    parser.add_argument("--results", type=int, default=20_000, help="files that are read")
    args = parser.parse_args()
    print(f"{keras.backend.backend()}, load average {load()}")
    for name, measure in (("cell", cell), ("processes", processes), ("reading", reading)):
        if args.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                measure(args, make_data(), folder)
    print(f"load average {load()}")


def compare(data, seeds, folder, **options):
    return kf.evaluation.compare(
        {"mlp": build}, data, seeds, results=folder, batch_size=BATCH, **options
    )


def cell(args, data, folder):
    plain, cells, turns = [], [], args.runs // args.seeds + 1
    for turn in range(turns):
        seeds = range(turn * args.seeds, (turn + 1) * args.seeds)
        begin = time.perf_counter()
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            model = build()
            model.fit(*data["train"], BATCH, args.epochs, verbose=0)
            scores = model.evaluate(*data["test"], BATCH, verbose=0, return_dict=True)
        middle = time.perf_counter()
        found = compare(data, seeds, folder, epochs=args.epochs)
        plain.append((middle - begin) / args.seeds)
        cells.append((time.perf_counter() - middle) / args.seeds)
    accuracies = scores["accuracy"], found.runs[-1]["scores"]["accuracy"]
    # Left out is the first turn, in which the libraries load themselves.
    more = [b - a for a, b in zip(plain[1:], cells[1:], strict=True)]
    median, alone = statistics.median(more), statistics.median(plain[1:])
    low, high = interval(more)
    allowed = max(0.1 * alone, 0.3)
    print(f"fit alone       {alone:.2f} s a run ({turns - 1} turns of {args.seeds}; accuracy "
          f"{accuracies[0]:.3f})")  # fmt: skip
    print(f"cells           {statistics.median(cells[1:]):.2f} s (accuracy {accuracies[1]:.3f})")
    print(f"difference      {median:+.2f} s ({low:+.2f} to {high:+.2f}), {median / alone:+.1%}")
    print(f"to reach: at most {allowed:.2f} s: {'met' if median <= allowed else 'missed'}")


def processes(args, data, folder):
    """With workers that are there already; what their start takes is said beside it."""
    spawn = multiprocessing.get_context("spawn")
    seconds = {}
    for workers in (0, 1, 2):
        pool = ProcessPoolExecutor(workers, spawn) if workers else None
        times = []
        for seeds, epochs in ((range(2), 1), (range(12), args.epochs)):
            begin = time.perf_counter()
            compare(data, seeds, f"{folder}/{workers}", epochs=epochs, executor=pool)
            times.append(time.perf_counter() - begin)
        if workers:
            pool.shutdown()
        seconds[workers] = times[1]
        what = f"{workers} process{'es' * (workers > 1)}" if workers else "no executor"
        print(f"{what:16}{times[1]:.1f} s for 12 runs; before, {times[0]:.1f} s for 2 short ones")
    print(f"one process / no executor  {seconds[1] / seconds[0]:.2f}")
    print(f"two processes / one        {seconds[2] / seconds[1]:.2f}")


def reading(args, data, folder):
    """The files are copies of a real one, with other methods, folds, seeds and scores."""
    (row,) = compare(data, [0], f"{folder}/one", epochs=1).runs
    cells = kf.evaluation.Cells(f"{folder}/many")
    for number in range(args.results):
        names = {"method": f"m{number % 10}", "fold": number // 10 % 20, "seed": number // 200}
        scores = {"loss": 1.0, "accuracy": 0.5 + number % 997 / 2000}
        with open(cells.path(names), "w", encoding="utf-8") as file:
            json.dump({**row, **names, "scores": scores}, file)
    begin, used = time.perf_counter(), time.process_time()
    found = kf.evaluation.Comparison.read(f"{folder}/many")
    seconds, used = time.perf_counter() - begin, time.process_time() - used
    print(f"reading         {seconds:.2f} s for {len(found.runs):,} results ({used:.2f} s of the "
          f"processor): {'met' if seconds < 5 else 'missed'}")  # fmt: skip


if __name__ == "__main__":
    main()
