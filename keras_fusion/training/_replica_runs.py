"""Trains the replicas that are asked for: in one program, or one after the other."""

import os
from dataclasses import replace
from functools import partial

import keras
import numpy as np

from keras_fusion._arrays import on_disk
from keras_fusion._checks import check_bool, check_choice, check_int
from keras_fusion.training._identity import data_digest, model_digest
from keras_fusion.training._replica_data import (
    check_class_weight,
    check_data_set,
    class_weighted,
    is_data_set,
)
from keras_fusion.training._replica_epochs import (
    Plan,
    arrays,
    check_model,
    rates,
    run_epochs,
)
from keras_fusion.training._replica_files import read
from keras_fusion.training._replica_fits import MadeCallbacks, fits
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
    class_weight,
    callbacks,
    verbose,
):
    """Checks the arguments of `fit_replicas`, and returns a generator of `Replicas`."""
    check_arguments(build, epochs, batch_size, shuffle, convolutions, verbose, early_stopping)
    seeds = check_seeds(seeds)
    is_set = is_data_set(x)
    if is_set:
        check_data_set("x", x, y, sample_weight)
    validation_is_set = validation_data is not None and is_data_set(validation_data)
    if validation_is_set and hasattr(validation_data, "__iter__"):
        check_data_set("validation_data", validation_data)
    elif validation_data is not None and (
        not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3)
    ):
        raise ValueError(
            "validation_data: expected (x, y), (x, y, sample_weight) or a data set. "
            f"Received: {type(validation_data).__name__}"
        )
    made = MadeCallbacks(callbacks)
    first = starts(build, seeds[0])
    if getattr(first, "balance", None) == "blend" and validation_data is None:
        raise ValueError(
            'validation_data: expected some with balance="blend", whose loss weights depend on '
            "them. Received: None"
        )
    if class_weight is not None:
        if is_set:
            check_class_weight(class_weight)
        else:
            check_model(first)
            sample_weight = class_weighted(class_weight, y, sample_weight, first)
    data, validation = x, validation_data
    if not is_set:
        data = arrays(x, y, sample_weight, first)
    if validation is not None and not validation_is_set:
        validation = arrays(*validation, *[None] * (3 - len(validation)), first)
    plan = Plan(
        epochs=epochs,
        batch_size=batch_size,
        samples=None if is_set else len(keras.tree.flatten(data)[0]),
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
        if not is_set:
            plan = replace(plan, identity={"data": data_digest((data, validation))})
    backend = keras.backend.backend()
    in_memory = not is_set and not validation_is_set
    in_memory = in_memory and not any(map(on_disk, keras.tree.flatten((data, validation))))
    ordinary = callbacks is not None or not in_memory
    if len(seeds) > 1 and (backend != "jax" or ordinary):
        why = "the JAX backend trains them at the same time"
        if ordinary:
            why = "replicas with callbacks, or of data that are not arrays in memory, always are"
        starts.say(f"fit_replicas: on {backend} replicas are trained one after the other; {why}")
    if ordinary:
        check_model(first)
        own = class_weight if is_set else None
        return fits(build, starts, first, seeds, data, validation, plan, backup_dir, made, own)
    if backend != "jax":
        return _one_by_one(build, starts, first, seeds, data, validation, plan, backup_dir)
    patches = convolutions == "patches"
    return _at_once(build, starts, first, seeds, data, validation, plan, backup_dir, patches)


def check_arguments(
    build,
    epochs=1,
    batch_size=32,
    shuffle=True,
    convolutions="patches",
    verbose=0,
    early_stopping=None,
    **_,
):
    """An error for what is wrong whatever the data and the model are."""
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


def _at_once(build, starts, first, seeds, data, validation, plan, backup_dir, patches):
    """All replicas in one program of JAX."""
    path = saved = None
    if backup_dir is not None:
        path, plan = os.path.join(backup_dir, "replicas.npz"), _of_model(plan, first)
        saved = read(path, plan, seeds)
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
            if k:
                engine.restart(seed, build, starts)
            path, saved, own = None, None, plan
            if backup_dir is not None:
                path = os.path.join(backup_dir, f"replica_{seed}.npz")
                own = _of_model(plan, engine.model)
                saved = read(path, own, [seed])
            if saved is not None:
                engine.load(saved.values)
            if plan.rates is not None:
                own = replace(own, rates=lambda epoch, k=k: plan.rates(epoch)[k : k + 1])
            found = run_epochs(engine, own, [seed], path, saved)
            yield _replicas(build, [seed], *found, starts, engine.model)
    finally:
        # On JAX the variables of the model were never trained.
        starts.put_back(engine.model)


def _of_model(plan, model):
    """The plan of a training that starts with this model, for its file."""
    return replace(plan, identity={**plan.identity, "model": model_digest(model)})


def _replicas(build, seeds, history, values, best, trained, starts, model):
    history = {name: np.stack(rows, axis=1) for name, rows in history.items()}
    return Replicas(build, seeds, history, values, best, trained, starts, model)


def joined(parts):
    """One `Replicas` with the replicas of several."""
    found = []
    for part in parts:
        for before in found:
            before._model = None  # not all models at once
        found.append(part)
    if len(found) == 1:
        return part
    longest = max(rows.shape[1] for one in found for rows in one.history.values())
    names = dict.fromkeys(name for one in found for name in one.history)
    history = {name: np.full((len(found), longest), np.nan, "float32") for name in names}
    for k, one in enumerate(found):  # of one seed each
        for name, (rows,) in one.history.items():
            history[name][k, : len(rows)] = rows
    values = [
        [np.concatenate(rows) for rows in zip(*group, strict=True)]
        for group in zip(*(one._values for one in found), strict=True)
    ]
    seeds = [seed for one in found for seed in one.seeds]
    best, trained = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("best_epochs", "trained")
    )
    return Replicas(part._build, seeds, history, values, best, trained, part._starts, part._model)


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
