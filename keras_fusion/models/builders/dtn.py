"""Weakly-shared deep transfer network: one classifier per modality, alike at the top."""

import keras
import numpy as np
from keras import layers

from keras_fusion._checks import check_activation, check_int, check_widths
from keras_fusion.layers import CooccurrenceRegularization, WeaklySharedDense
from keras_fusion.models.assembly import FusionBuilder, named_backbones
from keras_fusion.models.builders.late_fusion import combine
from keras_fusion.models.fusion_model import called_on, check_inputs
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "dtn",
    "classifiers with weakly shared upper layers",
    source="Shu et al. 2015, XFlow III-A-3",
    order=250,
    space={
        "unimodal_loss_weights": {"min": 0.0, "max": 2.0, "step": 0.1},
        "sharing_weight": {"min": 1e-3, "max": 1e-1, "sampling": "log"},
        "pair_weight": {"min": 1e-7, "max": 1e-4, "sampling": "log"},
    },
)
def build_dtn(
    backbones,
    *,
    stream_units=(512, 256),
    shared_units=(256, 256),
    activation="relu",
    sharing_weight=1e-2,
    pair_weight=1e-6,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=1.0,
    balance=None,
    missing_modalities=False,
    name="dtn",
):
    """Gives each modality a classifier, and keeps their upper layers and features similar.

    Use it where modalities should learn from each other but each is to decide on its own: only
    the loss connects the streams. Each goes from its features through dense layers of its own,
    weakly shared ones (`WeaklySharedDense`) and a linear layer to its prediction. The features
    of a modality are its last hidden fusion point, a map or sequence averaged to a vector; a
    backbone without hidden layers gives what it outputs, or what it gets if it consists of its
    prediction alone.

    XFlow names the terms of the original's loss and gives their weights, but no equation:

        J = J_1 + eta J_2 + gamma Omega + lambda Psi

    J_1 is the loss of labels that a translator hands over from one modality's labelled samples
    to the other's; J_2 that of co-occurrence pairs, whose top hidden vectors h_k shall agree;
    Omega keeps the weakly shared layers similar; Psi is the sum of all squared weights. Here

        J = L(central) + sum_k beta_k L(k) + eta J_2 + gamma Omega
        J_2   = 1/B sum_i sum_{k<l} ||h_ki - h_li||^2                  over a batch of B samples
        Omega = sum_layers sum_{k<l} ||W_k - W_l||^2 + ||b_k - b_l||^2
        central prediction = mean of the streams' predictions

    These are simplifications: the losses L of the labels take the place of J_1, as every sample
    has a label and all modalities (XFlow too trains on pairs alone); the squared distance stands
    for the original's J_2; there is no Psi, as XFlow's lambda is 0 (optimizers have
    `weight_decay`). XFlow does not say how the two predictions become one, nor which layers are
    weakly shared: the mean, and the hidden layers that follow the pre-trained two, are our choice.
    So are ReLU, and all pairs where there are more than two modalities. J_2 is a mean over the
    batch: with XFlow's eta its part in the loss is tiny.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        stream_units: Sequence of positive integers, the dense layers each modality has for itself,
            or a dict of one per modality; the last width is the same for all. XFlow's image stream
            has (2048, 256). Defaults to `(512, 256)`, those of its sound stream.
        shared_units: Sequence of positive integers, one weakly shared layer each, at least one.
            Defaults to `(256, 256)`.
        activation: String or function, of all these layers. Defaults to `"relu"`.
        sharing_weight: Float >= 0, gamma. Defaults to `1e-2`, XFlow's.
        pair_weight: Float >= 0, eta. Defaults to `1e-6`, XFlow's.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`; of several the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0, the betas; `None`:
            no unimodal heads, only the mean is trained. Defaults to `1.0`, as the streams are
            classifiers.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`. An
            absent modality's stream takes no part in the mean nor in J_2. Defaults to `False`.
        name: String, of the model. Defaults to `"dtn"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled. It has no fusion weights.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((8, 8, 1))
    >>> sound = kf.backbones.mlp(20, hidden_units=(64, 32))
    >>> model = kf.build_dtn(
    ...     {"image": image, "sound": sound},
    ...     stream_units={"image": (64, 16), "sound": (16,)},
    ...     shared_units=(16, 8),
    ... )
    >>> sorted(model.output)
    ['central', 'image', 'sound']

    Reference:
        Shu, Qi, Tang & Wang (2015), Weakly-Shared Deep Transfer Networks for
        Heterogeneous-Domain Knowledge Propagation; Cangea et al. (2017), XFlow, Sect. III-A-3.
    """
    backbones = named_backbones(backbones)
    own = _per_modality(stream_units, backbones)
    shared_units = check_widths("shared_units", shared_units)
    check_activation("activation", activation)
    if not shared_units:
        raise ValueError("shared_units: expected one or more ints. Received: none")
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
    vectors = dict(zip(parts.names, parts.features(keep_heads=False), strict=True))
    for modality, widths in own.items():
        for i, width in enumerate(widths):
            dense = layers.Dense(width, activation=activation, name=_own_layer(modality, i))
            vectors[modality] = dense(vectors[modality])
    hidden = list(vectors.values())
    _check_equal({modality: x.shape[-1] for modality, x in vectors.items()})
    for i, width in enumerate(shared_units):
        shared = WeaklySharedDense(width, activation, sharing_weight, name=f"fusion_shared_{i}")
        hidden = parts.call(shared, hidden)
    pairs = CooccurrenceRegularization(pair_weight, name="fusion_pairs")
    hidden = parts.call(pairs, hidden)
    for stream, x in zip(parts.streams, hidden, strict=True):
        stream.logits = parts.logits(x, name=f"{stream.name}_logits")
        stream.prediction = parts.head(stream.logits, f"{stream.name}_head")
    return parts.finish(prediction=combine(parts, "mean", 0))


