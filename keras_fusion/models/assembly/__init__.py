"""From backbones to a model: what every builder is made of."""

from keras_fusion.models.assembly._alignment import (
    ALIGNMENTS,
    align_tensors,
    average_to,
    axes_of,
    pool_to,
)
from keras_fusion.models.assembly._cells import flat
from keras_fusion.models.assembly._features import last_features, last_tensors, tensors_below
from keras_fusion.models.assembly._levels import cells_above, level_shape, paired_levels
from keras_fusion.models.assembly._naming import RESERVED, named_backbones
from keras_fusion.models.assembly._streams import check_single_inputs, pooled
from keras_fusion.models.assembly._tokens import last_tokens
from keras_fusion.models.assembly.fusion_builder import Parts
from keras_fusion.models.assembly.placeholders import adapt_missing_modalities

__all__ = ["adapt_missing_modalities"]
