"""Reading any Keras model: its calls in order, its fusion points, and cutting it in pieces."""

from keras_fusion.graph._reading import (
    ancestors,
    as_functional,
    call_on,
    inputs_like,
    is_nested,
    open_at,
    steps,
    tensors_of,
)
from keras_fusion.graph._splitting import split_at
from keras_fusion.graph.points import (
    FusionPoint,
    FusionPoints,
    fusion_points,
    point_at,
    shape_name,
)

# The other names are for the rest of this package.
__all__ = ["FusionPoint", "FusionPoints", "fusion_points"]
