"""Multimodal data sets: files on disk to arrays keyed by modality."""

from keras_fusion.datasets import (
    afew,
    audio,
    audioset,
    av_mnist,
    av_mnist_npy,
    avletters,
    bu_3dfe,
    cuave,
    grid_digits,
    mfeat,
    mm_digits,
    mm_imdb,
    mm_mnist,
    montalbano,
    tcga_breast,
    washington_rgbd,
    womens_clothing,
    xflow_digits,
)
from keras_fusion.datasets.batches import BalancedBatches, as_dataset, as_pydataset
from keras_fusion.datasets.catalogue import DatasetInfo, info, load_data
from keras_fusion.datasets.downloads import download
from keras_fusion.datasets.drop_modalities import drop_modalities
from keras_fusion.datasets.pca_modalities import pca_modalities

__all__ = [
    "BalancedBatches",
    "DatasetInfo",
    "afew",
    "as_dataset",
    "as_pydataset",
    "audio",
    "audioset",
    "av_mnist",
    "av_mnist_npy",
    "avletters",
    "bu_3dfe",
    "cuave",
    "download",
    "drop_modalities",
    "grid_digits",
    "info",
    "load_data",
    "mfeat",
    "mm_digits",
    "mm_imdb",
    "mm_mnist",
    "montalbano",
    "pca_modalities",
    "tcga_breast",
    "washington_rgbd",
    "womens_clothing",
    "xflow_digits",
]
