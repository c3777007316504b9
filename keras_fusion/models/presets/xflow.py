"""XFlow's own networks, layer by layer as in its Table III."""

import keras
from keras import layers, ops

from keras_fusion._checks import check_int, check_recurrent, plain_arguments
from keras_fusion.models.builders import build_dtn, concatenated, connect
from keras_fusion.models.presets._xflow_parts import (
    conv,
    cross_connections,
    finished,
    input_of,
    kernels_of,
    residual_connections,
    sizes_of,
)

_NAMES = ("image", "audio")
_MFCC = 26  # coefficients of one frame


@keras.saving.register_keras_serializable(package="keras_fusion")
def keras1_hard_sigmoid(x):
    """The LSTM's recurrent activation that Keras had by default then: clip(0.2 x + 0.5, 0, 1)."""
    # Today's default is the sigmoid, and today's hard sigmoid has the slope 1/6.
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@plain_arguments
def xflow_cnn_mlp(
    dataset,
    cross=True,
    residual=True,
    *,
    image_shape=None,
    audio_shape=None,
    num_classes=None,
    kernel_sizes=None,
    name="xflow_cnn_mlp",
):
    """XFlow's CNN x MLP (Fig. 2, Table I), with, without or with some of its connections.

    Video and sound are averaged to a fixed number of frames before: the frames are the image's
    channels, and the sound is all their MFCCs in one vector. Without connections
    (`cross=False, residual=False`) it is the paper's baseline, whose second dense layer of the
    sound stream has no batch normalization and no dropout.

    Trainable parameters, those of Table III for the baseline and the full network: AVletters
    2,740,512 and 8,852,962; Digits and CUAVE 5,664,054 and 17,764,002. The paper's text alone
    does not lead there. What does: PReLU without shared axes; batch normalization over the last
    axis, also inside the cross-connections, in all connections from vectors to maps and after the
    first residual one of them; dropout of 0.25 in the residual connections from images and in the
    first residual one to them, 0.5 in the others from vectors; the second residual pooling of 8x8
    with strides of 8 rows and 4 columns; the residual connections from images read the image
    after batch normalization, the others the raw MFCCs. CUAVE has 10 classes (the paper also says
    26, once). For the ablations (one of `cross` and `residual`) the paper gives accuracies but no
    sizes; here all else stays as it is.

    Args:
        dataset: String, `"avletters"`, `"cuave"` or `"digits"`: image 80x60x11 or 90x120x6, 286 or
            156 MFCCs, 26 or 10 classes, transposed convolutions of 8x8 and 4x4 or 32x32 and 16x16.
        cross: Boolean, whether there are cross-connections. Defaults to `True`.
        residual: Boolean, whether there are residual connections. Defaults to `True`.
        image_shape: Optional tuple `(height, width, frames)`, 8x8 or larger, instead of the data
            set's. Defaults to `None`.
        audio_shape: Optional tuple `(features,)`, instead of the data set's. Defaults to `None`.
        num_classes: Optional positive integer, instead of the data set's. Defaults to `None`.
        kernel_sizes: Optional pair of positive integers, of the transposed convolutions, instead of
            the data set's. The first is not above the sides of the image halved, the second not
            above those of the image halved twice. Defaults to `None`.
        name: String, of the model. Defaults to `"xflow_cnn_mlp"`.

    Returns:
        `FusionModel` with the inputs "image" `(batch, height, width, frames)` and "audio"
        `(batch, features)` and the output "central" `(batch, num_classes)`, probabilities.

    Raises:
        ValueError: an unknown data set, or sizes that do not fit.

    Example:

    >>> import math
    >>> import keras_fusion as kf
    >>> model = kf.presets.xflow_cnn_mlp("avletters", cross=False, residual=False)
    >>> sum(math.prod(weight.shape) for weight in model.trainable_weights)
    2740512

    Reference:
        Cangea et al. (2017), XFlow: Cross-modal Deep Neural Networks for Audiovisual
        Classification, Sect. II, Tables I and III: trained by Adam (0.001), batch size 128, 300
        epochs.
    """
    sizes = sizes_of(dataset, cross, residual, num_classes)
    image = input_of("image", image_shape, (*sizes.frame, sizes.frames))
    audio = input_of("audio", audio_shape, (_MFCC * sizes.frames,))
    kernels = kernels_of(kernel_sizes, sizes.cnn_kernels, image.shape[1:3])
    connected = cross or residual
    norm = {}  # batch normalization as Keras has it by default

    maps = normed = layers.BatchNormalization(name="image_bn")(image)
    vector = audio
    for depth, filters, units, kernel in ((1, 16, 64, kernels[0]), (2, 32, 128, kernels[1])):
        maps = conv(maps, filters, f"image_conv{depth}a")
        maps = conv(maps, filters, f"image_conv{depth}b")
        maps = layers.BatchNormalization(name=f"image_conv{depth}_bn")(maps)
        maps = layers.MaxPooling2D(2, name=f"image_pool{depth}")(maps)
        maps = layers.Dropout(0.25, name=f"image_dropout{depth}")(maps)
        vector = layers.Dense(128, activation="relu", name=f"audio_dense{depth}")(vector)
        if depth == 1 or connected:
            vector = concatenated([vector], f"audio_dense{depth}", norm, 0.5)
        (maps, vector), (to_maps, to_vector) = connect(
            [maps, vector],
            cross_connections(maps, units, kernel, depth, True) if cross else {},
            residual_connections(maps, vector, normed, audio, kernel, depth, True)
            if residual
            else {},
            _NAMES,
            depth,
        )
        if connected:
            maps = concatenated([*to_maps, maps], f"image_merge_{depth}", norm, 0.5)
        if connected and depth == 1:
            vector = concatenated([*to_vector, vector], f"audio_merge_{depth}", norm, 0.5)
    maps = layers.Flatten(name="image_flatten")(maps)
    maps = layers.Dense(256, activation="relu", name="image_dense")(maps)
    x = concatenated([*to_vector, maps, vector], "central", norm, 0.5)
    x = layers.Dense(512, activation="relu", name="central_dense")(x)
    x = layers.Dropout(0.5, name="central_dense_dropout")(x)
    return finished(image, audio, x, sizes.num_classes, name)


