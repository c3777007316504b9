"""XFlow: a 2-D and a 1-D stream that send each other what they know, at several depths."""

from keras import layers

from keras_fusion._checks import check_bool, check_int, check_rate, check_widths, plain
from keras_fusion.graph import shape_name
from keras_fusion.layers import CrossConnection1D2D, CrossConnection2D1D, ModalityMask
from keras_fusion.models.assembly import FusionBuilder, check_single_inputs
from keras_fusion.models.builders._xflow_connections import concatenated, connect
from keras_fusion.models.builders._xflow_stream import StagedStream
from keras_fusion.models.registry import fusion_method

_NORM = {"momentum": 0.9}  # as in the backbones' blocks, for the reason given there
_FLATTEN_UP_TO = 48_000  # values of a map; the paper's largest has 45 x 60 x 16 = 43,200


@fusion_method(
    "xflow",
    "cross-connections between a 2-D and a 1-D stream",
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
    """Lets a network of maps and one of vectors exchange features while they extract them.

    Use it where modalities of different dimension belong together from the start: a picture and
    a vector of sound features of the same moment. At every depth d, with the hidden tensors h_d
    and the raw inputs x of the other stream (Sect. II-A),

        stream <- concat(X_d(h_d), stream + R_d(x))

    where the cross-connections X_d and the residual ones R_d are `CrossConnection2D1D` or
    `CrossConnection1D2D`. Both X_d read their streams before anything is added. At the last depth
    the 2-D stream's cross-connection goes right to the joint layer, together with what both
    streams arrive at. The stages of the backbones between the depths keep their weights, share
    them with the new model, and stay frozen where `trainable=False`.

    The paper's streams are made for the wider tensors. A given backbone's next layer is not, so
    a 1x1 convolution (Dense layer) takes them back to its width. What the paper leaves open is as
    in its first network of Table III: order of concatenation, batch normalization and dropout at
    the merging points and inside the connections. `xflow_cnn_mlp` and `xflow_cnn_mlp_lstm` are
    the paper's own networks, to the parameter.

    Args:
        backbones: Dict `{modality: keras.Model}` or a list, with two models: one that takes maps
            `(height, width, channels)` of fixed size and one that takes vectors `(features,)`. Ends
            as in `build_centralnet`.
        cross: Boolean, whether there are cross-connections. Defaults to `True`.
        residual: Boolean, whether there are residual connections. Without both this is a
            concatenation of two networks (the paper's baseline). Defaults to `True`.
        cross_units: Optional positive integer or one per depth, the width of what the vector stream
            gets; the paper has a half to the double of that stream's. Defaults to `None`, its own
            width there.
        kernel_sizes: Optional positive integer or one per depth, of the transposed convolutions;
            see `CrossConnection1D2D`. Defaults to `None`, half of the smaller side of the maps.
        head_units: Sequence of positive integers, one joint dense layer each; `()` for none.
            Defaults to `(512,)`, the paper's.
        batch_norm: Boolean, whether there is batch normalization at the merging points and in the
            connections. Defaults to `True`.
        dropout: Float in [0, 1), the rate at the merging points, in the connections from vectors to
            maps and after the joint layers; half of it in the residual ones from maps. Defaults to
            `0.5`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"` (the last maps of the one and the last hidden vectors of the other, as many
            as both have, see `fusion_points`), or a dict `{modality: [layer names]}`, lowest first,
            lists of one length: maps in the one, vectors in the other. Defaults to `"auto"`.
        unimodal_loss_weights: Optional float or dict `{modality: float}` >= 0: with heads, which
            predict from each stream after all it was sent. Defaults to `None`, as in the paper: no
            unimodal heads.
        balance: Optional string or dict, see `build_centralnet`. Defaults to `None`.
        missing_modalities: Boolean, string or dict. Adds the input `present`; see `FusionModel`. An
            absent modality sends zeros: its connections' outputs and its features in the joint
            layer. Defaults to `False`.
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
    pair = _map_and_vector(parts.streams)
    points = _points(pair, taps)
    depth = len(points[0])
    maps, vectors = (
        StagedStream(s, p, parts.head, parts.keep_heads) for s, p in zip(pair, points, strict=True)
    )
    connections = _Connections(parts, maps, vectors, batch_norm, dropout)
    norm = _NORM if batch_norm else None
    widths = _per_depth("cross_units", cross_units, depth)
    kernels = _per_depth("kernel_sizes", kernel_sizes, depth)

    for d, width, kernel in zip(range(1, depth + 1), widths, kernels, strict=True):
        maps.advance()
        vectors.advance()
        maps.tensor, vectors.tensor, to_maps, to_vector = connect(
            maps.tensor,
            vectors.tensor,
            connections.cross(d, width, kernel) if cross else None,
            connections.residual(d, kernel) if residual else None,
            (maps.name, vectors.name),
            d,
        )
        if cross or residual:
            maps.merge(to_maps, d, norm, dropout)
            if d < depth:
                vectors.merge(to_vector, d, norm, dropout)

    features = [connections.masked(s.finish(), s, "features") for s in (maps, vectors)]
    x = concatenated([to_vector, *features], "central", norm, dropout)
    for i, width in enumerate(head_units):
        name = f"central_dense_{i}" if i else "central_dense"
        x = layers.Dense(width, activation="relu", name=name)(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    logits = parts.logits(x)
    if parts.keep_heads:
        for stream, staged in zip(pair, (maps, vectors), strict=True):
            stream.prediction = staged.prediction()
    return parts.finish(logits)


class _Connections:
    """Makes the connections between two streams, and takes out what absent modalities send."""

    def __init__(self, parts, maps, vectors, batch_norm, dropout):
        self._parts, self._maps, self._vectors = parts, maps, vectors
        self._raw_maps, self._raw_vector = (_as_float(r.inputs, r.name) for r in (maps, vectors))
        self._norm = {"batch_norm": batch_norm, **_NORM}
        self._dropout = dropout

    def cross(self, depth, width, kernel_size):
        """Two functions on tensors, maps to vector and vector to maps."""
        shape = self._maps.tensor.shape[1:]
        to_vector = CrossConnection2D1D(
            self._vectors.tensor.shape[-1] if width is None else width,
            filters=shape[-1],
            pool_size=_pool_of(shape),
            **self._norm,
            name=f"{self._maps.name}_to_{self._vectors.name}_cross_{depth}",
        )
        to_maps = self._to_maps("cross", depth, kernel_size)
        return (
            lambda tensor: self.masked(to_vector(tensor), self._maps, f"cross_{depth}"),
            lambda tensor: self.masked(to_maps(tensor), self._vectors, f"cross_{depth}"),
        )

    def residual(self, depth, kernel_size):
        """Two tensors, of the shapes of the vector and of the maps at this depth."""
        window = 4 * 2 ** (depth - 1)  # 4, 8 as in the paper
        to_vector = CrossConnection2D1D(
            self._vectors.tensor.shape[-1],
            pool_size=[min(window, size) for size in self._raw_maps.shape[1:3]],
            dropout=self._dropout / 2,
            name=f"{self._maps.name}_to_{self._vectors.name}_residual_{depth}",
        )
        to_maps = self._to_maps("residual", depth, kernel_size)
        return (
            self.masked(to_vector(self._raw_maps), self._maps, f"residual_{depth}"),
            self.masked(to_maps(self._raw_vector), self._vectors, f"residual_{depth}"),
        )

    def _to_maps(self, kind, depth, kernel_size):
        return CrossConnection1D2D(
            self._maps.tensor.shape[1:],
            kernel_size,
            dropout=self._dropout,
            **self._norm,
            name=f"{self._vectors.name}_to_{self._maps.name}_{kind}_{depth}",
        )

    def masked(self, tensor, source, label):
        """`tensor`, zero where the modality it comes from is absent."""
        if self._parts.present is None:
            return tensor
        index = self._parts.names.index(source.name)
        mask = ModalityMask(index, name=f"{source.name}_{label}_mask")
        return mask(tensor, self._parts.present)


def _map_and_vector(streams):
    """The two streams, the one whose input is maps first."""
    check_single_inputs(streams)
    ranks = {len(s.inputs.shape): s for s in streams}
    if len(streams) != 2 or set(ranks) != {2, 4}:
        shapes = {s.name: shape_name(s.inputs.shape[1:]) for s in streams}
        raise ValueError(
            "backbones: expected two, one that takes maps (height, width, channels) and one that "
            f"takes vectors (features,). Received inputs: {shapes}"
        )
    return ranks[4], ranks[2]


def _points(pair, taps):
    """The fusion points of both streams, lowest first, as many of the one as of the other."""
    chosen = []
    for stream, rank, kind in zip(pair, (3, 1), ("maps", "vectors"), strict=True):
        fitting = [p for p in stream.points if len(p.shape) == rank and p.is_cut]
        if not fitting or (taps != "auto" and len(fitting) < len(stream.points)):
            have = {p.path: shape_name(p.shape) for p in stream.points}
            raise ValueError(
                f'backbone "{stream.name}": expected hidden layers that make {kind}'
                f"{'' if taps == 'auto' else ', all those in taps'}. Received: {have}"
            )
        chosen.append(fitting)
    depth = min(len(points) for points in chosen)
    maps, vectors = (points[-depth:] for points in chosen)
    for shape in [tuple(pair[0].inputs.shape[1:])] + [p.shape for p in maps]:
        if None in shape:
            raise ValueError(
                f'backbone "{pair[0].name}": expected maps of fixed size, on which the weights of '
                f"the connections depend. Received: {shape_name(shape)}. Give it an input of "
                "fixed size"
            )
    return maps, vectors


def _per_depth(label, value, depth):
    values = list(value) if isinstance(value, (list, tuple)) else [value] * depth
    if len(values) != depth:
        raise ValueError(f"{label}: expected an int or {depth}, one per depth. Received: {value!r}")
    for size in values:
        if size is not None:
            check_int(label, size)
    return plain(values)


def _as_float(inputs, name):
    if "float" in inputs.dtype:
        return inputs
    return layers.Rescaling(1.0, name=f"{name}_float")(inputs)


def _pool_of(shape):
    """None, or the window that brings large maps down to what a dense layer can take."""
    height, width, channels = shape
    window = 1
    while (height // window) * (width // window) * channels > _FLATTEN_UP_TO and window < min(
        height, width
    ):
        window += 1
    return window if window > 1 else None
