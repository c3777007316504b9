"""A network for depth maps, trained from scratch."""

import keras
from keras import layers

from keras_fusion._checks import plain_arguments
from keras_fusion.backbones._blocks import check_map_network, conv_block, dense_block


@plain_arguments
def depth_cnn(
    input_shape=(112, 112, 1),
    num_classes=10,
    dropout=0.5,
    activation="softmax",
    filters=(32, 64, 128, 256),
    units=512,
    name="depth_cnn",
):
    """A CNN for depth maps (or other maps that are no photographs), to be trained from scratch.

    Use it beside a pretrained network on RGB images: networks trained on ImageNet do badly on
    depth maps (accuracy 2.4 % instead of 77 % in the paper's Table 3).

    The paper says that its depth network is trained from scratch and nothing of its layers, of
    the size of the maps and of their scaling. All of it is our choice: 3x3 convolutions with
    batch normalization, ReLU and 2x2 max-pooling, one for each of `filters`; the average of the
    last map; a dense layer with batch normalization, ReLU and dropout; the prediction. Scale
    the depths to about [0, 1]; the first batch normalization takes care of the rest.

    Args:
        input_shape: Tuple `(height, width, channels)`, height and width from 16 up with four
            `filters`. Defaults to `(112, 112, 1)`.
        num_classes: Positive integer, units of the prediction, or `None` for a network that ends in
            the `units` features. Defaults to `10`.
        dropout: Float between 0 and 1, the rate after the dense layer. Defaults to `0.5`.
        activation: Activation of the prediction: "softmax", "sigmoid" or `None`. Defaults to
            `"softmax"`.
        filters: Sequence of positive integers, one block each. Defaults to `(32, 64, 128, 256)`.
        units: Positive integer, width of the dense layer. Defaults to `512`.
        name: String, name of the model. Defaults to `"depth_cnn"`.

    Returns:
        A functional `keras.Model`, `(batch, height, width, channels)` to `(batch, num_classes)`.

    Raises:
        ValueError: an argument out of its range.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.depth_cnn((32, 32, 1), num_classes=51)
    >>> [point.shape for point in kf.fusion_points(model)[1:]]
    [(16, 16, 32), (8, 8, 64), (4, 4, 128), (2, 2, 256), (512,), (51,)]

    Reference:
        Oyedotun, Aouada & Ottersten (2019), Learning to Fuse Latent Representations for
        Multimodal Data, Sect. 4 ("DepthMap-scratch").
    """
    check_map_network(input_shape, filters, num_classes, dropout, activation)
    inputs = x = keras.Input(input_shape, name="input")
    for i, width in enumerate(filters, start=1):
        pool = layers.MaxPooling2D(2, name=f"conv{i}_pool")
        x = conv_block(x, width, 3, pool, name=f"conv{i}")
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    x = dense_block(x, units, dropout, name="dense")
    if num_classes is not None:
        x = layers.Dense(num_classes, activation=activation, name="prediction")(x)
    return keras.Model(inputs, x, name=name)
