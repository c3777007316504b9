"""Fusion points: the tensors of a unimodal network at which modalities can meet.

A network is read as a chain of stages. Only tensors through which every path from input to
output runs can close a stage (so never the inside of a residual block or an Inception branch).
A pooling closes its stage, a strided layer opens one; a hidden dense or recurrent layer opens one
too, and so does a layer that holds such ones (a transformer's block). A stage without weights
(padding, rescaling, flattening) is none.

Two exceptions. A model that says what its levels are (`pyramid_outputs`, as in KerasHub) is taken
at its word. And where every path is crossed by another, as in NASNet, whose cells read the two
cells before them, the last of the widest merges at each size between stands for the stage.
"""

import math
from dataclasses import dataclass, field

from keras import layers

from keras_fusion._checks import check_choice
from keras_fusion._keras import flat_layers
from keras_fusion.graph._chain import all_tensors, chain_of
from keras_fusion.graph._ends import end_of, is_per_place
from keras_fusion.graph._reading import as_functional

_POOLING = tuple(
    getattr(layers, f"{kind}Pooling{rank}D")
    for kind in ("Max", "Average", "AdaptiveMax", "AdaptiveAverage")
    for rank in (1, 2, 3)
    if hasattr(layers, f"{kind}Pooling{rank}D")
)
_HIDDEN = (layers.Dense, layers.EinsumDense, layers.RNN, layers.Bidirectional)
# Parts of a block, though they hold dense layers.
_ATTENTION = (layers.MultiHeadAttention, layers.GroupQueryAttention)
_PADDING = tuple(getattr(layers, f"ZeroPadding{rank}D") for rank in (1, 2, 3))


@dataclass(frozen=True)
class FusionPoint:
    """One tensor of a backbone at which fusion can happen.

    Attributes:
        path: String, name of the layer that makes it; "vgg16/block3_pool" inside a nested model.
        shape: Tuple, its shape without the batch axis, `None` where it is not fixed.
        stage: Integer, 0 for the input, then counted from 1 towards the output.
        role: String: "input"; "stage"; "prediction"; "features", the output of a network that ends
            in a stage; or "output", an output that is pooled or flattened only and so no level.
        is_cut: Boolean, whether every path from the input to the output runs through it, so that a
            network can be cut in two here. Fusion by reading does not need it.

    Example:

    >>> import keras_fusion as kf
    >>> kf.fusion_points(kf.backbones.lenet5())[1]
    FusionPoint(path='conv1_pool', shape=(14, 14, 32), stage=1, role='stage')
    """

    path: str
    shape: tuple
    stage: int
    role: str
    is_cut: bool = field(default=True, repr=False)


class FusionPoints(list):
    """An ordered list of `FusionPoint`, input first; printed it is a table.

    `fusion_points` makes it.

    Attributes:
        head: How the network ends, as far as its layers show: "softmax" or "sigmoid", the
            activation of its prediction; "linear" if the last layer is a dense or convolutional
            one without activation, which may be logits or features; None if it ends in features;
            "unknown" if the last layer is not one of Keras' that show it, or a subclassed model.
        per_place: Boolean, whether that activation goes over the last axis of what comes out, so
            that a sequence or map is one prediction for every step or place.

    Example:

    >>> import keras_fusion as kf
    >>> kf.fusion_points(kf.backbones.mlp(8, hidden_units=(4,), num_classes=2)).head
    'softmax'
    """

    def __init__(self, points, head, per_place=False):
        super().__init__(points)
        self.head = head
        self.per_place = per_place

    def __str__(self):
        rows = [("stage", "layer", "shape", "role")]
        rows += [(str(p.stage), p.path, shape_name(p.shape), p.role) for p in self]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        padded = ([c.ljust(w) for c, w in zip(row, widths, strict=True)] for row in rows)
        return "\n".join("  ".join(row).rstrip() for row in padded)


def fusion_points(model, ends_in=None):
    """Finds the points of a network at which `build_centralnet` would fuse it.

    Use it to see what `taps="auto"` chooses and how the layers are called before choosing by
    hand with `taps={"image": ["block3_pool", ...], ...}`.

    Args:
        model: `keras.Model` with one output: functional, Sequential with a known input,
            keras.applications, KerasHub backbones, or nested combinations of these. It may have
            several inputs (token ids and their padding mask): the points lie on the way from the
            one that most layers depend on. Of several outputs, the one made of all the others
            is taken, and of a `FusionModel` the central one.
        ends_in: Optional string, `"probabilities"`, `"logits"` or `"features"`, what the network
            ends in where its last layers do not show it; see `build_centralnet`. Defaults to
            `None`, as they show it; what may be logits or features counts as features.

    Returns:
        `FusionPoints`, a list from the input to the output: the input, one point per stage, and
        the prediction if the network ends in one (a Dense layer, or a softmax or sigmoid).

    Raises:
        TypeError: not a keras.Model.
        ValueError: a model without a graph, or with several outputs side by side, or another
            `ends_in`.

    Example:

    >>> import keras_fusion as kf
    >>> print(kf.fusion_points(kf.backbones.lenet5()))
    stage  layer          shape     role
    0      input          28x28x1   input
    1      conv1_pool     14x14x32  stage
    2      conv2_pool     7x7x64    stage
    3      dense_dropout  1024      stage
    4      prediction     10        prediction

    Reference:
        Vielzeuf et al. (2018), CentralNet, Tables 1 and 3.
    """
    check_choice("ends_in", ends_in, (None, "probabilities", "logits", "features"))
    graph = as_functional(model)
    if len(graph.outputs) != 1:
        raise ValueError(
            f'backbone "{model.name}": expected one output, or one made of all the others. '
            f"Received: {len(graph.outputs)} outputs. Select one: "
            "keras.Model(model.input, one_output)"
        )
    chain = chain_of(model)
    head, shown_at = end_of(chain)
    last = chain[-1]
    if ends_in is None:
        ends_in = "probabilities" if head in ("softmax", "sigmoid") else "features"
    role = "output" if ends_in == "features" else "prediction"
    links = chain[1:] if ends_in == "features" else _before_prediction(chain, shown_at)
    ends = [stage[-1] for stage in _stages(links)]
    if ends and ends[-1] is last:
        role = "features"
        ends.pop()
    points = [FusionPoint(chain[0].path, chain[0].shape, 0, "input")]
    for end in ends:
        points.append(FusionPoint(end.path, end.shape, len(points), "stage", end.is_cut))
    points.append(FusionPoint(last.path, last.shape, len(points), role))
    return FusionPoints(points, head, is_per_place(chain, shown_at))


