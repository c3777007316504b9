"""Fusions that say when they do not know, judged by calibration and under growing noise.

    python examples/trusted.py

Data: scikit-learn's 1,797 handwritten digits, each seen through two sets of singular vectors (no
download). Trains Dempster's rule on evidence (trusted), weights from the energy of the logits
(quality_aware), the mean of the predictions and a classifier of the concatenated features, with
several seeds; then adds noise to the first view of the test digits. Prints the accuracy and the
expected calibration error (ECE) of the central prediction at every ratio of signal to noise, and
how uncertain the trusted model is. Below five minutes on two CPU cores.

Expected (3 seeds): without noise the four are within two points of 95 %, and trusted is the least
calibrated (ECE 0.12, too careful). At -10 dB it keeps 56 % where late_mean has 35 and the others
17 % (ECE 0.16 against 0.22 and 0.8). Its uncertainty grows with the noise up to 0 dB and falls
again at -10: to a network strong noise looks like evidence.
"""

import argparse
import math

import keras
import numpy as np

import keras_fusion as kf

METHODS = ("trusted", "quality_aware", "late_mean", "concat_features")
NOISY = "image_a"
RATIOS = (math.inf, 10, 0, -10)  # of signal to noise, in decibels
BATCH = 64


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--methods", nargs="*", default=METHODS)
    args = parser.parse_args()
    data = kf.datasets.mm_digits.load_data()
    print(f"{'':16}" + "".join(f"{snr:>8} dB" for snr in RATIOS))
    for method in args.methods:
        runs = [scores(method, data, seed, args.epochs) for seed in range(args.seeds)]
        for name in runs[0]:
            means = np.mean([run[name] for run in runs], axis=0)
            print(f"{method:16}" + "".join(f"{mean:11.3f}" for mean in means) + f"  {name}")


def scores(method, data, seed, epochs):
    """`{score: [its value at every ratio]}` of a model trained on digits without noise."""
    keras.utils.set_random_seed(seed)
    (x, y), (x_test, y_test) = data["train"], data["test"]
    views = ("image_a", "image_b")
    backbones = {name: kf.backbones.lenet5((8, 8, 1), num_classes=10) for name in views}
    model = kf.build(method, backbones)
    loss = "sparse_categorical_crossentropy"
    if method == "trusted":  # the full price of wrong evidence from the half of the training on
        loss = kf.losses.EvidentialLoss(epochs * math.ceil(len(y) / BATCH) // 2 or 1)
    metrics = ["accuracy", kf.metrics.ExpectedCalibrationError(name="ece")]
    model.compile("adam", loss=loss, metrics=metrics)
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
    curve = kf.evaluation.noise_curves(model, x_test, y_test, RATIOS[1:], [NOISY])[NOISY]
    found = {name: [curve[snr][name] for snr in RATIOS] for name in ("accuracy", "ece")}
    if method == "trusted":
        noisy = [kf.evaluation.add_noise(x_test[NOISY], snr, [0, 0]) for snr in RATIOS]
        uncertain = [model.uncertainty({**x_test, NOISY: view}) for view in noisy]
        for name in ("central", *views):
            found[f"uncertainty, {name}"] = [of[name].mean() for of in uncertain]
    return found


if __name__ == "__main__":
    main()
