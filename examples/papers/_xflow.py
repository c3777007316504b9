"""What the commands for the XFlow paper share: data sets by fold, networks, two protocols.

Cangea, Velickovic and Lio (2017), XFlow: Cross-modal Deep Neural Networks for Audiovisual
Classification.

Protocol: k-fold cross-validation with whole people in the folds (AVletters 10, Digits 15, CUAVE 9),
Adam with learning rate 0.001, 300 epochs, batches of 128 (CNN x MLP, DTN) or 32 ({CNN x MLP}-LSTM),
frames and MFCCs as the files have them. Every fold and seed has a new model, trained on all other
people for a fixed number of epochs; nothing is selected, and the test part is read once.

--published-protocol does what the authors' script does instead: one model goes through all folds
(its optimizer starts anew, its weights do not), so from the second fold on it has been trained on
the people it is tested on; and of every fold it reports the best epoch, chosen by the test part.
Both make the result too good. The paper also keeps the best of five runs in each fold of its
larger models, which neither protocol here does: it is the mean over the seeds.

--data grid_digits needs no licence: 999 clips of one talker, 5 folds of clips (there is no other
talker, so this says nothing about new people), 12 frames of the lips and, in place of MFCCs, the
24 log-mel bands in the middle of each frame, with noise of the power of the sound.

--quick: 20 epochs, 1 seed, 2 folds, batches of 32 (more steps), frames of half the size.
"""

import argparse
import hashlib
import json

import _options
import _table
import keras
import numpy as np

import keras_fusion as kf

# Module of the data set, name of its networks, classes, folds.
DATA = {
    "avletters": ("avletters", "avletters", 26, 10),
    "cuave": ("cuave", "cuave", 10, 9),
    "digits": ("xflow_digits", "digits", 10, 15),
    "grid_digits": ("grid_digits", "digits", 10, 5),
}
# The paper's, which --shrink makes smaller.
KERNELS = {"cnn_mlp": {"avletters": (8, 4), "cuave": (32, 16), "digits": (32, 16)}}
KERNELS["cnn_mlp_lstm"] = {**KERNELS["cnn_mlp"], "avletters": (16, 8)}
FORMS = {"cnn_mlp": "averaged", "dtn": "averaged", "cnn_mlp_lstm": "sequences"}
BATCH = {"cnn_mlp": 128, "dtn": 128, "cnn_mlp_lstm": 32}
GRID_FRAMES = 6  # as CUAVE and Digits
QUICK = {"epochs": 20, "seeds": 1, "folds": 2, "batch": 32, "shrink": 2}
OPTIONS = (
    ("--batch", None, "batch size of all rows; without it the paper's 128 and 32"),
    ("--shrink", 1, "a pixel is the mean of so many by so many; kernels shrink with it"),
    ("--published-protocol", False, "the authors' way, which is too optimistic: see above"),
)


def arguments(doc, data=tuple(DATA), **changes):
    """The options of a command; as many folds as the data set has."""
    which = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    which.add_argument("--data", default=data[0])
    name = which.parse_known_args()[0].data
    if name not in data:
        raise SystemExit(f"--data: expected one of {list(data)}. Received: {name!r}")
    options = (("--data", name, f"one of {', '.join(data)}"), *OPTIONS)
    full = {"epochs": 300, "seeds": 5, "folds": DATA[name][3], "quick": QUICK, "options": options}
    return _options.arguments(f"{doc}\n{__doc__}", **{**full, **changes})


def folds(args):
    """A function of form and fold that returns `{"train": (x, y), "test": (x, y)}`.

    x has "image" and "audio". The last one stays in memory, and goes before the next is read.
    """
    kept = {}

    def parts(form, fold):
        if (form, fold) not in kept:
            kept.clear()
            kept[form, fold] = _load(args, form, fold)
        return kept[form, fold]

    return parts


def _load(args, form, fold):
    name = DATA[args.data][0]
    try:
        if name == "grid_digits":
            data = _grid_digits(args.data_dir, form, fold)
        else:
            module = getattr(kf.datasets, name)
            data = module.load_data(args.data_dir, form, fold, validation=False)
    except FileNotFoundError as error:
        raise SystemExit(
            f"{error}\n\n{kf.datasets.info(name)}\n\n--data grid_digits runs on open data."
        ) from None
    return {
        part: ({**x, "image": shrunk(x["image"], args.shrink, form)}, y)
        for part, (x, y) in data.items()
    }