def point_at(model, path):
    """The tensor that the layer at `path` makes, as a (position in the graph, `FusionPoint`)."""
    found = [(i, p, s) for i, (p, s) in enumerate(all_tensors(model)) if p == path]
    if not found:
        # The name alone will do where only one nested model has such a layer.
        found = [(i, p, s) for i, (p, s) in enumerate(all_tensors(model)) if p.endswith("/" + path)]
    if len(found) != 1:
        known = ", ".join(point.path for point in fusion_points(model))
        what = "no layer of that name" if not found else f"{len(found)} calls of that layer"
        raise ValueError(
            f'backbone "{model.name}": expected a layer called once in its graph, such as {known}. '
            f'Received: "{path}" ({what})'
        )
    position, path, shape = found[0]
    return position, FusionPoint(path, shape, 0, "stage")


def shape_name(shape):
    """A shape as tables and figures write it: 14x14x32."""
    return "x".join("?" if size is None else str(size) for size in shape)


def _before_prediction(chain, at):
    """The chain's links before the prediction, which link number `at` makes.

    Nor are logits a level whose softmax or sigmoid stands apart: they are one prediction.
    """
    made, links = chain[at], chain[1:at]
    inner = [i for i, link in enumerate(links) if _makes_weights(link.operations)]
    if _makes_weights(made.operations) or not inner:
        return links
    end = len(links)
    for i in reversed(inner):
        shape = links[i].shape
        if shape != made.shape and math.prod(n or 0 for n in shape) != made.shape[-1]:
            break
        end = i
        if any(_is_hidden(operation) for operation in links[i].operations):
            break  # what lies between it and the activation (a normalization) is no level either
    return links[:end]


def _stages(chain):
    """Groups the links of a chain into stages; those without weights are left out."""
    stages, current, before = [], [], None
    for link in chain:
        pools = isinstance(link.operations[-1], _POOLING) and _resizes(link, before)
        if current and link.closes is None and not pools and _opens(link, before):
            stages.append(current)
            current = []
        current.append(link)
        if link.closes or (link.closes is None and pools):
            stages.append(current)
            current = []
        before = link
    if current:  # empty where the network ends in a pooling
        stages.append(current)
    return [_without_padding(stage) for stage in stages if _is_stage(stage)]


def _is_stage(stage):
    operations = [operation for link in stage for operation in link.operations]
    if len(stage[-1].shape) == 1:  # a vector: pooling and normalization alone are no level
        return any(_is_hidden(operation) for operation in operations)
    return _makes_weights(operations)


def _is_hidden(operation):
    """Whether it is a hidden layer, or a block that holds one (a transformer's encoder layer)."""
    if isinstance(operation, _HIDDEN):
        return True
    if not isinstance(operation, layers.Layer) or isinstance(operation, _ATTENTION):
        return False
    return any(isinstance(layer, _HIDDEN) for layer in flat_layers(operation))


def _makes_weights(operations):
    return any(
        getattr(operation, "weights", None) and not isinstance(operation, layers.Normalization)
        for operation in operations
    )


def _without_padding(stage):
    """Zeros around a map serve the next stage's convolution, not the fusion."""
    while len(stage) > 1 and isinstance(stage[-1].operations[-1], _PADDING):
        stage = stage[:-1]
    return stage


def _opens(link, before):
    if before is None:
        return False
    if len(link.shape) != len(before.shape):
        return True
    if len(link.shape) <= 2 and any(_is_hidden(operation) for operation in link.operations):
        return True
    return _resizes(link, before)


def _resizes(link, before):
    """Whether the spatial size changes by a stride here (not by the rim of a valid convolution)."""
    strides = [o.strides for o in link.operations if hasattr(o, "strides")]
    if strides:
        return any(max(s) > 1 if isinstance(s, (tuple, list)) else s > 1 for s in strides)
    if before is None or len(before.shape) != len(link.shape) or len(link.shape) < 2:
        return False
    sizes = [(a, b) for a, b in zip(before.shape[:-1], link.shape[:-1], strict=True) if a and b]
    return any(max(a, b) >= 1.5 * min(a, b) for a, b in sizes)
