"""Losses of the papers that Keras does not have."""

from keras_fusion.losses.binary import WeightedBinaryCrossentropy
from keras_fusion.losses.crf import CRFLoss
from keras_fusion.losses.evidential import EvidentialLoss
from keras_fusion.losses.retrieval import BatchClassification, SoftTriplet

__all__ = [
    "BatchClassification",
    "CRFLoss",
    "EvidentialLoss",
    "SoftTriplet",
    "WeightedBinaryCrossentropy",
]
