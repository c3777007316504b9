"""What every builder is made of: from backbones to what meets, how it is fused, and the model."""

import inspect

import keras
from keras import layers, ops

from keras_fusion._checks import check_bool, plain
from keras_fusion.backbones import dense_block, dropped
from keras_fusion.graph import shape_name
from keras_fusion.layers import MaskAbsentSteps, ModDrop
from keras_fusion.models.assembly._alignment import at_places
from keras_fusion.models.assembly._balance import Balance
from keras_fusion.models.assembly._features import last_tensors, last_tokens, tensors_at
from keras_fusion.models.assembly._levels import cells_above, paired_levels
from keras_fusion.models.assembly._naming import named_backbones, with_first
from keras_fusion.models.assembly._streams import make_streams, pooled
from keras_fusion.models.assembly.placeholders import placeholders_for
from keras_fusion.models.fusion_model import FusionModel, check_first_names


class FusionBuilder:
    """A fusion model while it is being built: the parts of every builder, in the order of use.

    Use it to write a fusion method of your own. A builder says what meets (`features`, `tokens` or
    `levels`), fuses it (`fuse`), and goes on to the prediction (`hidden`, `logits`, `finish`);
    names, heads, taps, missing modalities and the report of fusion weights come with it. Where one
    fusion layer is all that is new, `build_fusion` needs no builder at all.

    Args:
        backbones: Dict `{modality: keras.Model}`, or a list of models; see `build_centralnet`.
        num_classes, units, head, ends_in, taps, unimodal_loss_weights, balance, missing_modalities,
            name: The arguments that all builders share, in this order; see `build_centralnet`.
        main: Optional string, the modality that comes first whatever the order of the backbones.
            Defaults to `None`.
        per_place: Boolean, whether the method takes backbones that predict for every step of a
            sequence or place of a map, and does so too. Defaults to `False`: they are refused.

    Attributes:
        names: List of the modalities' names, in the order in which layers get their tensors.
        streams: List of the modalities' streams, in that order: `name`, `inputs`, `points` and
            `tensors` (the fusion points), `logits` and `prediction`.
        head: What is predicted: `activation`, `units` and `places`, the shape of the steps or
            places that have a prediction each, `()` if the sample has one; called on logits and a
            name it gives the prediction.
        present: The mask of the modalities that are there, `(batch, modalities)` in the order of
            `names`; None unless the model is built with `missing_modalities`.

    Raises:
        TypeError, ValueError: arguments or backbones that do not fit; the message names them.

    Example:

    >>> import keras_fusion as kf
    >>> nets = {"image": kf.backbones.lenet5((8, 8, 1)), "sound": kf.backbones.mlp(20)}
    >>> parts = kf.models.FusionBuilder(nets, name="gated")
    >>> x = parts.fuse(kf.layers.GatedMultimodalUnit(16, name="fusion_0"), parts.features())
    >>> model = parts.finish(parts.logits(x, dropout=0.2))
    >>> model.fusion_levels
    {'level_0': '16'}
    """

    def __init__(
        self,
        backbones,
        num_classes=None,
        units=None,
        head=None,
        ends_in=None,
        taps="auto",
        unimodal_loss_weights=None,
        balance=None,
        missing_modalities=False,
        name="fusion",
        *,
        main=None,
        per_place=False,
    ):
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"name: expected a string without '/'. Received: {name!r}")
        check_first_names("name", [name])
        check_bool("per_place", per_place)
        backbones = with_first(named_backbones(backbones), main)
        placeholders = placeholders_for(backbones, plain(missing_modalities))
        self._mask = keras.Input((len(backbones),), name="present") if placeholders else None
        self._balance = Balance(balance, backbones)
        options = (num_classes, units, head, ends_in, taps, self._mask, placeholders)
        self.streams, self.head = make_streams(
            backbones, *options, leave=self._balance.leaving, per_place=per_place
        )
        self.names = [s.name for s in self.streams]
        self.present = self._mask
        if self._mask is not None and sorted(self.names) != self.names:
            columns = [sorted(self.names).index(name) for name in self.names]
            self.present = ops.take(self._mask, columns, axis=1)
        self._taps = taps
        self._unimodal_loss_weights = plain(unimodal_loss_weights)
        self._balance.check(self.head, self.keep_heads)
        self._name = name
        self._levels = []

    @property
    def keep_heads(self):
        """Whether the model has the unimodal predictions too."""
        return self._unimodal_loss_weights is not None

    def _kept(self, keep_heads):
        return self.keep_heads if keep_heads is None else keep_heads

    # ---- what meets

    def tensors(self, keep_heads=None):
        """The modalities' last hidden tensors, as they are: vectors, sequences, maps or videos.

        Args:
            keep_heads: Optional boolean, whether the backbones' own predictions are used too. If
                not, the backbones end at these tensors. Defaults to whether the model has
                unimodal heads.

        Returns:
            List of tensors: of every modality its last hidden fusion point; of a backbone without
            hidden layers what it outputs, or what it gets if it consists of its prediction alone.
        """
        return last_tensors(self.streams, self._kept(keep_heads))

    def features(self, keep_heads=None):
        """The modalities' features: their last hidden tensors as vectors, one for each prediction.

        Args:
            keep_heads: As in `tensors`.

        Returns:
            List of tensors `(batch, features_k)`, maps and sequences averaged; where every step or
            place has a prediction `(batch, *places, features_k)`, brought to the places' size.
        """
        if places := self.head.places:
            return [
                at_places(x, places, f"{name}_places_level_0")
                for x, name in zip(self.tensors(keep_heads), self.names, strict=True)
            ]
        return [
            pooled(x, f"{name}_average_level_0")
            for x, name in zip(self.tensors(keep_heads), self.names, strict=True)
        ]

    def tokens(self, max_tokens=256):
        """The modalities' last hidden tensors that still have steps or places, for an attention.

        With `taps="auto"` that is the last hidden fusion point which is a sequence, map or video;
        of a backbone without one, or that reads its sequence with a recurrent layer, the last
        hidden one.

        Args:
            max_tokens: Positive integer. Maps and videos with more places are averaged to fewer.
                Defaults to `256`.

        Returns:
            List of tensors `(batch, ..., features_k)`.
        """
        return last_tokens(self.streams, self._taps, self.keep_heads, max_tokens)

    def levels(self, align="auto", max_width=1024):
        """The hidden tensors that meet at every level, lowest level first, brought to one shape.

        Args:
            align, max_width: See `build_centralnet`.

        Returns:
            List with a list of tensors of one shape for every level; the prediction is not one.
        """
        return paired_levels(self.streams, align, plain(max_width), use_inputs=self._taps == "auto")

    def tensors_at(self, position, keep_heads=None):
        """The modalities' tensors at one fusion point, not aligned.

        Args:
            position: Negative integer: points are counted from the output end, as levels are.
            keep_heads: As in `tensors`.
        """
        return tensors_at(self.streams, position, self._kept(keep_heads))

    def cells(self, levels, central=None, kernel_size=3, dropout=0.5):
        """The central network: a function from every level's fused tensor to the next level's.

        Args:
            levels: What `levels` returns, or the end of it.
            central, kernel_size, dropout: See `build_centralnet`.

        Returns:
            List of functions on tensors; the last one makes the logits.
        """
        return cells_above(levels, self.head, central, plain(kernel_size), plain(dropout))

    # ---- how it is fused

    def call(self, layer, tensors, central=None, **arguments):
        """Calls a layer on the modalities' tensors, with the mask if the model has one.

        Of a layer that takes no `present` the absent modalities' tensors are zeros.

        Args:
            layer: Keras layer that takes a list of tensors.
            tensors: List of one tensor per modality.
            central: Optional tensor, what has been fused before. A layer without an argument
                `central` gets it at the end of the list. Defaults to `None`.
            **arguments: Further arguments of the call.

        Returns:
            What the layer returns.
        """
        takes, present = inspect.signature(layer.call).parameters, self.present
        if present is not None and len(self.head.places) == 1:
            tensors = self._without_absent_steps(tensors, layer.name)
        if present is not None and "present" not in takes:
            tensors = ModDrop(0.0, name=f"{layer.name}_present")(tensors, present=present)
        if central is not None and "central" in takes:
            arguments["central"] = central
        elif central is not None:
            tensors = [*tensors, central]
            if present is not None:  # what has been fused before is always there
                present = ops.concatenate([present, ops.ones_like(present[:, :1])], axis=1)
        if present is not None and "present" in takes:
            arguments["present"] = present
        return layer(tensors, **arguments)

    def _without_absent_steps(self, tensors, label):
        """Sequences whose masks say of an absent one that no step counts."""
        columns = ops.split(self.present, len(self.names), axis=1)
        return [
            MaskAbsentSteps(dtype=x.dtype, name=f"{label}_{name}_steps")([x, here])
            if len(x.shape) == 3
            else x
            for x, name, here in zip(tensors, self.names, columns, strict=True)
        ]

    def fuse(self, layer, tensors, level=0, label=None, central=None, **arguments):
        """`call` for a fusion layer, whose fusion weights the model will report.

        Args:
            layer, tensors, central, **arguments: As in `call`.
            level: Integer, the number of this level. Defaults to `0`.
            label: Optional string that describes it, as in `FusionModel.fusion_levels`. Defaults
                to the shape of what comes out.

        Returns:
            What the layer returns.
        """
        fused = self.call(layer, tensors, central, **arguments)
        if getattr(layer, "fusion_weights_per", None) is not None:
            self._levels.append(
                {
                    "name": f"level_{level}",
                    "layer": layer.name,
                    "sources": self.names if central is None else [*self.names, "central"],
                    "label": shape_name(fused.shape[1:]) if label is None else label,
                }
            )
        return fused

    # ---- up to the prediction

    def hidden(self, x, head_units, dropout, name="central_dense"):
        """Hidden layers after the fusion: dense, batch normalization, ReLU and dropout.

        Args:
            x: Tensor `(batch, features)`.
            head_units: Sequence of positive integers, one layer each.
            dropout: Float in [0, 1), the rate after each of them.
            name: String, the layers' names without their numbers. Defaults to `"central_dense"`.

        Returns:
            Tensor `(batch, head_units[-1])`.
        """
        for i, width in enumerate(head_units):
            x = dense_block(x, width, dropout, name=f"{name}{i}")
        return x

    def logits(self, x, dropout=0.0, name="central_logits"):
        """The linear layer of the prediction.

        Args:
            x: Tensor `(batch, ..., features)`.
            dropout: Float in [0, 1), the rate before it. Defaults to `0.0`.
            name: String, of the layer. Defaults to `"central_logits"`.

        Returns:
            Tensor `(batch, ..., classes)`.
        """
        return layers.Dense(self.head.units, name=name)(dropped(x, dropout, "central_dropout"))

    def finish(self, logits=None, prediction=None):
        """The model.

        Args:
            logits: Optional tensor `(batch, ..., classes)`, what the central prediction is made of.
                Defaults to `None`.
            prediction: Optional tensor, the prediction itself, in place of `logits`. Defaults to
                `None`.

        Returns:
            `FusionModel`, not compiled. It has unimodal heads unless `unimodal_loss_weights` is
            None.
        """
        if prediction is None:
            prediction = self.head(logits, "central_head")
        inputs = {s.name: s.inputs for s in self.streams}
        if self._mask is not None:
            inputs["present"] = self._mask
        outputs = {"central": prediction}
        if self.keep_heads:
            outputs.update({s.name: s.prediction for s in self.streams})
        self._balance.check_reached(inputs, prediction)
        return FusionModel(
            inputs,
            outputs,
            name=self._name,
            fusion_levels=self._levels,
            unimodal_loss_weights=self._unimodal_loss_weights,
            **self._balance.options(self.head),
        )
