"""Trusted multi-view classification: evidence of every modality, combined by Dempster's rule."""

from keras import layers

from keras_fusion._checks import check_bool
from keras_fusion.layers import ElementwiseFusion, EvidenceFusion
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.builders._own_logits import own_logits
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "trusted",
    "evidence of every modality, combined by Dempster's rule",
    source="Han et al. 2021",
    order=101,
    space={
        "enhanced": [False, True],
        "unimodal_loss_weights": {"min": 0.0, "max": 2.0, "step": 0.1},
    },
)
def build_trusted(
    backbones,
    *,
    enhanced=False,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=1.0,
    balance=None,
    missing_modalities=False,
    name="trusted",
):
    """Late fusion of evidence, which says for every sample how uncertain it is.

    Use it where it matters to know when a prediction cannot be trusted, or where a modality is
    noise for some samples. A linear layer on a modality's features and a softplus give its evidence
    for every class; Dempster's rule combines it (`EvidenceFusion` has the equations).
    `model.uncertainty(x)` is the uncertainty of every sample, from 0 to 1, of the fusion and of
    each modality; a SavedModel has the signature "uncertainty", ONNX and LiteRT have no place for
    it. All heads predict probabilities, so that every metric works.

    It is trained by `compile(loss=kf.losses.EvidentialLoss(annealing_steps=...))`, the paper's
    loss for every head. With another loss of probabilities nothing holds down evidence for what is
    wrong. The features of a modality are its last hidden fusion point, a map or sequence averaged
    to a vector; a backbone without hidden layers gives what it outputs, or what it gets if it
    consists of its prediction alone. A backbone's own prediction is left out, as a softmax forgets
    how large its logits are.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        enhanced: Boolean, whether the features of all modalities together count as one more
            modality, with a linear layer of its own; its loss is part of "central_loss" where the
            loss is `EvidentialLoss`. Defaults to `False`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`; two or more
            classes of which one is right.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: the weights of the
            modalities' own losses; `None` for a model without unimodal heads. Defaults to `1.0`,
            the paper's.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`. An
            absent modality has no evidence, and leaves everything to the others. Defaults to
            `False`.
        name: String, of the model. Defaults to `"trusted"`.

    Returns:
        `FusionModel` with the output "central", and one per modality unless
        `unimodal_loss_weights` is None; not compiled. Its fusion weights are those of
        `EvidenceFusion`, per sample.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(20)}
    >>> model = kf.build_trusted(nets)
    >>> model.compile("adam", loss=kf.losses.EvidentialLoss(annealing_steps=400))
    >>> found = model.uncertainty({"image": np.zeros((5, 8, 8, 1)), "sound": np.zeros((5, 20))})
    >>> {name: values.shape for name, values in found.items()}
    {'central': (5,), 'image': (5,), 'sound': (5,)}

    Reference:
        Han et al. (2021), Trusted Multi-View Classification; Han et al. (2022), Trusted Multi-View
        Classification with Dynamic Evidential Fusion, for `enhanced`.
    """
    enhanced = check_bool("enhanced", enhanced)
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
    )
    features, logits = own_logits(parts, "build_trusted")
    joint = None
    if enhanced:
        joined = parts.call(ElementwiseFusion("concat", name="central_features"), features)
        joint = layers.Dense(parts.head.units, name="central_own_logits")(joined)
    if parts.keep_heads:
        for stream, z in zip(parts.streams, logits, strict=True):
            own = EvidenceFusion(dtype="float32", name=f"{stream.name}_head")
            stream.prediction = own([z])
    fusion = EvidenceFusion(dtype="float32", name="fusion_0")
    return parts.finish(prediction=parts.fuse(fusion, logits, 0, "prediction", joint))
