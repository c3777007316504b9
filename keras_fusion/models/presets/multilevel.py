"""The networks of "Multi-Level Sensor Fusion with Deep Learning": AFEW and AudioSet."""

from keras import layers

from keras_fusion._checks import plain_arguments
from keras_fusion.backbones import (
    audioset_cnn,
    check_weights,
    conv_block,
    inflated_resnet50,
    mlp,
    pooled_by_seven,
)
from keras_fusion.models.builders import build_centralnet
from keras_fusion.models.presets._perceptrons import fused_from_inputs


@plain_arguments
def centralnet_afew(dropout=0.5, **kwargs):
    """The CentralNet for AFEW's emotions: perceptrons with one hidden layer.

    The visual features, 512, are padded with zeros to the 1583 of the sound where they are
    fused; then 128 and the prediction of 7 emotions. The paper gives these sizes for the sound
    and the central network, and no dropout: 128 for the visual network and the dropout of its
    other experiments on features are our reading.

    Args:
        dropout: Float in [0, 1), the rate in all three networks. Defaults to `0.5`.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "audio" (1583) and "video" (512).

    Example:

    >>> import keras_fusion as kf
    >>> list(kf.presets.centralnet_afew().fusion_levels.values())
    ['1583', '128', 'prediction']

    Reference:
        Vielzeuf et al. (2018), Multi-Level Sensor Fusion with Deep Learning, Sect. 3.3.
    """
    backbones = {
        "audio": mlp(1583, (128,), 7, dropout, name="audio"),
        "video": mlp(512, (128,), 7, dropout, name="video"),
    }
    return fused_from_inputs(
        backbones, 1, {"dropout": dropout, "name": "centralnet_afew", **kwargs}
    )


@plain_arguments
def centralnet_audioset(weights=None, **kwargs):
    """The CentralNet for AudioSet's pets: an inflated ResNet50 and the six-layer audio CNN.

    The central network is the audio CNN without its first two convolutions: four 4x4
    convolutions with stride 2 from 256 to 2048 filters, the pooling and the prediction of 211
    labels. At every level the video's maps are averaged over time and meet the sound's maps of
    the same size: conv2_x to conv5_x of the ResNet at 64x64x256 to 8x8x2048. Before these, where
    the central network begins, the paper does not say what the video gives: here it is conv1,
    128x128x64, padded with zeros to the sound's 128 channels. Nor does it mention dropout.

    It has 137 million weights, and a batch of clips needs a GPU.

    Args:
        weights: Optional string, `"imagenet"` as in the experiment, or a path: of the 2-D ResNet50
            that is inflated, see `inflated_resnet50`. Defaults to `None`.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "audio" (512x512x1) and "video" (16x256x256x3, from 0 to
        255).

    Example:

    >>> import keras
    >>> import keras_fusion as kf
    >>> with keras.StatelessScope(initialize_variables=False):  # the graph, without its weights
    ...     model = kf.presets.centralnet_audioset()
    >>> list(model.fusion_levels.values())[:3]
    ['128x128x128', '64x64x256', '32x32x512']

    Reference:
        Vielzeuf et al. (2018), Multi-Level Sensor Fusion with Deep Learning, Sect. 3.4.
    """
    check_weights(weights, "ResNet50")  # before the large networks are made
    backbones = {
        "audio": audioset_cnn((512, 512, 1), 211),
        "video": inflated_resnet50(num_classes=211, weights=weights, activation="sigmoid"),
    }
    return audioset_fusion(backbones, (256, 512, 1024, 2048), 211, **kwargs)


def audioset_fusion(backbones, filters, num_classes, **kwargs):
    """The wiring of `centralnet_audioset`, for networks of its kind."""
    ends = ("conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out",
            "conv5_block3_out")  # fmt: skip
    depth = len(filters) + 1
    taps = {
        "audio": [f"conv{i}_relu" for i in range(2, depth + 2)],
        "video": list(ends[:depth]),
    }
    cells = [_convolution(i, width) for i, width in enumerate(filters)]
    prediction = layers.Dense(num_classes, name="central_logits")
    cells.append(lambda x: prediction(pooled_by_seven(x, "central_pooled")))
    arguments = {"taps": taps, "align": "pad", "central": cells, "name": "centralnet_audioset"}
    return build_centralnet(backbones, **{**arguments, **kwargs})


def _convolution(level, width):
    return lambda x: conv_block(x, width, 4, name=f"central_cell_{level}", strides=2)
