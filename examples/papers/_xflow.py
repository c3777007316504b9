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
Both make the result too good.

--best-of 5 adds what the paper does: it trained its larger models five times per fold (AVletters,
Digits) and kept the run that was best on the test part. Here every seed stands for so many runs, of
all rows; "accuracy" is their mean, and the best one stands in a table of its own. With
--sliding-mean 5 a run's result in that table is not that of its last epoch but the highest mean of
the test accuracies of so many epochs in a row: 5 is the window of the paper's Fig. 7, and 1 the
best epoch, as the authors' script has it. Both choose on test data: that table tells how far the
paper's way of reporting goes, and is comparable with nothing but the paper. Every fold and run has
a new model as before, and the first table stays honest.

--data grid_digits needs no licence: 999 clips of one talker, 5 folds of clips (there is no other
talker, so this says nothing about new people), 12 frames of the lips and, in place of MFCCs, the
24 log-mel bands in the middle of each frame, with noise of the power of the sound.

--quick: 20 epochs, 1 seed, 2 folds, batches of 32 (more steps), frames of half the size.
"""

import argparse

import _options
import _table
import numpy as np
from _xflow_runs import BATCH as BATCH  # this and the next one for the commands
from _xflow_runs import compiled as compiled
from _xflow_runs import scores

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
GRID_FRAMES = 6  # as CUAVE and Digits
QUICK = {"epochs": 20, "seeds": 1, "folds": 2, "batch": 32, "shrink": 2}
OPTIONS = (
    ("--batch", None, "batch size of all rows; without it the paper's 128 and 32"),
    ("--shrink", 1, "a pixel is the mean of so many by so many; kernels shrink with it"),
    ("--published-protocol", False, "the authors' way, which is too optimistic: see above"),
    ("--best-of", 1, "also the best of so many runs per fold by the test part: see above"),
    ("--sliding-mean", 0, "also the best mean of so many epochs by the test part: see above"),
)
REPORTED = ("best_of", "sliding_mean")  # of these, what chooses on test data


def arguments(doc, data=tuple(DATA), **changes):
    """The options of a command; as many folds as the data set has."""
    which = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    which.add_argument("--data", default=data[0])
    name = which.parse_known_args()[0].data
    if name not in data:
        raise SystemExit(f"--data: expected one of {list(data)}. Received: {name!r}")
    options = (("--data", name, f"one of {', '.join(data)}"), *OPTIONS)
    full = {"epochs": 300, "seeds": 5, "folds": DATA[name][3], "quick": QUICK, "options": options}
    args = _options.arguments(f"{doc}\n{__doc__}", **{**full, **changes})
    _check_reported(args)
    return args


def _check_reported(args):
    """Whether results are chosen on test data as well; without, runs are those of before."""
    if args.best_of < 1 or not 0 <= args.sliding_mean <= args.epochs:
        raise SystemExit(
            f"--best-of, --sliding-mean: expected 1 or more runs, and 0 to {args.epochs} epochs. "
            f"Received: {args.best_of}, {args.sliding_mean}"
        )
    args.reported = args.best_of > 1 or args.sliding_mean > 0
    if args.reported and args.published_protocol:
        raise SystemExit(
            "--best-of, --sliding-mean: expected a new model for every fold. Received: "
            "--published-protocol, which has one for all of them"
        )
    for name in () if args.reported else REPORTED:
        del args.protocol[name]


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

    return _table.Row(name, run, {"accuracy": published, "reported": published}, part)


def _reported_heading(args):
    runs = f"the best of {args.best_of} runs per fold" if args.best_of > 1 else ""
    window = args.sliding_mean
    epochs = f"the best mean of {window} epochs in a row" if window > 1 else "the best epoch"
    which = ", of each ".join(filter(None, (runs, epochs if window else "")))
    return f"Accuracy (%) as XFlow reports it: {which}; chosen on test data, not comparable"


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
    if args.reported:
        title += ", and as XFlow reports it"
        metrics["reported"] = _reported_heading(args)
        note += (
            " Nothing in the first table is chosen on test data: accuracies are those after the "
            "last epoch, means over the runs."
        )
    table = _table.Table(name, title, rows, metrics, reference, note, pairs)
    _table.run(table, lambda: folds(args), args)
