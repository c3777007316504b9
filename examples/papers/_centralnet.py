"""What the commands for the CentralNet paper's experiments with digits share.

Every row is one Keras model, trained for a fixed number of epochs with Adam at one learning rate,
in batches of 128; nothing is selected, and the test part is read once per trained model.

`--schedule cosine`, as in `--protocol short`, has another learning rate, the same for all rows: it
falls from 0.002 to 0 by half a cosine. In 12 epochs it brings LeNet5 where the paper is after 100.
"""

import keras
import numpy as np

import keras_fusion as kf

PAIR = ("image_a", "image_b")
OPTIONS = (
    ("--samples", 55000, "training pairs"),
    ("--test", 10000, "test digits"),
    ("--size", 28, "height and width of the images, 28, 14 or 7"),
    ("--shared", "tail", "the singular vectors that the views share: tail, random or leading"),
    ("--schedule", "constant", "of the learning rate: constant, or cosine for a falling one"),
)
SHORT = {"epochs": 12, "schedule": "cosine", "seeds": 3}


def trained(build, data, seeds, args, backup_dir, learning_rate, only=(), batch=128):
    """Trains `build()` once per seed.

    Args:
        build: Function that returns a new model, not compiled.
        data: Dict with "train" and "test", `(x, y)` each.
        seeds, args, backup_dir: Of the row.
        learning_rate: Float, of Adam where the schedule is constant.
        only: Names of the heads that are trained, each on its own loss; () for all the model's.
        batch: Int, the samples in one.

    Returns:
        `Replicas`.
    """

    steps = args.epochs * -(-len(data["train"][1]) // batch)

    def compiled():
        model = build()
        rate = learning_rate
        if getattr(args, "schedule", "constant") == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(0.002, steps)
        how = {"loss_weights": {head: float(head in only) for head in model.heads}} if only else {}
        model.compile(
            keras.optimizers.Adam(rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            **how,
        )
        return model

    return kf.training.fit_replicas(
        compiled, *data["train"], seeds, args.epochs, batch, backup_dir=backup_dir
    )


def scores(build, data, *how, **more):
    """What `evaluate` finds of `trained(...)` on the test part, `{name: array (seeds,)}`."""
    return trained(build, data, *how, **more).evaluate(*data["test"], batch_size=500)


def errors(found, head, count):
    """Errors, `(seeds,)`, from the accuracies that `scores` returned for `count` test digits.

    Of fewer than the paper's 10,000 they are what 10,000 would have.
    """
    accuracy = found.get(f"{head}_accuracy", found.get("accuracy"))
    return np.rint((1 - accuracy) * count) * (10000 / count)


def networks(names, size, dropout=0.5):
    """A LeNet5 for each name, on images of `size` x `size`."""
    return {
        name: kf.backbones.lenet5((size, size, 1), 10, dropout, name=f"lenet5_{name}")
        for name in names
    }


def mm_mnist(args, energy=0.5, share_ratio=0.5, original=False):
    """Multimodal MNIST, `{part: (x, y)}`; with the original images too if asked for."""
    shared = getattr(args, "shared", "tail")
    data = kf.datasets.mm_mnist.load_data(args.data_dir, energy, share_ratio, shared=shared)
    if original:
        whole = kf.datasets.mm_mnist.load_data(args.data_dir, energy=1.0, share_ratio=1.0)
        for part, (x, _) in data.items():
            x["original"] = whole[part][0]["image_a"]
    return reduced(data, args, dict.fromkeys((*PAIR, "original"), args.size))


def reduced(data, args, sizes):
    """The first `args.samples` of training and `args.test`; images of `{modality: size}`."""
    found = {}
    for part, count in (("train", args.samples), ("test", args.test)):
        x, y = data[part]
        if count > len(y):
            raise SystemExit(f"--samples, --test: expected {len(y)} at most. Received: {count}")
        x = {name: small(images[:count], sizes[name]) for name, images in x.items()}
        found[part] = x, y[:count]
    return found


def small(images, size):
    """Images of `size` x `size`; a pixel is the mean of a square of the given ones."""
    step, rest = divmod(images.shape[1], size)
    if rest:
        raise SystemExit(f"--size: expected a divisor of {images.shape[1]}. Received: {size}")
    if step == 1:
        return images
    shape = (len(images), size, step, size, step, images.shape[-1])
    return images.reshape(shape).mean((2, 4), dtype="float32")
