"""The models that every table needs beside the method that is new."""

import functools

import keras

from keras_fusion._checks import check_choice, check_keywords
from keras_fusion.models import FusionBuilder, FusionModel, build
from keras_fusion.models import methods as known_methods

# The mean of predictions, the learned weighted mean, a network on the features side by side, and a
# small Transformer over them.
BASELINES = ("late_mean", "weighted_mean", "concat_features", "late_transformer")
_ONE_A_SAMPLE = BASELINES[2:]  # they make one vector of a modality


def baselines(
    make_backbones, *, compile, methods=(), num_classes=None, units=None, head=None, ends_in=None
):
    """Builders of the models that a new fusion is compared with, for `compare` and `fit_replicas`.

    Use it so that no table lacks what every table needs: each modality alone, the mean of the
    predictions, their mean with learned weights, the features concatenated, and a late-fusion
    Transformer, which none of 19 methods reliably beat in a study. With `methods` one call gives
    the whole table: `compare(baselines(...), data, seeds=range(5))`. Every model is a `FusionModel`
    with a "central" prediction, takes the same `x` (a modality alone its own input only), and has
    the same backbones, heads and compile arguments.

    Where the data have absent modalities ("present"), a modality alone is trained and scored on
    whatever stands in its input.

    Args:
        make_backbones: Function without arguments that returns a new dict
            `{modality: keras.Model}` at every call, of two or more modalities.
        compile: Dictionary of arguments of `FusionModel.compile`, of which every model gets a new
            optimizer; or a function that takes a model and compiles it.
        methods: Sequence of further methods, names of `kf.methods()`, or a dict
            `{name: its builder's arguments}`, also for the baselines' own. Defaults to `()`.
        num_classes, units, head, ends_in: What is predicted, for backbones that end in features or
            logits, or do not say in what; see `build_centralnet`.

    Returns:
        Dictionary `{name: builder}`: "<modality> alone" for every modality, "late_mean",
        "weighted_mean", "concat_features", "late_transformer" (not the last two where every step or
        place has a prediction), then `methods`. A builder takes no
        arguments and returns a new compiled model. It can be pickled if `make_backbones` and
        `compile` can, as the functions of a module can.

    Raises:
        TypeError, ValueError: arguments that are not as above, or backbones that do not fit.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> def make_backbones():
    ...     return {"a": kf.backbones.mlp(2, (4,)), "b": kf.backbones.mlp(3, (4,))}
    >>> builders = kf.evaluation.baselines(
    ...     make_backbones,
    ...     compile={"optimizer": "adam", "loss": "sparse_categorical_crossentropy",
    ...              "metrics": ["accuracy"]},
    ...     methods={"gmu": {"fusion_units": 8}},
    ... )
    >>> list(builders)[:4]
    ['a alone', 'b alone', 'late_mean', 'weighted_mean']
    >>> list(builders)[4:]
    ['concat_features', 'late_transformer', 'gmu']
    >>> model = builders["a alone"]()
    >>> x, y = {"a": np.ones((8, 2)), "b": np.ones((8, 3))}, np.arange(8)
    >>> sorted(model.fit(x, y, verbose=0).history)
    ['central_accuracy', 'central_loss', 'loss']

    Reference:
        Vielzeuf et al. (2018), CentralNet, Tables 2 to 7 (modalities alone, weighted mean);
        Oyedotun et al. (2019), Learning to Fuse Latent Representations for Multimodal Data,
        Tables 1, 3 and 4 (modalities alone, naive fusion); Rheude, Eils & Wild (2025), Fusion or
        Confusion? Multimodal Complexity Is Not All You Need (late-fusion Transformer).
    """
    if not callable(make_backbones):
        raise TypeError(
            "make_backbones: expected a function that returns a new dict {modality: keras.Model}. "
            f"Received: {make_backbones!r}"
        )
    if isinstance(compile, dict):
        check_keywords("compile", FusionModel.compile, compile)
    elif not callable(compile):
        raise TypeError(
            "compile: expected a dict of arguments, or a function that takes a model. "
            f"Received: {compile!r}"
        )
    predicts = {"num_classes": num_classes, "units": units, "head": head, "ends_in": ends_in}
    predicts = {name: value for name, value in predicts.items() if value is not None}
    wanted = _checked(BASELINES) | _checked(methods)
    modalities = _checked_backbones(make_backbones)
    made = {f"{m} alone": functools.partial(_alone, modality=m, **predicts) for m in modalities}
    made |= {
        name: functools.partial(build, name, **{**predicts, **arguments})
        for name, arguments in wanted.items()
    }
    builders = {
        name: functools.partial(_compiled, function, make_backbones, compile)
        for name, function in made.items()
    }
    # What is wrong with the heads or `compile` is found out here.
    first = next(iter(builders.values()))()
    if len(first.output["central"].shape) > 2:
        dropped = [name for name in _ONE_A_SAMPLE if name not in methods]
        builders = {name: made for name, made in builders.items() if name not in dropped}
    return builders


