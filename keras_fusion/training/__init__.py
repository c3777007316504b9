"""Training: callbacks of `fit`, and many replicas of a model at once."""

from keras_fusion.training._replica_runs import check_seeds
from keras_fusion.training._starts import Starts
from keras_fusion.training.backup_and_restore import BackupAndRestore
from keras_fusion.training.fusion_weights_history import FusionWeightsHistory, log_fusion_weights
from keras_fusion.training.modality_balance import ModalityBalance
from keras_fusion.training.replica_result import Replicas
from keras_fusion.training.replicas import fit_replicas, train_each

# Starts, check_seeds and train_each are for the rest of this package.
__all__ = [
    "BackupAndRestore",
    "FusionWeightsHistory",
    "ModalityBalance",
    "Replicas",
    "fit_replicas",
    "log_fusion_weights",
]
