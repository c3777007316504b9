"""Builders, one per fusion method, and the model they return."""

from keras_fusion.models import presets
from keras_fusion.models.assembly import FusionBuilder, adapt_missing_modalities
from keras_fusion.models.builders import *  # noqa: F403
from keras_fusion.models.builders import __all__ as _builders
from keras_fusion.models.builders import adapt_kernels, pretrain_dtn
from keras_fusion.models.fusion_model import FusionModel
from keras_fusion.models.registry import Method, Methods, build, fusion_method, methods

__all__ = [
    "FusionBuilder",
    "FusionModel",
    "Method",
    "Methods",
    "adapt_kernels",
    "adapt_missing_modalities",
    "build",
    "fusion_method",
    "methods",
    "presets",
    "pretrain_dtn",
    *_builders,
]
