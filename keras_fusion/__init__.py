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
    training,
)
from keras_fusion.exporting import export, export_saved_model
from keras_fusion.graph import fusion_points
from keras_fusion.models import (
    FusionModel,
    build,
    build_centralnet,
    build_cross_attention,
    build_dtn,
    build_early_fusion,
    build_ensemble,
    build_fusion,
    build_fusion_ensemble,
    build_gmu,
    build_hybrid_fusion,
    build_interactive_memory,
    build_intermediate_fusion,
    build_kernel_fusion,
    build_late_fusion,
    build_modality_gated,
    build_moddrop,
    build_residual_gated,
    build_shared_specific,
    build_xflow,
    fusion_method,
    methods,
    presets,
)
from keras_fusion.plots import plot_fusion_weights

__version__ = "0.1.0"

__all__ = [
    "FusionModel",
    "backbones",
    "build",
    "build_centralnet",
    "build_cross_attention",
    "build_dtn",
    "build_early_fusion",
    "build_ensemble",
    "build_fusion",
    "build_fusion_ensemble",
    "build_gmu",
    "build_hybrid_fusion",
    "build_interactive_memory",
    "build_intermediate_fusion",
    "build_kernel_fusion",
    "build_late_fusion",
    "build_modality_gated",
    "build_moddrop",
    "build_residual_gated",
    "build_shared_specific",
    "build_xflow",
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
    "training",
]


def __getattr__(name):
    # KerasTuner takes long to import, and is optional.
    if name == "tuning":
        return importlib.import_module("keras_fusion.tuning")
    raise AttributeError(f"module 'keras_fusion' has no attribute {name!r}")
