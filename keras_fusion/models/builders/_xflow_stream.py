"""A stream that is walked stage by stage, so that something can be done to it in between."""

from keras import layers

from keras_fusion.graph import point_at, split_at
from keras_fusion.layers import MaskedAverage
from keras_fusion.models.assembly import flat, pooled, zeros_are_padding
from keras_fusion.models.builders._xflow_connections import concatenated


class StagedStream:
    """A backbone cut at chosen points.

    Args:
        stream: `Stream`.
        points: The chosen `FusionPoint`s, lowest first, one or more.
        head: `Head`, what is predicted.
        predicts: Boolean, whether `prediction` will be asked for.

    Attributes:
        name: The modality.
        inputs: Its input, masked.
        zeros_are_padding: Boolean, whether its layers may leave out steps of zeros alone.
        tensor: Where the walk has arrived; to be replaced by whatever should go on from there.
        mask: Bool tensor `(batch, steps)`, which of its steps count, or None for all.
    """

    def __init__(self, stream, points, head, predicts):
        self.name = stream.name
        self.inputs = self.tensor = stream.masked_inputs
        self.mask = None
        self.zeros_are_padding = zeros_are_padding(stream.model, self.inputs)
        self._head = head
        model, self._ends_in = stream.model, stream.ends_in
        found = stream.found
        last = found[-1]
        end = last if self._ends_in == "features" else found[-2]
        paths = [point.path for point in points]
        names = [f"{self.name}_stage_{i}" for i in range(1, len(paths) + 1)]
        # A point chosen by hand may lie above the last one found.
        self._has_end = point_at(model, end.path)[0] > point_at(model, paths[-1])[0]
        if self._has_end:
            paths, names = [*paths, end.path], [*names, f"{self.name}_features"]
        if predicts and self._ends_in != "features":
            paths, names = [*paths, last.path], [*names, f"{self.name}_prediction"]
        self._pieces = split_at(model, paths, names, with_masks=True)

    def advance(self):
        """Walks to the next point."""
        piece, has_mask = self._pieces.pop(0)
        takes = [self.tensor, self.mask][: len(piece.inputs)]
        made = piece(takes if len(takes) > 1 else takes[0])
        self.tensor, mask = made if len(piece.outputs) > 1 else (made, self.mask)
        self.mask = mask if has_mask else None

    def merge(self, sent, depth, norm, dropout):
        """Takes in what the other streams sent, a list of tensors.

        Where layers of the backbone follow, what comes out has the width they were made for.
        """
        width, place = self.tensor.shape[-1], f"{self.name}_merge_{depth}"
        self.tensor = concatenated([*sent, self.tensor], place, norm, dropout, self.mask)
        if self.tensor.shape[-1] != width and self._pieces:
            project = layers.Dense(width, use_bias=False, name=f"{self.name}_project_{depth}")
            self.tensor = project(self.tensor)

    def finish(self):
        """Walks to the last features; returns them as a vector."""
        if self._has_end:
            self.advance()
        if len(self.tensor.shape) == 3:  # of any length, and not all steps may count
            return MaskedAverage(name=f"{self.name}_flat")(self.tensor, mask=self.mask)
        return flat(self.tensor, f"{self.name}_flat")

    def prediction(self):
        """The modality's own prediction, after `finish`."""
        if self._ends_in == "features":
            features = pooled(self.tensor, f"{self.name}_pooled")
            logits = layers.Dense(self._head.units, name=f"{self.name}_logits")(features)
            return self._head(logits, f"{self.name}_head")
        self.advance()
        if self._ends_in == "logits":
            return self._head(self.tensor, f"{self.name}_head")
        return layers.Activation("linear", dtype="float32", name=f"{self.name}_head")(self.tensor)
