"""keras_fusion: one Keras model out of several, each good at one modality."""

import importlib

from keras_fusion import (
    backbones,
    datasets,
    evaluation,
    export,
    layers,
    losses,
    metrics,
    models,
    plots,
    training,
)
from keras_fusion.backbones import fusion_points
from keras_fusion.export import export_saved_model
from keras_fusion.layers import CentralFusion
from keras_fusion.models import (
    FusionModel,
    build,
    build_centralnet,
    build_cross_attention,
    build_dtn,
    build_early_fusion,
    build_ensemble,
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
    centralnet_afew,
    centralnet_audioset,
    centralnet_av_mnist,
    centralnet_mm_imdb,
    centralnet_mm_mnist,
    centralnet_montalbano,
    methods,
    modality_gate_rgbd,
    xflow_cnn_mlp,
    xflow_cnn_mlp_lstm,
    xflow_dtn,
)
from keras_fusion.plots import plot_fusion_graph, plot_fusion_history, plot_fusion_weights
from keras_fusion.training import FusionWeightsHistory

__version__ = "0.1.0"

__all__ = [
    "CentralFusion",
    "FusionModel",
    "FusionWeightsHistory",
    "backbones",
    "build",
    "build_centralnet",
    "build_cross_attention",
    "build_dtn",
    "build_early_fusion",
    "build_ensemble",
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
    "centralnet_afew",
    "centralnet_audioset",
    "centralnet_av_mnist",
    "centralnet_mm_imdb",
    "centralnet_mm_mnist",
    "centralnet_montalbano",
    "datasets",
    "evaluation",
    "export",
    "export_saved_model",
    "fusion_points",
    "layers",
    "losses",
    "methods",
    "metrics",
    "modality_gate_rgbd",
    "models",
    "plot_fusion_graph",
    "plot_fusion_history",
    "plot_fusion_weights",
    "plots",
    "training",
    "xflow_cnn_mlp",
    "xflow_cnn_mlp_lstm",
    "xflow_dtn",
]


def __getattr__(name):
    # KerasTuner takes long to import, and is optional.
    if name == "tuning":
        return importlib.import_module("keras_fusion.tuning")
    raise AttributeError(f"module 'keras_fusion' has no attribute {name!r}")
