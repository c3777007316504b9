"""KerasTuner's oracles, with files that survive a kill at any moment."""

import functools
import os
import pathlib
import shutil

import keras_tuner
import numpy as np

from keras_fusion._checks import check_choice
from keras_fusion.tuning._files import write_json


class _Safe:
    """Mixed into an oracle: its files are replaced as a whole."""

    def save(self):
        write_json(os.path.join(self._project_dir, "oracle.json"), self.get_state())

    def _save_trial(self, trial):
        path = os.path.join(self._get_trial_dir(trial.trial_id), "trial.json")
        write_json(path, trial.get_state())

    def reload(self):
        super().reload()
        # Killed between the two files of a new trial: the oracle does not know of it and draws
        # the same values again.
        for trial_id in set(self.trials) - set(self.start_order):
            del self.trials[trial_id]
            shutil.rmtree(pathlib.Path(self._project_dir) / f"trial_{trial_id}")
        # Files are listed in any order.
        self.trials = {trial_id: self.trials[trial_id] for trial_id in self.start_order}


class RandomOracle(_Safe, keras_tuner.oracles.RandomSearchOracle):
    """Random search."""


class GridOracle(_Safe, keras_tuner.oracles.GridSearchOracle):
    """Every combination, in turn."""

    def reload(self):
        super().reload()

        # KerasTuner does not keep the order of the combinations, without which it cannot go on.
        def by_values(one, other):
            one, other = (self.trials[trial].hyperparameters.values for trial in (one, other))
            return self._compare(one, other)

        self._populate_next = sorted(self.start_order, key=functools.cmp_to_key(by_values))
        for trial_id in self._populate_next:
            self._ordered_ids.insert(trial_id)


class BayesianOracle(_Safe, keras_tuner.oracles.BayesianOptimizationOracle):
    """A Gaussian process proposes the next trial."""

    def populate_space(self, trial_id):
        # KerasTuner does not keep how far its random numbers are, so that a search that goes on
        # would draw others.
        self._random_state = np.random.RandomState([self.seed, len(self.start_order)])
        return super().populate_space(trial_id)


class HyperbandOracle(_Safe, keras_tuner.oracles.HyperbandOracle):
    """Many trials of few epochs, and the better ones of them go on."""


ORACLES = {
    "random": RandomOracle,
    "bayesian": BayesianOracle,
    "hyperband": HyperbandOracle,
    "grid": GridOracle,
}


def make_oracle(kind, objective, max_trials, seed, options):
    """The oracle of that kind.

    Args:
        kind: String, one of `ORACLES`.
        objective: `keras_tuner.Objective`.
        max_trials: Optional positive integer, `None` for all that a grid or Hyperband has.
        seed: Optional integer.
        options: Dict with further arguments of the oracle.
    """
    check_choice("tuner", kind, list(ORACLES))
    if kind == "hyperband":
        if max_trials is not None:
            raise ValueError(
                "max_trials: expected None with hyperband, whose number of trials follows from "
                f"max_epochs and factor. Received: {max_trials!r}"
            )
    elif max_trials is not None or kind == "grid":
        options = {**options, "max_trials": max_trials}
    else:
        raise ValueError(f"max_trials: expected an int >= 1 with {kind}. Received: None")
    return ORACLES[kind](
        objective=objective,
        # KerasTuner takes 0 for no seed at all.
        seed=None if seed is None else seed + 1,
        # Counted by the tuner, which knows the reasons.
        max_consecutive_failed_trials=None,
        **options,
    )
