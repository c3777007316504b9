"""Which method, on which data? All of them tuned alike, and tested with new seeds.

mfeat: handwritten digits in six views, 1,400 to train; mfeat_few: 200 of them, as all together are
nearly saturated. tcga_breast: 120 tumours in three modalities, of which one, the proteins, is
absent at test; it is absent in half of the training samples too, and in all of validation.
An MLP with one hidden layer is the backbone of every modality.

Of every method, and of every modality alone, --trials configurations are trained on the training
part and scored on the validation part: the method's defaults, then draws from its search space
(with learning rate and dropout). The one with the best accuracy, then the lowest loss, is trained
with --seeds new seeds, and each of these reads the test part once. Epochs are fixed, the learning
rate falls to 0 by a cosine. Every run is a file in --results: started again, the command goes on.

Command:  KERAS_FUSION_DATA=folder python examples/benchmarks/methods.py
          python examples/benchmarks/methods.py --data mfeat_few --methods late_mean gmu
Time:     about an hour a data set for the methods of MAIN, on a share of two busy CPU cores
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import keras
import keras_tuner
import numpy as np
from rich.console import Console
from rich.table import Table

import keras_fusion as kf

MAIN = (
    "concat_features", "late_mean", "weighted_mean", "late_transformer", "centralnet", "gmu",
    "moddrop", "bottleneck", "tensor_fusion", "low_rank_fusion", "film", "trusted",
    "quality_aware", "shared_specific",
)  # fmt: skip
CROSSENTROPY = "sparse_categorical_crossentropy"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=list(DATA))
    parser.add_argument("--methods", nargs="+", default=list(MAIN))
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="those of the data set, unless given")
    parser.add_argument("--workers", type=int, default=0, help="processes beside this one")
    parser.add_argument("--results", default="runs/benchmarks/methods")
    args = parser.parse_args()
    for name in args.data:
        measure(name, args)


def measure(name, args):
    data, task = DATA[name].load(), DATA[name]
    train, validation = data["train"], data["validation"]
    epochs = args.epochs or task.epochs
    steps = epochs * -(-len(train[1]) // task.batch_size)
    options = {
        "results": args.results,
        "epochs": epochs,
        "batch_size": task.batch_size,
    }
    if args.workers:
        spawn = multiprocessing.get_context("spawn")
        options["executor"] = partial(ProcessPoolExecutor, args.workers, spawn)
    alone = [f"{modality} alone" for modality in task.alone]
    configurations = {
        (method, trial): draw(name, method, trial)
        for method in [*alone, *args.methods]
        for trial in range(args.trials)
    }
    tried = kf.evaluation.compare(
        {
            f"{method} {trial}": partial(build, name, method, values, steps)
            for (method, trial), values in configurations.items()
        },
        {"train": train, "test": validation},
        seeds=[0],
        name=f"{name}-validation",
        **options,
    )
    scores = {run["method"]: run["scores"] for run in tried.runs}
    chosen = {}
    for method in [*alone, *args.methods]:
        trial = max(range(args.trials), key=lambda t, m=method: rank(scores[f"{m} {t}"]))
        chosen[method] = trial, scores[f"{method} {trial}"]["central_accuracy"]
    found = kf.evaluation.compare(
        {
            method: partial(build, name, method, configurations[method, trial], steps)
            for method, (trial, _) in chosen.items()
        },
        {"train": train, "test": data["test"]},
        seeds=range(1, args.seeds + 1),
        reference="concat_features" if "concat_features" in args.methods else None,
        level=0.95,
        name=name,
        **options,
    )
    report(name, found, chosen)


def rank(scores):
    """Of a trial: accuracy, and among equals the loss; what is no number comes last."""
    loss = scores["central_loss"]
    return (scores["central_accuracy"], -loss) if np.isfinite(loss) else (-1.0, 0.0)


def report(name, found, chosen):
    best = max(found.scores, key=lambda m: chosen[m][1] if m.endswith(" alone") else -1)
    print(f"\n{name}: accuracy on the test part; by validation the best alone is {best}")
    table = Table("method", "validation", "trial", "test: mean", "deviation", "lowest", "highest")
    for method, values in found.scores.items():
        trial, validation = chosen[method]
        deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
        numbers = (values.mean(), deviation, values.min(), values.max())
        table.add_row(
            method, f"{100 * validation:.1f}", str(trial), *(f"{100 * n:.1f}" for n in numbers)
        )
    Console(width=100).print(table)
    print(found)


# ---- data and backbones


@dataclass
class Task:
    """A data set, and what is made of it.

    Attributes:
        load: Function that returns the parts.
        features: Dict `{modality: number of features}`.
        classes, epochs, batch_size: Integers.
        alone: List of the modalities that are tried alone.
        arguments: Dict of arguments of every builder.
    """

    load: object
    features: dict
    classes: int
    epochs: int
    batch_size: int
    alone: list
    arguments: dict = field(default_factory=dict)

    def backbones(self, dropout):
        return {
            modality: kf.backbones.mlp(count, (128,), self.classes, dropout, name=modality)
            for modality, count in self.features.items()
        }


def load_mfeat(count=None):
    """With `count`, so many digits of every class to train."""
    data = kf.datasets.mfeat.load_data()
    if count is not None:
        x, y = data["train"]
        rows = np.concatenate([np.flatnonzero(y == digit)[:count] for digit in range(10)])
        data["train"] = {view: array[rows] for view, array in x.items()}, y[rows]
    return data


def load_tcga_breast():
    """Proteins are absent in half of the training samples, and in all others that count."""
    data = kf.datasets.tcga_breast.load_data()
    (x, y), (x_validation, y_validation) = data["train"], data["validation"]
    data["train"] = kf.datasets.drop_modalities(x, rate={"protein": 0.5}, seed=0), y
    data["validation"] = (
        kf.datasets.drop_modalities(x_validation, pattern="protein", fill=float("nan")),
        y_validation,
    )
    return data


VIEWS, OMICS = kf.datasets.mfeat.FEATURES, kf.datasets.tcga_breast.FEATURES
DATA = {
    "mfeat": Task(load_mfeat, VIEWS, 10, 20, 32, list(VIEWS)),
    "mfeat_few": Task(partial(load_mfeat, 20), VIEWS, 10, 40, 16, list(VIEWS)),
    "tcga_breast": Task(
        load_tcga_breast, OMICS, 3, 40, 16, ["mirna", "mrna"], {"missing_modalities": True}
    ),
}


# ---- models


def hypermodel(name, method, steps=1):
    """A modality alone has the space of a method with none of its own."""
    task = DATA[name]
    trusted = kf.losses.EvidentialLoss(annealing_steps=max(steps // 2, 1))
    return kf.tuning.FusionHyperModel(
        "weighted_mean" if method.endswith(" alone") else method,
        task.backbones,
        loss=trusted if method == "trusted" else CROSSENTROPY,
        optimizer=partial(falling, steps=steps),
        arguments=task.arguments,
    )


def falling(learning_rate, steps):
    """Adam, whose learning rate falls to 0."""
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps))


def draw(name, method, trial):
    """The values of a configuration: the defaults, then draws from the method's space."""
    model = hypermodel(name, method)
    hp = keras_tuner.HyperParameters()
    model.build(hp)
    generator = np.random.default_rng([trial, *method.encode()])
    while trial:
        for entry in hp.space:
            hp.values[entry.name] = entry.random_sample(int(generator.integers(2**31)))
        try:
            model.build(hp)
            break
        except ValueError:  # such as a tensor fusion of too many products
            continue
    return dict(hp.values)


def build(name, method, values, steps):
    """A new compiled model of a configuration."""
    if method.endswith(" alone"):
        found = kf.evaluation.baselines(
            partial(DATA[name].backbones, values["backbone_dropout"]),
            compile={
                "optimizer": falling(values["learning_rate"], steps),
                "loss": CROSSENTROPY,
                "metrics": ["accuracy"],
            },
        )
        return found[method]()
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return hypermodel(name, method, steps).build(hp)


if __name__ == "__main__":
    main()
