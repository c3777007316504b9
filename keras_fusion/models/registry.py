"""Every fusion method by name: registered where its builder is written, built by `build`."""

import functools
import inspect
from dataclasses import dataclass, field

from keras_fusion._checks import check_choice

_METHODS = {}
_LAST = float("inf")


@dataclass(frozen=True)
class Method:
    """One fusion method; `fusion_method` makes it.

    Attributes:
        name: String, what `build` takes.
        builder: Function `(backbones, **arguments)` that returns a `FusionModel`.
        line: String, what the method does, in a line.
        source: String, the paper.
        space: Dict `{argument: entry}`, what a search tries; see `tuning.default_space`.
        per_modality: Tuple of the arguments that may be dicts `{modality: value}`.
        order: Number, the place in `methods()`.
        fixed: Dict of the builder's arguments that make it this method, and cannot be given.

    Example:

    >>> import keras_fusion as kf
    >>> next(m.source for m in kf.methods() if m.name == "gmu")
    'Arevalo et al. 2017'
    """

    name: str
    builder: object
    line: str
    source: str
    space: dict = field(default_factory=dict, repr=False)
    per_modality: tuple = field(default=(), repr=False)
    order: float = field(default=_LAST, repr=False)
    fixed: dict = field(default_factory=dict, repr=False)

    @property
    def arguments(self):
        """Dict `{argument: its default}` of the builder, without the backbones."""
        parameters = list(inspect.signature(self.builder).parameters.values())[1:]
        return {p.name: p.default for p in parameters if p.name not in self.fixed}


class Methods(list):
    """A list of `Method`; printed it is a table. `methods` makes it.

    Example:

    >>> import keras_fusion as kf
    >>> len(kf.methods()) >= 20
    True
    """

    def __str__(self):
        wide = max(len(method.name) for method in self)
        wider = max(len(method.line) for method in self)
        return "\n".join(f"{m.name:<{wide}}  {m.line:<{wider}}  {m.source}" for m in self)


def fusion_method(
    name, line, *, source="", space=None, per_modality=(), order=None, defaults=None, **fixed
):
    """Registers a builder as a fusion method, so that `build` and all that compares find it.

    Use it as a decorator of a builder of your own: then `build`, `methods`,
    `tuning.FusionHyperModel` and the examples' comparisons know the method by its name. Several of
    them may stand on one builder, with different fixed arguments.

    Args:
        name: String, how `build` and the others call it.
        line: String, what the method does, in a line.
        source: String, the paper. Defaults to `""`.
        space: Optional dict `{argument: entry}` of what a search tries: a range
            `{"min": 0.0, "max": 0.7, "step": 0.1}`, a list of choices, or a fixed value; see
            `tuning.default_space`. Where a search starts is the argument's own default, and is not
            said again. `"fusion_levels"` is an entry of all builders with `taps`. Defaults to
            `None`.
        per_modality: Sequence of the arguments besides `unimodal_loss_weights` that may be dicts
            `{modality: value}`. Defaults to `()`.
        order: Optional number, the place in `methods()`. Defaults to the end.
        defaults: Optional dict of the builder's arguments to which this method gives another
            default. Defaults to `None`.
        **fixed: Arguments of the builder that make it this method, as `rule="max"`.

    Returns:
        Decorator that gives back the builder as it is.

    Raises:
        TypeError: not a function whose first argument is `backbones`.
        ValueError: a name that another builder has, or arguments that the builder has not.

    Example:

    >>> import keras_fusion as kf
    >>> @kf.fusion_method("doubled", "sum of the features, twice", space={"dropout": [0.0, 0.5]})
    ... def build_doubled(backbones, *, dropout=0.0, num_classes=None, name="doubled"):
    ...     parts = kf.models.FusionBuilder(backbones, num_classes, name=name)
    ...     x = parts.fuse(kf.layers.GatedMultimodalUnit(8, name="fusion_0"), parts.features())
    ...     return parts.finish(parts.logits(2 * x, dropout))
    >>> model = kf.build("doubled", [kf.backbones.mlp(4), kf.backbones.mlp(6)], dropout=0.5)
    >>> model.name
    'doubled'
    """
    for label, value in (("name", name), ("line", line), ("source", source)):
        if not isinstance(value, str) or (not value and label != "source"):
            raise ValueError(f"{label}: expected a non-empty string. Received: {value!r}")

    def register(builder):
        parameters = list(inspect.signature(builder).parameters) if callable(builder) else []
        if parameters[:1] != ["backbones"]:
            raise TypeError(
                f"fusion_method {name!r}: expected a function whose first argument is `backbones`. "
                f"Received: {builder!r}"
            )
        asked = {*(space or {}), *per_modality, *(defaults or {}), *fixed}
        unknown = sorted(asked - {*parameters, "fusion_levels"})
        if unknown:
            raise ValueError(
                f"fusion_method {name!r}: expected some of the arguments {parameters[1:]}. "
                f"Received: {unknown}"
            )
        known = _METHODS.get(name)
        if known is not None and _home(known.builder) != _home(builder):
            raise ValueError(
                f"name: expected one that no other builder has. Received: {name!r}, which is that "
                f"of {'.'.join(_home(known.builder))}"
            )
        bound = {**(defaults or {}), **fixed}
        _METHODS[name] = Method(
            name,
            functools.partial(builder, **bound) if bound else builder,
            line,
            source,
            dict(space or {}),
            ("unimodal_loss_weights", *per_modality),
            _LAST if order is None else order,
            fixed,
        )
        return builder

    return register


