"""What the commands on data that need a licence share: loading, models alone, fits, predictions."""

import keras

import keras_fusion as kf


def load_or_explain(name, load):
    """What `load()` returns; where the data are not there or broken, the command ends and says so.

    Args:
        name: Of the data set in `kf.datasets`.
        load: Function without arguments.
    """
    try:
        return load()
    except (FileNotFoundError, ImportError, ValueError) as error:
        about = f"What this command needs:\n{kf.datasets.info(name)}"
        raise SystemExit(f"{error}\n\n{about}") from None


def alone(modality, network):
    """The network on its own, with its modality's name as the key of its input."""
    shape, dtype = network.input.shape[1:], network.input.dtype
    inputs = keras.Input(shape, dtype=dtype, name=modality)
    return keras.Model({modality: inputs}, network(inputs), name=f"{modality}_alone")


def part_of(modality):
    """What a row of one modality (None: of all) is trained on; data may be a function of folds."""

    def part(data, fold):
        data = data(fold) if callable(data) else data
        if modality is None:
            return data
        return {name: ({modality: x[modality]}, y) for name, (x, y) in data.items()}

    return part


def fitted(build, batches, seeds, args, backup_dir, learning_rate=None):
    """Trains one model after the other by ordinary fits on batches, which may stay on disk.

    With a `backup_dir` the state is saved after every epoch. A run that was killed goes on after
    its last epoch, with other draws for dropout and the order of samples than without the kill.

    Args:
        build: Function that returns a new compiled model.
        batches: Function of the seed that returns a `PyDataset`.
        seeds, args: Of the row.
        backup_dir: That of the row, or None where a run takes minutes.
        learning_rate: Function of the epoch (from 0) or None.

    Yields:
        The trained model of every seed.
    """
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = build()
        callbacks = []
        if backup_dir is not None:
            folder = str(backup_dir / f"seed_{seed}")
            callbacks.append(keras.callbacks.BackupAndRestore(folder))
        if learning_rate is not None:
            callbacks.append(keras.callbacks.LearningRateScheduler(learning_rate))
        verbose = 0 if args.quick else 2
        model.fit(batches(seed), epochs=args.epochs, callbacks=callbacks, verbose=verbose)
        yield model


def predicted(model, split, batch_size):
    """The predictions for a part `(x, y)`, those of the central head where there are several."""
    batches = kf.datasets.as_pydataset(split, batch_size, shuffle=False)
    found = model.predict(batches, verbose=0)
    return found["central"] if isinstance(found, dict) else found
