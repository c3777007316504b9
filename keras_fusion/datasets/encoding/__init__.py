"""Rows of raw values (numbers, categories, texts, paths of files) to the arrays networks take."""

from keras_fusion.datasets.encoding._columns import KINDS, is_missing
from keras_fusion.datasets.encoding._fitting import fit_encoder
from keras_fusion.datasets.encoding._tables import input_name
from keras_fusion.datasets.encoding.encoder import Encoder

# The other names are for the packages that make an encoder.
__all__ = ["Encoder"]
