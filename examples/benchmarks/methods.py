"""Which method, on which data? All of them tuned alike, and tested with new seeds.

Five data sets, small enough for many runs: mm_digits, mfeat (digits in two and in six views),
grid_digits (lips, and sound with noise of its own power), tcga_breast (tumours), womens_clothing
(reviews and a table; `_method_data.py` says what is made of them). The backbone of every modality
is an MLP with one hidden layer. mm_mnist and av_mnist: 5,000 pairs of images of 14x14 and
spectrograms, LeNet5, eight methods with their defaults. redundant and xor: made, so that the kind
of method that must win is known; all methods with their defaults.

Of every method, and of every modality alone, --trials configurations are trained on the training
part and scored on the validation part: the method's defaults, then draws from its search space
(with learning rate and dropout). The one with the best accuracy, then the lowest loss, is trained
with --seeds new seeds, and each of these reads the test part once: as it is, with one modality
absent in half of the samples, and with one at 0 dB, for which no method was trained. Epochs are
fixed, the learning rate falls to 0 by a cosine. Every run is a file in --results: started again,
the command goes on. At the end all runs are written to `methods-<data>.jsonl` in --output, and of
all data sets there the tables to `methods.md` and mean ranks to `methods.png`.

crf_fusion is left out: of one vector a modality it is a softmax. Training with absent modalities
would help where one is absent at test: `missing_modality.py` measures that.

Command:  KERAS_FUSION_DATA=folder KERAS_BACKEND=jax python examples/benchmarks/methods.py
          python examples/benchmarks/methods.py --data mfeat_few --methods late_mean gmu
          python examples/benchmarks/methods.py --report
Time:     it says before it starts how many hours it expects; on JAX the seeds of a method are
          trained together
"""

import argparse
import collections
import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import _method_report
import keras
import keras_tuner
import numpy as np
from _method_data import DATA, by_condition

import keras_fusion as kf

EIGHT = (
    "concat_features", "late_mean", "late_transformer", "centralnet", "gmu", "moddrop",
    "fusion_ensemble", "trusted",
)  # fmt: skip
CROSSENTROPY = "sparse_categorical_crossentropy"
SECONDS = 15  # of a run of which nothing is known


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    usual = [name for name in DATA if name != "mfeat_few"]
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=usual)
    parser.add_argument("--methods", nargs="+", help="all but crf_fusion, unless given")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="those of the data set, unless given")
    parser.add_argument("--workers", type=int, default=0, help="processes beside this one")
    parser.add_argument("--results", default="runs/benchmarks/methods")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--report", action="store_true", help="train nothing, report what is there")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if not args.report:
        print(expected(args), flush=True)
        for name in args.data:
            rows = measured(name, args)
            kf.evaluation.write_results(_method_report.file(args.output, name), rows)
    _method_report.write(args.output, usual if args.report else args.data)


def expected(args):
    """How many runs and hours are left at most, from the seconds of the runs that are known."""
    runs, hours = 0, 0.0
    for name in args.data:
        known = collections.defaultdict(list)
        for row in _method_report.read(args.output, name):
            known[row["method"]].append(row["seconds"])
        for method in everyone(name, args.methods):
            count = args.seeds + (0 if DATA[name].untuned else args.trials)
            runs += count
            hours += count * np.mean(known.get(method, [SECONDS])) / 3600
    return f"{runs} runs at most, about {hours / max(args.workers, 1):.1f} hours"


def everyone(name, methods):
    """Each modality alone, then the methods of a data set."""
    every = [method.name for method in kf.methods() if method.name != "crf_fusion"]
    usual = EIGHT if name in ("mm_mnist", "av_mnist") else every
    return [*(f"{modality} alone" for modality in shapes(name)), *(methods or usual)]


@functools.cache
def parts(name):
    return DATA[name].parts()


def shapes(name):
    return {modality: array.shape[1:] for modality, array in parts(name)["train"][0].items()}


