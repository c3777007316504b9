"""Fusion+Ensemble: the mean of the unimodal predictions and of a basic fusion's."""

from keras_fusion.models.builders.hybrid_fusion import build_hybrid_fusion
from keras_fusion.models.registry import fusion_method, variant_of


@fusion_method(
    "fusion_ensemble",
    "mean of a fused prediction and the unimodal ones",
    source="Vielzeuf et al. 2018, Table 2",
    order=130,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "level": [0, -1],
        "unimodal_loss_weights": {"min": 0.0, "max": 2.0, "step": 0.1},
        "operation": ["sum", "product", "concat"],
    },
)
@variant_of(build_hybrid_fusion, rule="mean", priors=None)
def build_fusion_ensemble(backbones, *, operation="sum", level=0, name="fusion_ensemble", **kwargs):
    """The mean of the unimodal predictions and of a basic fusion's: "Fusion+Ensemble".

    Use it to get more out of a basic fusion at the price of the unimodal heads it leaves out:
    an ensemble of n + 1 classifiers on the same networks, one per modality and the fused one:

        p = (p_1 + ... + p_n + p_fused) / (n + 1)

    The paper does not say on which losses the three are trained. Here all of them train together
    on the loss of the mean and on the unimodal losses with weight 1.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        operation: String, `"sum"`, `"subtract"`, `"product"` or `"concat"`; see
            `build_intermediate_fusion`. Defaults to `"sum"`, at level 0 the best of the paper.
        level: Integer, the hidden level of the fusion, from 0 to -1; see
            `build_intermediate_fusion`. Defaults to `0`.
        name: String, of the model. Defaults to `"fusion_ensemble"`.
        **kwargs: Further arguments of `build_hybrid_fusion`, but not `rule` and `priors`.

    Returns:
        `FusionModel` with the outputs "central", the mean, and one per modality; not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> nets = [kf.backbones.lenet5((8, 8, 1)), kf.backbones.lenet5((8, 8, 1))]
    >>> sorted(kf.build_fusion_ensemble(nets).output)
    ['central', 'lenet5', 'lenet5_2']

    Reference:
        Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion,
        Sect. 3.1 and Table 2 ("Fusion+Ensemble").
    """
    return build_hybrid_fusion(
        backbones, rule="mean", operation=operation, level=level, name=name, **kwargs
    )
