"""The networks of keras.applications, for raw images, with weights and frozen as asked."""

import os
from pathlib import Path

import keras
from keras import layers

from keras_fusion._checks import check_activation, check_int, check_rate, plain_arguments
from keras_fusion._keras import flat_layers
from keras_fusion.backbones._blocks import dropped
from keras_fusion.graph import fusion_points, steps
from keras_fusion.layers import PreprocessImages

# What a network's images go through first; None: it does that itself.
_PREPROCESSING = {
    "caffe": ("VGG16", "VGG19", "ResNet50", "ResNet101", "ResNet152"),
    "tf": ("ResNet50V2", "ResNet101V2", "ResNet152V2", "InceptionV3", "InceptionResNetV2",
           "Xception", "MobileNet", "MobileNetV2", "NASNetMobile", "NASNetLarge"),
    "torch": ("DenseNet121", "DenseNet169", "DenseNet201"),
    None: ("MobileNetV3Small", "MobileNetV3Large",
           *(f"EfficientNetB{i}" for i in range(8)),
           *(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L")),
           *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge"))),
}  # fmt: skip
_NETWORKS = {name.lower(): (name, m) for m, names in _PREPROCESSING.items() for name in names}


@plain_arguments
def pretrained(
    network,
    input_shape=(224, 224, 3),
    num_classes=None,
    weights=None,
    trainable=True,
    dropout=0.0,
    activation="softmax",
    momentum=None,
    name=None,
    **kwargs,
):
    """A network of keras.applications that takes raw RGB images with values from 0 to 255.

    Use it for photographs, and for anything that looks like them, when there are too few of them
    to train a deep network from scratch. The preprocessing that the network was trained with is
    part of it. It ends in its last map (in `build_centralnet` give `num_classes`), or with
    `num_classes` in a prediction on the map's average. The layers keep their names of
    keras.applications, as `kf.fusion_points` and `taps=` show and take them.

    Args:
        network: String, name of the network; case and underscores do not matter: "vgg16", "vgg19",
            "resnet50" (101, 152), "resnet50_v2", "inception_v3", "inception_resnet_v2", "xception",
            "mobilenet", "mobilenet_v2", "mobilenet_v3_small" (large), "efficientnet_b0" (to b7),
            "efficientnet_v2_b0" (to b3, s, m, l), "densenet121" (169, 201), "nasnet_mobile"
            (large), "convnext_tiny" (small, base, large, xlarge).
        input_shape: Tuple `(height, width, 3)`; the smallest allowed is the network's (32 or more).
            Defaults to `(224, 224, 3)`.
        num_classes: Optional positive integer, units of the prediction. Defaults to `None`, no
            prediction.
        weights: One of `None` (random weights), "imagenet", downloaded by Keras once; or the path
            of a weights file (.weights.h5, .h5 or .keras) of the same network without prediction,
            or of what this function returned. For the ImageNet weights of EfficientNet V1 only
            "imagenet" is right: Keras scales its input otherwise for them. Defaults to `None`.
        trainable: Boolean, whether all layers train or only the prediction; or the stage from which
            on layers train, as the number or the layer name that `kf.fusion_points` shows for it.
            Batch normalization in what is frozen uses its stored averages in training too, and
            leaves them as they are. Defaults to `True`.
        dropout: Float between 0 and 1, the rate before the prediction. Defaults to `0.0`.
        activation: Activation of the prediction: "softmax", "sigmoid" or `None`. Defaults to
            `"softmax"`.
        momentum: Optional float between 0 and 1, of the batch normalizations. Defaults to `None`,
            Keras' own: 0.99 or 0.999, which needs many hundred steps. 0.9 suits small data without
            `weights`.
        name: String, name of the model. Defaults to that of the network in small letters.
        **kwargs: Further arguments of the network's function in keras.applications, such as
            `alpha=0.35` for MobileNet V2.

    Returns:
        A functional `keras.Model`, `(batch, height, width, 3)` to
        `(batch, height', width', features)` or `(batch, num_classes)`.

    Raises:
        FileNotFoundError: no file at `weights`.
        ValueError: an unknown network, stage or argument, or a weights file of another network.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.pretrained("vgg16", (32, 32, 3), num_classes=5, trainable=5)
    >>> [layer.name for layer in model.layers if layer.trainable][:2]
    ['block5_conv1', 'block5_conv2']
    >>> [point.shape for point in kf.fusion_points(model)[-2:]]
    [(1, 1, 512), (5,)]

    Reference:
        https://keras.io/api/applications
    """
    network, mode = _found(network)
    _check(input_shape, num_classes, dropout, momentum)
    check_activation("activation", activation)
    check_weights(weights, network)
    inputs = keras.Input(input_shape, name="input")
    x = inputs if mode is None else PreprocessImages(mode, name="preprocessing")(inputs)
    whole = getattr(keras.applications, network)(
        include_top=False,
        weights="imagenet" if weights == "imagenet" else None,
        input_tensor=x,
        **({"input_shape": tuple(input_shape)} if None not in input_shape else {}),
        **kwargs,
    )
    if weights not in (None, "imagenet"):
        load_network_weights(keras.Model(x, whole.output), weights, network)
    for layer in flat_layers(whole):
        if momentum is not None and isinstance(layer, layers.BatchNormalization):
            layer.momentum = momentum
    _freeze(whole, trainable)
    x = whole.output
    if num_classes is not None:
        x = layers.GlobalAveragePooling2D(name="pooled")(x)
        x = dropped(x, dropout, "pooled_dropout")
        x = layers.Dense(num_classes, activation=activation, name="prediction")(x)
    return keras.Model(inputs, x, name=name or network.lower())


def check_weights(weights, network):
    """An error unless `weights` are none, "imagenet" or a file; before much is built."""
    if weights in (None, "imagenet"):
        return
    if not isinstance(weights, (str, os.PathLike)) or not Path(weights).is_file():
        raise FileNotFoundError(
            f'weights: expected None, "imagenet" or the path of a file for {network}. '
            f"Received: {str(weights)!r}, where there is none"
        )


def load_network_weights(model, path, network):
    """Fills a network from a file; an error that names both if they do not fit."""
    check_weights(path, network)
    try:
        model.load_weights(path)
    except Exception as error:  # Keras, h5py and zipfile raise several kinds
        raise ValueError(
            f"weights: expected a weights file of {network} without its prediction. "
            f"Received: {str(path)!r}, which does not fit ({str(error).strip()[:200]})"
        ) from error


def _found(network):
    key = network.lower().replace("_", "") if isinstance(network, str) else network
    if key not in _NETWORKS:
        known = ", ".join(sorted(_NETWORKS))
        raise ValueError(f"network: expected one of {known}. Received: {network!r}")
    return _NETWORKS[key]


def _check(input_shape, num_classes, dropout, momentum):
    is_shape = isinstance(input_shape, (tuple, list)) and len(input_shape) == 3
    if not is_shape or input_shape[-1] != 3:
        raise ValueError(
            f"input_shape: expected (height, width, 3). Received: {input_shape!r}. Repeat the "
            "channel of grey images three times"
        )
    if num_classes is not None:
        check_int("num_classes", num_classes)
    check_rate("dropout", dropout)
    if momentum is not None:
        check_rate("momentum", momentum)


def _freeze(model, trainable):
    """Freezes all layers of the network, none, or those below a stage."""
    if trainable is True:
        return
    points = fusion_points(model)
    if trainable is False:
        stage = len(points)
    else:
        stages = {p.path: p.stage for p in points if p.stage}
        stage = stages.get(trainable, trainable)
        if isinstance(stage, bool) or stage not in stages.values():
            known = ", ".join(f'{number} or "{path}"' for path, number in stages.items())
            raise ValueError(
                f"trainable: expected True, False or the stage of {model.name} from which on "
                f"layers train: {known}. Received: {trainable!r}"
            )
    for operation in layers_up_to(model, points[stage - 1].path):
        operation.trainable = False


def layers_up_to(model, path):
    """The layers of a network that its tensor at `path` depends on."""
    outer, _, inner = path.partition("/")
    found, needed = [], set()
    for step in reversed(steps(model)):
        if step.path == outer and inner:
            found += layers_up_to(step.operation, inner)
        elif step.path == outer or any(id(tensor) in needed for tensor in step.tensors):
            if isinstance(step.operation, layers.Layer):
                found.append(step.operation)
        else:
            continue
        needed.update(id(tensor) for tensor in step.inputs)
    return found


@plain_arguments
def vgg16(input_shape=(224, 224, 3), num_classes=None, **kwargs):
    """VGG16 for raw images: `pretrained("vgg16", ...)`, with the same arguments.

    Args:
        input_shape: Tuple `(height, width, 3)`, from 32x32 up. Defaults to `(224, 224, 3)`.
        num_classes: Optional positive integer. Defaults to `None`, a network that ends in the last
            map.
        **kwargs: See `pretrained`.

    Returns:
        A functional `keras.Model`.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.vgg16((32, 32, 3), trainable="block5_pool")
    >>> [point.path for point in kf.fusion_points(model)][-2:]
    ['block4_pool', 'block5_pool']

    Reference:
        Simonyan & Zisserman (2014), Very Deep Convolutional Networks for Large-Scale Image
        Recognition.
    """
    return pretrained("vgg16", input_shape, num_classes, **kwargs)


@plain_arguments
def vgg19(input_shape=(224, 224, 3), num_classes=None, **kwargs):
    """VGG19 for raw images: `pretrained("vgg19", ...)`, with the same arguments.

    Args:
        input_shape: Tuple `(height, width, 3)`, from 32x32 up. Defaults to `(224, 224, 3)`.
        num_classes: Optional positive integer. Defaults to `None`, a network that ends in the last
            map.
        **kwargs: See `pretrained`.

    Returns:
        A functional `keras.Model`.

    Example:

    >>> import keras_fusion as kf
    >>> kf.backbones.vgg19((32, 32, 3), num_classes=51).output.shape
    (None, 51)

    Reference:
        Simonyan & Zisserman (2014), Very Deep Convolutional Networks for Large-Scale Image
        Recognition.
    """
    return pretrained("vgg19", input_shape, num_classes, **kwargs)


@plain_arguments
def resnet50(input_shape=(224, 224, 3), num_classes=None, **kwargs):
    """ResNet50 (V1) for raw images: `pretrained("resnet50", ...)`, with the same arguments.

    Args:
        input_shape: Tuple `(height, width, 3)`, from 32x32 up. Defaults to `(224, 224, 3)`.
        num_classes: Optional positive integer. Defaults to `None`, a network that ends in the last
            map.
        **kwargs: See `pretrained`.

    Returns:
        A functional `keras.Model`.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.backbones.resnet50((64, 64, 3))
    >>> [point.shape for point in kf.fusion_points(model)][-2:]
    [(4, 4, 1024), (2, 2, 2048)]

    Reference:
        He et al. (2015), Deep Residual Learning for Image Recognition.
    """
    return pretrained("resnet50", input_shape, num_classes, **kwargs)
