"""The papers' other networks: Montalbano, MM-IMDb, AFEW, AudioSet, and RGB with depth."""

from keras import layers

from keras_fusion._arguments import check_bool, check_choice, check_int
from keras_fusion.backbones import (
    audioset_cnn,
    depth_cnn,
    inflated_resnet50,
    mlp,
    resnet50,
    vgg19,
)
from keras_fusion.backbones.audioset import pooled_by_seven
from keras_fusion.backbones.blocks import conv_block
from keras_fusion.backbones.pretrained import check_weights
from keras_fusion.models.centralnet import build_centralnet
from keras_fusion.models.modality_gated import build_modality_gated


def centralnet_montalbano(dropout=0.5, padded=False, **kwargs):
    """The CentralNet for Montalbano's gestures: four perceptrons on features of 400.

    The features of all modalities are padded with zeros to 400 and fused there already, then at
    128, 42 and the prediction of 21 (20 gestures, and none of them).

    Args:
        dropout: Float in [0, 1), in all five networks; the paper's is 0.5.
        padded: Bool. Whether the features come padded to 400 already, as
            `kf.datasets.montalbano.load_data()` gives them, or (default) as they are.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "audio" and "mocap" of 350 features each, and "left_hand"
        and "right_hand" of 400; with `padded` all of them of 400.

    Example:

    >>> import keras_fusion as kf
    >>> list(kf.centralnet_montalbano().fusion_levels.values())
    ['400', '128', '42', 'prediction']

    Reference:
        Vielzeuf et al. (2018), CentralNet, Sect. 3.3 and Table 5: trained with learning rate
        0.05, times 0.96 every epoch, batches of 42 (two of each class), 100 epochs.
    """
    check_bool("padded", padded)
    narrow = 400 if padded else 350
    widths = {"audio": narrow, "left_hand": 400, "mocap": narrow, "right_hand": 400}
    backbones = {
        name: mlp(width, (128, 42), 21, dropout, name=name, pad_to=400)
        for name, width in widths.items()
    }
    taps = {name: ["padded", *_hidden(2, dropout)] for name in backbones}
    arguments = {"taps": taps, "dropout": dropout, "name": "centralnet_montalbano", **kwargs}
    return build_centralnet(backbones, **arguments)


def centralnet_mm_imdb(dropout=0.5, **kwargs):
    """The CentralNet of Table 6, for MM-IMDb: perceptrons on a plot's and a poster's features.

    The text's 300 features are padded with zeros to the image's 4096 where they are fused; then
    2048, 512 and the prediction of 23 genres, several at once. The running text says 4096
    instead of 2048 for the first hidden layer; Table 6 is followed.

    Args:
        dropout: Float in [0, 1), in all three networks; the paper's is 0.5.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "image" (4096) and "text" (300).

    Example:

    >>> import keras_fusion as kf
    >>> list(kf.centralnet_mm_imdb().fusion_levels.values())
    ['4096', '2048', '512', 'prediction']

    Reference:
        Vielzeuf et al. (2018), CentralNet, Sect. 3.4, Table 6: trained on
        `kf.losses.WeightedBinaryCrossentropy` with weight 2, learning rate 0.01, batches of
        128, early stopping.
    """
    sizes, options = ((2048, 512), 23, dropout, "sigmoid"), {"dropout": dropout}
    backbones = {
        "image": mlp(4096, *sizes, name="image"),
        "text": mlp(300, *sizes, name="text"),
    }
    return _from_inputs(backbones, 2, {**options, "name": "centralnet_mm_imdb", **kwargs})


def centralnet_afew(dropout=0.5, **kwargs):
    """The CentralNet for AFEW's emotions: perceptrons with one hidden layer.

    The visual features, 512, are padded with zeros to the 1583 of the sound where they are
    fused; then 128 and the prediction of 7 emotions. The paper gives these sizes for the sound
    and the central network, and no dropout: 128 for the visual network and the dropout of its
    other experiments on features are our reading.

    Args:
        dropout: Float in [0, 1), in all three networks.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "audio" (1583) and "video" (512).

    Example:

    >>> import keras_fusion as kf
    >>> list(kf.centralnet_afew().fusion_levels.values())
    ['1583', '128', 'prediction']

    Reference:
        Vielzeuf et al. (2018), Multi-Level Sensor Fusion with Deep Learning, Sect. 3.3.
    """
    backbones = {
        "audio": mlp(1583, (128,), 7, dropout, name="audio"),
        "video": mlp(512, (128,), 7, dropout, name="video"),
    }
    return _from_inputs(backbones, 1, {"dropout": dropout, "name": "centralnet_afew", **kwargs})


