"""Hyperparameter search with KerasTuner. `import keras_fusion` does not load this package.

KerasTuner imports `six`, which it does not bring along, and on TensorFlow every search imports
`tensorboard`; the extra `tune` has both.
"""

try:
    import keras_tuner
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "keras_fusion.tuning needs KerasTuner and what that imports: "
        f'pip install "keras_fusion[tune]". Missing: {error.name}',
        name=error.name,
    ) from error

from keras_fusion.tuning.devices import count_gpus
from keras_fusion.tuning.hypermodel import FusionHyperModel
from keras_fusion.tuning.spaces import PRESETS, default_space
from keras_fusion.tuning.trials import read_trials
from keras_fusion.tuning.tuner import make_tuner

del keras_tuner

__all__ = [
    "PRESETS",
    "FusionHyperModel",
    "count_gpus",
    "default_space",
    "make_tuner",
    "read_trials",
]
