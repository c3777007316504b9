"""Concatenation of features: the plain baseline of every fusion that meets at the features."""

from keras_fusion.layers import ElementwiseFusion
from keras_fusion.models.builders.fusion import build_fusion
from keras_fusion.models.registry import fusion_method, variant_of


@fusion_method(
    "concat_features",
    "the features concatenated, then dense layers",
    source='modality gate, Sect. 4 ("NF")',
    order=105,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "head_units": [[], [128, 128], [256, 256], [512, 512]],
    },
)
@variant_of(build_fusion, layer=None, on="features")
def build_concat_features(
    backbones, *, head_units=(512, 512), dropout=0.5, name="concat_features", **kwargs
):
    """Concatenates the modalities' features, and puts dense layers on top.

    Use it as the baseline that a fusion of features has to beat:

        h = [h_1, ..., h_n]

    It is `build_modality_gated` without the gate, the naive (or direct) fusion of its paper. The
    features of a modality are its last hidden fusion point, a map or sequence averaged to a vector;
    a backbone without hidden layers gives what it outputs, or what it gets if it consists of its
    prediction alone. The method `concat` is another one: it joins the logits.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`. Their features may be of any widths.
        head_units: Sequence of positive integers, one fully connected layer each (with batch
            normalization, ReLU and dropout), before the prediction; see `build_modality_gated`.
            With an empty one a linear layer on the features makes the prediction. Defaults to
            `(512, 512)`.
        dropout: Float in [0, 1), the rate after each of these layers, or before the prediction if
            there are none. Defaults to `0.5`.
        name: String, of the model. Defaults to `"concat_features"`.
        **kwargs: Further arguments of `build_fusion`, but not `layer` and `on`. With
            `missing_modalities` an absent modality's features are zeros.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((8, 8, 1))
    >>> sound = kf.backbones.mlp(20, hidden_units=(64, 32))
    >>> model = kf.build_concat_features({"image": image, "sound": sound}, head_units=(16,))
    >>> model.get_layer("fusion_0").output.shape  # 1024 + 32
    (None, 1056)

    Reference:
        Oyedotun, Aouada & Ottersten (2019), Learning to Fuse Latent Representations for
        Multimodal Data, Sect. 1 and 4 ("NF", naive fusion), Tables 1, 3 and 4.
    """
    layer = ElementwiseFusion("concat", name="fusion_0")
    return build_fusion(
        backbones, layer, head_units=head_units, dropout=dropout, name=name, **kwargs
    )
