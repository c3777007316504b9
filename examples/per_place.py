"""One prediction for every step of a sequence, or for every pixel of an image.

    python examples/per_place.py steps
    python examples/per_place.py pixels

Data, made here. "steps": what a person does, step by step, from a sensor on the arm and one on the
foot: resting, walking, lifting, or walking while lifting; recordings of different lengths, padded.
"pixels": scikit-learn's handwritten digits as shapes in a scene, seen by its brightness and its
depth: background, ink (bright but flat), relief (raised but as dark as the wall) or an object
(both). Neither sensor alone tells all four. Trains each modality alone, late mean, CentralNet and
GMU with several seeds; validation chooses the epoch, the test data are read once. Prints mean and
standard deviation of the accuracy and of the mean intersection over union (IoU), of the steps that
are no padding.

Expected of pixels (3 seeds): brightness alone 86.2 % and an IoU of 0.324, depth alone 86.2 % and
0.316, late mean 86.9 % and 0.346, CentralNet 92.0 % and 0.625, GMU 91.6 % and 0.609: predictions
that are each blind for half of the classes cannot be averaged into what they do not see. Of
steps: arm alone 36.7 % (IoU 0.224), foot alone 38.7 % (0.237), late mean 57.1 % (0.399), CentralNet
58.2 % (0.410), GMU 59.9 % (0.427).
"""

import argparse

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, jaccard_score

import keras_fusion as kf

CLASSES, STEPS, SIZE = 4, 32, 16
PARTS = {"train": 400, "validation": 150, "test": 300}


def recordings(rng, samples, digits=None):
    """Two sensors, activities, and which steps are no padding."""
    x = {"arm": np.zeros((samples, STEPS, 3)), "foot": np.zeros((samples, STEPS, 2))}
    y, counts = np.zeros((samples, STEPS), int), np.zeros((samples, STEPS))
    for i in range(samples):
        length = rng.integers(STEPS // 2, STEPS + 1)
        activities = np.repeat(rng.integers(0, CLASSES, STEPS), rng.integers(5, 13, STEPS))
        y[i, :length], counts[i, :length] = activities[:length], 1
        moves = {"arm": y[i] >= 2, "foot": y[i] % 2 == 1}
        for name, signal in x.items():
            phase = rng.uniform(0, 6, signal.shape[-1]) + 0.9 * np.arange(length)[:, None]
            wave = np.sin(phase) * moves[name][:length, None]
            signal[i, :length] = wave + 0.9 * rng.normal(size=wave.shape)
    return x, y, counts


def scenes(rng, samples, digits):
    """Brightness and depth of two digits a scene, and what stands at every pixel."""
    x = {name: np.zeros((samples, SIZE, SIZE, 1)) for name in ("brightness", "depth")}
    y = np.zeros((samples, SIZE, SIZE), int)
    for i in range(samples):
        for digit in digits[rng.integers(0, len(digits), 2)]:
            top, left = rng.integers(0, SIZE - 8 + 1, 2)
            place = y[i, top : top + 8, left : left + 8]
            place[digit > 6] = rng.integers(1, CLASSES)
    for name, classes in (("brightness", (1, 3)), ("depth", (2, 3))):
        x[name][..., 0] = np.isin(y, classes) + 0.7 * rng.normal(size=y.shape)
    return x, y, np.ones(y.shape)


def of_steps(features):
    x = inputs = keras.Input((STEPS, features))
    x = layers.Masking()(x)
    x = layers.Bidirectional(layers.GRU(12, return_sequences=True))(x)
    return keras.Model(inputs, layers.Dense(CLASSES, "softmax")(x))


def of_pixels():
    convolution = {"kernel_size": 3, "padding": "same", "activation": "relu"}
    x = inputs = keras.Input((SIZE, SIZE, 1))
    x = layers.MaxPooling2D()(layers.Conv2D(12, **convolution)(x))
    x = layers.UpSampling2D()(layers.Conv2D(24, **convolution)(x))
    x = layers.Conv2D(12, **convolution)(layers.Concatenate()([x, inputs]))
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1, activation="softmax")(x))


TASKS = {
    "steps": (recordings, lambda: {"arm": of_steps(3), "foot": of_steps(2)}),
    "pixels": (scenes, lambda: {"brightness": of_pixels(), "depth": of_pixels()}),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    make, backbones = TASKS[args.task]
    builders = kf.evaluation.baselines(
        backbones,
        compile={
            "optimizer": keras.optimizers.Adam(0.01),
            "loss": "sparse_categorical_crossentropy",
            "weighted_metrics": ["accuracy"],
        },
        methods={"centralnet": {"dropout": 0.2}, "gmu": {"fusion_units": 24}},
    )
    del builders["weighted_mean"]
    rng = np.random.default_rng(0)
    # Digits of the test scenes are not seen before.
    kinds = np.split(rng.permutation(load_digits().images), [1000, 1300])
    data = {
        part: make(rng, count, digits)
        for (part, count), digits in zip(PARTS.items(), kinds, strict=True)
    }
    print(f"{'':18}{'accuracy':>16}{'mean IoU':>16}")
    for name, build in builders.items():
        runs = np.array([scores(build, data, seed, args.epochs) for seed in range(args.seeds)])
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(runs.mean(0), runs.std(0), strict=True)]
        print(f"{name:18}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def scores(build, data, seed, epochs):
    """Accuracy and mean IoU on the test data, of the epoch that validation chose."""
    keras.utils.set_random_seed(seed)
    model = build()
    stop = keras.callbacks.EarlyStopping(
        "val_central_loss", mode="min", patience=5, restore_best_weights=True
    )
    model.fit(
        *data["train"][:2],
        sample_weight=data["train"][2],
        validation_data=data["validation"],
        batch_size=50,
        epochs=epochs,
        callbacks=[stop],
        verbose=0,
    )
    x, y, counts = data["test"]
    found = model.predict(x, verbose=0)["central"].argmax(-1)[counts > 0]
    true = y[counts > 0]
    return accuracy_score(true, found), jaccard_score(true, found, average="macro")


if __name__ == "__main__":
    main()
