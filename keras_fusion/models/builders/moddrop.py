"""ModDrop: a joint network on the modalities' features, with whole modalities dropped."""

from keras import layers

from keras_fusion._checks import check_choice, check_rate, check_seed, check_widths
from keras_fusion.layers import ModDrop
from keras_fusion.models.assembly import FusionBuilder, flat, named_backbones
from keras_fusion.models.builders._block_diagonal import joint_network, tails_of
from keras_fusion.models.registry import fusion_method

_MAX_WIDTH = 1024


@fusion_method(
    "moddrop",
    "joint network that learns with modalities dropped",
    source="Neverova et al. 2016",
    order=160,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "rate": {"min": 0.0, "max": 0.8, "step": 0.02},
        "head_units": [None, [128], [512]],
    },
    per_modality=["rate"],
)
def build_moddrop(
    backbones,
    *,
    rate=0.5,
    fuse="features",
    start="random",
    head_units=None,
    dropout=0.5,
    allow_none=False,
    rescale=False,
    seed=None,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="moddrop",
):
    """A joint network on concatenated features, trained with whole modalities dropped at random.

    Use it where a modality may be missing later, or where the joint network leans on one of them:

        h = f([delta_1 h_1, ..., delta_n h_n]),    P(delta_k = 0) = rate_k

    with the modalities' features h_k and a joint network f of dense layers. The CentralNet paper
    says only that it follows the original; both leave things open for networks other than
    their own, and this is what is done here. `fuse="features"`: h_k are the last hidden features
    of every backbone (flattened, or averaged over space and time where that is long), f has one
    hidden dense layer with batch normalization, ReLU and dropout, as wide as the widest h_k, and
    a linear layer. `fuse="scores"`: h_k are the unimodal probabilities, and f is one linear layer;
    the paper's text calls it "Concat+ModDrop" once.

    The original is trained in stages: each modality's network by itself; then the joint network,
    which starts as these side by side; modalities are dropped from there on. Train the backbones
    first, and give them with `start="block_diagonal"`. With the last hidden layer U_k and the
    prediction V_k, b_k of backbone k, on what comes before them, h_k:

        f(h) = V g(U h) + b,   U = diag(U_1, ..., U_n),   V = [V_1, ..., V_n] / n,   b = mean_k b_k

    with g the backbones' own normalization and activation. The prediction then starts from the
    mean of the unimodal logits, each from its modality alone. The blocks of U across modalities
    are zero, and are trained like all the others. (As the original is known here, it keeps them
    at zero for a while, which is left out.) `examples/moddrop_stages.py` does it.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        rate: Float between 0 and 1, or a dict `{modality: float}`: how often a modality is dropped.
            The paper found 0.2 (MM-MNIST), 0.32 (AV-MNIST), 0.5 (Montalbano) and 0.25 (MM-IMDb).
            The probability is somewhat lower where `allow_none=False`; see `ModDrop`. Each may be
            a `keras.optimizers.schedules.LearningRateSchedule` of the steps of the training.
            Defaults to `0.5`.
        fuse: String, `"features"` or `"scores"`. Defaults to `"features"`.
        start: String, `"random"`, or `"block_diagonal"` for joint layers that start as copies of
            the backbones' own, see above: their last two dense layers, the hidden one and the
            prediction, with batch normalization, activation and dropout between them, the same in
            all backbones. h_k is then what comes before these. Defaults to `"random"`.
        head_units: Optional sequence of positive integers, the joint network's hidden layers; `()`
            for none. Defaults to `None`, one as wide as the widest features, up to 1024; none with
            `"scores"`, and one as wide as all the backbones' own together with
            `"block_diagonal"`, the only choice there.
        dropout: Float in [0, 1), the rate after the joint hidden layers. Defaults to `0.5`.
        allow_none: Boolean, whether all modalities of a sample may be dropped at once. Defaults to
            `False`.
        rescale: Boolean, whether what is kept is divided by its probability of being kept; the
            original does not. Defaults to `False`.
        seed: Optional integer, of the draws. Defaults to `None`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            With `start="block_diagonal"` the former only. Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`. An
            absent modality enters as zeros, just as a dropped one does, and ModDrop draws from
            those present. Defaults to `False`.
        name: String, of the model. Defaults to `"moddrop"`.

    Returns:
        `FusionModel` with the output "central" (and one per modality if there are unimodal
        heads), not compiled.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(20)}
    >>> model = kf.build_moddrop(nets, rate={"image": 0.2, "sound": 0.4})
    >>> model.get_layer("fusion_moddrop").rate
    (0.2, 0.4)
    >>> joint = kf.build_moddrop(nets, start="block_diagonal")  # after nets[...].fit(...)
    >>> joint.get_layer("central_cell_0").units  # 1024 + 128
    1152

    Reference:
        Neverova et al. (2016), ModDrop: Adaptive Multi-modal Gesture Recognition; Vielzeuf et
        al. (2018), CentralNet, Sect. 3, (d) "Moddrop".
    """
    check_choice("fuse", fuse, ("features", "scores"))
    check_choice("start", start, ("random", "block_diagonal"))
    if head_units is not None:
        head_units = check_widths("head_units", head_units)
    dropout = check_rate("dropout", dropout)
    seed = check_seed("seed", seed)
    tails = None
    if start == "block_diagonal":
        _check_left_open(fuse, head_units, taps)
        backbones = named_backbones(backbones)
        tails = tails_of(backbones)
        taps = {modality: [tail.path] for modality, tail in tails.items()}
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
    drop = ModDrop(_rates(rate, parts.names), allow_none, rescale, seed, name="fusion_moddrop")
    if tails is not None:
        _check_predict(parts.streams)
        x = layers.Concatenate(name="fusion_0")(parts.call(drop, parts.features()))
        return parts.finish(joint_network(x, [tails[name] for name in parts.names], dropout))
    if fuse == "scores":
        tensors = [stream.prediction for stream in parts.streams]
    else:
        tensors = _features(parts)
    if head_units is None:
        widest = min(max(t.shape[-1] for t in tensors), _MAX_WIDTH)
        head_units = () if fuse == "scores" else (widest,)
    x = layers.Concatenate(name="fusion_0")(parts.call(drop, tensors))
    return parts.finish(parts.logits(parts.hidden(x, head_units, dropout, "central_cell_")))


