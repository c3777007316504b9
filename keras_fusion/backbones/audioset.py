"""The audio network of the AudioSet experiment: six strided convolutions on a spectrogram."""

import keras
from keras import layers

from keras_fusion._checks import plain_arguments
from keras_fusion.backbones._blocks import check_map_network, conv_block, dropped

_FILTERS = (64, 128, 256, 512, 1024, 2048)


@plain_arguments
def audioset_cnn(
    input_shape=(512, 512, 1),
    num_classes=211,
    dropout=0.0,
    activation="sigmoid",
    filters=_FILTERS,
    name="audioset_cnn",
):
    """Six 4x4 convolutions with stride 2 on a spectrogram, an average pooling, the prediction.

    Use it for large spectrograms and many clips; `audio_cnn` is the smaller one, of AV-MNIST.
    Each convolution is followed by batch normalization and ReLU. 512x512 spectrograms give maps
    from 256x256x64 to 8x8x2048, which are pooled by 7x7 to one vector of 2048.

    The paper says no more than that. Padding is "same" here, as its sizes need; the pooling
    takes the whole map where that is smaller than 7x7.

    Args:
        input_shape: Tuple `(height, width, channels)`, height and width from 64 up with six
            `filters`. Defaults to `(512, 512, 1)`.
        num_classes: Positive integer, units of the prediction (the paper's 211 labels), or `None`
            for a network that ends in the pooled features. Defaults to `211`.
        dropout: Float between 0 and 1, the rate before the prediction; the paper names none.
            Defaults to `0.0`.
        activation: Activation of the prediction: "sigmoid" for several labels at once, "softmax" or
            `None`. Defaults to `"sigmoid"`.
        filters: Sequence of positive integers, one convolution each. Defaults to
            `(64, 128, 256, 512, 1024, 2048)`, the paper's.
        name: String, name of the model. Defaults to `"audioset_cnn"`.

    Returns:
        A functional `keras.Model`, `(batch, height, width, channels)` to `(batch, num_classes)`.

    Raises:
        ValueError: an argument out of its range.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.audioset_cnn((64, 64, 1), num_classes=3, filters=(4, 8, 16))
    >>> [point.shape for point in kf.fusion_points(model)[1:]]
    [(32, 32, 4), (16, 16, 8), (1, 1, 16), (3,)]

    Reference:
        Vielzeuf et al. (2018), Multi-Level Sensor Fusion with Deep Learning, Sect. 3.4.
    """
    check_map_network(input_shape, filters, num_classes, dropout, activation)
    inputs = x = keras.Input(input_shape, name="input")
    for i, width in enumerate(filters, start=1):
        x = conv_block(x, width, 4, name=f"conv{i}", strides=2)
    x = pooled_by_seven(x, "pooled")
    x = dropped(x, dropout, "pooled_dropout")
    if num_classes is not None:
        x = layers.Dense(num_classes, activation=activation, name="prediction")(x)
    return keras.Model(inputs, x, name=name)


def pooled_by_seven(x, name):
    """The average of 7x7 windows of a map (of all of it if it is smaller), as a vector."""
    size = tuple(min(7, length) for length in x.shape[1:3])
    x = layers.AveragePooling2D(size, name=name)(x)
    return layers.Flatten(name=f"{name}_flat")(x)
