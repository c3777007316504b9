"""A modality that is measured in training and missing at test: what to do with it.

    KERAS_FUSION_DATA=... python examples/missing_modality.py

Data: tcga_breast (read from the folder named by KERAS_FUSION_DATA), 220 breast tumours, three
subtypes; microRNA, messenger RNA and proteins, of which no test tumour has the proteins. Compares
leaving the proteins out of training with models that learn from them and do without at test
(`missing_modalities`, proteins dropped for half of the training tumours), and with the single
modalities. Ends in a table of test accuracies and in the scores of every subset of the
modalities on the validation tumours. Below two minutes on two CPU cores.

Expected: 70 test tumours, so one tumour is 1.4 %, and the features were picked with the subtype
in mind: with the mask all fusions but ModDrop lie within a tumour or two of each other; of the
CentralNets the one that is given zeros for proteins that it has always seen does worst. The
features are standardized, so that "mean" stands for about the same as "zero".
"""

import argparse

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import keras_fusion as kf

HERE = ("mirna", "mrna")  # at test
ALL = (*HERE, "protein")
# label: method, modalities, missing_modalities, how often the proteins are dropped in training
MODELS = {
    "CentralNet without the proteins": ("centralnet", HERE, False, 0.0),
    "CentralNet, zeros for proteins at test": ("centralnet", ALL, False, 0.0),
    "CentralNet, mask at test only": ("centralnet", ALL, "zero", 0.0),
    "mean of the predictions": ("late_mean", ALL, "zero", 0.0),
    "ModDrop": ("moddrop", ALL, "zero", 0.0),  # drops all of them, by itself
    'CentralNet, dropped, "mean"': ("centralnet", ALL, "mean", 0.5),
    'CentralNet, dropped, "learned"': ("centralnet", ALL, "learned", 0.5),
    'CentralNet, dropped, "zero"': ("centralnet", ALL, "zero", 0.5),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--models", nargs="*", default=[*HERE, *MODELS], help="rows of the table")
    args = parser.parse_args()
    data = kf.datasets.tcga_breast.load_data()
    found, console = {}, Console()
    for label in args.models:
        for seed in range(args.seeds):
            keras.utils.set_random_seed(seed)
            model, accuracy = train(label, data, args.epochs, seed)
            found.setdefault(label, []).append(accuracy)

    title = f"Test accuracy on 70 tumours without proteins, {args.seeds} seeds"
    table = Table(title=title, title_justify="left")
    for column in ("model", "mean", "lowest", "highest"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for label, values in found.items():
        row = (f"{100 * f(values):.1f} %" for f in (np.mean, min, max))
        table.add_row(f"{label} alone" if label in HERE else label, *row)
    console.print(table)
    if getattr(model, "has_present", False):
        x, y = data["validation"]
        console.print(f"{label}, each subset of the modalities, {len(y)} validation tumours:")
        print(kf.evaluation.modality_subsets(model, x, y))


def train(label, data, epochs, seed):
    """The trained model and its test accuracy."""
    (x, y), (x_test, y_test) = data["train"], data["test"]
    if label in HERE:
        model, x, x_test = network(label), x[label], x_test[label]
    else:
        method, modalities, missing, rate = MODELS[label]
        backbones = {name: network(name) for name in modalities}
        model = kf.build(method, backbones, missing_modalities=missing)
        if rate:
            x = kf.datasets.drop_modalities(x, rate={"protein": rate}, seed=seed)
        if missing == "mean":
            kf.models.adapt_missing_modalities(model, x)
        if not missing:  # nothing but zeros can stand there; standardized, they are the mean
            x_test = {name: np.nan_to_num(array) for name, array in x_test.items()}
    model.compile(
        keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    scores = model.evaluate(x_test, y_test, return_dict=True, verbose=0)
    return model, scores.get("central_accuracy", scores.get("accuracy"))


def network(name):
    features = kf.datasets.tcga_breast.FEATURES[name]
    return kf.backbones.mlp(features, hidden_units=(32,), num_classes=3, name=name)


if __name__ == "__main__":
    main()
