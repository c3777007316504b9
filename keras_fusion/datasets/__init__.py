"""Multimodal data sets: files on disk to arrays keyed by modality."""

from keras_fusion.datasets import mm_digits, mm_mnist
from keras_fusion.datasets.pca_modalities import pca_modalities

__all__ = ["mm_digits", "mm_mnist", "pca_modalities"]
