"""Unimodal networks: functions that make a backbone for one modality."""

from keras_fusion.backbones._blocks import conv_block, dense_block, dropped
from keras_fusion.backbones.applications import check_weights, pretrained, resnet50, vgg16, vgg19
from keras_fusion.backbones.audioset import audioset_cnn, pooled_by_seven
from keras_fusion.backbones.automatic import auto
from keras_fusion.backbones.depth import depth_cnn
from keras_fusion.backbones.inflated import inflate, inflated_resnet50
from keras_fusion.backbones.lenet import audio_cnn, lenet5
from keras_fusion.backbones.perceptron import mlp
from keras_fusion.backbones.sequences import cnn_1d, gru, lstm
from keras_fusion.backbones.text import text_encoder, text_vectorizer

# The other names are for the rest of this package.
__all__ = [
    "audio_cnn",
    "audioset_cnn",
    "auto",
    "cnn_1d",
    "depth_cnn",
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
