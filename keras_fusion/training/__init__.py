"""Training: callbacks of `fit`, and many replicas of a model at once."""

from keras_fusion.training._identity import data_digest, described, digest, model_digest
from keras_fusion.training._replica_data import Ordered
from keras_fusion.training._replica_epochs import rates
from keras_fusion.training._replica_fits import MadeCallbacks
from keras_fusion.training._replica_runs import check_arguments, check_seeds
from keras_fusion.training._starts import Starts
from keras_fusion.training.alignment import Alignment, align
from keras_fusion.training.backup_and_restore import BackupAndRestore
from keras_fusion.training.fusion_weights_history import FusionWeightsHistory, log_fusion_weights
from keras_fusion.training.modality_balance import ModalityBalance
from keras_fusion.training.replica_result import Replicas
from keras_fusion.training.replicas import fit_replicas, train_each

# What is not listed here is for other packages of this one.
__all__ = [
    "Alignment",
    "BackupAndRestore",
    "FusionWeightsHistory",
    "ModalityBalance",
    "Replicas",
    "align",
    "fit_replicas",
    "log_fusion_weights",
]
