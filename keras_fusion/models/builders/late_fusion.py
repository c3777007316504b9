"""Late fusion: the modalities' predictions are combined, and nothing else is."""

from keras import layers

from keras_fusion._checks import check_choice
from keras_fusion.layers import ElementwiseFusion, ScoreRule, WeightedMean
from keras_fusion.models.assembly import FusionBuilder
from keras_fusion.models.registry import fusion_method

RULES = ("mean", "max", "product", "vote", "weighted_mean", "concat")
_FOR_REGRESSION = ("mean", "weighted_mean", "concat")


_SCORES = {"unimodal_loss_weights": {"min": 0.0, "max": 2.0, "step": 0.1, "default": 1.0}}
_FUSE = {"fuse": ["logits", "probabilities"]}
_OVERVIEW = "overview of fusion, Sect. 3"
_CENTRALNET = "Vielzeuf et al. 2018"


@fusion_method(
    "late_mean",
    "mean of the predictions",
    source=_OVERVIEW,
    order=60,
    space=_SCORES,
    rule="mean",
)
@fusion_method(
    "late_max",
    "maximum of the predictions",
    source=_OVERVIEW,
    order=70,
    space=_SCORES,
    rule="max",
)
@fusion_method(
    "late_product",
    "product of the predictions (Bayes)",
    source=_OVERVIEW,
    order=80,
    space=_SCORES,
    rule="product",
)
@fusion_method(
    "late_vote",
    "majority vote of the predictions",
    source=_OVERVIEW,
    order=90,
    space=_SCORES,
    rule="vote",
)
@fusion_method(
    "weighted_mean",
    "mean of the predictions with learned weights",
    source=f"{_CENTRALNET}, (a)",
    order=100,
    rule="weighted_mean",
)
@fusion_method(
    "concat",
    "a linear layer on the concatenated predictions",
    source=f"{_CENTRALNET}, (b)",
    order=110,
    space=_FUSE,
    rule="concat",
)
@fusion_method(
    "concat_multitask",
    "the same with unimodal losses",
    source=f"{_CENTRALNET}, (c)",
    order=120,
    space=_SCORES | _FUSE,
    defaults={"unimodal_loss_weights": 1.0},
    rule="concat",
)
def build_late_fusion(
    backbones,
    *,
    rule="mean",
    priors=None,
    fuse="logits",
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    unimodal_loss_weights="auto",
    balance=None,
    missing_modalities=False,
    name="late_fusion",
):
    """Combines the predictions of unimodal Keras models by a rule or by learned weights.

    Use it first: it takes any networks, whatever they look like inside, and says what fusing
    deeper has to beat. Every modality is decided on its own, then the decisions are combined:

        "mean", "max", "product", "vote"    fixed rules, see `ScoreRule`
        "weighted_mean"                     one learned weight per modality, see `WeightedMean`;
                                            row (a) of the CentralNet paper
        "concat"                            softmax(W [z_1, ..., z_n] + b): one linear layer on
                                            the concatenated logits; row (b), and with
                                            `unimodal_loss_weights=1.0` row (c), Concat +
                                            Multi-Task

    The other rules work on the probabilities, and the central output is a distribution again. The
    paper concatenates "scores", which may be either: from probabilities, which lie between 0 and
    1, W takes many more steps to learn a confident prediction (`fuse`). The fixed
    rules have no weights: trained networks are fused without further training. Where they are
    trained here, both the central loss and the unimodal losses train them (through "vote" goes
    no gradient, so there only the unimodal ones); classifiers trained each on its own, as late
    fusion is often described, come from `compile(loss_weights={"central": 0.0, ...})` with 1.0 for
    every modality. Backbones that predict for every step or place are fused at each of them.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        rule: String, `"mean"`, `"max"`, `"product"` (Bayes), `"vote"` (majority), `"weighted_mean"`
            or `"concat"`. For regression `"mean"`, `"weighted_mean"` and `"concat"` only. Defaults
            to `"mean"`.
        priors: Optional sequence of floats, for `"product"`: the frequency of every class; see
            `ScoreRule`. Defaults to `None`, classes of the same frequency.
        fuse: String, what `"concat"` concatenates: `"logits"` or `"probabilities"`. The other rules
            take no notice of it. Defaults to `"logits"`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: the betas of Eq.
            (2), the weights of the unimodal losses; `None` for a model without unimodal heads;
            `"auto"` is `None` for `"weighted_mean"` and `"concat"`, as the paper's rows (a) and (b)
            train on the central loss only, and 1.0 for the rules without weights. Defaults to
            `"auto"`.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`.
            The rules and the weighted mean go over the modalities that a sample has; `"concat"` has
            zeros for the others. Defaults to `False`.
        name: String, of the model. Defaults to `"late_fusion"`.

    Returns:
        `FusionModel` with the output "central", and one per modality unless
        `unimodal_loss_weights` is None; not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((8, 8, 1))
    >>> sound = kf.backbones.mlp(20)
    >>> mean = kf.build_late_fusion({"image": image, "sound": sound})
    >>> sorted(mean.output)
    ['central', 'image', 'sound']
    >>> learned = kf.build_late_fusion([image, sound], rule="weighted_mean")
    >>> learned.fusion_weights()
    {'level_0': {'lenet5': 0.5, 'mlp': 0.5}}

    Reference:
        Vielzeuf et al. (2018), CentralNet: a Multilayer Approach for Multimodal Fusion, Sect. 3,
        (a) to (c), without the equations; the overview of multimodal fusion methods, Sect. 3.1.
    """
    check_rule(rule, priors)
    check_choice("fuse", fuse, ("logits", "probabilities"))
    if isinstance(unimodal_loss_weights, str):
        unimodal_loss_weights = _default_weights(unimodal_loss_weights, rule)
    parts = FusionBuilder(
        backbones,
        num_classes,
        units,
        head,
        ends_in,
        "auto",
        unimodal_loss_weights,
        balance,
        missing_modalities,
        name,
        per_place=True,
    )
    return parts.finish(prediction=combine(parts, rule, 0, priors=priors, fuse=fuse))


