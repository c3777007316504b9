"""Metrics of the papers that Keras does not have, or not exactly."""

from keras_fusion.metrics._batch import is_sparse
from keras_fusion.metrics.calibration import BrierScore, ExpectedCalibrationError
from keras_fusion.metrics.classes import MacroAccuracy, NumberOfErrors
from keras_fusion.metrics.f1 import AVERAGES, F1
from keras_fusion.metrics.retrieval import recall_at_k, unit_length

__all__ = [
    "F1",
    "BrierScore",
    "ExpectedCalibrationError",
    "MacroAccuracy",
    "NumberOfErrors",
    "recall_at_k",
]
