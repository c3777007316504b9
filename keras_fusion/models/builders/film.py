"""Feature-wise linear modulation (FiLM): the others scale and shift the main modality's layers."""

import dataclasses

from keras_fusion._checks import check_int
from keras_fusion.graph import point_at, split_at
from keras_fusion.layers import FiLM
from keras_fusion.models.assembly import FusionBuilder, add_head, check_single_inputs, pooled
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "film",
    "others scale and shift the main modality's layers (FiLM)",
    source="Perez et al. 2018",
    order=165,
    space={"levels": [None, 1]},
)
def build_film(
    backbones,
    *,
    main=None,
    levels=None,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="film",
):
    """Scales and shifts the main modality's features inside its network, as the others say (FiLM).

    Use it where one modality is what the prediction is about and the others say what to look for:
    an image and a question, a scan and a table of the patient. The main modality's backbone is cut
    at its fusion points; `FiLM` comes after each of them, and what follows there is used as it
    is, up to its own prediction, where it has one. At first the model is that backbone: its
    predictions are the same until something is learned.

    The conditions are the last hidden fusion points of the others, a map or sequence averaged to
    a vector; a backbone without hidden layers gives what it outputs, or what it gets if it
    consists of its prediction alone. A main modality's backbone without hidden layers is
    modulated there too, and gets a linear prediction.

    The original modulates in four residual blocks, after a batch normalization without scale
    and shift of its own; here it is wherever the backbone's stages end.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models, two or more; see
            `build_centralnet`.
        main: Optional string, the modality that is modulated. Defaults to `None`, the first one.
        levels: Optional positive integer: only so many of the main modality's fusion points are
            modulated, the last ones. Defaults to `None`, all of them.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict `{modality: [layer names]}`: of the main modality all of them are
            modulated, and every path has to run through them; of the others the last one counts.
            Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: unimodal heads with
            these betas, Eq. (2) of CentralNet; the main modality's is that of its backbone without
            modulation. Defaults to `None`, no such heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`. An
            absent condition changes nothing; of an absent main modality the shifts are left.
            Defaults to `False`.
        name: String, of the model. Defaults to `"film"`.

    Returns:
        `FusionModel` with the output "central", and one per modality if it has unimodal heads;
        not compiled. The method has no weights that are shares of the modalities:
        `fusion_weights()` is empty.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "text": kf.backbones.mlp(20)}
    >>> model = kf.build_film(nets, main="image")
    >>> [layer.output.shape for layer in model.layers if layer.name.startswith("fusion_")]
    [(None, 4, 4, 32), (None, 2, 2, 64), (None, 1024)]

    Reference:
        Perez et al. (2018), FiLM: Visual Reasoning with a General Conditioning Layer, Sect. 2.
    """
    if levels is not None:
        levels = check_int("levels", levels)
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
        main=main,
    )
    stream, tensors = parts.streams[0], parts.features()
    points = _chosen(stream, taps, levels)
    if not points:
        x = parts.fuse(FiLM(name="fusion_0"), [parts.tensors()[0], *tensors[1:]])
        return parts.finish(parts.logits(pooled(x, "central_average")))
    pieces = _pieces(stream, points)
    # Keras does not load a model with a network and its pieces, as they share layers: who has this
    # network too, the main modality's own head among them, goes through the pieces as they are.
    for k, other in enumerate(parts.streams):
        if other.model is stream.model and (k or parts.keep_heads):
            passed = _passed(pieces, other.masked_inputs)
            tensors[k] = pooled(passed[len(points) - 1], f"{other.name}_average_level_0")
            other.end = passed[-1]
            add_head(other, parts.head)

    def modulated(i, x):
        x = [x, *tensors[1:]]
        return parts.fuse(FiLM(name=f"fusion_{i}"), x, i) if i < len(points) else x[0]

    end = _passed(pieces, stream.masked_inputs, modulated)[-1]
    central = dataclasses.replace(stream, name="central", end=end)
    add_head(central, parts.head)
    return parts.finish(prediction=central.prediction)


def _chosen(stream, taps, levels):
    """The fusion points of the main modality that are modulated, lowest first."""
    points = [p for p in stream.points if p.is_cut or taps != "auto"]
    if points:
        check_single_inputs([stream])
    if levels is not None and levels > max(len(points), 1):
        raise ValueError(
            f"levels: expected at most {max(len(points), 1)}, as many as there are fusion points "
            f'in backbone "{stream.name}". Received: {levels}'
        )
    return points[-levels:] if levels else points


def _pieces(stream, points):
    """The backbone in pieces up to each of the points, and from the last one to its end."""
    paths, end = [p.path for p in points], stream.found[-1].path
    # A point chosen by hand may lie above the last one found, or be the end itself.
    if point_at(stream.model, end)[0] > point_at(stream.model, paths[-1])[0]:
        paths.append(end)
    return split_at(stream.model, paths, [f"{stream.name}_stage_{i}" for i in range(len(paths))])


def _passed(pieces, x, change=lambda i, x: x):
    """What comes out of each piece, and is then changed before it goes on."""
    passed = []
    for i, piece in enumerate(pieces):
        x = change(i, piece(x))
        passed.append(x)
    return passed