def measured(name, args):
    """The runs on one data set with new seeds, as rows for the file."""
    task, data = DATA[name], parts(name)
    train = data["train"]
    epochs = args.epochs or task.epochs
    steps = epochs * -(-len(train[1]) // task.batch_size)
    options = {"results": args.results, "epochs": epochs, "batch_size": task.batch_size}
    if args.workers:
        spawn = multiprocessing.get_context("spawn")
        options["executor"] = partial(ProcessPoolExecutor, args.workers, spawn)
    methods, trials = everyone(name, args.methods), 1 if task.untuned else args.trials
    configurations = {(m, t): draw(name, m, t) for m in methods for t in range(trials)}
    chosen = dict.fromkeys(methods, (0, None))
    if trials > 1:
        tried = kf.evaluation.compare(
            {
                f"{method} {trial}": partial(build, name, method, values, steps)
                for (method, trial), values in configurations.items()
            },
            {"train": train, "test": data["validation"]},
            seeds=[0],
            name=f"{name}-validation",
            **options,
        )
        scores = {run["method"]: run["scores"] for run in tried.runs}
        for method in methods:
            trial = max(range(trials), key=lambda t, m=method: rank(scores[f"{m} {t}"]))
            chosen[method] = trial, scores[f"{method} {trial}"]["central_accuracy"]
    builders = {
        method: partial(build, name, method, configurations[method, trial], steps)
        for method, (trial, _) in chosen.items()
    }
    found = kf.evaluation.compare(
        builders,
        {"train": train, "test": data["test"]},
        seeds=range(1, args.seeds + 1),
        name=name,
        keep_predictions=True,
        **options,
    )
    sizes = {method: builder().count_params() for method, builder in builders.items()}
    return [
        row(name, run, found.predictions(run), *chosen[run["method"]], sizes[run["method"]])
        for run in found.runs
    ]


def rank(scores):
    """Of a trial: accuracy, and among equals the loss; what is no number comes last."""
    loss = scores["central_loss"]
    return (scores["central_accuracy"], -loss) if np.isfinite(loss) else (-1.0, 0.0)


def row(name, run, predictions, trial, validation, parameters):
    """A run with its accuracies on the three test parts, instead of one on all of them."""
    (truth,) = (v for k, v in predictions.items() if k in ("y_true", "y_true/central"))
    (found,) = (v for k, v in predictions.items() if k in ("y_pred", "y_pred/central"))
    kept = {k: v for k, v in run.items() if k not in ("identity", "predictions", "version")}
    return {**kept, "data": name, "scores": by_condition(truth, found), "trial": trial,
            "validation": validation, "parameters": parameters}  # fmt: skip


# ---- models


def hypermodel(name, method, steps=1):
    """A modality alone has the space of a method with none of its own."""
    task = DATA[name]
    trusted = kf.losses.EvidentialLoss(annealing_steps=max(steps // 2, 1))
    return kf.tuning.FusionHyperModel(
        "weighted_mean" if method.endswith(" alone") else method,
        partial(task.backbones, shapes(name)),
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
            build(name, method, hp.values, steps=1)
            break
        except ValueError:  # too many products of a tensor fusion, or landmarks of a kernel
            continue
    return dict(hp.values)


def build(name, method, values, steps):
    """A new compiled model of a configuration."""
    if method.endswith(" alone"):
        found = kf.evaluation.baselines(
            partial(DATA[name].backbones, shapes(name), values["backbone_dropout"]),
            compile={
                "optimizer": falling(values["learning_rate"], steps),
                "loss": CROSSENTROPY,
                "metrics": ["accuracy"],
            },
        )
        return found[method]()
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    model = hypermodel(name, method, steps).build(hp)
    if method == "kernel_fusion":  # its kernels begin with training samples
        kf.models.adapt_kernels(model, parts(name)["train"][0], seed=0)
    return model


if __name__ == "__main__":
    main()
