"""Scores of trained models: comparisons, folds, subsets of modalities, noise, statistics."""

from keras_fusion.evaluation.baseline_builders import baselines
from keras_fusion.evaluation.cells import Cells
from keras_fusion.evaluation.comparing import compare
from keras_fusion.evaluation.comparison import Comparison
from keras_fusion.evaluation.cross_validation import cross_validate
from keras_fusion.evaluation.effects import effect_size
from keras_fusion.evaluation.folds import check_groups, group_folds
from keras_fusion.evaluation.noise import NoiseCurves, add_noise, noise_curves
from keras_fusion.evaluation.ranks import RankComparison, compare_over_data_sets
from keras_fusion.evaluation.report import markdown_report
from keras_fusion.evaluation.results import environment, read_results, write_results
from keras_fusion.evaluation.scores import classification_scores, f1_scores
from keras_fusion.evaluation.statistics import (
    corrected_t_test,
    holm,
    mean_interval,
    paired_t_test,
    welch_test,
    wilcoxon_test,
    z_test,
)
from keras_fusion.evaluation.subsets import ModalitySubsets, modality_subsets

__all__ = [
    "Cells",
    "Comparison",
    "ModalitySubsets",
    "NoiseCurves",
    "RankComparison",
    "add_noise",
    "baselines",
    "check_groups",
    "classification_scores",
    "compare",
    "compare_over_data_sets",
    "corrected_t_test",
    "cross_validate",
    "effect_size",
    "environment",
    "f1_scores",
    "group_folds",
    "holm",
    "markdown_report",
    "mean_interval",
    "modality_subsets",
    "noise_curves",
    "paired_t_test",
    "read_results",
    "welch_test",
    "wilcoxon_test",
    "write_results",
    "z_test",
]