def check_rule(rule, priors=None):
    """An error unless `rule` is one, and takes these priors."""
    check_choice("rule", rule, RULES)
    if priors is not None and rule != "product":
        raise ValueError(
            f'priors: expected None, as only the rule "product" has them. Received: {priors!r} '
            f'with rule="{rule}"'
        )


def _default_weights(given, rule):
    if given != "auto":
        raise ValueError(
            'unimodal_loss_weights: expected "auto", None, a float or a dict {modality: float}. '
            f"Received: {given!r}"
        )
    return None if rule in ("weighted_mean", "concat") else 1.0


def combine(parts, rule, level, joint_logits=None, priors=None, fuse="logits"):
    """The central prediction made of the unimodal ones, and of a joint network's if given.

    Args:
        parts: `FusionBuilder`.
        rule: String, one of `RULES`.
        level: Integer, number of this fusion level, for the names.
        joint_logits: Optional tensor, the logits of a joint network, which counts as one more
            source. Defaults to `None`.
        priors, fuse: See `build_late_fusion`.
    """
    head = parts.head
    if head.activation == "linear" and rule not in _FOR_REGRESSION:
        raise ValueError(
            f"rule: expected one of {_FOR_REGRESSION} for regression, as the others need "
            f"probabilities. Received: {rule!r}"
        )
    if rule == "concat" and fuse == "logits":
        return _concatenated(parts, [s.logits for s in parts.streams], level, joint_logits)
    predictions = [stream.prediction for stream in parts.streams]
    joint = None if joint_logits is None else head(joint_logits, "central_probabilities")
    if rule == "concat":
        return _concatenated(parts, predictions, level, joint)
    # float32 under mixed precision too: probabilities near 0 and 1 need it.
    options = {"dtype": "float32", "name": f"fusion_{level}"}
    if rule == "weighted_mean":
        mean = WeightedMean(head.activation, **options)
    else:
        mean = ScoreRule(rule, head.activation, priors, **options)
    fused = parts.fuse(mean, predictions, level, "prediction", joint)
    return layers.Activation("linear", dtype="float32", name="central_head")(fused)


def _concatenated(parts, scores, level, joint):
    x = parts.fuse(ElementwiseFusion("concat", name=f"fusion_{level}"), scores)
    if joint is not None:
        x = layers.Concatenate(name=f"fusion_{level}_central")([x, joint])
    # A joint network before it has "central_logits" of its own.
    name = "central_logits" if joint is None else "central_scores"
    return parts.head(parts.logits(x, name=name), "central_head")
