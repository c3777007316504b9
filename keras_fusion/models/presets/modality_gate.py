"""The network of "Learning to Fuse Latent Representations": RGB images with depth maps."""

from keras_fusion._checks import check_choice, check_int, plain_arguments
from keras_fusion.backbones import depth_cnn, resnet50, vgg19
from keras_fusion.models.builders import build_modality_gated


@plain_arguments
def modality_gate_rgbd(
    rgb="vgg19",
    num_classes=51,
    rgb_shape=(224, 224, 3),
    depth_shape=(112, 112, 1),
    head_units=(512, 512),
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
        rgb: String, `"vgg19"` or `"resnet50"`. Defaults to `"vgg19"`.
        num_classes: Positive integer; the facial expressions of BU-3DFE are 6. Defaults to `51`,
            the objects of the Washington RGB-D data.
        rgb_shape: Tuple `(height, width, 3)`, from 32x32 up; values from 0 to 255. Defaults to
            `(224, 224, 3)`.
        depth_shape: Tuple `(height, width, channels)`, from 16x16 up; values about 0 to 1. Defaults
            to `(112, 112, 1)`.
        head_units: Sequence of positive integers, the fully connected layers. Defaults to
            `(512, 512)`.
        dropout: Float in [0, 1), the rate after these and in the depth network. Defaults to `0.5`.
        weights, trainable: Of the RGB network, see `pretrained`; the paper's are "imagenet" and
            True.
        **kwargs: Further arguments of `build_modality_gated`.

    Returns:
        `FusionModel` with the inputs "rgb" and "depth".

    Raises:
        ValueError: another network, or arguments out of their range.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.presets.modality_gate_rgbd("vgg19", 6, (32, 32, 3), (16, 16, 1))
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
        "main": "rgb",
        "num_classes": num_classes,
        "head_units": head_units,
        "dropout": dropout,
        "name": f"modality_gate_{rgb}",
    }
    return build_modality_gated(backbones, **{**arguments, **kwargs})
