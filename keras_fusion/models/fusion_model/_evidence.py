"""Evidence beside the predictions: what `EvidentialLoss` is computed from, and uncertainties."""

import threading

import keras
import numpy as np
from keras import ops

from keras_fusion._keras import arguments_of, history
from keras_fusion.layers import EvidenceFusion
from keras_fusion.losses import EvidentialLoss
from keras_fusion.models.fusion_model._weights_report import called_on, filled, tensors_in


class HeadEvidence:
    """Hands the evidence of heads from the call of a model to its losses.

    A prediction does not say how much evidence it was made of, so the model's graph has further
    outputs here, which Keras' steps do not know: the arguments of the heads' layers.

    Args:
        model: `FusionModel`.
        losses: Dict `{head: loss}`.

    Attributes:
        losses: The same, those that need evidence following the count of their layers.
    """

    def __init__(self, model, losses):
        self._layers = {
            head: history(model.output[head]).operation
            for head, loss in losses.items()
            if isinstance(loss, EvidentialLoss)
        }
        for head, layer in self._layers.items():
            if not isinstance(layer, EvidenceFusion):
                raise ValueError(
                    "loss: expected EvidentialLoss for heads that are made of evidence, as those "
                    f'of build_trusted. Received: it for head {head!r} of "{model.name}"'
                )
        self.losses = {
            head: loss.annealed_by(self._layers[head].steps) if head in self._layers else loss
            for head, loss in losses.items()
        }
        self._arguments = {head: arguments_of(model.output[head]) for head in self._layers}
        outputs = {"heads": dict(model.output), "others": tensors_in(self._arguments)}
        self._graph = keras.Model(model.input, outputs)
        # Copies of a model on several devices run in threads of their own.
        self._last = threading.local()

    def call(self, inputs, training, mask):
        """What the model predicts; the rest is kept for the loss."""
        found = self._graph.call(inputs, training=training, mask=mask)
        self._last.found = found
        return found["heads"]

    def of(self, y_pred):
        """`y_pred`, with evidence in place of predictions for the losses that need it.

        NaN where these are not the predictions of the last call: Keras builds a loss on other
        tensors, for their shapes alone, and a number would be a wrong one anywhere else.
        """
        found = self._last.__dict__.pop("found", None)
        if found is None or any(found["heads"][head] is not y_pred[head] for head in self._layers):
            return {
                head: ops.full_like(p, np.nan) if head in self._layers else p
                for head, p in y_pred.items()
            }
        arguments = filled(self._arguments, found["others"])
        return {
            **y_pred,
            **{head: _evidence(self._layers[head], *arguments[head]) for head in self._layers},
        }


def _evidence(layer, args, kwargs):
    """`(batch, classes)`, or `(batch, 2, classes)`: a joint network has a loss of its own."""
    kwargs = _sources(kwargs)
    fused = layer.evidence(*args, **kwargs)
    if kwargs.get("central") is None:
        return fused
    return ops.stack([fused, layer.evidence([kwargs["central"]])], axis=1)


def _sources(kwargs):
    return {name: value for name, value in kwargs.items() if name != "training"}


def uncertain_level(model):
    """The fusion level whose layer makes the central prediction of evidence, or `None`."""
    layer = history(model.output["central"]).operation
    if not isinstance(layer, EvidenceFusion):
        return None
    return next(
        level for level in model.get_config()["fusion_levels"] if level["layer"] == layer.name
    )


def uncertainty_of(model, inputs, compute=None):
    """`{"central": (batch,), modality: (batch,)}` as tensors.

    Args:
        model: `FusionModel`.
        inputs, compute: As in `called_on`.
    """
    level = uncertain_level(model)
    if level is None:
        raise ValueError(
            "uncertainty: expected a model whose central prediction is made of evidence, as that "
            f'of build_trusted. Received: "{model.name}"'
        )
    layer = model.get_layer(level["layer"])
    args, kwargs = called_on(model, layer, inputs, compute)
    found = layer.uncertainty(*args, **_sources(kwargs))
    names = ["central", *(name for name in level["sources"] if name != "central")]
    return {name: found[:, k] for k, name in enumerate(names)}
