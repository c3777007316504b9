"""How the commands for the XFlow paper train: both protocols, and what is chosen on test data."""

import hashlib
import json

import keras
import numpy as np

import keras_fusion as kf

BATCH = {"cnn_mlp": 128, "dtn": 128, "cnn_mlp_lstm": 32}


def compiled(model):
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def scores(kind, build, data, seeds, args, fold, backup_dir, prepare=None):
    """Trains once per seed; `prepare(model)` is called before, on the first model of a seed.

    Returns:
        List of dicts with the "accuracy" of each seed, in %. With --best-of or --sliding-mean it is
        the mean over the seed's runs, and "reported" what the paper would keep of them.
    """
    runs = [args.best_of * seed + k for seed in seeds for k in range(args.best_of)]
    found = _runs(kind, build, data, runs, args, fold, backup_dir, prepare)
    if not args.reported:
        return found
    groups = np.reshape([list(run.values()) for run in found], (len(seeds), args.best_of, 2))
    means, best = groups[:, :, 0].mean(axis=1), groups[:, :, 1].max(axis=1)
    return [
        {"accuracy": float(mean), "reported": float(most)}
        for mean, most in zip(means, best, strict=True)
    ]


def _runs(kind, build, data, seeds, args, fold, backup_dir, prepare):
    batch = args.batch or BATCH[kind]
    watched = {"validation_data": data["test"]} if args.sliding_mean else {}

    def trained(make, seeds, **more):
        more = {"backup_dir": backup_dir, **watched, **more}
        return kf.training.fit_replicas(make, *data["train"], seeds, args.epochs, batch, **more)

    def measured(replicas):
        found = _percent(replicas.evaluate(*data["test"], batch_size=batch))
        if not args.reported:
            return found
        best = _percent(_best(replicas.history, args.sliding_mean)) if watched else found
        return [
            {**last, "reported": chosen["accuracy"]}
            for last, chosen in zip(found, best, strict=True)
        ]

    if not args.published_protocol and prepare is None:
        return measured(trained(lambda: compiled(build()), seeds))
    found = []
    for seed in seeds:
        own = {"backup_dir": backup_dir / f"seed_{seed}"}  # as these trainings are several
        keras.utils.set_random_seed(seed)
        model = build()
        if args.published_protocol and fold > 0:
            _load_weights(model, _after(backup_dir, args, seed, fold - 1))
        elif prepare is not None:
            prepare(model)
        weights = model.get_weights()

        def make(weights=weights):
            model = build()
            model.set_weights(weights)
            return compiled(model)

        if args.published_protocol:
            replicas = trained(make, [seed], validation_data=data["test"], **own)
            path = _after(backup_dir, args, seed, fold)
            path.parent.mkdir(parents=True, exist_ok=True)
            replicas.replica(0).save_weights(path)
            # The one before is needed until this fold's run is written.
            _after(backup_dir, args, seed, fold - 2).unlink(missing_ok=True)
            found += _percent(_best(replicas.history, 1))
        else:
            found += measured(trained(make, [seed], **own))
    return found


def _best(history, window):
    """Of every replica the highest mean of so many validation accuracies in a row."""
    found = {}
    for name, values in history.items():
        if name.startswith("val_") and name.endswith("accuracy"):
            means = np.lib.stride_tricks.sliding_window_view(values, window, axis=1).mean(axis=-1)
            found[name.removeprefix("val_")] = means.max(axis=1)
    return found


def _percent(found):
    accuracy = found["central_accuracy" if "central_accuracy" in found else "accuracy"]
    return [{"accuracy": 100 * float(value)} for value in accuracy]


def _after(backup_dir, args, seed, fold):
    """The file of the one model's weights after a fold, of this table, row, protocol and seed."""
    row = backup_dir.name.rpartition("_")[0]  # without what tells folds apart
    which = json.dumps([row, args.protocol, seed, keras.backend.backend()])
    folder = f"xflow_{hashlib.sha256(which.encode()).hexdigest()[:8]}"
    return backup_dir.parent / folder / f"after_{fold}.weights.h5"


def _load_weights(model, path):
    if not path.exists():
        raise SystemExit(
            f"--published-protocol: expected the weights after the fold before in {path}. "
            "Received: no such file. Remove this row's runs from --results to start anew"
        )
    model.load_weights(path)
