"""The preprocessing of the networks of keras.applications, as a layer."""

import keras
from keras import ops

from keras_fusion._checks import check_choice

MODES = ("caffe", "tf", "torch")
_MEAN_BGR = (103.939, 116.779, 123.68)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable(package="keras_fusion")
class PreprocessImages(keras.layers.Layer):
    """Turns RGB images with values from 0 to 255 into what a network trained on ImageNet expects.

    Use it as the first layer of a network, so that it is saved and served with it and raw images
    go in. `kf.backbones.pretrained` places it. It computes what the function
    `preprocess_input` of the network's module in keras.applications does:

        "caffe" (VGG, ResNet):   (B, G, R) - (103.939, 116.779, 123.68)
        "tf" (ResNet V2, Inception, Xception, MobileNet, MobileNet V2, NASNet):  x / 127.5 - 1
        "torch" (DenseNet):      (x / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)

    Args:
        mode: "caffe", "tf" or "torch".
        **kwargs: The arguments of every Keras layer.

    Input shape:
        `(batch, ..., channels)`: images, or the frames of a video; 3 channels, except for "tf".

    Output shape:
        The input's.

    Raises:
        ValueError: another mode, or another number of channels.

    Example:

    >>> import numpy as np
    >>> import keras_fusion as kf
    >>> from keras import ops
    >>> red = np.array([[[[255.0, 0.0, 0.0]]]])
    >>> caffe = kf.layers.PreprocessImages("caffe")(red)
    >>> [round(float(value), 2) for value in ops.convert_to_numpy(caffe)[0, 0, 0]]
    [-103.94, -116.78, 131.32]

    Reference:
        keras.applications, `imagenet_utils.preprocess_input`.
    """

    def __init__(self, mode, **kwargs):
        super().__init__(**kwargs)
        check_choice("mode", mode, MODES)
        self.mode = mode

    def build(self, input_shape):
        self._check(input_shape)

    def _check(self, shape):
        if len(shape) < 2 or (self.mode != "tf" and shape[-1] != 3):
            raise ValueError(
                f'PreprocessImages: expected an input (batch, ..., 3), RGB, for mode="{self.mode}".'
                f" Received: {tuple(shape)}. Repeat the channel of grey images three times"
            )

    def call(self, inputs):
        x = ops.cast(inputs, self.compute_dtype)
        if self.mode == "tf":
            return x / 127.5 - 1.0
        if self.mode == "caffe":
            return ops.flip(x, axis=-1) - ops.cast(_MEAN_BGR, x.dtype)
        return (x / 255.0 - ops.cast(_MEAN, x.dtype)) / ops.cast(_DEVIATION, x.dtype)

    def compute_output_shape(self, input_shape):
        self._check(input_shape)
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}
