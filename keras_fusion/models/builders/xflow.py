"""XFlow: streams of any dimensions that send each other what they know, at several depths."""

from keras import layers

from keras_fusion._checks import check_bool, check_int, check_rate, check_widths, plain
from keras_fusion.graph import shape_name
from keras_fusion.models.assembly import FusionBuilder, check_single_inputs
from keras_fusion.models.builders._xflow_connections import (
    NORM,
    Connections,
    concatenated,
    connect,
)
from keras_fusion.models.builders._xflow_steps import over_steps, read_by_lstm
from keras_fusion.models.builders._xflow_stream import StagedStream
from keras_fusion.models.registry import fusion_method


@fusion_method(
    "xflow",
    "cross- and residual connections between streams of any dimensions",
    source="Cangea et al. 2017",
    order=240,
    space={
        "dropout": {"min": 0.0, "max": 0.7, "step": 0.05},
        "cross": [True, False],
        "residual": [True, False],
        "head_units": [[64], [128], [256], [512]],
    },
)
def build_xflow(
    backbones,
    *,
    cross=True,
    residual=True,
    cross_units=None,
    kernel_sizes=None,
    lstm_units=None,
    head_units=(512,),
    batch_norm=True,
    dropout=0.5,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    unimodal_loss_weights=None,
    balance=None,
    missing_modalities=False,
    name="xflow",
):
    """Lets networks of different dimensions exchange features while they extract them.

    Use it where modalities belong together from the start: a picture and a vector of sound features
    of the same moment. At every depth d, with the hidden tensors h_d and the raw inputs x of the
    other streams (Sect. II-A),

        stream <- concat(X_d(h_d), stream + R_d(x))

    The cross-connections X_d and the residual ones R_d are `CrossConnection2D1D` from maps to a
    vector, `CrossConnection1D2D` from a vector to maps, and `CrossConnectionND` within one kind.
    Sequences send other kinds the mean of their steps that count, and get from these the same
    vector at every step. With three and more streams every ordered pair is connected. All X_d read
    their streams before anything is added. At the last depth what is sent to a vector goes right to
    the joint layer, together with what all streams arrive at. The stages of the backbones between
    the depths keep their weights, share them with the new model, and stay frozen where
    `trainable=False`.

    The paper's streams are made for the wider tensors. A given backbone's next layer is not, so
    a 1x1 convolution (Dense layer) takes them back to its width. What the paper leaves open is as
    in its first network of Table III: order of concatenation, batch normalization and dropout at
    the merging points and inside the connections. It has one stream of maps and one of vectors;
    the other pairs are ours. `xflow_cnn_mlp` and `xflow_cnn_mlp_lstm` are its own networks, to the
    parameter.

    Args:
        backbones: Dict `{modality: keras.Model}` or a list, with two models or more that take
            vectors `(features,)`, sequences `(steps, features)` or maps
            `(height, width, channels)`, maps of fixed size. Sequences of open length that a
            network does not pool are taken to have as many steps as each other. Ends as in
            `build_centralnet`.
        cross: Boolean, whether there are cross-connections. Defaults to `True`.
        residual: Boolean, whether there are residual connections. Without both this is a
            concatenation of the networks (the paper's baseline). Defaults to `True`.
        cross_units: Optional positive integer or one per depth, the width of what streams of
            vectors and sequences get; the paper has a half to the double of that stream's. Defaults
            to `None`, the stream's own width there.
        kernel_sizes: Optional positive integer or one per depth, of the transposed convolutions;
            see `CrossConnection1D2D`. Defaults to `None`, half of the smaller side of the maps.
        lstm_units: Optional positive integer, of an LSTM (the paper's {CNN x MLP}-LSTM has 64). The
            backbones are then networks of one frame, and every modality's input is a sequence of
            frames, as many in all and of any length: `(batch, frames, ...)`. The LSTM reads the
            joint features of the frames in which all modalities that are there have a value other
            than zero. As in the paper the connections then have no batch normalization and no
            dropout; those of the joint features are without the frames that do not count. Defaults
            to `None`: no LSTM.
        head_units: Sequence of positive integers, one joint dense layer each; `()` for none, as in
            the paper after an LSTM. Defaults to `(512,)`, the paper's.
        batch_norm: Boolean, whether there is batch normalization at the merging points and in the
            connections. Defaults to `True`.
        dropout: Float in [0, 1), the rate at the merging points, in the connections from vectors to
            maps and after the joint layers; half of it in the residual ones from maps and within
            one kind. Defaults to `0.5`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"` (the last hidden tensors of the same kind as the input, or else vectors, as
            many as all have, see `fusion_points`), or a dict `{modality: [layer names]}`, lowest
            first, lists of one length, each of one kind. Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: with heads, which
            predict from each stream after all it was sent. Not together with `lstm_units`. Defaults
            to `None`, as in the paper: no unimodal heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`. An
            absent modality sends zeros: its connections' outputs and its features in the joint
            layer. With `lstm_units` only zeros can stand in its place. Defaults to `False`.
        name: String, of the model. Defaults to `"xflow"`.

    Returns:
        `FusionModel` with the inputs `{modality: ...}` and the output "central", not compiled.
        It has no fusion weights.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> image = kf.backbones.lenet5((16, 12, 1), name="cnn")
    >>> audio = kf.backbones.mlp(26, hidden_units=(32, 32))
    >>> model = kf.build_xflow({"image": image, "audio": audio})
    >>> model.get_layer("audio_to_image_cross_1").target_shape
    (8, 6, 32)
    >>> list(model.output)
    ['central']

    Reference:
        Cangea et al. (2017), XFlow: Cross-modal Deep Neural Networks for Audiovisual
        Classification, Sect. II.
    """
    for label, value in (("cross", cross), ("residual", residual), ("batch_norm", batch_norm)):
        check_bool(label, value)
    dropout = check_rate("dropout", dropout)
    head_units = check_widths("head_units", head_units)
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
    check_single_inputs(parts.streams)
    frames = None
    if lstm_units is not None:
        lstm_units = check_int("lstm_units", lstm_units)
        frames = over_steps(parts, missing_modalities)
    points = _points(parts.streams, taps)
    depth = len(points[0][1])
    streams = [StagedStream(s, p, parts.head, parts.keep_heads) for s, p in points]
    inside = (False, 0.0) if frames else (batch_norm, dropout)
    norm = NORM if inside[0] else None
    present = frames.present if frames else parts.present
    connections = Connections(streams, parts.names, present, *inside)
    widths = _per_depth("cross_units", cross_units, depth)
    kernels = _per_depth("kernel_sizes", kernel_sizes, depth)

    sent_to_vectors = []
    for d, width, kernel in zip(range(1, depth + 1), widths, kernels, strict=True):
        for stream in streams:
            stream.advance()
        tensors, sent = connect(
            [stream.tensor for stream in streams],
            connections.cross(d, width, kernel) if cross else {},
            connections.residual(d, kernel) if residual else {},
            [stream.name for stream in streams],
            d,
        )
        for stream, tensor, got in zip(streams, tensors, sent, strict=True):
            stream.tensor = tensor
            if d == depth and len(tensor.shape) == 2:
                sent_to_vectors += got
            elif cross or residual:
                stream.merge(got, d, norm, inside[1])

    features = [connections.masked(s.finish(), s, "features") for s in streams]
    x = [*sent_to_vectors, *features]
    if frames:
        x = read_by_lstm(frames, concatenated(x, "central"), lstm_units, batch_norm, dropout)
    else:
        x = concatenated(x, "central", norm, dropout)
    for i, width in enumerate(head_units):
        name = f"central_dense_{i}" if i else "central_dense"
        x = layers.Dense(width, activation="relu", name=name)(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    logits = parts.logits(x)
    if parts.keep_heads:
        for (stream, _), staged in zip(points, streams, strict=True):
            stream.prediction = staged.prediction()
    return parts.finish(logits)


_KINDS = {1: "vectors", 2: "sequences", 3: "maps"}


def _points(streams, taps):
    """Pairs of stream and its fusion points, lowest first, as many of each; maps first."""
    chosen = []
    for stream in streams:
        rank = len(stream.masked_inputs.shape) - 1
        if rank not in _KINDS:
            raise ValueError(
                f'backbone "{stream.name}": expected an input of {", ".join(_KINDS.values())}. '
                f"Received: {shape_name(stream.masked_inputs.shape[1:])}"
            )
        fitting = _fitting(stream, rank) or _fitting(stream, 1)
        if not fitting or (taps != "auto" and len(fitting) < len(stream.points)):
            have = {p.path: shape_name(p.shape) for p in stream.points}
            kinds = _KINDS[rank] if rank == 1 else f"{_KINDS[rank]}, or vectors"
            raise ValueError(
                f'backbone "{stream.name}": expected hidden layers that make {kinds}'
                f"{'' if taps == 'auto' else ', all those in taps'}. Received: {have}"
            )
        chosen.append((stream, fitting))
    chosen.sort(key=lambda pair: -len(pair[1][0].shape))
    depth = min(len(points) for _, points in chosen)
    chosen = [(stream, points[-depth:]) for stream, points in chosen]
    for stream, points in chosen:
        for shape in [tuple(stream.masked_inputs.shape[1:])] + [p.shape for p in points]:
            if None in shape[1:] or (None in shape and len(shape) != 2):
                raise ValueError(
                    f'backbone "{stream.name}": expected maps and widths of fixed size, on which '
                    "the weights of the connections depend. Received: "
                    f"{shape_name(shape)}. Give it an input of fixed size"
                )
    return chosen


def _fitting(stream, rank):
    return [p for p in stream.points if len(p.shape) == rank and p.is_cut]


def _per_depth(label, value, depth):
    values = list(value) if isinstance(value, (list, tuple)) else [value] * depth
    if len(values) != depth:
        raise ValueError(f"{label}: expected an int or {depth}, one per depth. Received: {value!r}")
    for size in values:
        if size is not None:
            check_int(label, size)
    return plain(values)