def _per_modality(stream_units, backbones):
    """`{modality: widths}`, in the order of the backbones."""
    if not isinstance(stream_units, dict):
        stream_units = check_widths("stream_units", stream_units)
        return {modality: stream_units for modality in backbones}
    if set(stream_units) != set(backbones):
        raise ValueError(
            f"stream_units: expected the modalities {sorted(backbones)}. "
            f"Received: {sorted(stream_units)}"
        )
    return {m: check_widths(f'stream_units["{m}"]', stream_units[m]) for m in backbones}


def _check_equal(widths):
    if len(set(widths.values())) > 1:
        raise ValueError(
            "stream_units: expected layers that bring all modalities to one width, on which "
            f"weights can be shared. Received: {widths}"
        )


def _own_layer(modality, i):
    return f"{modality}_dense_{i}"


def pretrain_dtn(model, x, epochs=10, batch_size=128, optimizer="adam", verbose=0):
    """Trains the layers that each modality of a `build_dtn` has for itself, without labels.

    Use it before `fit`, as XFlow does for the first two layers of each stream. They are trained
    one after the other, each as an autoencoder of a single layer: with a linear layer behind it
    that brings it back, it learns to reproduce what it gets,

        V f(W z + b) + c ~ z,  mean squared error.

    The weights W and b stay in the model. The backbones are not trained.

    Args:
        model: `FusionModel`, as `build_dtn` makes it.
        x: Dict `{modality: array}`, as for `fit`; where it has the mask "present", a modality
            learns from the samples that have it.
        epochs: Positive integer, for every layer. XFlow trains until it converges. Defaults to
            `10`.
        batch_size: Positive integer. Defaults to `128`, XFlow's.
        optimizer: String, or an optimizer of which every layer gets a new copy. Defaults to
            `"adam"`.
        verbose: As in `fit`. Defaults to `0`.

    Returns:
        Dict `{modality: [losses]}`, the last epoch's, one for each layer.

    Raises:
        ValueError: a model without such layers, or anything but a dict of all modalities.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> nets = [kf.backbones.mlp(4, (3,), name="a"), kf.backbones.mlp(5, (3,), name="b")]
    >>> model = kf.build_dtn(nets, stream_units=(4, 2), shared_units=(2,))
    >>> x = {"a": np.ones((8, 4)), "b": np.ones((8, 5))}
    >>> {name: len(losses) for name, losses in kf.models.pretrain_dtn(model, x, epochs=1).items()}
    {'a': 2, 'b': 2}

    Reference:
        Cangea et al. (2017), XFlow, Sect. III-A-3.
    """
    epochs = check_int("epochs", epochs)
    batch_size = check_int("batch_size", batch_size)
    named = {layer.name: layer for layer in model.layers}
    x = check_inputs(x, model.input)
    present = np.ones((len(x[model.modalities[0]]), len(model.modalities)))
    present = np.asarray(x.get("present", present)).astype(bool)
    inputs = {name: present if name == "present" else x[name] for name in model.input}
    losses = {}
    for modality in model.modalities:
        here = present[:, sorted(model.modalities).index(modality)]
        losses[modality] = []
        while (layer := named.get(_own_layer(modality, len(losses[modality])))) is not None:
            (features,), _ = called_on(model, layer, inputs)
            features = features[here]
            inner = [keras.Input(features.shape[1:]), layer, layers.Dense(features.shape[-1])]
            autoencoder = keras.Sequential(inner)
            rule = keras.optimizers.get(optimizer)
            autoencoder.compile(rule.from_config(rule.get_config()), loss="mse")
            fitted = autoencoder.fit(
                features, features, batch_size=batch_size, epochs=epochs, verbose=verbose
            )
            losses[modality].append(fitted.history["loss"][-1])
    if not any(losses.values()):
        raise ValueError(
            "model: expected one of build_dtn with stream_units. Received: "
            f'"{model.name}", in which no modality has such layers'
        )
    return losses
