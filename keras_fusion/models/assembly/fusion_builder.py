"""What every builder does first and last: the streams of its backbones, and the finished model."""

import keras
from keras import ops

from keras_fusion.models.assembly._naming import named_backbones
from keras_fusion.models.assembly._streams import make_streams
from keras_fusion.models.assembly.placeholders import placeholders_for
from keras_fusion.models.fusion_model import FusionModel


class Parts:
    """The streams of a fusion model while it is being built.

    Args:
        backbones, taps, num_classes, units, head, missing_modalities: As in `build_centralnet`.

    Attributes:
        streams: List of `Stream`, in the order of the backbones.
        names: Their names.
        head: `Head`, what is predicted.
        present: The mask with its columns in the order of the streams, or None.
        levels: What `FusionModel` is told of its fusion levels; `note_level` appends to it.
    """

    def __init__(
        self,
        backbones,
        taps="auto",
        num_classes=None,
        units=None,
        head=None,
        missing_modalities=False,
    ):
        backbones = named_backbones(backbones)
        placeholders = placeholders_for(backbones, missing_modalities)
        mask = keras.Input((len(backbones),), name="present") if placeholders else None
        self.streams, self.head = make_streams(
            backbones, taps, num_classes, units, head, mask, placeholders
        )
        self.names = [s.name for s in self.streams]
        self.levels = []
        self._mask = mask
        self.present = mask
        if mask is not None and sorted(self.names) != self.names:
            columns = [sorted(self.names).index(name) for name in self.names]
            self.present = ops.take(mask, columns, axis=1)

    def call(self, layer, tensors, central=None):
        """Calls a layer on the modalities' tensors, with the mask if there is one."""
        optional = {"central": central, "present": self.present}
        return layer(tensors, **{k: v for k, v in optional.items() if v is not None})

    def fuse(self, layer, tensors, level, label, central=None):
        """`call` for a layer that tells the sources' shares, which are noted for `FusionModel`."""
        fused = self.call(layer, tensors, central)
        sources = self.names if central is None else [*self.names, "central"]
        self.levels.append(
            {"name": f"level_{level}", "layer": layer.name, "sources": sources, "label": label}
        )
        return fused

    def finish(self, central, unimodal_loss_weights, name):
        """The model with this central prediction.

        It has no unimodal heads if `unimodal_loss_weights` is None.
        """
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"name: expected a string without '/'. Received: {name!r}")
        inputs = {s.name: s.inputs for s in self.streams}
        if self._mask is not None:
            inputs["present"] = self._mask
        outputs = {"central": central}
        if unimodal_loss_weights is not None:
            outputs.update({s.name: s.prediction for s in self.streams})
        return FusionModel(
            inputs,
            outputs,
            name=name,
            fusion_levels=self.levels,
            unimodal_loss_weights=unimodal_loss_weights,
        )
