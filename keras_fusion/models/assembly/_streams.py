"""From backbones to streams: what every builder does first with the networks it is given."""

from dataclasses import dataclass, field

import keras
from keras import layers

from keras_fusion._keras import flat_layers
from keras_fusion.graph import call_on, fusion_points, inputs_like, open_at, point_at, shape_name
from keras_fusion.layers import MaskedAverage, ProbabilitiesToLogits
from keras_fusion.models.assembly.placeholders import mask_input

HEADS = ("softmax", "sigmoid", "linear")


@dataclass
class Stream:
    """One modality inside a fusion model.

    Attributes:
        name: The modality.
        model: Its backbone.
        ends_in: How that ends: "probabilities", "logits" or "features".
        inputs: Its `keras.Input`.
        masked_inputs: The same with a placeholder where the modality is absent.
        points: Its chosen fusion points, lowest first, without the prediction.
        tensors: Their tensors, one each.
        logits: The tensor before the head's activation.
        prediction: The tensor after it, the modality's own output.
    """

    name: str
    model: object
    ends_in: str
    inputs: object
    masked_inputs: object
    points: list
    tensors: list = field(default_factory=list)
    logits: object = None
    prediction: object = None


@dataclass(frozen=True)
class Head:
    """What is predicted: `activation` ("softmax", "sigmoid" or "linear") and `units`."""

    activation: str
    units: int

    def __call__(self, logits, name):
        # float32 under mixed precision too: probabilities near 0 and 1 need it.
        return layers.Activation(self.activation, dtype="float32", name=name)(logits)


def make_streams(
    backbones,
    taps="auto",
    num_classes=None,
    units=None,
    head=None,
    present=None,
    placeholders=None,
):
    """Reads the backbones, finds their points and heads, and calls them on new inputs.

    Args:
        backbones: Dict `{modality: keras.Model}`.
        taps: `"auto"`, or a dict of lists of layer names, see `build_centralnet`. Defaults to
            `"auto"`.
        num_classes, units, head: What is predicted, see `build_centralnet`.
        present: Optional input tensor `(batch, modalities)` with the columns in the order of the
            sorted names. Defaults to `None`.
        placeholders: Optional dict `{modality: placeholder}`, see `mask_input`; needed with
            `present`. Defaults to `None`.

    Returns:
        A list of `Stream`, in the order of `backbones`, and the `Head` they share.
    """
    found = {name: _points(name, model) for name, model in backbones.items()}
    shared = _head(found, num_classes, units, head)
    ends = {name: _ends_in(points, shared) for name, points in found.items()}
    chosen = _chosen(backbones, found, ends, taps)
    columns = sorted(backbones)
    called, streams = {}, []
    for name, model in backbones.items():
        inputs = inputs_like(model, name)
        x = inputs
        if present is not None:
            x = _masked(inputs, present, columns.index(name), model, name, placeholders[name])
        stream = Stream(name, model, ends[name], inputs, x, chosen[name])
        end = _call(stream, x, found[name][-1], backbones, chosen, called)
        _add_head(stream, end, shared)
        streams.append(stream)
    return streams, shared


def _masked(inputs, present, column, model, name, placeholder):
    """The input, or each of several, with a placeholder where the modality is absent."""

    def masked(x, label):
        return mask_input(x, present, column, model, name, placeholder, f"{label}_mask")

    if isinstance(inputs, dict):
        return {key: masked(x, f"{name}_{key}") for key, x in inputs.items()}
    return masked(inputs, name)


def _points(name, model):
    try:
        points = fusion_points(model)
    except TypeError as error:
        raise TypeError(f'backbones["{name}"]: {error}') from None
    except ValueError as error:
        raise ValueError(f'backbones["{name}"]: {error}') from None
    for layer in flat_layers(model):
        if getattr(layer, "data_format", None) == "channels_first":
            raise ValueError(
                f'backbones["{name}"]: expected layers with data_format="channels_last". '
                f'Received: channels_first in layer "{layer.name}"'
            )
    return points