def _check_left_open(fuse, head_units, taps):
    """An error for arguments that `start="block_diagonal"` decides by itself."""
    decided = (("fuse", fuse, "features"), ("head_units", head_units, None), ("taps", taps, "auto"))
    for label, value, only in decided:
        if value != only:
            raise ValueError(
                f'{label}: expected {only!r} with start="block_diagonal", which takes the last '
                f"layers of the backbones. Received: {value!r}"
            )


def _check_predict(streams):
    for stream in streams:
        if stream.ends_in == "features":
            raise ValueError(
                f'backbones["{stream.name}"]: expected a network with its prediction, for '
                'start="block_diagonal". Received: one that ends in features'
            )


def _features(parts):
    for stream in parts.streams:
        if not stream.points:
            raise ValueError(
                f'backbone "{stream.name}": expected a hidden layer before the prediction. '
                'Received: none; name one with taps={...}, or use fuse="scores"'
            )
    return [
        flat(x, f"central_flat_{name}")
        for x, name in zip(parts.tensors(), parts.names, strict=True)
    ]


def _rates(rate, names):
    """What `ModDrop` takes: one rate, or a list in the order of the modalities."""
    if not isinstance(rate, dict):
        if isinstance(rate, (list, tuple)):
            raise TypeError(
                f"rate: expected a float or a dict {{modality: float}}. Received: {rate!r}"
            )
        return rate
    if set(rate) != set(names):
        raise ValueError(f"rate: expected the modalities {sorted(names)}. Received: {rate}")
    return [rate[name] for name in names]