def centralnet_audioset(weights=None, **kwargs):
    """The CentralNet for AudioSet's pets: an inflated ResNet50 and the six-layer audio CNN.

    The central network is the audio CNN without its first two convolutions: four 4x4
    convolutions with stride 2 from 256 to 2048 filters, the pooling and the prediction of 211
    labels. At every level the video's maps are averaged over time and meet the sound's maps of
    the same size: conv2_x to conv5_x of the ResNet at 64x64x256 to 8x8x2048. Below, where the
    central network begins, the paper does not say what the video gives: here it is conv1,
    128x128x64, padded with zeros to the sound's 128 channels. Nor does it mention dropout.

    It has 137 million weights, and a batch of clips needs a GPU.

    Args:
        weights: None (default), "imagenet" as in the experiment, or a path: of the 2-D ResNet50
            that is inflated, see `inflated_resnet50`.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "audio" (512x512x1) and "video" (16x256x256x3, from 0 to
        255).

    Example:

    >>> import keras
    >>> import keras_fusion as kf
    >>> with keras.StatelessScope(initialize_variables=False):  # the graph, without its weights
    ...     model = kf.centralnet_audioset()
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


def modality_gate_rgbd(
    rgb="vgg19",
    num_classes=51,
    rgb_shape=(224, 224, 3),
    depth_shape=(112, 112, 1),
    hidden_units=(512, 512),
    dropout=0.5,
    weights=None,
    trainable=True,
    **kwargs,
):
    """A modality gate on a pretrained network for RGB and one for depth maps from scratch.

    F^A in Eq. (7) are the features of VGG19 or ResNet50 (the average of their last map: 512 or
    2048), F^B those of `depth_cnn` (512); two fully connected layers and the softmax follow. The
    paper does not say which layer gives the features, nor the sizes of the images, of the depth
    network and of the two layers.

    Args:
        rgb: "vgg19" or "resnet50".
        num_classes: Int >= 1: 51 objects of the Washington RGB-D data (default); the facial
            expressions of BU-3DFE are 6.
        rgb_shape: `(height, width, 3)`, from 32x32 up; values from 0 to 255.
        depth_shape: `(height, width, channels)`, from 16x16 up; values about 0 to 1.
        hidden_units: Sequence of ints >= 1, the fully connected layers.
        dropout: Float in [0, 1), after these and in the depth network.
        weights, trainable: Of the RGB network, see `pretrained`; the paper's are "imagenet" and
            True.
        **kwargs: Further arguments of `build_modality_gated`.

    Returns:
        `FusionModel` with the inputs "rgb" and "depth".

    Raises:
        ValueError: another network, or arguments out of their range.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.modality_gate_rgbd("vgg19", 6, (32, 32, 3), (16, 16, 1))
    >>> model.fusion_levels  # 512 + 512
    {'level_0': '1024'}

    Reference:
        Oyedotun, Aouada & Ottersten (2019), Learning to Fuse Latent Representations for
        Multimodal Data, Sect. 4: trained with Adam, from 0.001 down to 0.00001, at most 400
        epochs.
    """
    networks = {"vgg19": vgg19, "resnet50": resnet50}
    check_choice("rgb", rgb, list(networks))
    check_int("num_classes", num_classes)
    backbones = {
        "rgb": networks[rgb](rgb_shape, weights=weights, trainable=trainable),
        "depth": depth_cnn(depth_shape, None, dropout),
    }
    arguments = {
        "reference": "rgb",
        "num_classes": num_classes,
        "hidden_units": hidden_units,
        "dropout": dropout,
        "name": f"modality_gate_{rgb}",
    }
    return build_modality_gated(backbones, **{**arguments, **kwargs})


def _hidden(count, dropout):
    """The ends of an MLP's hidden layers."""
    end = "dropout" if dropout else "relu"
    return [f"dense{i}_{end}" for i in range(1, count + 1)]


def _from_inputs(backbones, hidden_layers, arguments):
    """A CentralNet of MLPs that are fused at their inputs too, the narrower ones padded."""
    hidden = _hidden(hidden_layers, arguments["dropout"])
    taps = {name: ["input", *hidden] for name in backbones}
    return build_centralnet(backbones, **{"taps": taps, "align": "pad", **arguments})


def _convolution(level, width):
    return lambda x: conv_block(x, width, 4, name=f"central_cell_{level}", strides=2)