def _head(found, num_classes, units, head):
    """The one head that fits the arguments and every backbone's own end."""
    if num_classes is not None and units is not None:
        raise ValueError(
            "expected num_classes= (classification) or units= (regression), not both. "
            f"Received: num_classes={num_classes}, units={units}"
        )
    for label, value in (("num_classes", num_classes), ("units", units)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{label}: expected an int >= 1. Received: {value!r}")
    if head is not None and head not in HEADS:
        raise ValueError(f"head: expected one of {HEADS} or None. Received: {head!r}")
    asked = num_classes if num_classes is not None else units
    own = {n: (p.head, p[-1].shape[-1]) for n, p in found.items() if p[-1].role == "prediction"}
    for name in own:
        if len(found[name][-1].shape) != 1:
            raise ValueError(
                f'backbone "{name}": expected one prediction per sample, (batch, classes). '
                f"Received: {shape_name(found[name][-1].shape)}. Give it without its prediction, "
                "or pool it to one"
            )
    dense = {n: p[-1].shape[-1] for n, p in found.items() if p.head == "linear"}
    if asked is None:
        if head is not None:
            own.update({n: (head, width) for n, width in dense.items()})
        _nothing_open(found, own, dense, head)
        asked = next(iter(own.values()))[1]
    activation = head
    if activation is None and units is not None:
        activation = "linear"
    elif activation is None and own:
        activation = next(iter(own.values()))[0]
    elif activation is None:
        activation = "sigmoid" if asked == 1 else "softmax"
    for name, (kind, width) in own.items():
        if (kind, width) != (activation, asked):
            raise ValueError(
                f"expected every backbone to predict {asked} values through {activation} "
                f"(from num_classes, units, head or the first backbone with a prediction). "
                f'Received: backbone "{name}" predicts {width} through {kind}. Give it without '
                "its prediction (include_top=False, or keras.Model(model.input, a_hidden_layer))"
            )
    return Head(activation, asked)


def _nothing_open(found, own, dense, head):
    open_ends = [name for name in found if name not in own]
    if not open_ends:
        return
    name = open_ends[0]
    shape = shape_name(found[name][-1].shape)
    if name in dense:
        raise ValueError(
            f'backbone "{name}" ends in a Dense layer without activation ({shape}): expected head='
            '"softmax", "sigmoid" or "linear" (these are logits), or num_classes= or units= (these '
            "are features). Received: none of them"
        )
    raise ValueError(
        f'backbone "{name}" ends in features ({shape}), not in a prediction: expected '
        "num_classes= (classification) or units= (regression). Received: neither"
        + (f", only head={head!r}" if head else "")
    )


def _ends_in(points, head):
    """How a backbone ends: in "probabilities", in "logits" or in "features"."""
    if points[-1].role == "prediction":
        return "probabilities"
    if points.head == "linear" and points[-1].shape == (head.units,):
        return "logits"
    return "features"


def _chosen(backbones, found, ends, taps):
    """The fusion points of each modality before its prediction, lowest first."""
    automatic = {}
    for name, points in found.items():
        inner = [p for p in points if p.role in ("stage", "features")]
        if ends[name] == "logits":
            inner = inner[:-1]
        automatic[name] = inner
    if isinstance(taps, str) and taps == "auto":
        return automatic
    if not isinstance(taps, dict):
        raise TypeError(
            f'taps: expected "auto" or a dict {{modality: [layer names]}}. Received: {taps!r}'
        )
    if set(taps) != set(backbones):
        raise ValueError(
            f"taps: expected the modalities {sorted(backbones)}. Received: {sorted(taps)}"
        )
    for name, names in taps.items():
        is_list = isinstance(names, (list, tuple))
        if not is_list or any(not isinstance(layer, str) for layer in names):
            raise TypeError(f'taps["{name}"]: expected a list of layer names. Received: {names!r}')
    lengths = {name: len(names) for name, names in taps.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(
            "taps: expected lists of one and the same length, one layer per fusion level "
            f"(the prediction is added by itself). Received: {lengths}"
        )
    return {name: _by_name(name, backbones[name], taps[name]) for name in backbones}


def _by_name(modality, model, names):
    try:
        places = [point_at(model, name) for name in names]
    except ValueError as error:
        raise ValueError(f'taps["{modality}"]: {error}') from None
    order = [position for position, _ in places]
    if order != sorted(set(order)):
        raise ValueError(
            f'taps["{modality}"]: expected layers in the order from input to output, each once. '
            f"Received: {list(names)}"
        )
    return [point for _, point in places]


def _call(stream, x, last, backbones, chosen, called):
    """Fills in the stream's tensors; returns that of the backbone's own output.

    A model given for several modalities is opened once, at all their points, and called for
    each: its weights are shared, as always in Keras when a model is called twice.
    """
    model = stream.model
    if id(model) not in called:
        of_model = [n for n, other in backbones.items() if other is model]
        paths = [p.path for n in of_model for p in chosen[n]] + [last.path]
        paths = list(dict.fromkeys(paths))
        called[id(model)] = open_at(model, paths, f"{stream.name}_backbone"), paths
    opened, paths = called[id(model)]
    outputs = dict(zip(paths, keras.tree.flatten(call_on(opened, x)), strict=True))
    stream.tensors = [outputs[p.path] for p in stream.points]
    return outputs[last.path]


def _add_head(stream, end, head):
    name = stream.name
    if stream.ends_in == "probabilities":
        stream.prediction = layers.Activation("linear", dtype="float32", name=f"{name}_head")(end)
        if head.activation == "linear":
            stream.logits = end
        else:
            stream.logits = ProbabilitiesToLogits(head.activation, name=f"{name}_logits")(end)
        return
    if stream.ends_in == "features":
        end = layers.Dense(head.units, name=f"{name}_logits")(pooled(end, f"{name}_flat"))
    stream.logits = end
    stream.prediction = head(end, f"{name}_head")


def check_single_inputs(streams):
    """An error if a modality has several inputs, for methods that need one tensor."""
    for stream in streams:
        if isinstance(stream.inputs, dict):
            raise ValueError(
                f'backbone "{stream.name}": expected one input for this method. '
                f"Received: {len(stream.inputs)}, {list(stream.inputs)}"
            )


def pooled(x, name):
    """The mean over all axes but the batch and the features."""
    rank = len(x.shape)
    if rank == 2:
        return x
    pooling = {
        3: MaskedAverage,
        4: layers.GlobalAveragePooling2D,
        5: layers.GlobalAveragePooling3D,
    }
    if rank not in pooling:
        raise ValueError(
            "expected a vector, sequence, map or video (batch, ..., features). "
            f"Received: a tensor of shape {tuple(x.shape)}"
        )
    return pooling[rank](name=name)(x)
