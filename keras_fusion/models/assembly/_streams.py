"""From backbones to streams: what every builder does first with the networks it is given."""

from dataclasses import dataclass, field
from functools import partial

import keras
from keras import layers

from keras_fusion._keras import flat_layers
from keras_fusion.graph import call_on, fusion_points, inputs_like, open_at, point_at
from keras_fusion.layers import MaskedAverage, ProbabilitiesToLogits
from keras_fusion.models.assembly._ends import ends_without_head, read_ends
from keras_fusion.models.assembly.placeholders import mask_input


@dataclass
class Stream:
    """One modality inside a fusion model.

    Attributes:
        name: The modality.
        model: Its backbone.
        ends_in: How that ends: "probabilities", "logits" or "features".
        inputs: Its `keras.Input`.
        masked_inputs: The same with a placeholder where the modality is absent.
        found: All its fusion points.
        points: Its chosen fusion points, lowest first, without the prediction.
        tensors: Their tensors, one each.
        end: The backbone's own output.
        logits: The tensor before the head's activation.
        prediction: The tensor after it, the modality's own output.
        leave: Function `(name, tensors, index)` that gives back what leaves the backbone, of which
            the features stand at `index`; see `Balance.leaving`.
    """

    name: str
    model: object
    ends_in: str
    inputs: object
    masked_inputs: object
    found: list
    points: list
    tensors: list = field(default_factory=list)
    end: object = None
    logits: object = None
    prediction: object = None
    leave: object = None


def make_streams(
    backbones,
    num_classes=None,
    units=None,
    head=None,
    ends_in=None,
    taps="auto",
    present=None,
    placeholders=None,
    with_heads=True,
    leave=None,
    per_place=False,
):
    """Reads the backbones, finds their points and heads, and calls them on new inputs.

    Args:
        backbones: Dict `{modality: keras.Model}`.
        num_classes, units, head, ends_in: What is predicted, see `build_centralnet`.
        taps: `"auto"`, or a dict of lists of layer names, see `build_centralnet`. Defaults to
            `"auto"`.
        present: Optional input tensor `(batch, modalities)` with the columns in the order of the
            sorted names. Defaults to `None`.
        placeholders: Optional dict `{modality: placeholder}`, see `mask_input`; needed with
            `present`. Defaults to `None`.
        leave: Optional function, see `Stream`. Defaults to `None`, tensors leave as they are.
        per_place: Boolean, see `FusionBuilder`. Defaults to `False`.

    Returns:
        A list of `Stream`, in the order of `backbones`, and the `Head` they share.
    """
    found = {name: _points(name, model) for name, model in backbones.items()}
    _check_shared(backbones)
    if with_heads:
        ends, shared = read_ends(found, num_classes, units, head, ends_in, per_place)
    else:
        ends, shared = ends_without_head(found, ends_in), None
    found = {n: _read_as(model, found[n], ends[n]) for n, model in backbones.items()}
    chosen = _chosen(backbones, found, taps)
    columns = sorted(backbones)
    called, streams = {}, []
    for name, model in backbones.items():
        inputs = inputs_like(model, name)
        x = inputs
        if present is not None:
            x = _masked(inputs, present, columns.index(name), model, name, placeholders[name])
        stream = Stream(name, model, ends[name], inputs, x, found[name], chosen[name])
        stream.leave = partial(leave or _as_they_are, head=shared)
        _call(stream, x, backbones, chosen, called)
        if with_heads:
            add_head(stream, shared)
        streams.append(stream)
    return streams, shared


def _as_they_are(name, tensors, index, head):
    return tensors


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


def _check_shared(backbones):
    """An error where two backbones share a layer, which Keras would load from a file as two."""
    owners = {}
    for name, model in backbones.items():
        for layer in flat_layers(model):
            owner, other = owners.setdefault(id(layer), (name, model))
            has_state = layer.variables or hasattr(layer, "adapt")
            if other is not model and layer is not model and has_state:
                raise ValueError(
                    f'backbones: expected layers of its own in "{name}", as Keras saves a model '
                    f'that two others share a layer of, but does not load it. Received: "'
                    f'{layer.name}", which is in "{owner}" too. Give one and the same model for '
                    "both, whose weights are then shared, or copy the layer "
                    "(keras.models.clone_model of its model)"
                )


def _read_as(model, points, ends_in):
    """The points of a backbone that ends so; what it shows by itself needs no second look."""
    is_prediction = points[-1].role == "prediction"
    if is_prediction == (ends_in != "features"):
        return points
    return fusion_points(model, ends_in)


def _chosen(backbones, found, taps):
    """The fusion points of each modality before its prediction, lowest first."""
    if isinstance(taps, str) and taps == "auto":
        return {
            name: [p for p in points if p.role in ("stage", "features")]
            for name, points in found.items()
        }
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


def _call(stream, x, backbones, chosen, called):
    """Fills in the stream's tensors and that of the backbone's own output.

    A model given for several modalities is opened once, at all their points, and called for
    each: its weights are shared, as always in Keras when a model is called twice.
    """
    model, last = stream.model, stream.found[-1]
    if id(model) not in called:
        of_model = [n for n, other in backbones.items() if other is model]
        paths = [p.path for n in of_model for p in chosen[n]] + [last.path]
        paths = list(dict.fromkeys(paths))
        called[id(model)] = open_at(model, paths, f"{stream.name}_backbone"), paths
    opened, paths = called[id(model)]
    left = keras.tree.flatten(call_on(opened, x))
    features = (
        stream.points[-1] if stream.points else last if stream.ends_in == "features" else None
    )
    place = None if features is None else paths.index(features.path)
    left = stream.leave(stream.name, left, place)
    outputs = dict(zip(paths, left, strict=True))
    stream.tensors = [outputs[p.path] for p in stream.points]
    stream.end = outputs[last.path]


def add_head(stream, head):
    """Fills in the stream's logits and prediction, from its end."""
    name, end = stream.name, stream.end
    if stream.ends_in == "probabilities":
        stream.prediction = layers.Activation("linear", dtype="float32", name=f"{name}_head")(end)
        if head.activation == "linear":
            stream.logits = end
        else:
            stream.logits = ProbabilitiesToLogits(head.activation, name=f"{name}_logits")(end)
        return
    if stream.ends_in == "features":
        end = end if head.places else pooled(end, f"{name}_flat")
        end = layers.Dense(head.units, name=f"{name}_logits")(end)
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
