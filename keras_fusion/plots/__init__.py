"""Figures: which modality counts, at which level, and how that came about."""

from keras_fusion.plots.calibration import plot_calibration
from keras_fusion.plots.comparison import plot_comparison, plot_noise_curves
from keras_fusion.plots.critical_differences import plot_critical_difference
from keras_fusion.plots.fusion_graph import plot_fusion_graph
from keras_fusion.plots.fusion_history import plot_fusion_history
from keras_fusion.plots.fusion_weights import plot_fusion_weights
from keras_fusion.plots.modality_balance import plot_modality_balance
from keras_fusion.plots.score_grid import plot_score_grid
from keras_fusion.plots.search import plot_search

__all__ = [
    "plot_calibration",
    "plot_comparison",
    "plot_critical_difference",
    "plot_fusion_graph",
    "plot_fusion_history",
    "plot_fusion_weights",
    "plot_modality_balance",
    "plot_noise_curves",
    "plot_score_grid",
    "plot_search",
]
