"""Networks for sequences: sensor data, tracks, frames of features."""

import keras
from keras import layers

from keras_fusion._checks import check_bool, check_int, check_widths, plain_arguments
from keras_fusion.backbones._blocks import check_network, conv_block, dropped


@plain_arguments
def gru(
    input_shape,
    units=(64,),
    num_classes=10,
    dropout=0.5,
    activation="softmax",
    bidirectional=False,
    mask_value=None,
    name="gru",
):
    """Gated recurrent units on a sequence, the last state, the prediction.

    Use it on sequences of features: sensors, skeletons, one vector a frame. Every layer is a
    fusion point; all but the last give a sequence, the last its final state.

    Args:
        input_shape: Tuple `(time, features)`; time may be `None`, for sequences of any length.
        units: Sequence of positive integers, one recurrent layer each. Defaults to `(64,)`.
        num_classes: Positive integer, units of the prediction, or `None` for a network without one.
            Defaults to `10`.
        dropout: Float between 0 and 1, the rate after every recurrent layer. Defaults to `0.5`.
        activation: Activation of the prediction: "softmax", "sigmoid" or `None`. Defaults to
            `"softmax"`.
        bidirectional: Boolean, whether to read the sequence from both ends, with `units` each.
            Defaults to `False`.
        mask_value: Optional float. A step in which all features have this value is padding and left
            out. A sequence of padding alone gives zeros, the initial state. Defaults to `None`.
        name: String, name of the model. Defaults to `"gru"`.

    Returns:
        A functional `keras.Model`, `(batch, time, features)` to `(batch, num_classes)`.

    Raises:
        TypeError, ValueError: an argument out of its range.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.gru((None, 6), units=(16, 8), num_classes=3)
    >>> [point.shape for point in kf.fusion_points(model)]
    [(None, 6), (None, 16), (8,), (3,)]

    Reference:
        Cho et al. (2014), Learning Phrase Representations using RNN Encoder-Decoder.
    """
    options = (units, num_classes, dropout, activation, bidirectional, mask_value, name)
    return _recurrent(layers.GRU, "gru", input_shape, *options)


@plain_arguments
def lstm(
    input_shape,
    units=(64,),
    num_classes=10,
    dropout=0.5,
    activation="softmax",
    bidirectional=False,
    mask_value=None,
    name="lstm",
):
    """Long short-term memory on a sequence, the last state, the prediction.

    As `gru`, with LSTM layers, which have a third more weights.

    Args:
        input_shape: Tuple `(time, features)`; time may be `None`, for sequences of any length.
        units: Sequence of positive integers, one recurrent layer each. Defaults to `(64,)`.
        num_classes: Positive integer, units of the prediction, or `None` for a network without one.
            Defaults to `10`.
        dropout: Float between 0 and 1, the rate after every recurrent layer. Defaults to `0.5`.
        activation: Activation of the prediction: "softmax", "sigmoid" or `None`. Defaults to
            `"softmax"`.
        bidirectional: Boolean, whether to read the sequence from both ends, with `units` each.
            Defaults to `False`.
        mask_value: Optional float, the value of all features of a step that is padding. Defaults to
            `None`.
        name: String, name of the model. Defaults to `"lstm"`.

    Returns:
        A functional `keras.Model`, `(batch, time, features)` to `(batch, num_classes)`.

    Raises:
        TypeError, ValueError: an argument out of its range.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.lstm((25, 6), units=(8,), num_classes=3, bidirectional=True)
    >>> [point.shape for point in kf.fusion_points(model)]
    [(25, 6), (16,), (3,)]

    Reference:
        Hochreiter & Schmidhuber (1997), Long Short-Term Memory.
    """
    options = (units, num_classes, dropout, activation, bidirectional, mask_value, name)
    return _recurrent(layers.LSTM, "lstm", input_shape, *options)


