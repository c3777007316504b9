"""The runs of a comparison: which there are, which are there already, which are to be trained."""

import gc
import itertools
import os
import secrets
import shutil
import sys
from dataclasses import dataclass

import keras
import numpy as np

from keras_fusion.evaluation._executors import run_tasks
from keras_fusion.evaluation._parts import few, is_arrays
from keras_fusion.evaluation._progress import progress
from keras_fusion.evaluation._rows import default_metric, score_of
from keras_fusion.evaluation._work import Task, run_seeds
from keras_fusion.training import MadeCallbacks, Starts, described, digest, model_digest, rates

_FORMAT = 1  # of what a run's hash is made of


@dataclass
class Run:
    """One training: of a method, on a fold (or None), with a seed; its row when it is done."""

    method: str
    fold: int | None
    seed: int
    key: str | None = None  # the name of its file
    group: str | None = None  # the same for all seeds
    row: dict | None = None

    @property
    def scores(self):
        return (self.row or {}).get("scores")


class Plan:
    """All runs of a comparison.

    Args:
        methods: Dictionary `{name: builder}`.
        source: `Source` of the data.
        seeds: List of integers.
        arguments: Dictionary of arguments of `fit_replicas`.
        cells: `Cells`, or `None`: results are kept in memory alone.
        name, version, keep_predictions, backup_dir: Of `compare`.
    """

    def __init__(
        self, methods, source, seeds, arguments, cells, name, version, keep_predictions, backup_dir
    ):
        self.methods, self.source, self.seeds = methods, source, seeds
        self.cells, self.name, self.version = cells, name, version
        self.keep_predictions, self.backup_dir = keep_predictions, backup_dir
        self.starts, self._models, self._kept = Starts(), {}, {}
        self.arguments, self._about = self._resolved(arguments)
        self.runs = [
            Run(method, fold, seed)
            for fold, method, seed in itertools.product(source.numbers, methods, seeds)
        ]
        self.chosen = self.runs

    def _resolved(self, arguments):
        """The arguments with rates for every epoch and seed, and what they are as plain values."""
        about = {key: described(value) for key, value in sorted(arguments.items())}
        about.pop("verbose", None)
        if arguments.get("callbacks") is not None:
            about["callbacks"] = described(MadeCallbacks(arguments["callbacks"])())
        if (given := arguments.get("learning_rate")) is None:
            return arguments, about
        epochs = range(arguments.get("epochs", 1))
        table = [rates(given, len(self.seeds), epoch).tolist() for epoch in epochs]
        about["learning_rate"] = table
        return {**arguments, "learning_rate": table}, about

    # ---- before the first training

    def check(self, metric, refresh, shard):
        """Checks methods and data and finds what is there; returns the metric."""
        if shard is not None:
            self.chosen = self.runs[shard[0] :: shard[1]]
        for fold in self.source.numbers:
            self.source.parts(fold)  # what `prepare` returns is checked
            if self.cells is not None or self.backup_dir is not None:
                self._identify(fold)
        if self.backup_dir is not None and any(run.group is None for run in self.runs):
            raise ValueError(
                "data_key: expected a string that stands for the data, as `backup_dir` must not go "
                "on with a training on others. Received: None"
            )
        if self.cells is not None:
            self._find(refresh)
        missing = {run.method for run in self.chosen if run.scores is None}
        found = {run.method: run.scores for run in self.runs if run.scores is not None}
        parts = self.source.parts(self.source.numbers[0])
        if self.keep_predictions and not is_arrays(parts["test"]):
            raise TypeError(
                "keep_predictions: expected False, as the targets of a data set are not at hand. "
                "Received: True"
            )
        for method, build in self.methods.items():
            scores = self._tried(method, build, parts) if method in missing else found.get(method)
            if scores is not None:
                metric = default_metric(scores) if metric is None else metric
                score_of(scores, metric)
        return metric

    def _identify(self, fold):
        data = self.source.identity(fold)
        for run in self.runs:
            if run.fold != fold:
                continue
            if data is None:
                run.key = secrets.token_hex(16)
                continue
            place = self.seeds.index(run.seed)
            about = dict(self._about)
            if "learning_rate" in about:
                about["learning_rate"] = [row[place] for row in about["learning_rate"]]
            made_by = {
                "format": _FORMAT,
                "method": run.method,
                "name": self.name,
                "fold": fold,
                "data": data,
                "arguments": about,
                "backend": keras.backend.backend(),
                "version": self.version,
            }
            run.key = digest({**made_by, "seed": run.seed, "model": self._model(run)})
            run.group = digest(made_by)

    def _model(self, run):
        """The digest of the model with which a run starts; the same on every fold."""
        which = run.method, run.seed
        if which not in self._models:
            model = self.starts(self.methods[run.method], run.seed)
            self._checked(run.method, model)
            self._models[which] = model_digest(model)
        return self._models[which]

    def _find(self, refresh):
        for run in self.runs:
            if refresh or run.key is None:
                continue
            row = self.cells.find(run.key)
            if row is None or (self.keep_predictions and "predictions" not in row):
                continue
            run.row = row
        for method in self.methods:
            runs = [run for run in self.chosen if run.method == method]
            rows = [run.row for run in runs if run.scores is not None]
            if rows:
                dates = sorted({row["date"][:10] for row in rows})
                versions = " or ".join(sorted({row["keras"] for row in rows}))
                when = " to ".join(dict.fromkeys((dates[0], dates[-1])))
                _say(
                    f"{len(rows)} of {len(runs)} runs of {method} from {self.cells.folder}, "
                    f"trained {when} with Keras {versions}"
                )

    def _tried(self, method, build, parts):
        """The scores of a few samples, before training: names, shapes and targets are checked."""
        model = self.starts(build, self.seeds[0])
        self._checked(method, model)
        model.run_eagerly = True  # nothing is compiled for it
        try:
            for part in parts.values():
                scores = model.test_on_batch(*few(part), return_dict=True)
        except Exception as error:
            error.add_note(f"This is what the first samples give with the method {method!r}.")
            raise
        return {name: float(value) for name, value in scores.items()}

    def _checked(self, method, model):
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"methods: expected {method!r} to return a keras.Model. Received: {model!r}"
            )
        if not model.compiled or model.optimizer is None:
            raise ValueError(
                f"methods: expected {method!r} to return a compiled model, with optimizer and "
                f'loss. Received: "{model.name}", not compiled'
            )

    # ---- the trainings

    def run(self, executor, verbose):
        """Trains what is missing, in this process or on an executor."""
        missing = [run for run in self.chosen if run.scores is None]
        with progress(len(missing), verbose) as advance:
            if executor is None:
                for runs in self._groups(missing):
                    self._serial(runs, advance)
            elif missing:
                tasks = [(self._task(run), run) for run in missing]
                run_tasks(tasks, executor, self.source, self._finish_task(advance))
        for run in self.runs:  # those of other shards
            if run.row is None and self.cells is not None and run.key is not None:
                run.row = self.cells.find(run.key)
        absent = sum(run.row is None for run in self.runs)
        if absent:
            _say(f"{absent} of {len(self.runs)} runs are those of other shards, not there yet")

    def _groups(self, runs):
        for _, group in itertools.groupby(runs, lambda run: (run.fold, run.method)):
            yield list(group)

    def _serial(self, runs, advance):
        method, fold = runs[0].method, runs[0].fold
        by_seed, seeds = {run.seed: run for run in runs}, [run.seed for run in runs]
        folder = self._folder(runs)
        gc.collect()  # or the models before it stay in memory
        found = run_seeds(
            self.methods[method], self.source.parts(fold), seeds, self._arguments(seeds),
            self.starts, self.keep_predictions, folder,
        )  # fmt: skip
        for seed, row, predictions in found:
            self._finish(by_seed[seed], row, predictions)
            advance(f"{method}, {'' if fold is None else f'fold {fold}, '}seed {seed}")
        self._remove(folder)

    def _task(self, run):
        return Task(
            run.fold, self.source.identity(run.fold), self._model(run), self.methods[run.method],
            run.seed, self._arguments([run.seed]), self.keep_predictions, self._folder([run]),
        )  # fmt: skip

    def _finish_task(self, advance):
        def finish(run, found, failed):
            if failed is None:
                self._finish(run, *found)
                self._remove(self._folder([run]))
            else:
                self._finish(run, {"failed": failed}, None)
                _say(f"{run.method}, seed {run.seed}: {failed}")
            advance(f"{run.method}, seed {run.seed}")

        return finish

    def _finish(self, run, row, predictions):
        about = {key: v for key, v in self._about.items() if key != "learning_rate"}
        place = {} if run.fold is None else {"fold": run.fold}
        row = {"method": run.method, "data": self.name, **place, "seed": run.seed,
               "arguments": about, "version": self.version, **row}  # fmt: skip
        if self.cells is None:
            run.row = row
            if predictions is not None:
                self._kept[_which(row)] = predictions
            return
        self.cells.write(run.key, row, predictions)
        run.row = self.cells.find(run.key)

    def _arguments(self, seeds):
        """The arguments of `fit_replicas` for some of the seeds."""
        if "learning_rate" not in self.arguments or self.arguments["learning_rate"] is None:
            return self.arguments
        places = [self.seeds.index(seed) for seed in seeds]
        return {**self.arguments, "learning_rate": Rates(self.arguments["learning_rate"], places)}

    def _folder(self, runs):
        """A folder for the unfinished training of these runs and of no other."""
        if self.backup_dir is None:
            return None
        seeds = [run.seed for run in runs] if keras.backend.backend() == "jax" else None
        return os.path.join(self.backup_dir, digest([runs[0].group, seeds]))

    def _remove(self, folder):
        if folder is not None and self.cells is not None:
            shutil.rmtree(folder, ignore_errors=True)

    # ---- the results

    def rows(self):
        """The rows of all runs that were trained or found, method by method."""
        done = [run for run in self.runs if run.row is not None]
        return [run.row for method in self.methods for run in done if run.method == method]

    def predictions(self, row):
        """The arrays that were kept with a row; `None` if there are none."""
        if self.cells is not None:
            return self.cells.predictions(row)
        return self._kept.get(_which(row))


class Rates:
    """The learning rates of some seeds in every epoch, as `fit_replicas` asks for them."""

    def __init__(self, table, places):
        self.table = np.asarray(table)[:, places].tolist()

    def __call__(self, epoch):
        return self.table[epoch]


def _which(row):
    return tuple(row.get(name) for name in ("method", "fold", "seed"))


def _say(text):
    print(text, file=sys.stderr, flush=True)
