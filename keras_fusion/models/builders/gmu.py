"""Gated Multimodal Unit: one gated sum of the modalities' features, then a joint classifier."""

from keras import layers

from keras_fusion._checks import check_bool, check_choice, check_int, check_rate
from keras_fusion.backbones import dropped
from keras_fusion.layers import GatedMultimodalUnit, Maxout
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.registry import fusion_method

CLASSIFIERS = ("dense", "maxout")
# Of the authors' code. The momentum is ours: they keep no moving averages at all.
_NORM = {"epsilon": 1e-4, "momentum": 0.9}


@fusion_method(
    "gmu",
    "gated sum of the features, per sample",
    source="Arevalo et al. 2017",
    order=170,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "fusion_units": [64, 128, 256, 512],
        "gate_on": ["inputs", "projections"],
        "classifier": ["dense", "maxout"],
    },
)
def build_gmu(
    backbones,
    *,
    fusion_units=512,
    gate_on="inputs",
    use_bias=False,
    classifier="dense",
    normalize=False,
    dropout=0.0,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="gmu",
):
    """Fuses the modalities' features in a Gated Multimodal Unit, for every sample anew.

    Use it where it depends on the sample which modality can be trusted, and to read that off:
    `model.fusion_weights(x, per_sample=True)`. The features of a modality are its last hidden
    fusion point, a map or sequence averaged to a vector; a backbone without hidden layers gives
    what it outputs, or what it gets if it consists of its prediction alone. Where the backbones
    predict for every step or place, each has features and gates of its own.

    The networks of the authors on MM-IMDb (4096 image and 300 text features, 23 genres) have
    `gate_on="projections", normalize=True, classifier="maxout", dropout=0.5, head="sigmoid"` and
    64, 128, 256 or 512 hidden units: 316,847, 674,031, 1,535,855 or 3,849,327 parameters.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        fusion_units: Positive integer, the width of the unit and of the maxout layers. Defaults to
            `512`.
        gate_on, use_bias: Of the unit, see `GatedMultimodalUnit`.
        classifier: String. `"dense"`: a dense layer makes the logits; `"maxout"`: the authors' on
            MM-IMDb, batch normalization, maxout, batch normalization, maxout, batch normalization,
            dense layer; the maxouts have two pieces. Defaults to `"dense"`.
        normalize: Boolean, whether batch normalization comes before the unit, for features that are
            given and not learned. Defaults to `False`.
        dropout: Float in [0, 1), the rate before the unit and before every layer of the classifier.
            Defaults to `0.0`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            Defaults to `False`.
        name: String, of the model. Defaults to `"gmu"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((8, 8, 1))
    >>> sound = kf.backbones.mlp(20, hidden_units=(64, 32))
    >>> model = kf.build_gmu({"image": image, "sound": sound}, fusion_units=16)
    >>> x = {"image": np.zeros((3, 8, 8, 1)), "sound": np.zeros((3, 20))}
    >>> sorted(model.fusion_weights(x)["level_0"])
    ['image', 'sound']

    Reference:
        Arevalo et al. (2017), Gated Multimodal Units for Information Fusion, Sect. 3.1 and 4.
    """
    check_choice("classifier", classifier, CLASSIFIERS)
    normalize = check_bool("normalize", normalize)
    dropout = check_rate("dropout", dropout)
    fusion_units = check_int("fusion_units", fusion_units)
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
        per_place=True,
    )
    vectors = parts.features()
    for i, modality in enumerate(parts.names):
        if normalize:
            vectors[i] = layers.BatchNormalization(**_NORM, name=f"{modality}_norm")(vectors[i])
        vectors[i] = dropped(vectors[i], dropout, f"{modality}_dropout")
    unit = GatedMultimodalUnit(fusion_units, gate_on, use_bias, name="fusion_0")
    x = parts.fuse(unit, vectors)
    if classifier == "maxout":
        for i in range(2):
            x = layers.BatchNormalization(**_NORM, name=f"central_norm_{i}")(x)
            x = dropped(x, dropout, f"central_dropout_{i}")
            x = Maxout(fusion_units, name=f"central_maxout_{i}")(x)
        x = layers.BatchNormalization(**_NORM, name="central_norm_2")(x)
    return parts.finish(parts.logits(x, dropout))
