"""Every fusion method by name, so that a comparison changes one word and nothing else."""

from dataclasses import dataclass
from functools import partial

from keras_fusion._checks import check_choice, check_keywords
from keras_fusion.models.builders import (
    build_centralnet,
    build_cross_attention,
    build_dtn,
    build_early_fusion,
    build_ensemble,
    build_fusion_ensemble,
    build_gmu,
    build_hybrid_fusion,
    build_interactive_memory,
    build_intermediate_fusion,
    build_kernel_fusion,
    build_late_fusion,
    build_modality_gated,
    build_moddrop,
    build_residual_gated,
    build_shared_specific,
    build_xflow,
)

_OVERVIEW = "overview of fusion, Sect. 3"
_CENTRALNET = "Vielzeuf et al. 2018"


@dataclass(frozen=True)
class Method:
    """One fusion method.

    Attributes:
        name: What `build` takes.
        builder: Function `(backbones, **arguments)` that returns a `FusionModel`.
        line: What it does, in a line.
        source: The paper.

    Example:

    >>> import keras_fusion as kf
    >>> next(m.source for m in kf.methods() if m.name == "gmu")
    'Arevalo et al. 2017'
    """

    name: str
    builder: object
    line: str
    source: str


_METHODS = [
    Method(name, builder, line, source)
    for name, builder, line, source in (
        (
            "centralnet",
            build_centralnet,
            "a central network, fed by learned weighted sums at every level",
            f"{_CENTRALNET}, Eq. (3)",
        ),
        ("early", build_early_fusion, "the lowest features concatenated", _OVERVIEW),
        (
            "sum",
            partial(build_intermediate_fusion, operation="sum"),
            "features added at one level, then one network",
            f"{_CENTRALNET}, Table 2",
        ),
        (
            "subtract",
            partial(build_intermediate_fusion, operation="subtract"),
            "features subtracted at one level, then one network",
            f"{_CENTRALNET}, Table 2",
        ),
        (
            "product",
            partial(build_intermediate_fusion, operation="product"),
            "features multiplied at one level, then one network",
            f"{_CENTRALNET}, Table 2",
        ),
        ("late_mean", build_late_fusion, "mean of the predictions", _OVERVIEW),
        (
            "late_max",
            partial(build_late_fusion, rule="max"),
            "maximum of the predictions",
            _OVERVIEW,
        ),
        (
            "late_product",
            partial(build_late_fusion, rule="product"),
            "product of the predictions (Bayes)",
            _OVERVIEW,
        ),
        (
            "late_vote",
            partial(build_late_fusion, rule="vote"),
            "majority vote of the predictions",
            _OVERVIEW,
        ),
        (
            "weighted_mean",
            partial(build_late_fusion, rule="weighted_mean"),
            "mean of the predictions with learned weights",
            f"{_CENTRALNET}, (a)",
        ),
        (
            "concat",
            partial(build_late_fusion, rule="concat"),
            "a linear layer on the concatenated predictions",
            f"{_CENTRALNET}, (b)",
        ),
        (
            "concat_multitask",
            partial(build_late_fusion, rule="concat", unimodal_loss_weights=1.0),
            "the same with unimodal losses",
            f"{_CENTRALNET}, (c)",
        ),
        (
            "fusion_ensemble",
            build_fusion_ensemble,
            "mean of a fused prediction and the unimodal ones",
            f"{_CENTRALNET}, Table 2",
        ),
        ("ensemble", build_ensemble, "mean of separate classifiers", f"{_CENTRALNET}, Table 2"),
        ("hybrid", build_hybrid_fusion, "intermediate and late fusion combined", _OVERVIEW),
        (
            "moddrop",
            build_moddrop,
            "joint network that learns with modalities dropped",
            "Neverova et al. 2016",
        ),
        ("gmu", build_gmu, "gated sum of the features, per sample", "Arevalo et al. 2017"),
        (
            "modality_gated",
            build_modality_gated,
            "one modality's gate weighs both, then concatenation",
            "modality gate, Eq. (7)",
        ),
        (
            "residual_gated",
            build_residual_gated,
            "others gate and correct the main modality (TIRG)",
            f"{_OVERVIEW}.2",
        ),
        (
            "cross_attention",
            build_cross_attention,
            "each modality attends to the others' tokens",
            f"{_OVERVIEW}.2",
        ),
        (
            "interactive_memory",
            build_interactive_memory,
            "attention in several hops, each modality guiding all",
            "Xu et al. 2019",
        ),
        (
            "shared_specific",
            build_shared_specific,
            "shared and specific parts, passed on between modalities",
            "Lu et al. 2020",
        ),
        (
            "kernel_fusion",
            build_kernel_fusion,
            "weighted sum of kernels (multiple kernel learning)",
            f"{_OVERVIEW}.2, Eq. (1) to (3)",
        ),
        (
            "xflow",
            build_xflow,
            "cross-connections between a 2-D and a 1-D stream",
            "Cangea et al. 2017",
        ),
        (
            "dtn",
            build_dtn,
            "classifiers with weakly shared upper layers",
            "Shu et al. 2015, XFlow III-A-3",
        ),
    )
]


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
    return Methods(_METHODS)


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
    >>> model = kf.build("gmu", backbones, hidden_units=32)
    >>> model.name
    'gmu'
    """
    named = {m.name: m.builder for m in _METHODS}
    check_choice("method", method, list(named))
    check_keywords(f"arguments of {method}", named[method], arguments)
    return named[method](backbones, **arguments)
