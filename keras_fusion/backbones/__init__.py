"""Unimodal networks, and the places of any Keras model at which fusion can begin."""

from keras_fusion.backbones.audioset import audioset_cnn
from keras_fusion.backbones.depth import depth_cnn
from keras_fusion.backbones.fusion_points import FusionPoint, FusionPoints, fusion_points
from keras_fusion.backbones.inflated import inflate, inflated_resnet50
from keras_fusion.backbones.lenet import audio_cnn, lenet5
from keras_fusion.backbones.mlp import mlp
from keras_fusion.backbones.pretrained import pretrained, resnet50, vgg16, vgg19
from keras_fusion.backbones.sequences import cnn_1d, gru, lstm
from keras_fusion.backbones.text import text_encoder, text_vectorizer

__all__ = [
    "FusionPoint",
    "FusionPoints",
    "audio_cnn",
    "audioset_cnn",
    "cnn_1d",
    "depth_cnn",
    "fusion_points",
    "gru",
    "inflate",
    "inflated_resnet50",
    "lenet5",
    "lstm",
    "mlp",
    "pretrained",
    "resnet50",
    "text_encoder",
    "text_vectorizer",
    "vgg16",
    "vgg19",
]
