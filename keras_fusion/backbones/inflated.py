"""3-D networks for videos, inflated from 2-D networks for images."""

import keras
from keras import layers, ops

from keras_fusion._checks import check_activation, check_int, check_rate, plain_arguments
from keras_fusion.backbones._blocks import dropped
from keras_fusion.backbones.applications import resnet50
from keras_fusion.graph import as_functional, steps
from keras_fusion.layers import PadFrames, PreprocessImages

# Layers that treat every place and time alike: they are the same in 3-D.
_PLACEWISE = (
    layers.Activation, layers.Add, layers.Average, layers.BatchNormalization, layers.Concatenate,
    layers.Dense, layers.Dropout, layers.ELU, layers.LayerNormalization, layers.LeakyReLU,
    layers.Maximum, layers.Multiply, layers.Normalization, layers.ReLU, layers.Rescaling,
    layers.Softmax, PreprocessImages,
)  # fmt: skip
_OF_SPACE = {
    layers.MaxPooling2D: layers.MaxPooling3D,
    layers.AveragePooling2D: layers.AveragePooling3D,
    layers.GlobalAveragePooling2D: layers.GlobalAveragePooling3D,
    layers.GlobalMaxPooling2D: layers.GlobalMaxPooling3D,
    layers.ZeroPadding2D: layers.ZeroPadding3D,
    layers.SpatialDropout2D: layers.SpatialDropout3D,
}


@plain_arguments
def inflate(network, frames=None, temporal_kernel=3, name=None):
    """Makes a 3-D network for videos out of a 2-D network for images, weights included.

    Every k x k convolution becomes one of `temporal_kernel` x k x k, its kernel repeated along
    time and divided by their number; 1 x 1 convolutions, poolings and all other layers stay
    within their frame, so the time axis keeps its length. Videos are padded in time by repeating
    their first and last frame. So a video that stands still gives the 2-D network's features at
    every step, and training starts from what the 2-D network knows.

    Args:
        network: Functional or Sequential `keras.Model` on `(batch, height, width, channels)`, of
            Keras' convolutions, poolings, normalizations, activations and merging layers, not
            nested. It is not changed and shares no weights with the result. A global pooling
            goes over time as well.
        frames: Optional positive integer, length of the videos. Defaults to `None`, any length.
        temporal_kernel: Positive odd integer, how many frames a kernel reaches over. Defaults to
            `3`.
        name: String, name of the new model. Defaults to "inflated_" and the network's.

    Returns:
        A functional `keras.Model` on `(batch, frames, height, width, channels)`. Layers have
        the names of the 2-D network's.

    Raises:
        ValueError: a layer that has no form in 3-D, or an argument out of its range.

    Example:

    >>> import keras_fusion as kf
    >>> video = kf.backbones.inflate(kf.backbones.depth_cnn((16, 16, 1), 5), frames=8)
    >>> [point.shape for point in kf.fusion_points(video)[-4:]]
    [(8, 2, 2, 128), (8, 1, 1, 256), (512,), (5,)]

    Reference:
        Carreira & Zisserman (2017), Quo Vadis, Action Recognition? A New Model and the Kinetics
        Dataset, Sect. 2.4.
    """
    return _inflated(network, frames, temporal_kernel, name, copy_weights=True)


@plain_arguments
def inflated_resnet50(
    input_shape=(16, 256, 256, 3),
    num_classes=None,
    weights=None,
    trainable=True,
    dropout=0.0,
    activation="softmax",
    temporal_kernel=3,
    name="inflated_resnet50",
    **kwargs,
):
    """ResNet50 in 3-D for videos of RGB frames with values from 0 to 255, as for AudioSet.

    Use it for short clips. The weights come from the 2-D network, see `inflate`: with
    `weights="imagenet"` the network starts as a ResNet50 that looks at every frame. The paper
    says "an inflated ResNet-50" for clips of 16 frames of 256x256, and not which of its kernels
    reach over time nor with which stride. Here all larger than 1x1 do, over `temporal_kernel`
    frames, and time keeps its length to the end: 46 million weights.

    Args:
        input_shape: Tuple `(frames, height, width, 3)`, height and width from 32 up; frames may be
            `None`. Defaults to `(16, 256, 256, 3)`.
        num_classes: Optional positive integer, units of a prediction on the average over space and
            time. Defaults to `None`, a network that ends in its last maps.
        weights, trainable, dropout, activation: See `pretrained`; the weights are those of the
            2-D network.
        temporal_kernel: Positive odd integer, how many frames a kernel reaches over. Defaults to
            `3`.
        name: String, name of the model. Defaults to `"inflated_resnet50"`.
        **kwargs: Further arguments of `pretrained`, such as `momentum`.

    Returns:
        A functional `keras.Model`, `(batch, frames, height, width, 3)` to
        `(batch, frames, height / 32, width / 32, 2048)` or `(batch, num_classes)`.

    Raises:
        FileNotFoundError, ValueError: as `pretrained` and `inflate`.

    Example:

    >>> import keras
    >>> import keras_fusion as kf
    >>> with keras.StatelessScope(initialize_variables=False):  # the graph, without its weights
    ...     model = kf.backbones.inflated_resnet50(num_classes=211)
    >>> [point.shape for point in kf.fusion_points(model)[-3:]]
    [(16, 16, 16, 1024), (16, 8, 8, 2048), (211,)]

    Reference:
        Vielzeuf et al. (2018), Multi-Level Sensor Fusion with Deep Learning, Sect. 3.4; Baradel
        et al. (2018), Glimpse Clouds.
    """
    if not isinstance(input_shape, (tuple, list)) or len(input_shape) != 4:
        raise ValueError(
            f"input_shape: expected (frames, height, width, 3). Received: {input_shape!r}"
        )
    frames, *size = input_shape
    check_rate("dropout", dropout)
    if num_classes is not None:
        check_int("num_classes", num_classes)
    check_activation("activation", activation)
    _check_time(frames, temporal_kernel)
    flat = resnet50(tuple(size), weights=weights, trainable=trainable, **kwargs)
    # Random kernels are drawn in 3-D: repeated ones would be no better.
    model = _inflated(flat, frames, temporal_kernel, name, copy_weights=weights is not None)
    if num_classes is None:
        return model
    x = layers.GlobalAveragePooling3D(name="pooled")(model.output)
    x = dropped(x, dropout, "pooled_dropout")
    x = layers.Dense(num_classes, activation=activation, name="prediction")(x)
    return keras.Model(model.input, x, name=name)


