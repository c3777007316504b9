"""Trains the replicas that are asked for: in one program, or one after the other."""

import os
import sys
from dataclasses import replace
from functools import partial

import keras
import numpy as np

from keras_fusion._checks import check_bool, check_choice, check_int
from keras_fusion.training._replica_epochs import Plan, arrays, rates, run_epochs
from keras_fusion.training._replica_files import read
from keras_fusion.training._replica_loop import SingleFit
from keras_fusion.training._replica_program import Program
from keras_fusion.training.replica_result import Replicas


def runs(
    starts,
    build,
    x,
    y,
    seeds,
    epochs,
    batch_size,
    validation_data,
    sample_weight,
    shuffle,
    learning_rate,
    early_stopping,
    backup_dir,
    convolutions,
    verbose,
):
    """Checks the arguments of `fit_replicas`, and returns a generator of `Replicas`."""
    seeds = check_seeds(seeds)
    check_int("epochs", epochs)
    check_int("batch_size", batch_size)
    check_bool("shuffle", shuffle)
    check_choice("convolutions", convolutions, ("patches", "grouped"))
    check_choice("verbose", verbose, (0, 1, False, True))
    if not callable(build):
        raise TypeError(f"build: expected a function that returns a model. Received: {build!r}")
    if early_stopping is not None and not isinstance(early_stopping, keras.callbacks.EarlyStopping):
        raise TypeError(
            "early_stopping: expected a keras.callbacks.EarlyStopping. "
            f"Received: {early_stopping!r}"
        )
    if validation_data is not None and (
        not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3)
    ):
        raise ValueError(
            "validation_data: expected (x, y) or (x, y, sample_weight). "
            f"Received: {type(validation_data).__name__}"
        )
    first = starts(build, seeds[0])
    data = arrays(x, y, sample_weight, first)
    validation = None
    if validation_data is not None:
        validation = arrays(*validation_data, *[None] * (3 - len(validation_data)), first)
    plan = Plan(
        epochs=epochs,
        batch_size=batch_size,
        samples=len(keras.tree.flatten(data)[0]),
        shuffle=shuffle,
        rates=None if learning_rate is None else partial(rates, learning_rate, len(seeds)),
        early_stopping=early_stopping,
        validation=validation is not None,
        verbose=verbose,
    )
    if backup_dir is not None:
        try:
            os.makedirs(backup_dir, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"backup_dir: expected a folder that can be written. Received: {backup_dir!r} "
                f"({error.strerror})"
            ) from error
    if keras.backend.backend() == "jax":
        patches = convolutions == "patches"
        return _at_once(build, starts, first, seeds, data, validation, plan, backup_dir, patches)
    if len(seeds) > 1:
        print(
            f"fit_replicas: on {keras.backend.backend()} the {len(seeds)} replicas are trained "
            "one after the other; the JAX backend trains them at the same time",
            file=sys.stderr,
        )
    return _one_by_one(build, starts, first, seeds, data, validation, plan, backup_dir)


def _at_once(build, starts, first, seeds, data, validation, plan, backup_dir, patches):
    """All replicas in one program of JAX."""
    path = None if backup_dir is None else os.path.join(backup_dir, "replicas.npz")
    saved = None if path is None else read(path, plan, seeds)
    values = None if saved is None else saved.values
    engine = Program(
        build, starts, first, seeds, data, validation, plan.batch_size, patches, values
    )
    found = run_epochs(engine, plan, seeds, path, saved)
    yield _replicas(build, seeds, *found, starts, engine.model)


def _one_by_one(build, starts, first, seeds, data, validation, plan, backup_dir):
    """Every replica by ordinary fits, one after the other."""
    engine = SingleFit(first, seeds[0], data, validation, plan.batch_size)
    try:
        for k, seed in enumerate(seeds):
            path = None if backup_dir is None else os.path.join(backup_dir, f"replica_{seed}.npz")
            saved = None if path is None else read(path, plan, [seed])
            if k:
                engine.restart(seed, build, starts)
            if saved is not None:
                engine.load(saved.values)
            own = plan
            if plan.rates is not None:
                own = replace(plan, rates=lambda epoch, k=k: plan.rates(epoch)[k : k + 1])
            found = run_epochs(engine, own, [seed], path, saved)
            yield _replicas(build, [seed], *found, starts, engine.model)
    finally:
        # On JAX the variables of the model were never trained.
        starts.put_back(engine.model)


def _replicas(build, seeds, history, values, best, trained, starts, model):
    history = {name: np.stack(rows, axis=1) for name, rows in history.items()}
    return Replicas(build, seeds, history, values, best, trained, starts, model)


def joined(parts):
    """One `Replicas` with the replicas of several."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    last = parts[-1]
    count = [len(part) for part in parts]
    longest = max(rows.shape[1] for part in parts for rows in part.history.values())
    history = {}
    for name in parts[0].history:
        rows = history[name] = np.full((sum(count), longest), np.nan, "float32")
        for k, part in zip(np.cumsum([0, *count]), parts, strict=False):
            found = part.history[name]
            rows[k : k + len(part), : found.shape[1]] = found
    values = [
        [np.concatenate(rows) for rows in zip(*group, strict=True)]
        for group in zip(*(part._values for part in parts), strict=True)
    ]
    seeds = [seed for part in parts for seed in part.seeds]
    best, trained = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("best_epochs", "trained")
    )
    return Replicas(last._build, seeds, history, values, best, trained, last._starts, last._model)


def check_seeds(seeds):
    """The seeds as a list of distinct integers."""
    if not isinstance(seeds, (list, tuple, range, np.ndarray)):
        raise TypeError(f"seeds: expected a sequence of ints. Received: {seeds!r}")
    seeds = [int(s) if isinstance(s, np.integer) else s for s in seeds]
    for i, seed in enumerate(seeds):
        check_int(f"seeds[{i}]", seed, minimum=0)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds: expected one or more distinct ints. Received: {seeds}")
    return seeds