def _grid_digits(data_dir, form, fold):
    """The clips of one fold; "holdout" is the file's own split."""
    from sklearn.model_selection import StratifiedKFold

    data = kf.datasets.grid_digits.load_data(data_dir, noise_db=0, spectrogram=True)
    if fold == "holdout":
        found = {part: data[part] for part in ("train", "test")}
    else:
        lips, audio, y = (
            np.concatenate(arrays)
            for arrays in zip(*((*x.values(), y) for x, y in data.values()), strict=True)
        )
        splitter = StratifiedKFold(DATA["grid_digits"][3], shuffle=True, random_state=0)
        rows = dict(zip(("train", "test"), list(splitter.split(lips, y))[fold], strict=True))
        found = {p: ({"lips": lips[r], "audio": audio[r]}, y[r]) for p, r in rows.items()}
    # Again, as the clips of this training part are others.
    mean, deviation = (f(found["train"][0]["audio"], axis=0) for f in (np.mean, np.std))
    parts = {}
    for part, (x, y) in found.items():
        image = x["lips"]
        audio = np.swapaxes((x["audio"] - mean) / deviation, 1, 2)[:, 1::2]
        if form == "averaged":
            image = np.moveaxis(_averaged(image[..., 0]), 1, -1)
            audio = _averaged(audio).reshape(len(y), -1)
        parts[part] = {"image": image, "audio": audio}, y
    return parts


def _averaged(values):
    """Means of overlapping windows, as the readers of the paper's data sets make them."""
    window = values.shape[1] - GRID_FRAMES + 1
    return np.stack([values[:, j : j + window].mean(axis=1) for j in range(GRID_FRAMES)], axis=1)


def shrunk(image, step, form):
    if step == 1:
        return image
    axis = 2 if form == "sequences" else 1
    height, width = (size // step for size in image.shape[axis : axis + 2])
    whole = (slice(None),) * axis + (slice(height * step), slice(width * step))
    shape = (*image.shape[:axis], height, step, width, step, *image.shape[axis + 2 :])
    return image[whole].reshape(shape).mean((axis + 1, axis + 3))


def network(kind, args, x, cross=True, residual=True):
    """A new CNN x MLP ("cnn_mlp") or {CNN x MLP}-LSTM ("cnn_mlp_lstm") for these inputs."""
    _, preset, classes, _ = DATA[args.data]
    kernels = (8, 4) if args.data == "grid_digits" else KERNELS[kind][preset]
    return getattr(kf.presets, f"xflow_{kind}")(
        preset,
        cross,
        residual,
        image_shape=x["image"].shape[1:],
        audio_shape=x["audio"].shape[1:],
        num_classes=classes,
        kernel_sizes=tuple(max(1, kernel // args.shrink) for kernel in kernels),
    )


def row(name, published, kind, cross=False, residual=False, fold=None):
    """A row that is one of the paper's networks; `fold`: instead of the command's."""

    def run(parts, seeds, args, number, backup_dir):
        def build():
            return network(kind, args, parts["train"][0], cross, residual)

        return scores(kind, build, parts, seeds, args, number, backup_dir)

    def part(data, number):
        return data(FORMS[kind], number if fold is None else fold)

    return _table.Row(name, run, {"accuracy": published}, part)


def compiled(model):
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def scores(kind, build, data, seeds, args, fold, backup_dir, prepare=None):
    """Trains once per seed; `prepare(model)` is called before, on the first model of a seed.

    Returns:
        List of dicts with the "accuracy" of each seed, in %.
    """
    batch = args.batch or BATCH[kind]

    def trained(make, seeds, **more):
        return kf.training.fit_replicas(
            make, *data["train"], seeds, args.epochs, batch, backup_dir=backup_dir, **more
        )

    if not args.published_protocol and prepare is None:
        replicas = trained(lambda: compiled(build()), seeds)
        return _percent(replicas.evaluate(*data["test"], batch_size=batch))
    found = []
    for seed in seeds:
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
            replicas = trained(make, [seed], validation_data=data["test"])
            path = _after(backup_dir, args, seed, fold)
            path.parent.mkdir(parents=True, exist_ok=True)
            replicas.replica(0).save_weights(path)
            # The one before is needed until this fold's run is written.
            _after(backup_dir, args, seed, fold - 2).unlink(missing_ok=True)
            history = replicas.history
            names = [n for n in history if n.startswith("val_") and n.endswith("accuracy")]
            best = {n.removeprefix("val_"): history[n].max(axis=1) for n in names}
            found += _percent(best)
        else:
            found += _percent(trained(make, [seed]).evaluate(*data["test"], batch_size=batch))
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


def run(number, roman, rows, reference, args, pairs=(), note=""):
    """Trains, prints and writes one of the paper's tables."""
    if args.published_protocol:
        note += (
            "The authors' protocol: one model through all folds, best epoch by the test part; "
            "both make the numbers too good."
        )
    else:
        note += "A new model for every fold and seed; the test part is read once."
    if args.data == "grid_digits":
        note += (
            " GRID digits, one talker, folds of clips, sound with noise of its own power: the "
            "paper has no numbers for them."
        )
    name, title = f"xflow_table{number}_{args.data}", f"XFlow, Table {roman}: {args.data}"
    metrics = {"accuracy": "Accuracy (%)"}
    table = _table.Table(name, title, rows, metrics, reference, note, pairs)
    _table.run(table, lambda: folds(args), args)
