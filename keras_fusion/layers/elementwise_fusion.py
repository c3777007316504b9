"""Fusion without weights: sum, difference, product or concatenation."""

import keras
from keras import ops

from keras_fusion._checks import check_choice
from keras_fusion.layers.fusion_layer import FusionLayer

OPERATIONS = ("sum", "subtract", "product", "concat")
_LARGEST = 65504 / 4  # of products in float16, so that a layer can go on with several of them


@keras.saving.register_keras_serializable(package="keras_fusion")
class ElementwiseFusion(FusionLayer):
    """Sum, difference, product or concatenation of the modalities' tensors.

    Use it to fuse once, at one level, and to go on with a joint network: the basic fusion that
    CentralNet is compared with. `build_intermediate_fusion` places it for you.

        sum       h = sum_k h_k
        subtract  h = h_1 - sum_{k>1} h_k
        product   h = prod_k h_k           (element by element)
        concat    h = [h_1, ..., h_n]      (along the features)

    The paper has two modalities; with more of them, "subtract" takes all others from the first.
    Products are computed in float32 whatever the policy; where it is float16 they are cut off at
    16376, a quarter of the largest number there, as the layers that follow add them up.

    Args:
        operation: String, one of `"sum"`, `"subtract"`, `"product"` and `"concat"`. Defaults to
            `"sum"`.
        **kwargs: `name`, `dtype` and the other arguments of every Keras layer.

    Call arguments:
        modalities: List of one or more tensors of equal shape, any rank from 2 up; with "concat"
            the numbers of features may differ.
        present: Optional tensor `(batch, number of modalities)`, booleans or 0/1: which modalities
            each sample has. Sum and difference leave the others out and are multiplied by n /
            (number present), the size that they have in training; the product goes over those
            present; the concatenation has zeros for the others. Whatever stands in an absent
            modality's tensor, NaN included, reaches nothing. A sample without any modality gets
            zeros.

    Input shape:
        List of `(batch, ..., features)`.

    Output shape:
        `(batch, ..., features)`; with "concat" the features are those of all modalities.

    Raises:
        ValueError: another operation, no tensor, or tensors of shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> image, sound = np.array([[3.0, 4.0]]), np.array([[2.0, 1.0]])
    >>> np.array(kf.layers.ElementwiseFusion("subtract")([image, sound])).tolist()
    [[1.0, 3.0]]
    >>> np.array(kf.layers.ElementwiseFusion("concat")([image, sound])).tolist()
    [[3.0, 4.0, 2.0, 1.0]]

    Reference:
        Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion,
        Fig. 2 (a), Sect. 3.1 and Table 2.
    """

    open_features = True

    def __init__(self, operation="sum", **kwargs):
        super().__init__(**kwargs)
        check_choice("operation", operation, OPERATIONS)
        self.operation = operation
        self.equal = "all but features" if operation == "concat" else "shape"

    def call(self, modalities, present=None):
        # 1 leaves a product as it is.
        fill = 1.0 if self.operation == "product" else 0.0
        hidden = self.mask_absent(modalities, present, fill=fill)
        if self.operation == "concat":
            return ops.concatenate(hidden, axis=-1)
        if self.operation == "product":
            wide = keras.backend.result_type(self.compute_dtype, "float32")
            hidden = [ops.cast(tensor, wide) for tensor in hidden]
        fused = hidden[0]
        for other in hidden[1:]:
            if self.operation == "sum":
                fused = fused + other
            elif self.operation == "subtract":
                fused = fused - other
            else:
                fused = fused * other
        if self.operation == "product" and self.compute_dtype == "float16":
            fused = ops.clip(fused, -_LARGEST, _LARGEST)
        fused = ops.cast(fused, self.compute_dtype)
        if present is None:
            return fused
        count = ops.sum(ops.cast(ops.cast(present, "bool"), self.compute_dtype), axis=-1)
        count = ops.reshape(count, (-1,) + (1,) * (len(fused.shape) - 1))
        if self.operation == "product":
            return ops.where(count > 0, fused, ops.zeros_like(fused))
        return fused * (len(hidden) / ops.maximum(count, 1))

    def compute_output_shape(self, modalities_shape, present_shape=None):
        shapes = self.check_shapes(modalities_shape, present_shape=present_shape)
        if self.operation != "concat":
            return shapes[0]
        widths = [shape[-1] for shape in shapes]
        return (*shapes[0][:-1], None if None in widths else sum(widths))

    def get_config(self):
        return {**super().get_config(), "operation": self.operation}
