"""The runs of one method on one fold: trained, scored on the test part, as rows."""

import gc
import time

import keras
import numpy as np

from keras_fusion._arrays import on_disk
from keras_fusion.evaluation._parts import is_arrays, samples
from keras_fusion.evaluation.results import environment
from keras_fusion.training import Ordered, Starts, model_digest, train_each


def run_seeds(build, parts, seeds, arguments, starts=None, keep_predictions=False, folder=None):
    """Yields `(seed, row, predictions)` of every run as soon as it is finished.

    Args:
        build: Function that returns a new compiled model.
        parts: Dictionary of parts, see `_parts.Source`.
        seeds: List of integers.
        arguments: Dictionary of arguments of `fit_replicas`.
        starts: What gives a run its own weights, see `training._starts`. Defaults to `None`.
        keep_predictions: Boolean. Defaults to `False`.
        folder: Optional path for unfinished trainings. Defaults to `None`.
    """
    train, validation, test = (parts.get(name) for name in ("train", "validation", "test"))
    x, y, *weights = train if is_arrays(train) else (train, None)
    options = {**arguments, "backup_dir": folder, "starts": starts}
    if weights:
        options["sample_weight"] = weights[0]
    if validation is not None:
        options["validation_data"] = validation
    begin = time.perf_counter()
    for replicas in train_each(build, x, y, seeds, **options):
        seconds = (time.perf_counter() - begin) / len(replicas)
        for k, model in replicas.models():
            row = {
                "scores": evaluated(model, test, arguments.get("batch_size", 32)),
                "epoch": int(replicas.best_epochs[k]),
                "epochs_trained": int(replicas.trained[k]),
                "seconds": round(seconds, 3),
                "train_samples": samples(train),
                "test_samples": samples(test),
            }
            predictions = predicted(model, test) if keep_predictions else None
            yield replicas.seeds[k], row, predictions
        begin = time.perf_counter()


def evaluated(model, test, batch_size):
    """Scores of a model on a test part, `{name: float}`."""
    options = {"verbose": 0, "return_dict": True}
    if is_arrays(test) and any(map(on_disk, keras.tree.flatten(test))):
        test = Ordered(test, 0, batch_size, shuffle=False)
    if is_arrays(test):
        x, y, *weights = test
        options |= {"batch_size": batch_size, "sample_weight": weights[0] if weights else None}
        found = model.evaluate(x, y, **options)
    else:
        found = model.evaluate(test, **options)
    return {name: float(value) for name, value in found.items()}


def predicted(model, test):
    """Targets and predictions of a test part, as a dict of arrays for one file."""
    x, y, *_ = test
    if any(map(on_disk, keras.tree.flatten(x))):
        x = Ordered((x, y), 0, 32, shuffle=False)
    found = {}
    for name, value in (("y_true", y), ("y_pred", model.predict(x, verbose=0))):
        named = value.items() if isinstance(value, dict) else [(None, value)]
        for head, array in named:
            found[name if head is None else f"{name}/{head}"] = np.asarray(array[:])
    return found


class Task:
    """One run on an executor, picklable; a worker calls it with the data.

    Args:
        fold: Integer, or `None`.
        identity, model: Digests of the fold's data (or `None`) and of the model with which the run
            starts.
        build, arguments, keep_predictions, folder: See `run_seeds`.
        seed: Integer.
    """

    def __init__(self, fold, identity, model, build, seed, arguments, keep_predictions, folder):
        self.fold, self.identity, self.model, self.build = fold, identity, model, build
        self.seed, self.arguments = seed, arguments
        self.keep_predictions, self.folder = keep_predictions, folder
        self.backend = keras.backend.backend()

    def __call__(self, source):
        """`(row, predictions)`; an error where this process would train something else."""
        _same("backend", self.backend, keras.backend.backend())
        parts = source.parts(self.fold)
        _same("data", self.identity, self.identity and source.identity(self.fold))
        gc.collect()
        _same("initial weights", self.model, model_digest(_STARTS(self.build, self.seed)))
        ((_, row, predictions),) = run_seeds(
            self.build, parts, [self.seed], self.arguments, _STARTS, self.keep_predictions,
            self.folder,
        )  # fmt: skip
        return {**row, **environment()}, predictions


_STARTS = Starts()  # of this process: functions of a module keep their layers from run to run


def _same(what, expected, found):
    if expected != found:
        raise RuntimeError(
            f"executor: expected workers with the {what} of this process. Received: {found} "
            f"instead of {expected}"
        )
