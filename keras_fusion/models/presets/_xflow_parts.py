"""What XFlow's own two networks have in common: sizes, connections, the prediction."""

from dataclasses import dataclass, replace

import keras
from keras import layers

from keras_fusion._checks import check_bool, check_choice, check_int
from keras_fusion.layers import CrossConnection1D2D, CrossConnection2D1D
from keras_fusion.models.fusion_model import FusionModel


@dataclass(frozen=True)
class Sizes:
    """What a data set decides of the networks: sizes of the inputs, widths, classes."""

    frame: tuple  # height and width
    frames: int  # after averaging, for the CNN x MLP
    steps: int  # padded, for the LSTM
    num_classes: int
    cnn_kernels: tuple  # of the transposed convolutions at depth 1 and 2
    lstm_kernels: tuple


# Of the two last only AVletters' are in the paper; the others are those of the authors' code.
_DATASETS = {
    "avletters": Sizes((80, 60), 11, 39, 26, (8, 4), (16, 8)),
    "cuave": Sizes((90, 120), 6, 44, 10, (32, 16), (32, 16)),
    "digits": Sizes((90, 120), 6, 58, 10, (32, 16), (32, 16)),
}


def conv(x, filters, name):
    """A 3x3 convolution with ReLU."""
    return layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)


def cross_connections(maps, units, kernel, depth, regularized):
    """Both cross-connections at one depth, for `connect`; `regularized`: as in the CNN x MLP."""
    shape = maps.shape[1:]
    to_vector = CrossConnection2D1D(
        units, filters=shape[-1], batch_norm=regularized, name=f"image_to_audio_cross_{depth}"
    )
    to_maps = CrossConnection1D2D(
        shape,
        kernel,
        batch_norm=regularized,
        dropout=0.5 if regularized else 0.0,
        name=f"audio_to_image_cross_{depth}",
    )
    return {(0, 1): to_vector, (1, 0): to_maps}


def residual_connections(maps, vector, image, audio, kernel, depth, regularized):
    """What both residual connections bring, of the shapes of `vector` and `maps`, for `connect`."""
    first = depth == 1
    to_vector = CrossConnection2D1D(
        vector.shape[-1],
        pool_size=4 if first else 8,
        strides=(4, 4) if first else (8, 4),
        dropout=0.25 if regularized else 0.0,
        name=f"image_to_audio_residual_{depth}",
    )
    to_maps = CrossConnection1D2D(
        maps.shape[1:],
        kernel,
        batch_norm=regularized,
        dropout=(0.25 if first else 0.5) if regularized else 0.0,
        output_batch_norm=regularized and first,
        name=f"audio_to_image_residual_{depth}",
    )
    return {(0, 1): to_vector(image), (1, 0): to_maps(audio)}


def finished(image, audio, x, num_classes, name):
    """The model that predicts from the joint features `x`."""
    logits = layers.Dense(num_classes, name="central_logits")(x)
    # float32 under mixed precision too: probabilities near 0 and 1 need it.
    central = layers.Activation("softmax", dtype="float32", name="central_head")(logits)
    inputs = {"image": image, "audio": audio}
    return FusionModel(inputs, {"central": central}, name=name, unimodal_loss_weights=None)


def sizes_of(dataset, cross, residual, num_classes):
    """The `Sizes` of a data set, after a check of what the presets have in common."""
    check_bool("cross", cross)
    check_bool("residual", residual)
    check_choice("dataset", dataset, sorted(_DATASETS))
    sizes = _DATASETS[dataset]
    if num_classes is None:
        return sizes
    check_int("num_classes", num_classes)
    return replace(sizes, num_classes=num_classes)


def input_of(name, given, default):
    """A `keras.Input` of the shape given, or of the paper's."""
    shape = default if given is None else given
    sizes = shape if isinstance(shape, (tuple, list)) else ()
    fits = len(sizes) == len(default) and all(isinstance(s, int) and s >= 1 for s in sizes)
    if not fits or (name == "image" and min(sizes[-3:-1]) < 8):
        raise ValueError(
            f"{name}_shape: expected {len(default)} ints such as {default}"
            f"{', height and width from 8 up' if name == 'image' else ''}. Received: {shape!r}"
        )
    return keras.Input(tuple(shape), name=name)


def kernels_of(given, default, frame):
    """The two kernel sizes given, or the paper's; an error if they do not fit the frame."""
    kernels = default if given is None else given
    limits = [min(size // 2 for size in frame), min(size // 4 for size in frame)]
    sizes = kernels if isinstance(kernels, (tuple, list)) else ()
    fits = len(sizes) == 2 and all(isinstance(k, int) for k in sizes)
    if not fits or any(not 1 <= k <= limit for k, limit in zip(sizes, limits, strict=True)):
        raise ValueError(
            f"kernel_sizes: expected two ints from 1 up, not above {limits}, the smaller sides of "
            f"the maps at both depths. Received: {kernels!r}"
        )
    return kernels
