"""Many trainings that differ in the seed alone; on JAX all of them in one program."""

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


def fit_replicas(
    build,
    x,
    y,
    seeds,
    epochs=1,
    batch_size=32,
    validation_data=None,
    sample_weight=None,
    shuffle=True,
    learning_rate=None,
    early_stopping=None,
    backup_dir=None,
    convolutions="patches",
    verbose=0,
):
    """Trains a model once for every seed: JAX trains all replicas at the same time.

    Use it to report a mean and a spread instead of one run. Replica k is what
    `keras.utils.set_random_seed(seed)`, `build()` and an ordinary `fit` on the same batches give,
    up to the rounding of floats: its own initial weights, order of samples, dropout, and averages
    of batch normalization. With the JAX backend the replicas are one XLA program (`jax.vmap` over
    Keras' `train_step`), the data being on the device once, in memory for all replicas. On
    TensorFlow and PyTorch they are trained one after the other by ordinary `fit`, in the same
    orders, and a line on stderr says so; the result is of the same type.

    The samples of every epoch are in the order `numpy.random.default_rng([seed, epoch])
    .permutation(n)`. Random layers must be without a seed of their own. Callbacks other than
    early stopping are not run. On JAX a replica that has stopped goes on being computed until the
    last one stops, but what it returns is fixed. On PyTorch Keras' dropout draws from PyTorch's
    global generator, which is seeded for every epoch; its draws are then not those of one `fit`.

    Args:
        build: Function without arguments that returns a new compiled `keras.Model`, of the same
            architecture at every call.
        x, y: Arrays, or dictionaries of arrays, as for `fit`. No data sets.
        seeds: Sequence of distinct integers from 0 up, one for each replica.
        epochs: Positive integer. Defaults to `1`.
        batch_size: Positive integer. The last batch of an epoch is smaller where the samples do not
            divide. Defaults to `32`.
        validation_data: Optional `(x, y)` or `(x, y, sample_weight)`, evaluated after every epoch.
            Defaults to `None`.
        sample_weight: Optional array, or dictionary of arrays, as for `fit`. Defaults to `None`.
        shuffle: Boolean, whether to shuffle the samples before every epoch. Defaults to `True`.
        learning_rate: Float, sequence of one float for each replica, or function that returns
            either for an epoch (from 0): the learning rate that is set. Defaults to `None`, the
            optimizer's own, which may have a `LearningRateSchedule`.
        early_stopping: Optional `keras.callbacks.EarlyStopping`, applied to every replica by
            itself. A replica that stops keeps the state of its last epoch, or, with
            `restore_best_weights`, of its best (the optimizer's, too). Defaults to `None`.
        backup_dir: Optional path of a folder for the state after every epoch. If this training was
            interrupted, the same call goes on after the last whole epoch; with more `epochs` it
            goes on with one that was finished. JAX writes one file for all replicas, the others one
            for each; each is replaced as a whole. Defaults to `None`.
        convolutions: String, JAX only. "patches": convolutions are computed as products of
            matrices, which XLA batches well, and max-pooling as a plain maximum; "grouped": as
            `jax.vmap` makes them. Weights are the same. Defaults to `"patches"`.
        verbose: Integer, 0, or 1 for a line after every epoch. Defaults to `0`.

    Returns:
        `Replicas`.

    Raises:
        TypeError, ValueError: an argument that is not as above, a model that is not compiled, or
            a backup of another training.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> def build():
    ...     nets = {"image": kf.backbones.mlp(4), "sound": kf.backbones.mlp(6)}
    ...     model = kf.build_centralnet(nets)
    ...     model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     return model
    >>> x, y = {"image": np.ones((8, 4)), "sound": np.ones((8, 6))}, np.arange(8)
    >>> replicas = kf.training.fit_replicas(build, x, y, seeds=[0, 1], epochs=2)
    >>> replicas.history["central_accuracy"].shape
    (2, 2)
    >>> replicas.replica(0).heads
    ['central', 'image', 'sound']
    """
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
    keras.utils.set_random_seed(seeds[0])
    first = build()
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
    if keras.backend.backend() != "jax":
        return _one_by_one(build, first, seeds, data, validation, plan, backup_dir)
    path = None if backup_dir is None else os.path.join(backup_dir, "replicas.npz")
    saved = None if path is None else read(path, plan, seeds)
    patches = convolutions == "patches"
    values = None if saved is None else saved.values
    engine = Program(build, first, seeds, data, validation, batch_size, patches, values)
    history, values, best, trained = run_epochs(engine, plan, seeds, path, saved)
    history = {name: np.stack(rows, axis=1) for name, rows in history.items()}
    return Replicas(build, seeds, history, values, best, trained)


def _one_by_one(build, first, seeds, data, validation, plan, backup_dir):
    """Every replica by ordinary fits, one after the other."""
    if len(seeds) > 1:
        print(
            f"fit_replicas: on {keras.backend.backend()} the {len(seeds)} replicas are trained "
            "one after the other; the JAX backend trains them at the same time",
            file=sys.stderr,
        )
    histories, states, best, trained = [], [], [], []
    for k, seed in enumerate(seeds):
        path = None if backup_dir is None else os.path.join(backup_dir, f"replica_{seed}.npz")
        saved = None if path is None else read(path, plan, [seed])
        if not k:
            engine = SingleFit(first, seed, data, validation, plan.batch_size)
        else:
            engine.restart(seed, build)
        if saved is not None:
            engine.load(saved.values)
        own = plan
        if plan.rates is not None:
            own = replace(plan, rates=lambda epoch, k=k: plan.rates(epoch)[k : k + 1])
        history, values, epoch, count = run_epochs(engine, own, [seed], path, saved)
        histories.append(history)
        states.append(values)
        best.append(epoch)
        trained.append(count)
    longest = max(len(rows) for history in histories for rows in history.values())
    history = {name: np.full((len(seeds), longest), np.nan, "float32") for name in histories[0]}
    for k, found in enumerate(histories):
        for name, rows in found.items():
            history[name][k, : len(rows)] = np.concatenate(rows)
    values = [
        [np.concatenate(rows) for rows in zip(*group, strict=True)]
        for group in zip(*states, strict=True)
    ]
    return Replicas(build, seeds, history, values, *map(np.concatenate, (best, trained)))


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
