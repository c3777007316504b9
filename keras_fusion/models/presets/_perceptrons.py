"""What the CentralNets of perceptrons have in common."""

from keras_fusion.models.builders import build_centralnet


def hidden_layers(count, dropout):
    """The ends of an MLP's hidden layers."""
    end = "dropout" if dropout else "relu"
    return [f"dense{i}_{end}" for i in range(1, count + 1)]


def fused_from_inputs(backbones, count, arguments):
    """A CentralNet of MLPs that are fused at their inputs too, the narrower ones padded."""
    hidden = hidden_layers(count, arguments["dropout"])
    taps = {name: ["input", *hidden] for name in backbones}
    return build_centralnet(backbones, **{"taps": taps, "align": "pad", **arguments})
