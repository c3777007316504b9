"""CentralNet paper, Table 5: macro accuracy of 10 methods on Montalbano's gestures.

    python examples/papers/centralnet_table5.py
    python examples/papers/centralnet_table5.py --quick

Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion, Sect. 3.3.

Protocol: features of sound, skeleton and both hands, padded with zeros to 400; a perceptron
400x128, 128x42, 42x21 for each modality with batch normalization and dropout 0.5; Adam with
learning rate 0.05, times 0.96 every epoch; batches of 42, two samples of each class; 100 epochs;
macro accuracy on the validation part, mean of 64 runs with Student interval (99 %). ModDrop drops
with probability 0.5. No epoch is selected: the validation part is read once, after the last one.

What the paper leaves open: an epoch has as many batches as one pass over all samples, so that
rare classes are seen more often than once; a modality alone is its perceptron; the Gated Multimodal
Unit and ModDrop's joint layer take the perceptrons' last hidden features and are as wide, 42;
ModDrop does not start from trained networks.

--quick: 3 epochs, 1 seed. Runs are trained one after the other, on every backend; one that was
interrupted begins anew.
Data: the features of Neverova et al., on request; see `kf.datasets.info("montalbano")`.
"""

import _options
import _table
import keras
from _licensed import alone, fitted, load_or_explain, part_of, predicted

import keras_fusion as kf

QUICK = {"epochs": 3, "seeds": 1}
MODALITIES = {"Left": "left_hand", "Audio": "audio", "Right": "right_hand", "Mocap": "mocap"}
SIZE, HIDDEN, CLASSES = 400, (128, 42), 21


def networks(names=None):
    """A perceptron for each name, by default for all modalities."""
    names = MODALITIES.values() if names is None else names
    return {
        name: kf.backbones.mlp(SIZE, HIDDEN, CLASSES, 0.5, name=f"mlp_{name}") for name in names
    }


def methods():
    """`{row: (published, function that builds it)}`."""

    def fusion(method, **arguments):
        return lambda: kf.build(method, networks(), **arguments)

    def single(modality):
        return lambda: alone(modality, networks([modality])[modality])

    return {
        "Left": ("46.0 ± 0.7", single("left_hand")),
        "Audio": ("59.3 ± 0.3", single("audio")),
        "Right": ("79.0 ± 0.3", single("right_hand")),
        "Mocap": ("88.0 ± 0.3", single("mocap")),
        "Weighted mean": ("97.54 ± 0.02", fusion("weighted_mean")),
        "Concat": ("97.76 ± 0.05", fusion("concat")),
        "Concat + Multi-Task": ("98.02 ± 0.04", fusion("concat_multitask")),
        "Moddrop": ("98.19 ± 0.03", fusion("moddrop", rate=0.5, allow_none=True)),
        "Gated Multimodal Unit": ("97.98 ± 0.04", fusion("gmu", fusion_units=HIDDEN[-1])),
        "CentralNet": ("98.27 ± 0.03", lambda: kf.presets.centralnet_montalbano(padded=True)),
    }


def trained(build, data, seeds, args):
    """The model of every seed, trained by the protocol above; `build` makes one, not compiled."""

    def compiled():
        model = build()
        model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
        return model

    def batches(seed):
        return kf.datasets.BalancedBatches(data["train"], per_class=2, seed=seed)

    def learning_rate(epoch):
        return 0.05 * 0.96**epoch

    return fitted(compiled, batches, seeds, args, None, learning_rate)


def row(name, published, build, modality=None):
    """A row of this table, or of another one with this protocol.

    Args:
        name, published: Of the row.
        build: Function that returns a new model, not compiled.
        modality: The one that the model takes, or None for all.
    """

    def run(data, seeds, args, fold, backup_dir):
        found = []
        for model in trained(build, data, seeds, args):
            scores = predicted(model, data["validation"], 500)
            scores = kf.evaluation.classification_scores(data["validation"][1], scores)
            found.append({"macro_accuracy": 100 * scores["macro_accuracy"]})
        return found

    return _table.Row(name, run, {"macro_accuracy": published}, part_of(modality))


def load(args):
    return load_or_explain("montalbano", lambda: kf.datasets.montalbano.load_data(args.data_dir))


def main():
    args = _options.arguments(__doc__, epochs=100, seeds=64, quick=QUICK)
    args.at_once = 1  # every run is written as soon as it is done
    table = _table.Table(
        name="centralnet_table5",
        title="CentralNet, Table 5: macro accuracy on Montalbano's validation part",
        rows=[row(name, *about, MODALITIES.get(name)) for name, about in methods().items()],
        metrics={"macro_accuracy": "macro accuracy, %"},
        reference="Concat + Multi-Task",
    )
    _table.run(table, lambda: load(args), args)


if __name__ == "__main__":
    main()