def _checked(methods):
    """`{name: arguments}`, each of which the method has."""
    if isinstance(methods, (list, tuple)):
        methods = {name: {} for name in methods}
    if not isinstance(methods, dict):
        raise TypeError(
            "methods: expected a sequence of names, or a dict {name: arguments}. "
            f"Received: {methods!r}"
        )
    known = {method.name: method for method in known_methods()}
    for name, arguments in methods.items():
        check_choice("methods", name, list(known))
        if not isinstance(arguments, dict):
            raise TypeError(f'methods["{name}"]: expected a dict. Received: {arguments!r}')
        unknown = sorted(set(arguments) - set(known[name].arguments))
        if unknown:
            raise TypeError(
                f'methods["{name}"]: expected some of {list(known[name].arguments)}. '
                f"Received: {unknown}"
            )
    return methods


def _checked_backbones(make_backbones):
    """The modalities; an error unless the function returns other models at every call."""
    first, second = make_backbones(), make_backbones()
    for made in (first, second):
        if not isinstance(made, dict) or not all(
            isinstance(model, keras.Model) for model in made.values()
        ):
            raise TypeError(
                "make_backbones: expected a function that returns a dict {modality: keras.Model}. "
                f"Received: one that returns {made!r}"
            )
    # Frozen layers may be shared: nothing of one training is left in them for the next.
    before = {id(w) for model in first.values() for w in model.trainable_variables}
    again = [
        name
        for name, model in second.items()
        if any(id(w) in before for w in model.trainable_variables)
    ]
    if again:
        raise ValueError(
            "make_backbones: expected a function that makes new models at every call, or each "
            f"training would go on from the last one. Received: one that returns {again} again"
        )
    return list(first)


def _compiled(function, make_backbones, compile):
    """A new model of what `function` makes of new backbones."""
    model = function(make_backbones())
    if callable(compile):
        compile(model)
    else:
        optimizer = compile.get("optimizer", "rmsprop")
        if isinstance(optimizer, keras.optimizers.Optimizer):
            optimizer = optimizer.from_config(optimizer.get_config())
        model.compile(**{**compile, "optimizer": optimizer})
    if not model.compiled:
        raise ValueError(
            "compile: expected a function that compiles the model. "
            f"Received: {compile!r}, which does not"
        )
    return model


def _alone(backbones, modality, **predicts):
    """The prediction of one modality, with the head that it has in the fusions."""
    parts = FusionBuilder(backbones, **predicts, name=f"{modality}_alone", per_place=True)
    stream = next(stream for stream in parts.streams if stream.name == modality)
    return FusionModel(
        {modality: stream.inputs},
        {"central": stream.prediction},
        name=f"{modality}_alone",
        unimodal_loss_weights=None,
    )
