"""CentralNet paper, Table 2: errors of 14 methods on Multimodal MNIST.

    KERAS_BACKEND=jax python examples/papers/centralnet_table2.py
    python examples/papers/centralnet_table2.py --protocol short
    python examples/papers/centralnet_table2.py --quick

Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion, Sect. 3.1.

Protocol: energy 0.5, share ratio 0.5, LeNet5 with batch normalization and dropout 0.5, Adam with
learning rate 0.01, batches of 128, 55,000 training pairs, 100 epochs, mean of 64 runs with Student
interval (99 %). ModDrop has learning rate 0.05 and drops with probability 0.2, the Gated Multimodal
Unit has dropout 0.25. No epoch is selected; errors are counted once, in 10,000 test digits.

What the paper leaves open: the two ensembles see the original images, as the paper says of the one
of three, and their members are trained apart, on one order of samples; "one modality" is the mean
of the errors on either modality alone; fusion layers are those that the paper found best (2, 2, 2
and 1, 0, 2); Fusion+Ensemble trains on the loss of the mean and on both unimodal losses; all
seeds see the same two sets of singular vectors, chosen as `pca_modalities(shared="tail")` says.

--protocol short: the images and pairs of the paper, 12 epochs, the learning rate of every row
falling from 0.002 to 0 by half a cosine (the Gated Multimodal Unit and ModDrop with their dropout
and drop probability), 3 seeds. A seed of CentralNet takes a bit more than an hour of one CPU core
without AVX512, with TF_ENABLE_ONEDNN_OPTS=1, which TensorFlow does not set there.

--quick: 10,240 training pairs, 5,000 test digits (the errors are times 2), images of 14x14 (means
of 2x2 pixels), 3 epochs, 3 seeds: 240 steps of training, where the paper has 43,000. About 20
minutes on one CPU core with TensorFlow.
Data: `mnist.npz` in KERAS_FUSION_DATA or --data-dir, else Keras' download.
"""

import _options
import _table
from _centralnet import OPTIONS, PAIR, SHORT, errors, mm_mnist, networks, scores

import keras_fusion as kf

QUICK = {"epochs": 3, "seeds": 3, "samples": 10240, "test": 5000, "size": 14}


def ensemble(count, size):
    classifiers = [f"classifier_{i}" for i in range(1, count + 1)]
    return kf.build("ensemble", networks(classifiers, size), inputs="original")


def methods(args):
    """`{row: (published, function that builds it, learning rate, heads that train apart)}`."""
    size = args.size

    def fusion(method, dropout=0.5, **arguments):
        return lambda: kf.build(method, networks(PAIR, size, dropout), **arguments)

    def early(method, operation, level):
        return fusion(method, operation=operation, level=level, kernel_size=5)

    def apart(count):
        return lambda: ensemble(count, size), 0.01, [f"classifier_{i + 1}" for i in range(count)]

    return {
        "Baseline": ("66 ± 1.5", lambda: networks(["original"], size)["original"], 0.01),
        "Ensemble 2 classifiers": ("64 ± 1.3", *apart(2)),
        "Ensemble 3 classifiers": ("60 ± 1.0", *apart(3)),
        "Fusion Subtract": ("64 ± 1.8", fusion("subtract", level=2, kernel_size=5), 0.01),
        "Fusion Sum": ("68 ± 2.1", fusion("sum", level=2, kernel_size=5), 0.01),
        "Fusion Prod": ("71 ± 2.1", fusion("product", level=2, kernel_size=5), 0.01),
        "Fusion+Ensemble Subtract": ("63 ± 1.5", early("fusion_ensemble", "subtract", 1), 0.01),
        "Fusion+Ensemble Sum": ("56 ± 2.1", early("fusion_ensemble", "sum", 0), 0.01),
        "Fusion+Ensemble Prod": ("63 ± 1.5", early("fusion_ensemble", "product", 2), 0.01),
        "Baseline on one modality": ("230 ± 2.7", fusion("late_mean"), 0.01, PAIR),
        "Concat + Multi-Task": ("62 ± 1.2", fusion("concat_multitask"), 0.01),
        "Moddrop": ("60 ± 1.5", fusion("moddrop", rate=0.2, allow_none=True), 0.05),
        "Gated Multimodal Unit": ("68 ± 1.8", fusion("gmu", dropout=0.25), 0.01),
        "CentralNet": ("53 ± 1.2", fusion("centralnet", kernel_size=5), 0.01),
    }


def row(name, published, build, learning_rate, apart=()):
    def run(data, seeds, args, fold, backup_dir):
        if name == "Baseline":
            data = {part: (x["original"], y) for part, (x, y) in data.items()}
        found = scores(build, data, seeds, args, backup_dir, learning_rate, apart)
        # The mean of both modalities' classifiers, not the errors of their mean.
        heads = PAIR if name == "Baseline on one modality" else ["central"]
        wrong = sum(errors(found, head, args.test) for head in heads) / len(heads)
        return [{"errors": float(value)} for value in wrong]

    return _table.Row(name, run, {"errors": published})


def main():
    args = _options.arguments(
        __doc__, epochs=100, seeds=64, quick=QUICK, short=SHORT, options=OPTIONS
    )
    table = _table.Table(
        name="centralnet_table2",
        title="CentralNet, Table 2: errors in 10,000 test digits of Multimodal MNIST",
        rows=[row(name, *about) for name, about in methods(args).items()],
        metrics={"errors": "errors"},
        reference="Concat + Multi-Task",
    )
    _table.run(table, lambda: mm_mnist(args, original=True), args)


if __name__ == "__main__":
    main()
