"""Figures: which modality counts, at which level, and how that came about."""

from keras_fusion.plots.fusion_history import plot_fusion_history
from keras_fusion.plots.fusion_weights import plot_fusion_weights

__all__ = ["plot_fusion_history", "plot_fusion_weights"]
