"""A multilayer perceptron for feature vectors."""

import keras
from keras import layers

from keras_fusion._checks import check_int, plain_arguments
from keras_fusion.backbones._blocks import check_network, dense_block
from keras_fusion.layers import PadFeatures


@plain_arguments
def mlp(
    input_shape,
    hidden_units=(128,),
    num_classes=10,
    dropout=0.5,
    activation="softmax",
    name="mlp",
    pad_to=None,
):
    """Dense layers with batch normalization, ReLU and dropout, then the prediction.

    Use it on features: the paper's networks for Montalbano (hidden_units=(128, 42)) and MM-IMDb
    (hidden_units=(2048, 512)) are of this kind.

    Args:
        input_shape: Tuple `(features,)`, or the integer itself. Other shapes are flattened first.
        hidden_units: Sequence of positive integers, one hidden layer each. Defaults to `(128,)`.
        num_classes: Positive integer, units of the prediction, or `None` for a network without one.
            Defaults to `10`.
        dropout: Float between 0 and 1, the rate after every hidden layer. Defaults to `0.5`.
        activation: Activation of the prediction: "softmax", "sigmoid" or `None`. Defaults to
            `"softmax"`.
        name: String, name of the model. Defaults to `"mlp"`.
        pad_to: Optional integer, to how many features the input is padded with zeros (by the layer
            "padded") before the first layer, so that modalities of different width can be fused
            there. Defaults to `None`, no padding.

    Returns:
        A functional `keras.Model`, `(batch, features)` to `(batch, num_classes)`.

    Raises:
        ValueError: an argument out of its range.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.mlp(64, hidden_units=(32, 16), num_classes=3)
    >>> [point.shape for point in kf.fusion_points(model)]
    [(64,), (32,), (16,), (3,)]

    Reference:
        Vielzeuf et al. (2018), CentralNet, Sect. 3.3 and Table 6.
    """
    shape = tuple(input_shape) if isinstance(input_shape, (tuple, list)) else (input_shape,)
    check_network(shape, num_classes, dropout, activation)
    is_sequence = isinstance(hidden_units, (tuple, list)) and hidden_units
    if not is_sequence or any(not isinstance(u, int) or u < 1 for u in hidden_units):
        raise ValueError(
            f"hidden_units: expected a sequence of ints >= 1. Received: {hidden_units!r}"
        )
    inputs = x = keras.Input(shape, name="input")
    if len(shape) > 1:
        x = layers.Flatten(name="flatten")(x)
    if pad_to is not None:
        check_int("pad_to", pad_to, minimum=x.shape[-1])
        x = PadFeatures(pad_to, name="padded")(x)
    for i, units in enumerate(hidden_units, start=1):
        x = dense_block(x, units, dropout, name=f"dense{i}")
    if num_classes is not None:
        x = layers.Dense(num_classes, activation=activation, name="prediction")(x)
    return keras.Model(inputs, x, name=name)
