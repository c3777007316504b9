"""The papers' own networks: builders called with a paper's numbers, one file a paper."""

from keras_fusion.models.presets.centralnet import (
    centralnet_av_mnist,
    centralnet_mm_imdb,
    centralnet_mm_mnist,
    centralnet_montalbano,
)
from keras_fusion.models.presets.modality_gate import modality_gate_rgbd
from keras_fusion.models.presets.multilevel import centralnet_afew, centralnet_audioset
from keras_fusion.models.presets.xflow import xflow_cnn_mlp, xflow_cnn_mlp_lstm, xflow_dtn

__all__ = [
    "centralnet_afew",
    "centralnet_audioset",
    "centralnet_av_mnist",
    "centralnet_mm_imdb",
    "centralnet_mm_mnist",
    "centralnet_montalbano",
    "modality_gate_rgbd",
    "xflow_cnn_mlp",
    "xflow_cnn_mlp_lstm",
    "xflow_dtn",
]
