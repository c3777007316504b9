"""Everything that writes a file, killed in the middle and on a full disk, as a program.

    python saving.py FOLDER {kill | full} TRIES

A good file of every kind is written over again and again; prints as JSON what is in them after
every try, `{file: [value or what is wrong]}`, and the names of the files that are there at the end.
"""

import json
import os
import random
import resource
import signal
import sys
import time

import keras
import numpy as np

import keras_fusion as kf
from keras_fusion.training import _state, fusion_weights_history
from keras_fusion.tuning import _files as tuning_files

WIDTH = 512  # a file of more than 1 MB, so that a kill finds it half-written
ROWS = 20_000
MODEL = None


def model():
    global MODEL
    if MODEL is None:
        MODEL = kf.build_centralnet({name: kf.backbones.mlp(WIDTH, (WIDTH,)) for name in "ab"})
        MODEL.compile("sgd", "sparse_categorical_crossentropy")
    return MODEL


def filled(value):
    """The model, with the value in all its weights."""
    for variable in model().weights:
        variable.assign(np.full(variable.shape, value, variable.dtype))
    return model()


def checkpoint(path, value, **arguments):
    callback = keras.callbacks.ModelCheckpoint(path, **arguments)
    callback.set_model(filled(value))
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, {})


def loaded(path):
    if path.endswith(".weights.h5"):
        found = filled(-1)
        found.load_weights(path)
    else:
        known = {"FusionModel": kf.FusionModel}  # .h5 knows no names of packages
        found = keras.models.load_model(path, known, compile=False)
    return [np.asarray(v) for v in found.trainable_variables]


def rows(value):
    return [{"value": value, "number": number} for number in range(ROWS)]


def figure(path, value):
    shares = {f"level {i}": {"a": value / 9, "b": 1 - value / 9} for i in range(40)}
    kf.plot_fusion_weights(shares, path=path)


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def found_in(words, end):
    """A reader of a text: the value after the words, if the text is there to its end."""

    def read(path):
        assert text(path).endswith(end), text(path)[-40:]
        return [int(found) for found in text(path).split(words)[1][:1]]

    return read


def report(path, value):
    found = kf.evaluation.Comparison({"gmu": [value, value + 1.0]})
    kf.evaluation.markdown_report(found, path, title=f"value {value}" + ROWS * "x")


def cell(path, value):
    cells = kf.evaluation.Cells(os.path.dirname(path))
    cells.path = lambda made_by: path
    cells.write({}, {"rows": rows(value)})


# File: (what writes a value to it, what reads the values in it).
KINDS = {
    "model.keras": (lambda path, value: filled(value).save(path), loaded),
    "model.h5": (lambda path, value: filled(value).save(path), loaded),
    "model.weights.h5": (lambda path, value: filled(value).save_weights(path), loaded),
    "checkpoint.keras": (checkpoint, loaded),
    "checkpoint.weights.h5": (
        lambda path, value: checkpoint(path, value, save_weights_only=True),
        loaded,
    ),
    "backup.npz": (
        lambda path, value: _state.write_arrays(path, {}, {"a": np.full(10**6, value)}),
        lambda path: [_state.read_arrays(path, "nobody")[1]["a"]],
    ),
    "cell.json": (cell, lambda path: [row["value"] for row in json.loads(text(path))["rows"]]),
    "rows.jsonl": (
        lambda path, value: kf.evaluation.write_results(path, rows(value)),
        lambda path: [row["value"] for row in kf.evaluation.read_results(path)],
    ),
    "weights.csv": (
        lambda path, value: fusion_weights_history._write_rows(
            path, [{"epoch": n, "fusion/x/y": value} for n in range(ROWS)]
        ),
        lambda path: [r["fusion/x/y"] for r in fusion_weights_history._read_rows(path)],
    ),
    "report.md": (report, found_in("value ", "|\n")),
    "search.json": (
        lambda path, value: tuning_files.write_json(path, rows(value)),
        lambda path: [row["value"] for row in json.loads(text(path))],
    ),
    "figure.svg": (figure, lambda path: [1.0] if text(path).endswith("</svg>\n") else []),
}


def state(path, read):
    """The value that the file holds; or what is wrong with it."""
    try:
        values = np.concatenate([np.ravel(part) for part in read(path)])
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    if len(set(values)) != 1:
        return f"{len(set(values))} values"
    return float(values[0])


def kill(write, path, tries):
    """Processes that write over the file without end get SIGKILL, one after the other."""
    seconds = time.perf_counter()
    write(path, 1)
    seconds = time.perf_counter() - seconds
    for _ in range(tries):
        child = os.fork()
        if child == 0:
            while True:
                write(path, random.randint(1, 9))
        time.sleep(seconds * random.uniform(0.5, 2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        yield


def fill(write, path, tries):
    """There is room for half of the file only."""
    write(path, 1)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for _ in range(tries):
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) // 2, hard))
        try:
            write(path, 2)
        except (OSError, RuntimeError) as error:  # RuntimeError: HDF5, as a file is closed
            assert ".whole-" not in str(getattr(error, "filename", None)), error.filename
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        yield


def main(folder, how, tries):
    found = {}
    for name, (write, read) in KINDS.items():
        path = os.path.join(folder, name)
        run = {"kill": kill, "full": fill}[how]
        found[name] = [state(path, read) for _ in run(write, path, int(tries))]
        write(path, 3)  # and what the killed ones left goes
    print(json.dumps({"found": found, "files": sorted(os.listdir(folder))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
