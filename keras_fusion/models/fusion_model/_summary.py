"""Where modalities meet in a fusion model, read off its graph: so it holds for every method."""

import re
from dataclasses import dataclass

import keras
from keras import layers

from keras_fusion._keras import history
from keras_fusion.graph import shape_name, steps, tensors_of
from keras_fusion.layers import (
    AverageAxes,
    ClassPrototypes,
    CrossConnection1D2D,
    CrossConnection2D1D,
    CrossConnectionND,
    GradientGate,
    ModalityMask,
    ModDrop,
    PadFeatures,
    ProbabilitiesToLogits,
    RepeatSteps,
)

_MEANS = {2: "mean over time", 3: "mean over space", 4: "mean over time and space"}
_CALLED = {
    CrossConnection1D2D: "cross-connection",
    CrossConnection2D1D: "cross-connection",
    CrossConnectionND: "cross-connection",
    ClassPrototypes: None,
    GradientGate: None,
    ModDrop: "ModDrop",
    ModalityMask: None,
    PadFeatures: "zero-padding",
    ProbabilitiesToLogits: "logits of probabilities",
    RepeatSteps: None,
    layers.Dense: "projection",
}


@dataclass(frozen=True)
class Source:
    """One tensor that takes part in a fusion.

    Attributes:
        name: String, the modality, or "central" for what has been fused before.
        tensor: Path of the layer that made it: a fusion point of the backbone, the modality's
            input, or the fusion layer before.
        shape: Its shape without the batch.
        steps: Tuple of strings, what was done to it on the way, e.g. "zero-padding".
        aligned: Its shape as it meets the others.
    """

    name: str
    tensor: str
    shape: tuple
    steps: tuple
    aligned: tuple


@dataclass(frozen=True)
class Fusion:
    """One layer in which modalities meet.

    Attributes:
        layer: Its name.
        kind: Its class.
        sources: Tuple of `Source`.
        shape: What comes out, without the batch.
    """

    layer: str
    kind: str
    sources: tuple
    shape: tuple

    def __str__(self):
        rows = [("source", "tensor", "shape", "aligned by", "meets as")]
        rows += [
            (
                s.name,
                s.tensor,
                shape_name(s.shape),
                ", ".join(s.steps) or "-",
                shape_name(s.aligned),
            )
            for s in self.sources
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
        title = f"{self.layer} ({self.kind}), {shape_name(self.shape)}"
        return "\n  ".join([title, *(line.rstrip() for line in lines)])


def fusions_of(model):
    """The layers of a `FusionModel` in which modalities meet, from the inputs to the prediction.

    Such a layer takes tensors which depend on different sets of modalities.

    Returns:
        List of `Fusion`.
    """
    graph = _Graph(model)
    return [
        Fusion(
            step.operation.name,
            type(step.operation).__name__,
            tuple(graph.source(tensor) for tensor in graph.carried(step)),
            tuple(step.tensors[0].shape[1:]),
        )
        for step in graph.steps
        if graph.is_fusion(step)
    ]


class _Graph:
    """A model's graph with the modalities that each tensor depends on."""

    def __init__(self, model):
        self.steps = steps(model)
        self.maker = {id(t): step for step in self.steps for t in step.tensors}
        self.modalities = {
            id(tensor): frozenset({name} - {"present"})
            for name, inputs in model.input.items()
            for tensor in keras.tree.flatten(inputs)
        }
        for step in self.steps:
            if not step.inputs:
                continue
            found = [self.modalities[id(t)] for t in self.carried(step)]
            apart = isinstance(step.operation, ModDrop)  # several in, several out, none mixed
            together = frozenset().union(*found)
            for i, tensor in enumerate(step.tensors):
                self.modalities[id(tensor)] = found[i] if apart else together

    def carried(self, step):
        """The inputs of a step that depend on a modality; the mask `present` does not."""
        return [tensor for tensor in step.inputs if self.modalities.get(id(tensor))]

    def is_fusion(self, step):
        if isinstance(step.operation, (keras.Model, ModDrop, RepeatSteps)):
            return False
        return len({self.modalities[id(tensor)] for tensor in self.carried(step)}) > 1

    def source(self, tensor):
        """Follows a tensor back to where its modality comes from."""
        aligned, passed = tuple(tensor.shape[1:]), []
        names = self.modalities[id(tensor)]
        while True:
            step = self.maker[id(tensor)]
            before = self.carried(step)
            is_model = isinstance(step.operation, keras.Model)
            if is_model or not before or self.is_fusion(step):
                break
            passed.append(_called(step.operation, before[0].shape))
            is_one_of_many = len(before) == len(step.tensors)
            tensor = before[_place(step, tensor) if is_one_of_many else 0]
        steps_ = tuple(name for name in reversed(passed) if name)
        name = next(iter(names)) if len(names) == 1 else "central"
        return Source(name, _path(step, tensor), tuple(tensor.shape[1:]), steps_, aligned)


def _called(operation, shape):
    """What a layer between two fusions is called in the description; None for one that copies."""
    if type(operation) in _CALLED:
        return _CALLED[type(operation)]
    kind = type(operation).__name__
    if kind == "MaskedAverage" or kind.startswith("GlobalAveragePooling"):
        return _MEANS[len(shape) - 1]
    if isinstance(operation, AverageAxes):
        gone, has_time = set(operation.axes), len(shape) in (3, 5)
        if has_time and gone == {1}:
            return _MEANS[2]
        return _MEANS[4] if has_time and 1 in gone else _MEANS[3]
    if isinstance(operation, layers.Activation):
        name = operation.activation.__name__
        return None if name == "linear" else name
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", re.sub(r"(1D|2D|3D)$", "", kind))
    return words.lower()


def _place(step, tensor):
    """Which of a step's tensors it is."""
    return next(i for i, made in enumerate(step.tensors) if made is tensor)


def _path(step, tensor):
    """The path of the layer that made a tensor, inside nested models too."""
    operation, path, at = step.operation, [], _place(step, tensor)
    while outputs := tensors_of(operation):
        operation, _, at = history(outputs[at])
        path.append(operation.name)
    return "/".join(path) or operation.name
