"""Does `fit` from files train when the memory allowed is a quarter of what they hold?

Two modalities lie in memory maps. Each line of the table is a process of its own: it trains on a
few samples, so that everything is loaded and compiled, then one epoch on all of them, given as
arrays and by `as_pydataset`, to keras_fusion and to plain Keras. Reported is by how much its own
memory (without the pages of the files, which the system takes back when it likes) grew at most,
seen after every batch, over the size of the files. The same again with the memory that the process
may ask for limited (RLIMIT_DATA): does the epoch end?

Command:  python examples/benchmarks/memory.py
Needs:    Linux
Time:     2 min on 2 CPU cores
Expected: as_pydataset: at most 0.25, and the epoch ends under the limit
"""

import argparse
import resource
import subprocess
import sys
import tempfile

import keras
import numpy as np

import keras_fusion as kf

FEATURES, BATCH, ALLOWED = 1000, 250, 0.25
CASES = [(model, how) for model in ("keras_fusion", "plain Keras") for how in ("arrays", "batches")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)  # what a process measures
    args = parser.parse_args()
    if args.case:
        model, how, limited, folder = args.case
        return print(growth(build(model), how, limited == "True", folder, args.samples))
    print(f"{keras.backend.backend()}, {2 * args.samples * FEATURES * 4 / 2**20:.0f} MiB of files")
    print("| model | data | growth / files | a quarter allowed |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write(folder, args.samples)
        for model, how in CASES:
            found = []
            for limited in (False, True):
                case = ["--case", model, how, str(limited), folder, "--samples", str(args.samples)]
                run = subprocess.run([sys.executable, __file__, *case], capture_output=True)
                found.append(run.stdout.decode().split()[-1] if run.returncode == 0 else None)
            print(f"| {model} | {how} | {found[0]} | {'trained' if found[1] else 'failed'} |")


def write(folder, samples):
    rng = np.random.default_rng(0)
    for name in "ab":
        array = np.memmap(f"{folder}/{name}", "float32", "w+", shape=(samples, FEATURES))
        for start in range(0, samples, BATCH):
            array[start : start + BATCH] = rng.random(array[start : start + BATCH].shape)


def build(model):
    if model == "keras_fusion":
        networks = {name: kf.backbones.mlp(FEATURES, (64,), num_classes=10) for name in "ab"}
        built = kf.build_centralnet(networks)
    else:
        inputs = {name: keras.Input((FEATURES,), name=name) for name in "ab"}
        hidden = [keras.layers.Dense(64, "relu")(x) for x in inputs.values()]
        top = keras.layers.Dense(10, "softmax")
        built = keras.Model(inputs, top(keras.layers.concatenate(hidden)))
    built.compile("adam", "sparse_categorical_crossentropy")
    return built


def growth(model, how, limited, folder, samples):
    """What one epoch needs beyond what is there, over the size of the files."""
    x = {
        name: np.memmap(f"{folder}/{name}", "float32", "r", shape=(samples, FEATURES))
        for name in "ab"
    }
    y = np.random.default_rng(1).integers(0, 10, samples)
    few = {name: np.array(array[: 2 * BATCH]) for name, array in x.items()}
    fit(model, few, y[: 2 * BATCH], how)
    size = sum(array.nbytes for array in x.values())
    if limited:
        most = 1024 * status("VmData") + int(ALLOWED * size)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    before, seen = status("RssAnon"), []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(status("RssAnon"))
    )
    fit(model, x, y, how, callbacks=[watch])
    return f"{1024 * (max(seen) - before) / size:.2f}"


def fit(model, x, y, how, **arguments):
    if how == "arrays":
        model.fit(x, y, batch_size=BATCH, verbose=0, **arguments)
    else:
        model.fit(kf.datasets.as_pydataset((x, y), BATCH), verbose=0, **arguments)


def status(name):
    """A number of KiB that Linux knows of this process."""
    with open("/proc/self/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()