@plain_arguments
def xflow_cnn_mlp_lstm(
    dataset,
    cross=True,
    residual=True,
    *,
    image_shape=None,
    audio_shape=None,
    num_classes=None,
    kernel_sizes=None,
    recurrent_activation=keras1_hard_sigmoid,
    name="xflow_cnn_mlp_lstm",
):
    """XFlow's {CNN x MLP}-LSTM (Figs. 4 and 5, Table II), with, without or with some connections.

    Every video frame and its MFCCs go through the same small CNN x MLP; an LSTM reads what comes
    out, frame by frame. Sequences are padded with zeros to one length. A step counts where both
    the frame and the MFCCs have a value other than zero; the LSTM leaves the others out. The
    batch normalizations do not: as in the original, their statistics have the padding in them.

    Parameters, those of Table III for the baseline and the full network: AVletters 353,650 and
    1,387,488; Digits 721,170 and 2,967,388. All are trainable ones but 353,650: that is the total
    with the moving statistics, 353,494 are trainable. CUAVE, which shares a column with Digits,
    has 56 less, as its sequences are shorter: both batch normalizations are over axis 1, time,
    with one scale and shift a step (so the text's "arbitrary lengths" end at the padded length).
    Here too PReLU is without shared axes, and the second residual pooling 8x8 with strides of 8
    rows and 4 columns. The last dropout is 0.5 as in the text, but 0.25 in the baseline.

    Args:
        dataset: String, `"avletters"`, `"cuave"` or `"digits"`: 39, 44 or 58 frames of 80x60 or
            90x120 with 26 MFCCs each, 26 or 10 classes, transposed convolutions of 16x16 and 8x8 or
            32x32 and 16x16.
        cross: Boolean, whether there are cross-connections. Defaults to `True`.
        residual: Boolean, whether there are residual connections. Defaults to `True`.
        image_shape: Optional tuple `(frames, height, width, channels)`, 8x8 or larger, instead of
            the data set's. Defaults to `None`.
        audio_shape: Optional tuple `(frames, features)`, instead of the data set's; as many frames.
            Defaults to `None`.
        num_classes: Optional positive integer, instead of the data set's. Defaults to `None`.
        kernel_sizes: Optional pair of positive integers, see `xflow_cnn_mlp`. Defaults to `None`.
        recurrent_activation: String or function, of the LSTM; `"sigmoid"` is Keras' of today and
            faster on a GPU. Defaults to `keras1_hard_sigmoid`, that of the authors' Keras:
            clip(0.2 x + 0.5, 0, 1).
        name: String, of the model. Defaults to `"xflow_cnn_mlp_lstm"`.

    Returns:
        `FusionModel` with the inputs "image" `(batch, frames, height, width, channels)` and
        "audio" `(batch, frames, features)` and the output "central" `(batch, num_classes)`,
        probabilities.

    Raises:
        ValueError: an unknown data set, or sizes that do not fit; on PyTorch the dtype policy
            "float16" ("mixed_float16" is fine).

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.presets.xflow_cnn_mlp_lstm("avletters", cross=False, residual=False)
    >>> model.count_params()
    353650

    Reference:
        Cangea et al. (2017), XFlow: Cross-modal Deep Neural Networks for Audiovisual
        Classification, Sect. II, Tables II and III: trained by Adam (0.001), batch size 32, 300
        epochs.
    """
    check_recurrent(keras.config.dtype_policy())
    sizes = sizes_of(dataset, cross, residual, num_classes)
    image = input_of("image", image_shape, (sizes.steps, *sizes.frame, 1))
    audio = input_of("audio", audio_shape, (sizes.steps, _MFCC))
    if image.shape[1] != audio.shape[1]:
        raise ValueError(
            "expected image and audio of as many frames. "
            f"Received: image {image.shape[1:]}, audio {audio.shape[1:]}"
        )
    kernels = kernels_of(kernel_sizes, sizes.lstm_kernels, image.shape[2:4])

    normed = layers.BatchNormalization(axis=1, name="image_bn")(image)
    # Time goes into the batch: TimeDistributed would unroll a loop of 39 to 58 steps.
    maps = frames = ops.reshape(normed, (-1, *image.shape[2:]))
    vector = coefficients = ops.reshape(audio, (-1, audio.shape[2]))
    for depth, filters, units, kernel in ((1, 8, 32, kernels[0]), (2, 16, 64, kernels[1])):
        maps = conv(maps, filters, f"image_conv{depth}")
        maps = layers.MaxPooling2D(2, name=f"image_pool{depth}")(maps)
        vector = layers.Dense(32, activation="relu", name=f"audio_dense{depth}")(vector)
        sources = (frames, coefficients)
        (maps, vector), (to_maps, to_vector) = connect(
            [maps, vector],
            cross_connections(maps, units, kernel, depth, False) if cross else {},
            residual_connections(maps, vector, *sources, kernel, depth, False) if residual else {},
            _NAMES,
            depth,
        )
        maps = concatenated([maps, *to_maps], f"image_merge_{depth}")
        if depth == 1:
            vector = concatenated([vector, *to_vector], f"audio_merge_{depth}")
    maps = layers.Flatten(name="image_flatten")(maps)
    maps = layers.Dense(64, activation="relu", name="image_dense")(maps)
    x = concatenated([maps, vector, *to_vector], "central")
    x = ops.reshape(x, (-1, image.shape[1], x.shape[-1]))
    x = layers.BatchNormalization(axis=1, name="central_bn")(x)
    x = layers.Dropout(0.5 if cross or residual else 0.25, name="central_dropout")(x)
    # Given to the LSTM alone: a mask that travels would change the batch normalizations.
    has_frame = ops.any(ops.not_equal(image, 0), axis=(2, 3, 4))
    has_sound = ops.any(ops.not_equal(audio, 0), axis=2)
    lstm = layers.LSTM(64, recurrent_activation=recurrent_activation, name="central_lstm")
    x = lstm(x, mask=ops.logical_and(has_frame, has_sound))
    return finished(image, audio, x, sizes.num_classes, name)


