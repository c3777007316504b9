"""What runs while a model trains."""

from keras_fusion.training.fusion_weights_history import FusionWeightsHistory, log_fusion_weights

__all__ = ["FusionWeightsHistory", "log_fusion_weights"]
