"""The two convolutional networks of the CentralNet paper: LeNet5 and the audio CNN."""

import keras
from keras import layers

from keras_fusion._checks import plain_arguments
from keras_fusion.backbones._blocks import check_map_network, conv_block, dense_block


@plain_arguments
def lenet5(
    input_shape=(28, 28, 1), num_classes=10, dropout=0.5, activation="softmax", name="lenet5"
):
    """LeNet5 as in the CentralNet paper: with batch normalization and dropout.

    5x5 convolutions to 32 and 64 channels, each followed by batch normalization, ReLU and 2x2
    max-pooling; a dense layer of 1024 with batch normalization, ReLU and dropout; the
    prediction. On 28x28 images that is the column "Image A" of Table 1: 14x14x32, 7x7x64, 1024,
    10. Use it for small images.

    Args:
        input_shape: Tuple `(height, width, channels)`, height and width from 4 up. Defaults to
            `(28, 28, 1)`.
        num_classes: Positive integer, units of the prediction, or `None` for a network that ends in
            the 1024 features. Defaults to `10`.
        dropout: Float between 0 and 1, the rate after the dense layer. Defaults to `0.5`, the
            paper's.
        activation: Activation of the prediction: "softmax", "sigmoid" or `None`. Defaults to
            `"softmax"`.
        name: String, name of the model. Defaults to `"lenet5"`.

    Returns:
        A functional `keras.Model`, `(batch, height, width, channels)` to `(batch, num_classes)`.

    Raises:
        ValueError: an argument out of its range.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.lenet5()
    >>> [point.shape for point in kf.fusion_points(model)[1:]]
    [(14, 14, 32), (7, 7, 64), (1024,), (10,)]

    Reference:
        Vielzeuf et al. (2018), CentralNet, Table 1; LeCun et al. (1998).
    """
    return _cnn(input_shape, (32, 64), num_classes, dropout, activation, name)


@plain_arguments
def audio_cnn(
    input_shape=(112, 112, 1), num_classes=10, dropout=0.5, activation="softmax", name="audio_cnn"
):
    """The six-layer CNN of the CentralNet paper for spectrograms.

    LeNet5 with two convolution-pooling blocks more: on 112x112 spectrograms the column "Audio"
    of Table 3: 56x56x8, 28x28x16, 14x14x32, 7x7x64, 1024, 10.

    Args:
        input_shape: Tuple `(height, width, channels)`, height and width from 16 up. Defaults to
            `(112, 112, 1)`.
        num_classes: Positive integer, units of the prediction, or `None` for a network that ends in
            the 1024 features. Defaults to `10`.
        dropout: Float between 0 and 1, the rate after the dense layer. Defaults to `0.5`.
        activation: Activation of the prediction: "softmax", "sigmoid" or `None`. Defaults to
            `"softmax"`.
        name: String, name of the model. Defaults to `"audio_cnn"`.

    Returns:
        A functional `keras.Model`, `(batch, height, width, channels)` to `(batch, num_classes)`.

    Raises:
        ValueError: an argument out of its range.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.audio_cnn()
    >>> [point.shape for point in kf.fusion_points(model)[1:]]
    [(56, 56, 8), (28, 28, 16), (14, 14, 32), (7, 7, 64), (1024,), (10,)]

    Reference:
        Vielzeuf et al. (2018), CentralNet, Table 3 and Sect. 3.2.
    """
    return _cnn(input_shape, (8, 16, 32, 64), num_classes, dropout, activation, name)


def _cnn(input_shape, filters, num_classes, dropout, activation, name):
    check_map_network(input_shape, filters, num_classes, dropout, activation)
    inputs = x = keras.Input(input_shape, name="input")
    for i, channels in enumerate(filters, start=1):
        pool = layers.MaxPooling2D(2, name=f"conv{i}_pool")
        x = conv_block(x, channels, 5, pool, name=f"conv{i}")
    x = layers.Flatten(name="flatten")(x)
    x = dense_block(x, 1024, dropout, name="dense")
    if num_classes is not None:
        x = layers.Dense(num_classes, activation=activation, name="prediction")(x)
    return keras.Model(inputs, x, name=name)
