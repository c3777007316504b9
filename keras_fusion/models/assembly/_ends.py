"""What backbones end in, and the one head that all of them share."""

from dataclasses import dataclass

from keras import layers

from keras_fusion._checks import check_choice, check_int, plain
from keras_fusion.graph import shape_name

HEADS = ("softmax", "sigmoid", "linear")
ENDS = ("probabilities", "logits", "features")
_PROBABILITIES = ("softmax", "sigmoid")


@dataclass(frozen=True)
class Head:
    """What is predicted: `activation` ("softmax", "sigmoid" or "linear") and `units`.

    `places` is the shape without batch and units: `()` for one prediction a sample, `(time,)` for
    one a step, `(height, width)` for one a pixel; `None` where a size is open.
    """

    activation: str
    units: int
    places: tuple = ()

    def __call__(self, logits, name):
        # float32 under mixed precision too: probabilities near 0 and 1 need it.
        return layers.Activation(self.activation, dtype="float32", name=name)(logits)


def read_ends(found, num_classes, units, head, ends_in, per_place=False):
    """How each backbone ends, "probabilities", "logits" or "features", and the `Head` of all.

    Args:
        found: Dict `{modality: FusionPoints}`.
        num_classes, units, head, ends_in: See `build_centralnet`.
        per_place: Boolean, whether there may be a prediction for every step or place. Defaults to
            `False`.
    """
    if num_classes is not None and units is not None:
        raise ValueError(
            "expected num_classes= (classification) or units= (regression), not both. "
            f"Received: num_classes={num_classes}, units={units}"
        )
    for label, value in (("num_classes", num_classes), ("units", units)):
        if value is not None:
            check_int(label, value)
    if head is not None:
        check_choice("head", head, HEADS)
    said = _per_modality(ends_in, found)
    asked = plain(num_classes if num_classes is not None else units)
    ends = {name: _end(name, found[name], asked, head, said[name]) for name in found}
    own = {name: found[name][-1] for name, end in ends.items() if end != "features"}
    places = _places(found, own, per_place)
    if asked is None:
        asked = next(iter(own.values())).shape[-1]
    activation = _activation(head, units, asked, [found[name].head for name in own])
    shared = Head(activation, asked, places)
    for name, point in own.items():
        _check_fits(name, ends[name], found[name].head, point.shape[-1], shared)
    return ends, shared


def _places(found, own, per_place):
    """For which steps or places all predict, `()` for one prediction per sample."""
    name = next((name for name, point in own.items() if len(point.shape) > 1), None)
    if name is None:
        return ()
    shape = own[name].shape
    if not per_place:
        raise ValueError(
            f'backbone "{name}": expected one prediction per sample, (batch, classes). '
            f"Received: {shape_name(shape)}. Predictions for every step or place are fused by "
            "centralnet, gmu and the late methods only. Here pool them to one by a "
            "GlobalAveragePooling layer, or give the backbone without its last layer, or say that "
            f'these are features: ends_in={{"{name}": "features"}}; of features, num_classes= '
            "predicts one label per sample"
        )
    for other, points in found.items():
        if points[-1].shape[:-1] != shape[:-1]:
            raise ValueError(
                "expected backbones that all end in the same steps or places, as "
                f'"{name}" predicts for {shape_name(shape[:-1])} of them. Received: backbone '
                f'"{other}" ends in {shape_name(points[-1].shape)}. Resample one (a pooling or '
                "UpSampling layer), or pool all to one prediction per sample"
            )
    return tuple(shape[:-1])


def ends_without_head(found, ends_in):
    """How each backbone ends, where nothing is predicted from them."""
    said = _per_modality(ends_in, found)
    for name, points in found.items():
        if said[name] is None and points.head in ("linear", "unknown"):
            raise ValueError(_unseen_end(name, points))
    shown = {name: points.head in _PROBABILITIES for name, points in found.items()}
    return {n: said[n] or ("probabilities" if shown[n] else "features") for n in found}


def _per_modality(ends_in, found):
    """`{modality: what its backbone was said to end in, or None}`."""
    given = ends_in if isinstance(ends_in, dict) else dict.fromkeys(found, ends_in)
    unknown = sorted(str(name) for name in given if name not in found)
    if unknown:
        raise ValueError(f"ends_in: expected the modalities {sorted(found)}. Received: {unknown}")
    for name, end in given.items():
        label = f'ends_in["{name}"]' if isinstance(ends_in, dict) else "ends_in"
        check_choice(label, end, (None, *ENDS))
        shown = found[name].head
        if (end == "logits" and shown in _PROBABILITIES) or (
            end == "probabilities" and shown == "linear"
        ):
            raise ValueError(
                f'{label}: expected another end of backbone "{name}", whose last layer\'s '
                f"activation is {shown}. Received: {end!r}"
            )
    return {name: given.get(name) for name in found}


def _end(name, points, asked, head, said):
    """How one backbone ends; an error if that cannot be known."""
    shown, shape = points.head, points[-1].shape
    if said is None and shown in _PROBABILITIES:
        if len(shape) > 1 and not points.per_place:
            raise ValueError(_unseen_end(name, points))
        return "probabilities"
    if said is None and shown in ("linear", "unknown"):
        # With another number of values it cannot be the prediction.
        if asked is not None and shape[-1] != asked:
            return "features"
        if asked is not None and shown == "linear" and len(shape) == 1:
            return "logits"
        if asked is None and head is not None:
            return "logits"
        raise ValueError(_open_end(name, points))
    if asked is None and said in (None, "features"):
        raise ValueError(
            f'backbone "{name}" ends in features ({shape_name(shape)}), not in a prediction: '
            "expected num_classes= (classification) or units= (regression). Received: neither"
            + (f", only head={head!r}" if head else "")
        )
    return said or "features"


def _open_end(name, points):
    shape = shape_name(points[-1].shape)
    if points.head == "linear" and len(points[-1].shape) == 1:
        return (
            f'backbone "{name}" ends in a layer without activation ({shape}): expected head='
            '"softmax", "sigmoid" or "linear" (these are logits), or num_classes= or units= (these '
            "are features). Received: none of them"
        )
    return _unseen_end(name, points)


def _unseen_end(name, points):
    return (
        f'backbone "{name}": expected ends_in="probabilities", "logits" (before a softmax or '
        f'sigmoid) or "features", because its last layer, "{points[-1].path}" '
        f"({shape_name(points[-1].shape)}), does not show it. Received: None"
    )


def _activation(head, units, asked, shown):
    if head is not None:
        return head
    if units is not None:
        return "linear"
    known = [activation for activation in shown if activation in _PROBABILITIES]
    return known[0] if known else "sigmoid" if asked == 1 else "softmax"


def _check_fits(name, end, shown, width, head):
    """An error unless the own prediction of a backbone is what all of them predict."""
    if end == "probabilities" and shown not in _PROBABILITIES:
        shown = "softmax or sigmoid" if head.activation == "linear" else head.activation
    elif end == "logits":
        shown = head.activation
    if (shown, width) != (head.activation, head.units):
        raise ValueError(
            f"expected every backbone to predict {head.units} values through {head.activation} "
            f"(from num_classes, units, head or the first backbone with a prediction). "
            f'Received: backbone "{name}" predicts {width} through {shown}. Give it without '
            "its prediction (include_top=False, or keras.Model(model.input, a_hidden_layer))"
        )
