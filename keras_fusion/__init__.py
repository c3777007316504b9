"""keras_fusion: one Keras model out of several, each good at one modality."""

import importlib

from keras_fusion import (
    backbones,
    datasets,
    evaluation,
    exporting,
    graph,
    layers,
    losses,
    metrics,
    models,
    plots,
    reporting,
    training,
)
from keras_fusion.exporting import export, export_saved_model, save_with_card
from keras_fusion.graph import fusion_points
from keras_fusion.models import FusionModel, build, fusion_method, methods, presets
from keras_fusion.models.builders import *  # noqa: F403
from keras_fusion.models.builders import __all__ as _builders
from keras_fusion.plots import plot_fusion_weights
from keras_fusion.reporting import report

__version__ = "0.2.0"

__all__ = [
    "FusionModel",
    "backbones",
    "build",
    "datasets",
    "evaluation",
    "export",
    "export_saved_model",
    "exporting",
    "fusion_method",
    "fusion_points",
    "graph",
    "layers",
    "losses",
    "methods",
    "metrics",
    "models",
    "plot_fusion_weights",
    "plots",
    "presets",
    "report",
    "reporting",
    "save_with_card",
    "training",
    *_builders,
]


def __getattr__(name):
    # KerasTuner takes long to import, and is optional.
    if name == "tuning":
        return importlib.import_module("keras_fusion.tuning")
    packages = (presets, layers, plots, training, models)
    place = next((p.__name__ for p in packages if name in p.__all__), None)
    hint = f"; it is {place}.{name}" if place else ""
    raise AttributeError(f"module 'keras_fusion' has no attribute {name!r}{hint}")
