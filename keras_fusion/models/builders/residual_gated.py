"""Text-image residual gating (TIRG): one modality's features, modified by the others'."""

from keras_fusion._checks import check_int, check_rate
from keras_fusion.layers import ResidualGating
from keras_fusion.models.assembly import FusionBuilder, pooled
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "residual_gated",
    "others gate and correct the main modality (TIRG)",
    source="overview of fusion, Sect. 3.2",
    order=190,
    space={"dropout": {"min": 0.0, "max": 0.7, "step": 0.05}},
)
def build_residual_gated(
    backbones,
    *,
    main=None,
    fusion_units=None,
    kernel_size=3,
    dropout=0.0,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="residual_gated",
):
    """Modifies the features of one modality by those of the others, and predicts from them (TIRG).

    Use it where one modality is what the prediction is about and the others qualify it. The
    features of a modality are its last hidden fusion point; a backbone without hidden layers
    gives what it outputs, or what it gets if it consists of its prediction alone. Those of the
    main modality may be a map (then it stays one, and is averaged before the prediction);
    sequences, videos and all of the others' are averaged to vectors.

    The original learns a metric for retrieval from these features; the classifier is ours.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        main: Optional string, the modality that is phi_x in Eq. (4) and is modified, the image in
            the paper. Defaults to `None`, the first one.
        fusion_units: Optional positive integer, `units` of `ResidualGating`. Defaults to `None`.
        kernel_size: Positive integer, of its convolutions, where the main features are a map.
            Defaults to `3`.
        dropout: Float in [0, 1), the rate before the prediction. Defaults to `0.0`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts. This
            is how to choose the last map of a network that goes on with dense layers. Defaults to
            `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Features that are absent count as zeros. Defaults to `False`.
        name: String, of the model. Defaults to `"residual_gated"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled. The method has no weights that are shares of the modalities:
        `fusion_weights()` is empty.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((8, 8, 1))
    >>> text = kf.backbones.mlp(20, hidden_units=(32,))
    >>> taps = {"image": ["conv2_pool"], "text": ["dense1"]}
    >>> model = kf.build_residual_gated({"image": image, "text": text}, taps=taps)
    >>> model.get_layer("fusion_0").output.shape
    (None, 2, 2, 64)

    Reference:
        Vo et al. (2019), Composing Text and Image for Image Retrieval, Sect. 3.2. Yang et al.
        (2022), An Overview of Multimodal Fusion Learning, Eq. (4) to (6).
    """
    if fusion_units is not None:
        fusion_units = check_int("fusion_units", fusion_units)
    dropout = check_rate("dropout", dropout)
    parts = FusionBuilder(
        backbones,
        num_classes,
        units,
        head,
        ends_in,
        taps,
        unimodal_loss_weights,
        balance,
        missing_modalities,
        name,
        main=main,
    )
    tensors = parts.tensors()
    for i, modality in enumerate(parts.names):
        if i > 0 or len(tensors[i].shape) != 4:
            tensors[i] = pooled(tensors[i], f"{modality}_average_level_0")
    x = parts.fuse(ResidualGating(fusion_units, kernel_size, name="fusion_0"), tensors)
    return parts.finish(parts.logits(pooled(x, "central_average"), dropout))
