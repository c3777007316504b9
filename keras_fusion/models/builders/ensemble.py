"""The plain ensemble: the mean of several classifiers' predictions."""

import keras
from keras import layers

from keras_fusion.layers import ScoreRule
from keras_fusion.models.assembly import RESERVED, FusionBuilder, check_single_inputs
from keras_fusion.models.builders.late_fusion import build_late_fusion
from keras_fusion.models.fusion_model import FusionModel
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "ensemble",
    "mean of separate classifiers",
    source="Vielzeuf et al. 2018, Table 2",
    order=140,
    space={"unimodal_loss_weights": {"min": 0.0, "max": 2.0, "step": 0.1}},
)
def build_ensemble(
    backbones,
    *,
    inputs=None,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    unimodal_loss_weights=1.0,
    balance=None,
    missing_modalities=False,
    name="ensemble",
):
    """The plain mean of several classifiers, on one input or on several.

    Use it as the baseline with as many parameters as a fusion: is it the fusion that helps, or
    only that there are more networks?

        p = (p_1 + ... + p_k) / k

    Args:
        backbones: Dict `{classifier: keras.Model}` or a list of models, two or more; each has its
            own weights (one and the same model twice counts twice).
        inputs: Optional string or dict. `None`: every classifier has an input of its own, named
            after it. A string: all of them see this one input. A dict `{classifier: input}`: which
            sees which. Defaults to `None`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        unimodal_loss_weights: Optional float or dict `{classifier: float}` >= 0: weights of the
            classifiers' own losses; `None` for a model without their heads. An ensemble in the
            strict sense, each classifier trained on its own, is
            `compile(loss_weights={"central": 0.0, ...})` with 1.0 for every classifier. Defaults to
            `1.0`.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present` with one column per
            input, in the order of their sorted names; see `FusionModel`. The mean goes over the
            classifiers whose input a sample has. Not together with `inputs`: there a classifier is
            not a modality. Defaults to `False`.
        name: String, of the model. Defaults to `"ensemble"`.

    Returns:
        `FusionModel` with the outputs "central" and one per classifier, unless
        `unimodal_loss_weights` is None; not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> nets = {"one": kf.backbones.lenet5((8, 8, 1)), "two": kf.backbones.lenet5((8, 8, 1))}
    >>> model = kf.build_ensemble(nets, inputs="image")
    >>> sorted(model.input), sorted(model.output)
    (['image'], ['central', 'one', 'two'])

    Reference:
        Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion,
        Sect. 3.1 and Table 2 ("Ensemble 2 classifiers", "Ensemble 3 classifiers").
    """
    options = {"num_classes": num_classes, "units": units, "head": head, "ends_in": ends_in}
    if inputs is None:
        return build_late_fusion(
            backbones,
            unimodal_loss_weights=unimodal_loss_weights,
            balance=balance,
            missing_modalities=missing_modalities,
            name=name,
            **options,
        )
    if missing_modalities:
        raise ValueError(
            "missing_modalities: expected False together with inputs=..., as a classifier is no "
            f"modality there. Received: {missing_modalities!r} with inputs={inputs!r}"
        )
    if balance is not None:
        raise ValueError(
            "balance: expected None together with inputs=..., as a classifier is no modality "
            f"there. Received: {balance!r} with inputs={inputs!r}"
        )
    parts = FusionBuilder(backbones, **options, name=name, per_place=True)
    shared = _shared_inputs(parts.streams, _checked_inputs(inputs, parts.names))
    predictions, classifiers = {}, {}
    for stream in parts.streams:
        key = id(stream.model)
        if key not in classifiers:
            name_ = f"{stream.name}_backbone"
            classifiers[key] = keras.Model(stream.inputs, stream.prediction, name=name_)
        elif stream.ends_in == "features":
            raise ValueError(
                f'backbones: expected a model of its own for "{stream.name}", as Keras saves two '
                "heads on one model together with inputs=, but does not load them. Received: one "
                "that is there twice"
            )
        predictions[stream.name] = classifiers[key](shared[stream.name])
    mean = ScoreRule("mean", parts.head.activation, dtype="float32", name="fusion_0")
    fused = mean(list(predictions.values()))
    central = layers.Activation("linear", dtype="float32", name="central_head")(fused)
    heads = {} if unimodal_loss_weights is None else predictions
    return FusionModel(
        {tensor.name: tensor for tensor in shared.values()},
        {"central": central, **heads},
        name=name,
        unimodal_loss_weights=unimodal_loss_weights,
    )


def _checked_inputs(inputs, names):
    """`{classifier: name of its input}`."""
    if isinstance(inputs, str):
        inputs = dict.fromkeys(names, inputs)
    if not isinstance(inputs, dict):
        raise TypeError(
            f"inputs: expected None, a string or a dict {{classifier: input}}. Received: {inputs!r}"
        )
    if set(inputs) != set(names):
        raise ValueError(f"inputs: expected the classifiers {names}. Received: {list(inputs)}")
    for value in inputs.values():
        if not isinstance(value, str) or not value or "/" in value or value in RESERVED:
            raise ValueError(
                "inputs: expected names that are non-empty strings without '/', not "
                f"{' nor '.join(RESERVED)}. Received: {value!r}"
            )
    return inputs


def _shared_inputs(streams, inputs):
    """`{classifier: keras.Input}`; one Input serves all classifiers that see it."""
    check_single_inputs(streams)
    made = {}
    for stream in streams:
        name, like = inputs[stream.name], stream.inputs
        if name not in made:
            made[name] = keras.Input(like.shape[1:], dtype=like.dtype, name=name)
        elif (made[name].shape, made[name].dtype) != (like.shape, like.dtype):
            raise ValueError(
                f'inputs: expected classifiers of one input shape and dtype for "{name}". '
                f"Received: {made[name].shape[1:]} ({made[name].dtype}), and "
                f'{like.shape[1:]} ({like.dtype}) of "{stream.name}"'
            )
    return {stream.name: made[inputs[stream.name]] for stream in streams}
