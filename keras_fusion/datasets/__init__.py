"""Multimodal data sets: files on disk to arrays keyed by modality.

Each data set is a module of its own, loaded when it is asked for: `kf.datasets.mm_digits`.
"""

import importlib

from keras_fusion.datasets import licensed, open
from keras_fusion.datasets.batches import BalancedBatches, as_dataset, as_pydataset
from keras_fusion.datasets.catalogue import DatasetInfo, info, load_data
from keras_fusion.datasets.dataframe import from_dataframe
from keras_fusion.datasets.downloads import download
from keras_fusion.datasets.encoding import Encoder
from keras_fusion.datasets.missing import drop_modalities
from keras_fusion.datasets.pca import pca_modalities
from keras_fusion.datasets.synchronizing import synchronize

_HOMES = {"audio": __name__, **{name: p.__name__ for p in (licensed, open) for name in p.__all__}}

__all__ = [
    "BalancedBatches",
    "DatasetInfo",
    "Encoder",
    "as_dataset",
    "as_pydataset",
    "download",
    "drop_modalities",
    "from_dataframe",
    "info",
    "load_data",
    "pca_modalities",
    "synchronize",
    *sorted(_HOMES),
]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = importlib.import_module(f"{_HOMES[name]}.{name}")
    return globals()[name]


def __dir__():
    return sorted({*globals(), *__all__})
