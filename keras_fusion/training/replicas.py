"""Many trainings that differ in the seed alone; on JAX all of them in one program."""

import inspect

from keras_fusion.training._replica_runs import joined, runs
from keras_fusion.training._starts import Starts


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
    class_weight=None,
    callbacks=None,
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
    .permutation(n)`. Random layers must be without a seed of their own. On JAX a replica that has
    stopped goes on being computed until the last one stops, but what it returns is fixed. On
    PyTorch Keras' dropout draws from PyTorch's global generator, which is seeded for every epoch;
    its draws are then not those of one `fit`.

    Every replica starts from its own weights. Where `build` returns layers of its own at every
    call, such as backbones that were made once, they start from the same values each time, the
    states of their random layers among them, and have these values again at the end.

    With `callbacks`, and with data that are not arrays in memory, every replica is one ordinary
    `fit` of all epochs, on JAX, too, and a line on stderr says so. Arrays, in memory or on disk,
    come in the same orders as above; arrays on disk are read batch after batch.

    Args:
        build: Function without arguments that returns a new compiled `keras.Model`, of the same
            architecture at every call.
        x, y: Arrays, or dictionaries of arrays, as for `fit`: in memory, or on disk
            (`numpy.memmap`, data sets of HDF5). Or `x` is a data set that `fit` takes, such as
            `keras.utils.PyDataset` or `tf.data.Dataset`, and `y` is `None`; its batches and their
            order are its own. Generators are refused, as the first replica would use them up.
        seeds: Sequence of distinct integers from 0 up, one for each replica.
        epochs: Positive integer. Defaults to `1`.
        batch_size: Positive integer. The last batch of an epoch is smaller where the samples do not
            divide. Not used for data sets. Defaults to `32`.
        validation_data: Optional `(x, y)` or `(x, y, sample_weight)`, or a data set, evaluated
            after every epoch. Defaults to `None`.
        sample_weight: Optional array, or dictionary of arrays, as for `fit`. Defaults to `None`.
        shuffle: Boolean, whether to shuffle the samples before every epoch. Of a data set `fit`
            shuffles the batches of a `PyDataset` only, and not if it has an order for every epoch,
            as `datasets.as_pydataset` has. Defaults to `True`.
        learning_rate: Float, sequence of one float for each replica, or function that returns
            either for an epoch (from 0): the learning rate that is set. Defaults to `None`, the
            optimizer's own, which may have a `LearningRateSchedule`.
        early_stopping: Optional `keras.callbacks.EarlyStopping`, applied to every replica by
            itself. A replica that stops keeps the state of its last epoch, or, with
            `restore_best_weights`, of its best (the optimizer's, too, but in an ordinary `fit`).
            Defaults to `None`.
        backup_dir: Optional path of a folder for the state after every epoch. If this training was
            interrupted, the same call goes on after the last whole epoch; with more `epochs` it
            goes on with one that was finished. JAX writes one file for all replicas, the others one
            for each; each is replaced as a whole. An ordinary `fit` of all epochs has a
            `BackupAndRestore`, in a folder for each replica. Defaults to `None`.
        convolutions: String, JAX only. "patches": convolutions are computed as products of
            matrices, which XLA batches well, and max-pooling as a plain maximum; "grouped": as
            `jax.vmap` makes them. Weights are the same. Defaults to `"patches"`.
        class_weight: Optional dictionary `{class index: weight}`, as for `fit`; classes that it
            leaves out weigh 1. It multiplies `sample_weight`. `y` is one array of class indices,
            `(n,)` or `(n, 1)`, or one-hot. Defaults to `None`.
        callbacks: Optional function without arguments that returns a new list of
            `keras.callbacks.Callback` for every replica. Defaults to `None`.
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
    return joined(runs(Starts(), **locals()))  # all of its arguments


def train_each(build, x, y, seeds, *, starts=None, **arguments):
    """`Replicas`, each as soon as it is trained: all seeds at once on JAX, else one by one.

    Arguments are checked at once, before anything is trained. `starts` is a `Starts` that other
    calls use, too; the other arguments are those of `fit_replicas`.
    """
    call = inspect.signature(fit_replicas).bind(build, x, y, seeds, **arguments)
    call.apply_defaults()
    return runs(Starts() if starts is None else starts, **call.arguments)