@plain_arguments
def cnn_1d(
    input_shape,
    filters=(64, 128),
    kernel_size=5,
    num_classes=10,
    dropout=0.5,
    activation="softmax",
    name="cnn_1d",
):
    """Convolutions along time with batch normalization, ReLU and max-pooling, then the prediction.

    Use it on sequences where local patterns matter more than their order over long times: it
    trains faster than `gru` and `lstm`. Every block halves the time and is a fusion point; the
    prediction is made from the mean over time. It knows no padding: cut or repeat sequences to
    one length.

    Args:
        input_shape: Tuple `(time, features)`; time may be `None`, for sequences of any length from
            `2 ** len(filters)` up.
        filters: Sequence of positive integers, one block each. Defaults to `(64, 128)`.
        kernel_size: Positive integer, in time steps. Defaults to `5`.
        num_classes: Positive integer, units of the prediction, or `None` for a network without one.
            Defaults to `10`.
        dropout: Float between 0 and 1, the rate before the prediction. Defaults to `0.5`.
        activation: Activation of the prediction: "softmax", "sigmoid" or `None`. Defaults to
            `"softmax"`.
        name: String, name of the model. Defaults to `"cnn_1d"`.

    Returns:
        A functional `keras.Model`, `(batch, time, features)` to `(batch, num_classes)`.

    Raises:
        TypeError, ValueError: an argument out of its range.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.cnn_1d((100, 6), num_classes=3)
    >>> [point.shape for point in kf.fusion_points(model)]
    [(100, 6), (50, 64), (25, 128), (3,)]

    Reference:
        Wang, Yan & Oates (2017), Time Series Classification from Scratch with Deep Neural
        Networks.
    """
    _check(input_shape, "filters", filters, num_classes, dropout, activation)
    check_int("kernel_size", kernel_size)
    if input_shape[0] is not None and input_shape[0] < 2 ** len(filters):
        raise ValueError(
            f"input_shape: expected a time from {2 ** len(filters)} up. Received: {input_shape}"
        )
    inputs = x = keras.Input(input_shape, name="input")
    for i, width in enumerate(filters, start=1):
        pool = layers.MaxPooling1D(2, name=f"conv{i}_pool")
        x = conv_block(x, width, kernel_size, pool, name=f"conv{i}")
    x = layers.GlobalAveragePooling1D(name="pooled")(x)
    x = dropped(x, dropout, "pooled_dropout")
    if num_classes is not None:
        x = layers.Dense(num_classes, activation=activation, name="prediction")(x)
    return keras.Model(inputs, x, name=name)


def _recurrent(
    layer, kind, shape, units, num_classes, dropout, activation, bidirectional, mask_value, name
):
    _check(shape, "units", units, num_classes, dropout, activation)
    check_bool("bidirectional", bidirectional)
    inputs = x = keras.Input(shape, name="input")
    if mask_value is not None:
        x = layers.Masking(mask_value, name="mask")(x)
    for i, width in enumerate(units, start=1):
        recurrent = layer(width, return_sequences=i < len(units), name=f"{kind}{i}")
        if bidirectional:
            recurrent = layers.Bidirectional(recurrent, name=f"{kind}{i}")
        x = dropped(recurrent(x), dropout, f"{kind}{i}_dropout")
    if num_classes is not None:
        x = layers.Dense(num_classes, activation=activation, name="prediction")(x)
    return keras.Model(inputs, x, name=name)


def _check(input_shape, label, widths, num_classes, dropout, activation):
    is_shape = isinstance(input_shape, (tuple, list)) and len(input_shape) == 2
    if not is_shape or input_shape[1] is None:
        raise ValueError(
            "input_shape: expected (time, features), of which time may be None. "
            f"Received: {input_shape!r}"
        )
    sizes = [size for size in input_shape if size is not None]
    check_network(sizes, num_classes, dropout, activation)
    check_widths(label, widths)
    if not widths:
        raise ValueError(f"{label}: expected one or more ints >= 1. Received: {widths!r}")
