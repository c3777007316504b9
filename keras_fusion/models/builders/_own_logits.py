"""Logits made anew from the modalities' features, for methods that go by their size."""

from keras import layers


def own_logits(parts, method):
    """The modalities' features, and a linear layer on those of each, `[(batch, classes)]`.

    A backbone's own prediction is left out: a softmax forgets the level of its logits.

    Args:
        parts: `FusionBuilder`.
        method: String, for the error where no classes are predicted.
    """
    head = parts.head
    if head.activation != "softmax" or head.units < 2:
        raise ValueError(
            f"{method}: expected to predict one of two or more classes (num_classes=, or backbones "
            f"that end in a softmax). Received: {head.units} values through {head.activation}"
        )
    features = parts.features(keep_heads=False)
    return features, [
        layers.Dense(head.units, name=f"{name}_own_logits")(x)
        for x, name in zip(features, parts.names, strict=True)
    ]
