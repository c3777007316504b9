"""A KerasTuner tuner for fusion models: objective, failures, memory, resuming, many workers."""

import copy
import math
import os
import time

import keras
import keras_tuner

from keras_fusion._checks import check_int, check_seed
from keras_fusion.tuning._files import (
    check_folder,
    folder_error,
    is_folder_error,
    write_json,
)
from keras_fusion.tuning._objective import as_objective, check_logged, check_name, check_validation
from keras_fusion.tuning._oracles import make_oracle
from keras_fusion.tuning.devices import as_strategy, count_gpus, empty_cache
from keras_fusion.tuning.hypermodel import FusionHyperModel
from keras_fusion.tuning.trials import NOTE, read_note, reason_of


def make_tuner(
    hypermodel,
    tuner="random",
    *,
    objective=None,
    max_trials=None,
    executions=1,
    directory="runs/tuning",
    project_name="search",
    overwrite=False,
    seed=0,
    strategy=None,
    max_consecutive_failed_trials=10,
    max_interruptions=3,
    progress=None,
    **options,
):
    """Makes a tuner of KerasTuner that searches the hyperparameters of a fusion model.

    Use it like any tuner: `search(x, y, validation_data=...)`, `get_best_hyperparameters()`,
    `get_best_models()`. What it adds to KerasTuner's:

    - The objective is the central prediction's first metric on the validation data, with its
      direction. A name that no model logs is an error before the first trial.
    - A trial that cannot be built, runs out of memory or diverges (its loss or objective is no
      finite number) fails with its reason, and the search goes on; `kf.tuning.read_trials` has
      the reasons. A search without a single score is an error.
    - The same script, started again after a kill, goes on: trials that are done stay, the one
      that was running is trained anew. Trials get seeds of their own, so that they are the same
      trials as without the kill. A trial in which the process ends again and again (the system
      kills what takes too much memory) fails in the end.
    - A full disk or a folder that cannot be written ends the search with an error.
    - The model of an execution is gone before the next is built.

    Args:
        hypermodel: `FusionHyperModel`.
        tuner: String, `"random"`, `"bayesian"`, `"hyperband"` or `"grid"`. Defaults to `"random"`.
        objective: Optional string such as `"val_central_loss"`, or a `keras_tuner.Objective`.
            Defaults to `None`, the central prediction's first metric on the validation data.
        max_trials: Optional positive integer. `None` for `"hyperband"`, whose number of trials
            follows from its `max_epochs` and `factor`, and (all combinations) for `"grid"`.
            Defaults to `None`.
        executions: Positive integer, how often every configuration is trained; its score is the
            mean. Defaults to `1`.
        directory: String or path. The search lies in the folder `directory/project_name`. Defaults
            to `"runs/tuning"`.
        project_name: String, see `directory`. Defaults to `"search"`.
        overwrite: Boolean, whether a search that lies there is deleted; else it goes on. Defaults
            to `False`.
        seed: Optional integer; `None` for other values and weights at every start. Defaults to `0`.
        strategy: Optional string or `tf.distribute` strategy; `"mirrored"` (TensorFlow only): every
            trial on all GPUs. Defaults to `None`.
        max_consecutive_failed_trials: Optional positive integer, `None` for any number. After so
            many in a row the search ends with an error. Defaults to `10`.
        max_interruptions: Optional positive integer, `None` for any number. How often the process
            may end in the middle of a trial; then the trial fails instead of being started once
            more. Defaults to `3`.
        progress: Optional function that is called after every trial with a dict of "trial",
            "status", "score", "values", "reason" and "seconds". Defaults to `None`.
        **options: Of KerasTuner's oracle: `max_epochs`, `factor`, `hyperband_iterations`,
            `num_initial_points`, `alpha`, `beta`, `max_retries_per_trial`.

    Returns:
        A `keras_tuner.Tuner`. On many machines: the same script everywhere, with KerasTuner's
        environment variables.

    Raises:
        TypeError, ValueError: arguments that do not fit.
        OSError: the folder cannot be written.

    Example:

    >>> from functools import partial
    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> nets = {"a": partial(kf.backbones.mlp, 4), "b": partial(kf.backbones.mlp, 6)}
    >>> hypermodel = kf.tuning.FusionHyperModel("moddrop", nets)
    >>> tuner = kf.tuning.make_tuner(hypermodel, max_trials=1)
    >>> tuner.oracle.objective.name, tuner.oracle.objective.direction
    ('val_central_accuracy', 'max')
    >>> x, y = {"a": np.zeros((8, 4)), "b": np.zeros((8, 6))}, np.arange(8)
    >>> tuner.search(x, y, validation_data=(x, y), verbose=0)
    GPUs: ...
    >>> kf.tuning.read_trials("runs/tuning/search")[0]["status"]
    'COMPLETED'
    """
    if not isinstance(hypermodel, FusionHyperModel):
        raise TypeError(
            f"hypermodel: expected a FusionHyperModel. Received: {type(hypermodel).__name__}"
        )
    check_int("executions", executions)
    check_seed("seed", seed)
    for name, value in (
        ("max_trials", max_trials),
        ("max_consecutive_failed_trials", max_consecutive_failed_trials),
        ("max_interruptions", max_interruptions),
    ):
        if value is not None:
            check_int(name, value)
    objective = as_objective(objective, hypermodel.metrics)
    oracle = make_oracle(tuner, objective, max_trials, seed, options)
    check_folder(directory, project_name)
    kind = FusionHyperband if tuner == "hyperband" else FusionTuner
    return kind(
        oracle,
        hypermodel,
        seed,
        max_consecutive_failed_trials,
        max_interruptions,
        progress,
        directory=str(directory),
        project_name=project_name,
        overwrite=overwrite,
        executions_per_trial=executions,
        distribution_strategy=as_strategy(strategy),
    )


