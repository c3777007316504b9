"""A KerasTuner HyperModel for every fusion method, and for the choice among them."""

import inspect

import keras
import keras_tuner

from keras_fusion._checks import check_choice
from keras_fusion.graph import fusion_points
from keras_fusion.models import build, methods
from keras_fusion.tuning._arguments import TRAINING, builder_arguments, check_names
from keras_fusion.tuning._entries import check_entry, declare, is_per_modality
from keras_fusion.tuning.spaces import spaces_of

METHOD = "method"


class FusionHyperModel(keras_tuner.HyperModel):
    """Builds and compiles a fusion model from hyperparameters; any tuner of KerasTuner takes it.

    Use it with `make_tuner`, which knows what the objective of a fusion model is called and what
    to do about trials that fail. Every trial makes its backbones anew, so that it starts from new
    weights.

    Hyperparameters are the arguments of the method's builder (`rate`, `level`, `operation`,
    `fusion_units`, `unimodal_loss_weights`, ...) and three more: `learning_rate`,
    `backbone_dropout` and `fusion_levels` (`"auto"`, or an integer: only so many of the highest
    fusion points of every backbone, see `kf.fusion_points`). With several methods the method is
    a hyperparameter too, and those of one method are active only where it is chosen; they are
    then called "gmu/fusion_units". One that is searched for every modality is called
    "rate/image".

    Args:
        method: String, a name of `kf.methods()`; a list of names; or `"all"`.
        backbones: Dict `{modality: function that returns a new keras.Model}`, or one function that
            returns the dict of models. A function gets those of `hp`, `dropout` and `method` that
            it has arguments for; `dropout` is the hyperparameter `backbone_dropout`.
        space: Optional string or dict, what is searched: the name of a preset (`PRESETS`:
            `"centralnet-paper"`, `"centralnet-depth"` or `"gmu-paper"`), or a dict, see
            `default_space`. With several methods the dict is `{method: space}`, and hyperparameters
            beside the methods are shared by all that have them. Defaults to `None`, the
            `default_space` of the method.
        loss, metrics: Of `compile`, as there.
        optimizer: String, or function of the learning rate that returns a new optimizer. A space
            without `learning_rate` leaves the optimizer its own. Defaults to `"adam"`.
        arguments: Optional dict of further arguments of the builder that are not searched
            (`num_classes` ...); with several methods, for those that have them. Defaults to `None`.
        compile_arguments: Optional dict of further arguments of `compile`. Defaults to `None`.

    Raises:
        TypeError, ValueError: arguments that do not fit; a space with hyperparameters that the
            method does not have.

    Example:

    >>> from functools import partial
    >>> import keras_tuner
    >>> import keras_fusion as kf
    >>> nets = {"a": partial(kf.backbones.mlp, 4), "b": partial(kf.backbones.mlp, 6)}
    >>> hypermodel = kf.tuning.FusionHyperModel("moddrop", nets, {"rate": [0.2, 0.5]})
    >>> hypermodel.build(keras_tuner.HyperParameters()).get_layer("fusion_moddrop").rate
    0.2

    Reference:
        Vielzeuf et al. (2018), CentralNet, Sect. 3.1: what its authors searched.
    """

    def __init__(
        self,
        method,
        backbones,
        space=None,
        *,
        loss="sparse_categorical_crossentropy",
        metrics=("accuracy",),
        optimizer="adam",
        arguments=None,
        compile_arguments=None,
    ):
        self.methods = _methods(method)
        self._functions = _checked_functions(backbones)
        self.loss = loss
        self.metrics = list(metrics) if isinstance(metrics, tuple) else metrics
        if not isinstance(optimizer, str) and (
            not callable(optimizer) or isinstance(optimizer, keras.optimizers.Optimizer)
        ):
            raise TypeError(
                "optimizer: expected a name, or a function of the learning rate, as every trial "
                f"needs a new one. Received: {optimizer!r}"
            )
        self.optimizer = optimizer
        self.arguments = dict(arguments or {})
        self.compile_arguments = dict(compile_arguments or {})
        self.spaces, self.shared = spaces_of(self.methods, space)
        if space is None or isinstance(space, str):
            self._leave_out_what_is_fixed()
        self._check_space()
        self._modalities = None
        super().__init__(name="-".join(self.methods) if len(self.methods) < 4 else "fusion")

    # ---- the space

    def _leave_out_what_is_fixed(self):
        """Of a default space: what `arguments` say, and the dropout that no backbone takes."""
        gone = set(self.arguments)
        if not self._takes("dropout"):
            gone.add("backbone_dropout")
        if "taps" in self.arguments:
            gone.add("fusion_levels")
        for space in (*self.spaces.values(), self.shared):
            for name in gone & set(space):
                del space[name]

    def _check_space(self):
        for method, space in self.spaces.items():
            label = f"space[{method!r}]"
            twice = sorted(set(space) & (set(self.shared) | set(self.arguments)))
            if twice:
                raise ValueError(
                    f"{label}: expected hyperparameters that are neither shared nor among the "
                    f"arguments. Received: {twice}"
                )
            check_names(label, method, space, [n for n in space if is_per_modality(space[n])])
            for name, entry in space.items():
                check_entry(f"{label}[{name!r}]", entry)
        known = {name for method in self.methods for name in self._accepted(method)}
        unknown = sorted((set(self.shared) | set(self.arguments)) - known)
        if unknown:
            raise ValueError(
                f"space, arguments: expected names that a method of {self.methods} has. "
                f"Received: {unknown}"
            )
        for name, entry in self.shared.items():
            check_entry(f"space[{name!r}]", entry)
        if any("backbone_dropout" in s for s in (*self.spaces.values(), self.shared)) and not (
            self._takes("dropout")
        ):
            raise ValueError(
                "backbone_dropout: expected a backbone function with an argument `dropout`. "
                "Received: functions without it"
            )

    def _accepted(self, method):
        return {*builder_arguments(method), *TRAINING}

    def declare_hyperparameters(self, hp):
        """Registers the whole space, so that no model has to be built for it."""
        self._values(hp)
        if self._takes("hp"):
            self._backbones(hp, self.methods[0], None)

    def _values(self, hp):
        """`(method, {hyperparameter: value})` of this trial; registers all that is not known."""
        if len(self.methods) == 1:
            (method,) = self.methods
            return method, self._declare_all(hp, self.spaces[method] | self.shared)
        chosen = hp.Choice(METHOD, self.methods)
        values = {}
        for name, entry in self.shared.items():
            having = [m for m in self.methods if name in self._accepted(m)]
            with hp.conditional_scope(METHOD, having):
                found = self._declare_all(hp, {name: entry})
            values |= found if chosen in having else {}
        for method, space in self.spaces.items():
            with hp.conditional_scope(METHOD, [method]):
                found = self._declare_all(hp, space, f"{method}/")
            values |= found if method == chosen else {}
        return chosen, values

    def _declare_all(self, hp, space, prefix=""):
        return {
            name: {m: declare(hp, f"{prefix}{name}/{m}", entry) for m in self.modalities}
            if is_per_modality(entry)
            else declare(hp, f"{prefix}{name}", entry)
            for name, entry in space.items()
        }

    # ---- the model

    @property
    def modalities(self):
        """Names of the modalities."""
        if self._modalities is None:
            if isinstance(self._functions, dict):
                self._modalities = list(self._functions)
            else:
                hp = keras_tuner.HyperParameters()
                self._modalities = list(self._backbones(hp, self.methods[0], None))
        return self._modalities

    def build(self, hp):
        """A compiled `FusionModel` with the values that `hp` holds."""
        method, values = self._values(hp)
        training = {name: values.pop(name) for name in TRAINING if name in values}
        backbones = self._backbones(hp, method, training.get("backbone_dropout"))
        names = builder_arguments(method)
        arguments = {n: v for n, v in self.arguments.items() if n in names} | values
        count = training.get("fusion_levels", "auto")
        if count != "auto":
            arguments["taps"] = {m: _highest(net, count) for m, net in backbones.items()}
        model = build(method, backbones, **arguments)
        model.compile(
            self._new_optimizer(training.get("learning_rate")),
            loss=self.loss,
            metrics=self.metrics,
            **self.compile_arguments,
        )
        # So that a checkpoint's optimizer finds its place: Hyperband goes on from one, and the
        # best model of a search is to be saved as it was.
        model.optimizer.build(model.trainable_variables)
        return model

    def _takes(self, argument):
        functions = self._functions
        functions = list(functions.values()) if isinstance(functions, dict) else [functions]
        return any(argument in inspect.signature(f).parameters for f in functions)

    def _backbones(self, hp, method, dropout):
        given = {"hp": hp, "method": method}
        if dropout is not None:
            given["dropout"] = dropout
        if not isinstance(self._functions, dict):
            made = _called(self._functions, given)
            if not isinstance(made, dict):
                raise TypeError(
                    "backbones: expected a function that returns a dict {modality: keras.Model}. "
                    f"Received: {type(made).__name__}"
                )
            return made
        return {name: _called(function, given) for name, function in self._functions.items()}

    def _new_optimizer(self, learning_rate):
        if learning_rate is None:
            return self.optimizer if isinstance(self.optimizer, str) else self.optimizer()
        if isinstance(self.optimizer, str):
            config = {"learning_rate": learning_rate}
            return keras.optimizers.get({"class_name": self.optimizer, "config": config})
        return self.optimizer(learning_rate)


