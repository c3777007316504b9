"""Multimodal data sets: files on disk to arrays keyed by modality."""

from keras_fusion.datasets import grid_digits, mm_digits, mm_mnist
from keras_fusion.datasets.pca_modalities import pca_modalities

__all__ = ["grid_digits", "mm_digits", "mm_mnist", "pca_modalities"]
