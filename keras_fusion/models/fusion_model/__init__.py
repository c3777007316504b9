"""FusionModel: named inputs, named heads, one target for all of them; and what only it uses."""

from keras_fusion.models.fusion_model._arguments import check_known
from keras_fusion.models.fusion_model._balance import LAYERS, read_balance
from keras_fusion.models.fusion_model._callbacks import fit_callbacks
from keras_fusion.models.fusion_model._directions import give_directions
from keras_fusion.models.fusion_model._evidence import (
    decoded_of,
    has_chain,
    uncertain_level,
    uncertainty_of,
)
from keras_fusion.models.fusion_model._inputs import (
    check_finite_inputs,
    check_inputs,
    checked_data,
    count_samples,
    first_input,
    with_present,
)
from keras_fusion.models.fusion_model._jax import run_or_restore
from keras_fusion.models.fusion_model._names import check_first_names, check_names
from keras_fusion.models.fusion_model._summary import fusions_of
from keras_fusion.models.fusion_model._weights_report import called_on
from keras_fusion.models.fusion_model.model import FusionModel

# The other names are for the rest of this package.
__all__ = ["FusionModel"]
