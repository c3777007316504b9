"""Early fusion: the lowest features concatenated, then one joint network."""

from keras_fusion.models.builders.intermediate_fusion import build_intermediate_fusion
from keras_fusion.models.registry import fusion_method, variant_of


@fusion_method(
    "early",
    "the lowest features concatenated",
    source="overview of fusion, Sect. 3",
    order=20,
    space={"dropout": {"min": 0.0, "max": 0.7, "step": 0.05}},
)
@variant_of(build_intermediate_fusion, operation="concat", level=0)
def build_early_fusion(backbones, *, name="early_fusion", **kwargs):
    """Concatenates the modalities' low-level features; one joint network does the rest.

    Use it where the modalities are closely related and aligned, so that it pays to look at them
    together from the start. It is `build_intermediate_fusion(operation="concat", level=0)`: the
    inputs themselves are concatenated where their shapes are equal, and else the lowest
    features that can be paired.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        name: String, of the model. Defaults to `"early_fusion"`.
        **kwargs: Further arguments of `build_intermediate_fusion`, but not `operation` and `level`.

    Returns:
        `FusionModel` with the output "central" (and one per modality if there are unimodal
        heads), not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> nets = [kf.backbones.lenet5((8, 8, 1)), kf.backbones.lenet5((8, 8, 1))]
    >>> kf.build_early_fusion(nets).get_layer("fusion_0").output.shape
    (None, 8, 8, 2)

    Reference:
        The overview of multimodal fusion methods, Sect. 3.1 (early fusion); Vielzeuf et al.
        (2018), CentralNet, Fig. 2 (a).
    """
    return build_intermediate_fusion(backbones, operation="concat", level=0, name=name, **kwargs)
