"""Builders, one per fusion method, and the model they return."""

from keras_fusion.models.centralnet import build_centralnet
from keras_fusion.models.cross_attention import build_cross_attention
from keras_fusion.models.dtn import build_dtn, pretrain_dtn
from keras_fusion.models.ensembles import build_ensemble, build_fusion_ensemble
from keras_fusion.models.fusion_model import FusionModel
from keras_fusion.models.gmu import build_gmu
from keras_fusion.models.hybrid_fusion import build_hybrid_fusion
from keras_fusion.models.interactive_memory import build_interactive_memory
from keras_fusion.models.intermediate_fusion import build_early_fusion, build_intermediate_fusion
from keras_fusion.models.kernel_fusion import adapt_kernels, build_kernel_fusion
from keras_fusion.models.late_fusion import build_late_fusion
from keras_fusion.models.methods import Method, Methods, build, methods
from keras_fusion.models.modality_gated import build_modality_gated
from keras_fusion.models.moddrop import build_moddrop
from keras_fusion.models.paper_presets import (
    centralnet_afew,
    centralnet_audioset,
    centralnet_mm_imdb,
    centralnet_montalbano,
    modality_gate_rgbd,
)
from keras_fusion.models.placeholders import adapt_missing_modalities
from keras_fusion.models.presets import centralnet_av_mnist, centralnet_mm_mnist
from keras_fusion.models.residual_gated import build_residual_gated
from keras_fusion.models.shared_specific import build_shared_specific
from keras_fusion.models.xflow import build_xflow
from keras_fusion.models.xflow_presets import xflow_cnn_mlp, xflow_cnn_mlp_lstm, xflow_dtn

__all__ = [
    "FusionModel",
    "Method",
    "Methods",
    "adapt_kernels",
    "adapt_missing_modalities",
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
    "methods",
    "modality_gate_rgbd",
    "pretrain_dtn",
    "xflow_cnn_mlp",
    "xflow_cnn_mlp_lstm",
    "xflow_dtn",
]
