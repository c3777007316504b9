"""What stands between the backbones and the fusion for the balance of the modalities."""

import keras

from keras_fusion._keras import flat_layers
from keras_fusion.graph import steps
from keras_fusion.layers import ClassPrototypes, GradientGate
from keras_fusion.models.fusion_model import LAYERS, read_balance


class Balance:
    """The builders' argument `balance` while a model is being built.

    Args:
        balance: As `build_centralnet` takes it.
        backbones: Dict `{modality: keras.Model}`.
    """

    def __init__(self, balance, backbones):
        self.kind, self._number = read_balance(balance)
        self._names, self._gates = list(backbones), {}
        if self.kind is not None:
            _check(self.kind, backbones)

    def leaving(self, name, tensors, index, head):
        """What leaves a backbone: all of it passes the modality's gate, or its prototypes.

        So a gate acts on the gradient of every weight of the backbone, at whatever points the
        fusion takes its tensors, and once only, as no gate stands inside. The modality's own head
        is behind it too: the original scales a network's whole gradient.

        Args:
            name: String, the modality.
            tensors: List of tensors.
            index: Integer, where the features stand, or None if there are none.
            head: `Head`, what is predicted.
        """
        if self.kind == "ogm":
            gate = self._gates.setdefault(name, GradientGate(name=f"fusion_gate_{name}"))
            return gate(tensors)
        if self.kind == "pmr":
            if index is None:
                raise ValueError(
                    f'backbone "{name}": expected a hidden layer, whose features balance="pmr" '
                    "compares. Received: none; name one with taps={...}"
                )
            classes = 2 if head.units == 1 else head.units
            layer = ClassPrototypes(classes, index, name=f"fusion_prototypes_{name}")
            return layer(tensors)
        return tensors

    def check(self, head, keep_heads):
        """An error for a kind that this prediction, or a model without heads, rules out."""
        if self.kind in ("ogm", "pmr") and head.places:
            raise ValueError(
                'balance: expected None or "blend" where every step or place has a prediction. '
                f"Received: {self.kind!r}"
            )
        if self.kind in ("ogm", "pmr") and head.activation == "linear":
            raise ValueError(
                'balance: expected None or "blend" for regression, as the others need classes. '
                f"Received: {self.kind!r}"
            )
        if self.kind == "pmr" and head.activation == "sigmoid" and head.units > 1:
            raise ValueError(
                "balance: expected another one for several labels at once, as there a sample has "
                f"no one class. Received: {self.kind!r}"
            )
        if self.kind in ("blend", "ogm") and not keep_heads:
            raise ValueError(
                "unimodal_loss_weights: expected a float, or a dict {modality: float}, with "
                f'balance="{self.kind}", which needs unimodal heads. Received: None'
            )

    def check_reached(self, inputs, prediction):
        """An error unless what each modality's backbone makes enters the central prediction."""
        if self.kind not in LAYERS:
            return
        found = {step.operation.name for step in steps(keras.Model(inputs, prediction))}
        for name in self._names:
            if f"{LAYERS[self.kind]}_{name}" not in found:
                raise ValueError(
                    'balance: expected None or "blend" where a modality has no network of its own '
                    f'up to the fusion. Received: {self.kind!r}, and "{name}" has none in this '
                    "method with these backbones"
                )

    def options(self, head):
        """The argument of `FusionModel`, if there is one."""
        if self.kind is None:
            return {}
        return {"balance": {"kind": self.kind, "number": self._number, "head": head.activation}}


def _check(kind, backbones):
    owners = {}
    for name, model in backbones.items():
        other = owners.setdefault(id(model), name)
        if other != name and kind == "ogm":
            raise ValueError(
                'balance: expected a network of its own for every modality with "ogm", which slows '
                f'networks. Received: one for "{other}" and "{name}"'
            )
        for layer in flat_layers(model):
            if isinstance(layer, (GradientGate, ClassPrototypes)):
                raise ValueError(
                    f'backbones: expected a "{name}" without balance of its own inside, which '
                    "nobody would set. Received: a FusionModel with balance"
                )