def _check_time(frames, temporal_kernel):
    if frames is not None:
        check_int("frames", frames)
    check_int("temporal_kernel", temporal_kernel)
    if temporal_kernel % 2 == 0:
        raise ValueError(f"temporal_kernel: expected an odd int. Received: {temporal_kernel}")


def _inflated(network, frames, temporal_kernel, name, copy_weights):
    _check_time(frames, temporal_kernel)
    graph = as_functional(network, "network")
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 4:
        shapes = [tuple(tensor.shape) for tensor in graph.inputs]
        raise ValueError(
            f'network "{network.name}": expected one input (batch, height, width, channels). '
            f"Received: {shapes}"
        )
    flat = graph.inputs[0]
    inputs = keras.Input((frames, *flat.shape[1:]), dtype=flat.dtype, name="input")
    made, pairs = {id(flat): inputs}, {}
    for step in steps(network):
        old = step.operation
        if isinstance(old, layers.InputLayer):
            continue
        if id(old) not in pairs:
            pairs[id(old)] = old, _in_3d(old, temporal_kernel, network.name)
        args, kwargs = keras.tree.map_structure(
            lambda x: made.get(id(x), x), (step.node.arguments.args, step.node.arguments.kwargs)
        )
        if isinstance(old, layers.Conv2D):
            args = (_padded(args[0], pairs[id(old)][1], old), *args[1:])
        made[id(step.tensors[0])] = pairs[id(old)][1](*args, **kwargs)
    name = name or f"inflated_{network.name}"
    if copy_weights:
        for old, new in pairs.values():
            _copy(old, new)
    return keras.Model(inputs, made[id(graph.outputs[0])], name=name)


def _in_3d(layer, temporal_kernel, network):
    """The layer's form for videos, not yet with its weights."""
    config = layer.get_config()
    if type(layer) is layers.Conv2D:
        depth = temporal_kernel if max(layer.kernel_size) > 1 else 1
        config.update(
            kernel_size=(depth, *layer.kernel_size),
            strides=(1, *layer.strides),
            dilation_rate=(1, *layer.dilation_rate),
            padding=layer.padding if depth == 1 else "valid",
        )
        return layers.Conv3D.from_config(config)
    if type(layer) in _OF_SPACE:
        for key in ("pool_size", "strides"):
            if key in config:
                config[key] = (1, *config[key])
        if "padding" in config and isinstance(layer, layers.ZeroPadding2D):
            config["padding"] = ((0, 0), *layer.padding)
        return _OF_SPACE[type(layer)].from_config(config)
    if isinstance(layer, _PLACEWISE) and type(layer) in _PLACEWISE:
        axis = config.get("axis")
        axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        if axis in (3, -1):  # the channels; the same axis counted from the end fits both
            config["axis"] = -1
        if axis in (None, 3, -1):
            return type(layer).from_config(config)
    raise ValueError(
        f'network "{network}": expected convolutions, poolings, normalizations over the channels, '
        f"activations and merging layers of Keras. Received: {type(layer).__name__} "
        f'"{layer.name}", which has no form for videos here'
    )


def _padded(x, layer, old):
    """Frames repeated in time, and zeros in space where the 2-D convolution has them."""
    depth = layer.kernel_size[0]
    if depth == 1:
        return x
    x = PadFrames(depth // 2, name=f"{layer.name}_frames")(x)
    if old.padding != "same":
        return x
    rims = []
    for length, kernel, stride, rate in zip(
        x.shape[2:4], old.kernel_size, old.strides, old.dilation_rate, strict=True
    ):
        reach = (kernel - 1) * rate
        if length is None and stride > 1:
            raise ValueError(
                f'layer "{old.name}": expected maps of fixed size before a strided convolution. '
                "Received: an open size. Give the network an input of fixed size"
            )
        # What "same" means in Keras: the rest is at the end.
        total = reach if stride == 1 else max(reach + 1 - ((length - 1) % stride + 1), 0)
        rims.append((total // 2, total - total // 2))
    return layers.ZeroPadding3D(((0, 0), *rims), name=f"{layer.name}_rim")(x)


def _copy(old, new):
    values = old.get_weights()
    if isinstance(old, layers.Conv2D):
        depth = new.kernel_size[0]
        values[0] = ops.convert_to_numpy(old.kernel)[None].repeat(depth, axis=0) / depth
    new.set_weights(values)