@plain_arguments
def xflow_dtn(dataset, *, image_features=None, audio_features=None, num_classes=None, **kwargs):
    """The weakly-shared deep transfer network that XFlow is compared with.

    286 or 156 MFCCs -> 512 -> 256 -> 256 -> 256 -> classes, and 13,200 or 16,200 pixels -> 2048
    -> 256 -> 256 -> 256 -> classes; the last two hidden layers are weakly shared (our reading,
    see `build_dtn`). The text says that the network gets the same data as the CNN x MLP; its
    numbers of pixels are those of frames halved in both directions, 40x30x11 and 45x60x6.

    Trainable parameters: 28,114,996 for AVletters, 34,184,212 for CUAVE and Digits. CUAVE has 10
    classes; here the paper says 26, against its own description of the data.

    Args:
        dataset: String, `"avletters"`, `"cuave"` or `"digits"`.
        image_features: Optional positive integer, instead of the data set's. Defaults to `None`.
        audio_features: Optional positive integer, instead of the data set's. Defaults to `None`.
        num_classes: Optional positive integer, instead of the data set's. Defaults to `None`.
        **kwargs: Further arguments of `build_dtn`.

    Returns:
        `FusionModel` with the inputs "image" and "audio", vectors, and the outputs "central",
        "image" and "audio", not compiled.

    Raises:
        ValueError: an unknown data set, or sizes that do not fit.

    Example:

    >>> import keras_fusion as kf
    >>> model = kf.presets.xflow_dtn("digits", image_features=600, audio_features=52)
    >>> [model.get_layer(f"image_dense_{i}").units for i in range(2)]
    [2048, 256]

    Reference:
        Cangea et al. (2017), XFlow: Cross-modal Deep Neural Networks for Audiovisual
        Classification, Sect. III-A-3 and Table IV: batch size 128, the first two layers trained
        as autoencoders before, see `keras_fusion.models.pretrain_dtn`.
    """
    sizes = sizes_of(dataset, False, False, num_classes)
    height, width = sizes.frame
    features = {
        "image": (height // 2) * (width // 2) * sizes.frames,
        "audio": _MFCC * sizes.frames,
    }
    backbones = {}
    for modality, given in (("image", image_features), ("audio", audio_features)):
        if given is not None:
            check_int(f"{modality}_features", given)
            features[modality] = given
        inputs = keras.Input((features[modality],))
        backbones[modality] = keras.Model(inputs, layers.Identity(name="given")(inputs))
    arguments = {
        "stream_units": {"image": (2048, 256), "audio": (512, 256)},
        "shared_units": (256, 256),
        "num_classes": sizes.num_classes,
        "name": "xflow_dtn",
        **kwargs,
    }
    return build_dtn(backbones, **arguments)
