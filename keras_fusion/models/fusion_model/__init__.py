"""FusionModel: named inputs, named heads, one target for all of them; and what only it uses."""

from keras_fusion.models.fusion_model._inputs import check_inputs, count_samples, first_input
from keras_fusion.models.fusion_model._names import check_first_names, check_names
from keras_fusion.models.fusion_model._summary import fusions_of
from keras_fusion.models.fusion_model._weights_report import called_on
from keras_fusion.models.fusion_model.model import FusionModel

# The other names are for the rest of this package.
__all__ = ["FusionModel"]
