"""What does a search add to a trial, beyond fitting the same models?

Both sides train the same configurations with the same seeds: once `fit` alone, every model built,
compiled and trained in a loop; once a random search with its checkpoints, files and records. They
take turns, trial by trial, so that a busy machine slows both alike. Left out on both sides is the
first trial, in which the libraries load themselves.

Command:  python examples/benchmarks/search_overhead.py --trials 8
Time:     about 5 minutes on TensorFlow and two CPU cores
Expected: below 15 % or 2 s a trial, whichever is more
"""

import argparse
import tempfile
import time

import keras
import numpy as np

import keras_fusion as kf

SPACE = {
    "learning_rate": {"min": 1e-3, "max": 1e-2, "sampling": "log"},
    "rate": {"min": 0.0, "max": 0.8},
    "backbone_dropout": {"min": 0.0, "max": 0.7},
}


def backbones(dropout=0.5):
    names = ("image_a", "image_b")
    return {m: kf.backbones.lenet5((8, 8, 1), dropout=dropout, name=m) for m in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()

    data = kf.datasets.mm_digits.load_data()
    fit = {"validation_data": data["validation"], "epochs": args.epochs, "batch_size": 64}
    searched, plain = [], []

    def plain_fit(row):
        """The trial that has just ended, once more without a search."""
        searched.append(time.perf_counter() - clock[0])
        begin = time.perf_counter()
        keras.utils.set_random_seed(int(row["trial"]))
        hp.values = dict(row["values"])
        hypermodel.build(hp).fit(*data["train"], verbose=0, **fit)
        plain.append(time.perf_counter() - begin)
        clock[0] = time.perf_counter()

    hypermodel = kf.tuning.FusionHyperModel("moddrop", backbones, SPACE)
    with tempfile.TemporaryDirectory() as folder:
        trials = args.trials + 1
        tuner = kf.tuning.make_tuner(
            hypermodel, max_trials=trials, directory=folder, progress=plain_fit
        )
        hp = tuner.oracle.get_space()
        clock = [time.perf_counter()]
        tuner.search(*data["train"], **fit)

    searched, plain = np.array(searched[1:]), np.array(plain[1:])
    more = searched - plain
    print(f"backend {keras.backend.backend()}, {args.trials} trials of {args.epochs} epochs")
    print(f"fit alone   {np.median(plain):.2f} s a trial (median)")
    print(f"search      {np.median(searched):.2f} s a trial (median)")
    print(f"difference  {np.median(more):+.2f} s (median; {more.min():+.2f} to {more.max():+.2f})")
    print(f"ratio       {searched.sum() / plain.sum():.3f} (of the sums)")
    allowed = max(0.15 * np.median(plain), 2)
    verdict = "met" if np.median(more) <= allowed else "missed"
    print(f"to reach: at most {allowed:.2f} s a trial: {verdict}")


if __name__ == "__main__":
    main()