class _Fusion:
    """Mixed into a tuner: see `make_tuner`."""

    def __init__(
        self, oracle, hypermodel, seed, most_failures, most_interruptions, progress, **options
    ):
        self.seed, self._progress = seed, progress
        self._most_failures, self._most_interruptions = most_failures, most_interruptions
        self._failures, self._executions, self._reason, self._interruptions = [], [], None, 0
        # Not `super()`: KerasTuner's Hyperband would make an oracle of its own.
        keras_tuner.Tuner.__init__(self, oracle, hypermodel, **options)

    def _populate_initial_space(self):
        # KerasTuner would build a model for every condition of the space.
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)

    # ---- the search

    def search(self, *args, **kwargs):
        """As in KerasTuner; an error if the objective cannot be found, or no trial has a score."""
        is_chief = "chief" in self.tuner_id
        if not self._is_worker():
            self._check(*args, **kwargs)
            print(f"GPUs: {count_gpus()}, backend {keras.backend.backend()}")
            self.save()  # or a kill during the first trial would not be seen
        kwargs = {"verbose": 0, **kwargs}
        try:
            super().search(*args, **kwargs)
        except OSError as error:
            if is_folder_error(error) and not isinstance(error, keras_tuner.errors.FatalError):
                raise folder_error(self.project_dir, error) from error
            raise
        if self._is_worker():
            return
        trials = self.oracle.trials.values()
        if not any(t.status == "COMPLETED" and t.score is not None for t in trials):
            reasons = "\n".join(self._failures) or "see read_trials"
            where = f"{len(trials)} trials on the workers" if is_chief else f"{len(trials)} trials"
            raise RuntimeError(
                f"search: expected at least one trial with a score. Received: {where}, none of "
                f"them scored:\n{reasons}"
            )

    def _check(self, x=None, y=None, *args, callbacks=(), **kwargs):
        for callback in callbacks or ():
            try:
                copy.deepcopy(callback)
            except Exception as error:
                raise TypeError(
                    "callbacks: expected callbacks that copy.deepcopy can copy, as every trial "
                    f"gets its own. Received: {type(callback).__name__} ({error})"
                ) from error
        check_validation(self.oracle.objective, kwargs)
        try:
            model = self.hypermodel.build(keras_tuner.HyperParameters())
        except Exception:
            return  # the trials fail with it, each for itself
        check_logged(self.oracle.objective, model, y)

    # ---- a trial

    def on_trial_begin(self, trial):
        self._executions, self._reason, self._begin = [], None, time.perf_counter()
        before = read_note(self.get_trial_dir(trial.trial_id))
        # A note without a reason, of a trial that begins again: its process ended before it.
        ended = bool(before) and before.get("reason") is None
        self._interruptions = before.get("interruptions", 0) + ended
        self._note(trial)
        super().on_trial_begin(trial)

    def run_trial(self, trial, *args, **kwargs):
        try:
            most = self._most_interruptions
            if most is not None and self._interruptions >= most:
                raise keras_tuner.errors.FailedTrialError(
                    f"the process ended {self._interruptions} times in the middle of this trial: "
                    "killed, perhaps for want of memory (max_interruptions)"
                )
            return super().run_trial(trial, *args, **kwargs)
        except keras_tuner.errors.FatalError:
            raise
        except Exception as error:
            if is_folder_error(error):
                raise folder_error(self.project_dir, error) from error
            self._reason = reason_of(error)
            self._note(trial)
            raise

    def _build_and_fit_model(self, trial, *args, **kwargs):
        if self.seed is not None:
            # Of its own for every execution, whatever was trained before it in this process.
            number = 1000 * int(trial.trial_id) + len(self._executions)
            keras.utils.set_random_seed((self.seed * 1_000_003 + number) % 2**32)
        empty_cache()
        history = super()._build_and_fit_model(trial, *args, **kwargs)
        for callback in kwargs["callbacks"]:
            callback.set_model(None)  # or the model stays in memory beside the next one
        objective, logs = self.oracle.objective, history.history
        scores = logs[objective.name]
        best = scores.index(max(scores) if objective.direction == "max" else min(scores))
        self._executions.append(
            {"score": float(scores[best]), "best_epoch": best + 1, "epochs": len(scores)}
        )
        self._note(trial)
        return {name: float(values[best]) for name, values in logs.items()}

    def on_epoch_end(self, trial, model, epoch, logs=None):
        logs, objective = logs or {}, self.oracle.objective
        check_name(objective, list(logs))
        for name in ("loss", objective.name):
            if name in logs and not math.isfinite(logs[name]):
                raise keras_tuner.errors.FailedTrialError(
                    f"diverged: {name} is {logs[name]} after epoch {epoch + 1}"
                )
        super().on_epoch_end(trial, model, epoch, logs)

    def _note(self, trial):
        """What KerasTuner does not keep: the executions, and the reason of a failure in a line."""
        write_json(
            os.path.join(self.get_trial_dir(trial.trial_id), NOTE),
            {
                "objective": self.oracle.objective.name,
                "direction": self.oracle.objective.direction,
                "executions": self._executions,
                "reason": self._reason,
                "interruptions": self._interruptions,
                "seconds": round(time.perf_counter() - self._begin, 2),
                "tuner": self.tuner_id,
            },
        )

    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        done = self.oracle.get_trial(trial.trial_id)
        failed = done.status == "FAILED"
        if failed:
            self._failures.append(f"trial {trial.trial_id}: {self._reason}")
        elif done.status == "COMPLETED":
            self._failures = []
        if self._progress is not None:
            self._progress(
                {
                    "trial": trial.trial_id,
                    "status": done.status,
                    "score": done.score,
                    "values": dict(done.hyperparameters.values),
                    "reason": self._reason,
                    "seconds": time.perf_counter() - self._begin,
                }
            )
        if failed and len(self._failures) == self._most_failures:
            reasons = "\n".join(self._failures)
            raise RuntimeError(
                f"search: expected fewer than {self._most_failures} failed trials in a row "
                f"(max_consecutive_failed_trials). Received:\n{reasons}"
            )

    # ---- files

    def _get_tuner_fname(self):
        # One name for every process: with a file for each, a search of one process would not go
        # on with workers, but start again.
        return os.path.join(self.project_dir, "tuner.json")

    def reload(self):
        try:
            super().reload()
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                f"directory: expected the files of a search in {self.project_dir}. Received: "
                f"{error!r}; give overwrite=True or another project_name to start anew"
            ) from error

    def save(self):
        if not self._is_worker():
            self.oracle.save()
            write_json(self._get_tuner_fname(), self.get_state())


class FusionTuner(_Fusion, keras_tuner.Tuner):
    """Of random, Bayesian and grid searches."""


class FusionHyperband(_Fusion, keras_tuner.Hyperband):
    """Of Hyperband, whose trials have epochs of their own and go on from one another."""
