"""Unimodal networks, and the places of any Keras model at which fusion can begin."""

from keras_fusion.backbones.fusion_points import FusionPoint, FusionPoints, fusion_points
from keras_fusion.backbones.lenet import audio_cnn, lenet5
from keras_fusion.backbones.mlp import mlp

__all__ = ["FusionPoint", "FusionPoints", "audio_cnn", "fusion_points", "lenet5", "mlp"]