def _home(builder):
    """Where a builder is written: a cell of a notebook may be run again."""
    builder = getattr(builder, "func", builder)
    return builder.__module__, builder.__qualname__


def variant_of(builder, **fixed):
    """Decorator of a builder `(backbones, *, <own arguments>, **kwargs)` that calls another one.

    It then has the other's arguments in its signature, but for those that it fixes; to give one
    of these is an error that names the other builder.
    """

    def decorate(variant):
        own = inspect.signature(variant).parameters
        further = inspect.signature(builder).parameters
        named = [p for p in own.values() if p.kind is not p.VAR_KEYWORD]
        rest = [p for n, p in further.items() if n not in own and n not in fixed]
        # The name comes last, as everywhere.
        named.sort(key=lambda p: p.name == "name")
        ordered = [*named[:-1], *rest, named[-1]]

        @functools.wraps(variant)
        def checked(backbones, **arguments):
            wrong = sorted(set(fixed) & set(arguments))
            if wrong:
                raise TypeError(
                    f"{variant.__name__}: expected neither of {sorted(fixed)}, which make it what "
                    f"it is (for others: {builder.__name__}). Received: {', '.join(wrong)}"
                )
            return variant(backbones, **arguments)

        checked.__signature__ = inspect.Signature(ordered)
        return checked

    return decorate


def methods():
    """Lists the fusion methods that `build` knows.

    Returns:
        `Methods`, a list of `Method` with name, builder, one line and the paper.

    Example:

    >>> import keras_fusion as kf
    >>> print(kf.methods())
    centralnet ... Vielzeuf et al. 2018, Eq. (3)
    early ...
    """
    return Methods(sorted(_METHODS.values(), key=lambda method: method.order))


def get_method(name):
    """The `Method` of that name, or an error."""
    check_choice("method", name, [method.name for method in methods()])
    return _METHODS[name]


def build(method, backbones, **arguments):
    """Builds a fusion model by the name of its method.

    Use it to compare methods: the backbones and all that follows stay the same.

    Args:
        method: String, a name of `methods()`.
        backbones: Dict `{modality: keras.Model}` or a list of models.
        **arguments: Those of the method's own builder.

    Returns:
        `FusionModel`, not compiled.

    Raises:
        TypeError: an argument that the builder has not.
        ValueError: no such method, or arguments that the builder refuses.

    Example:

    >>> import keras_fusion as kf
    >>> backbones = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(20)}
    >>> model = kf.build("gmu", backbones, fusion_units=32)
    >>> model.name
    'gmu'
    """
    found = get_method(method)
    known = found.arguments
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise TypeError(
            f"arguments of {method}: expected some of {list(known)}. Received: {unknown}"
        )
    return found.builder(backbones, **arguments)
