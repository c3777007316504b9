"""Evidence beside the predictions: what `EvidentialLoss` is computed from, and uncertainties."""

import threading

import keras
import numpy as np
from keras import ops

from keras_fusion._keras import arguments_of, history
from keras_fusion.layers import EvidenceFusion, LinearChainCRF
from keras_fusion.losses import CRFLoss, EvidentialLoss
from keras_fusion.models.fusion_model._weights_report import (
    MaskOf,
    called_on,
    filled,
    tensors_in,
)

# What a loss needs the head's layer to be, and how its message calls such heads.
_NEEDS = {
    EvidentialLoss: (EvidenceFusion, "are made of evidence, as those of build_trusted"),
    CRFLoss: (LinearChainCRF, 'end in a CRF, as that of build_crf_fusion(per="step")'),
}


def reads_more(loss):
    """Whether a loss needs more than the prediction of its head."""
    return isinstance(loss, tuple(_NEEDS))


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
            if reads_more(loss)
        }
        for head, layer in self._layers.items():
            kind = next(kind for kind in _NEEDS if isinstance(losses[head], kind))
            needed, heads = _NEEDS[kind]
            if not isinstance(layer, needed):
                raise ValueError(
                    f"loss: expected {kind.__name__} for heads that {heads}. "
                    f'Received: it for head {head!r} of "{model.name}"'
                )
        self.losses = {
            head: _bound(loss, self._layers[head]) if head in self._layers else loss
            for head, loss in losses.items()
        }
        self._arguments = {head: _arguments(model, head) for head in self._layers}
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
                head: _unknown(self._layers[head], p) if head in self._layers else p
                for head, p in y_pred.items()
            }
        arguments = filled(self._arguments, found["others"])
        return {
            **y_pred,
            **{head: _evidence(self._layers[head], *arguments[head]) for head in self._layers},
        }

    def weights(self, given, spread):
        """Sample weights as `head_sample_weights` spread them, of a CRF's loss one a sequence."""
        chains = [h for h, layer in self._layers.items() if isinstance(layer, LinearChainCRF)]
        if spread is None or not chains:
            return spread
        by_head = given if isinstance(given, dict) else dict.fromkeys(chains, given)
        for head in chains:
            weight = by_head.get(head)
            if weight is not None and len(weight.shape) > 1 and weight.shape[-1] != 1:
                raise ValueError(
                    "sample_weight: expected (samples,), as CRFLoss is that of a whole sequence; "
                    "steps that do not count are masked, by keras.layers.Masking or Embedding. "
                    f"Received: {tuple(weight.shape)} for head {head!r}"
                )
        return {**spread, **{head: spread[head][:, 0] for head in chains}}


def _unknown(layer, predicted):
    """NaN in the place of what `_evidence` makes."""
    if isinstance(layer, LinearChainCRF):
        predicted = ops.concatenate([predicted, predicted[..., :1]], axis=-1)
    return ops.full_like(predicted, np.nan)


def _bound(loss, layer):
    if isinstance(loss, CRFLoss):
        return loss.bound_to(layer)
    return loss.annealed_by(layer.steps)


def _arguments(model, head):
    """What a head's layer is called on: `(args, kwargs)`, a CRF with its mask."""
    args, kwargs = arguments_of(model.output[head])
    if isinstance(history(model.output[head]).operation, LinearChainCRF):
        return (args[0], MaskOf()(args[0])), {}
    return args, kwargs


def _evidence(layer, args, kwargs):
    """`(batch, classes)`, or `(batch, 2, classes)`: a joint network has a loss of its own.

    Of a CRF the emissions and the mask, `(batch, steps, classes + 1)`.
    """
    if isinstance(layer, LinearChainCRF):
        emissions, mask = (ops.cast(x, "float32") for x in args)
        return ops.concatenate([emissions, ops.expand_dims(mask, -1)], axis=-1)
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


def has_chain(model):
    """Whether a CRF makes the central prediction, so that there is a path to decode."""
    return isinstance(history(model.output["central"]).operation, LinearChainCRF)


def decoded_of(model, inputs, compute=None):
    """The most likely path, `(batch, steps)`.

    Args:
        model: `FusionModel`.
        inputs, compute: As in `called_on`.
    """
    if not has_chain(model):
        raise ValueError(
            "decode: expected a model whose central prediction is made by a CRF, as that of "
            f'build_crf_fusion(per="step"). Received: "{model.name}"'
        )
    arguments, _ = _arguments(model, "central")
    graph = keras.Model(model.input, list(arguments))
    found = compute(graph, inputs) if compute else graph.predict(inputs, verbose=0)
    return history(model.output["central"]).operation.decode(*found)
