"""From backbones to a model: what every builder is made of."""

from keras_fusion.models.assembly._alignment import (
    ALIGNMENTS,
    align_tensors,
    average_to,
    axes_of,
    sized,
)
from keras_fusion.models.assembly._cells import flat
from keras_fusion.models.assembly._encoders import features_model
from keras_fusion.models.assembly._naming import RESERVED, named_backbones
from keras_fusion.models.assembly._streams import add_head, check_single_inputs, pooled
from keras_fusion.models.assembly.fusion_builder import FusionBuilder
from keras_fusion.models.assembly.placeholders import adapt_missing_modalities, zeros_are_padding

# The other names are for the builders.
__all__ = ["FusionBuilder", "adapt_missing_modalities"]
