"""keras_fusion: one Keras model out of several, each good at one modality."""

from keras_fusion import (
    backbones,
    datasets,
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
    build_early_fusion,
    build_ensemble,
    build_fusion_ensemble,
    build_gmu,
    build_hybrid_fusion,
    build_intermediate_fusion,
    build_late_fusion,
    build_modality_gated,
    build_moddrop,
    build_residual_gated,
    build_xflow,
    centralnet_av_mnist,
    centralnet_mm_mnist,
    methods,
    xflow_cnn_mlp,
    xflow_cnn_mlp_lstm,
)
from keras_fusion.plots import plot_fusion_history, plot_fusion_weights
from keras_fusion.training import FusionWeightsHistory

__version__ = "0.1.0"

__all__ = [
    "CentralFusion",
    "FusionModel",
    "FusionWeightsHistory",
    "backbones",
    "build",
    "build_centralnet",
    "build_early_fusion",
    "build_ensemble",
    "build_fusion_ensemble",
    "build_gmu",
    "build_hybrid_fusion",
    "build_intermediate_fusion",
    "build_late_fusion",
    "build_modality_gated",
    "build_moddrop",
    "build_residual_gated",
    "build_xflow",
    "centralnet_av_mnist",
    "centralnet_mm_mnist",
    "datasets",
    "export",
    "export_saved_model",
    "fusion_points",
    "layers",
    "losses",
    "methods",
    "metrics",
    "models",
    "plot_fusion_history",
    "plot_fusion_weights",
    "plots",
    "training",
    "xflow_cnn_mlp",
    "xflow_cnn_mlp_lstm",
]