def _methods(method):
    names = [m.name for m in methods()]
    if method == "all":
        return names
    if not isinstance(method, (str, list, tuple)):
        raise TypeError(f"method: expected a name or a list of names. Received: {method!r}")
    chosen = [method] if isinstance(method, str) else list(method)
    for name in chosen:
        check_choice("method", name, [*names, "all"])
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"method: expected a name, or a list of different names. Received: {method!r}"
        )
    return chosen


def _checked_functions(backbones):
    functions = list(backbones.values()) if isinstance(backbones, dict) else [backbones]
    for function in functions:
        if isinstance(function, keras.Model) or not callable(function):
            raise TypeError(
                "backbones: expected functions that make a new model for every trial, a dict "
                "{modality: function} or one that returns the dict of models. "
                f"Received: {type(function).__name__}"
            )
    if not functions:
        raise ValueError("backbones: expected at least two. Received: {}")
    return dict(backbones) if isinstance(backbones, dict) else backbones


def _called(function, given):
    accepted = inspect.signature(function).parameters
    return function(**{name: value for name, value in given.items() if name in accepted})


def _highest(model, count):
    """Names of the highest `count` fusion points before the prediction, lowest first."""
    stages = [point.path for point in fusion_points(model) if point.role == "stage"]
    return stages[-count:]
