"""CentralNet's own networks: MM-MNIST, AV-MNIST, Montalbano and MM-IMDb."""

from keras_fusion._checks import check_bool, plain_arguments
from keras_fusion.backbones import audio_cnn, lenet5, mlp
from keras_fusion.models.builders import build_centralnet
from keras_fusion.models.presets._perceptrons import fused_from_inputs, hidden_layers


@plain_arguments
def centralnet_mm_mnist(dropout=0.5, **kwargs):
    """The CentralNet of Table 1, for Multimodal MNIST: three LeNet5.

    Fused at the inputs already, then at 14x14x32, 7x7x64, 1024 and the prediction of 10 classes.

    Args:
        dropout: Float in [0, 1), the rate in all three networks. Defaults to `0.5`, the paper's.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "image_a" and "image_b", 28x28x1 each.

    Example:

    >>> import keras_fusion as kf
    >>> list(kf.presets.centralnet_mm_mnist().fusion_levels.values())
    ['28x28x1', '14x14x32', '7x7x64', '1024', 'prediction']

    Reference:
        Vielzeuf et al. (2018), CentralNet, Sect. 3.1, Table 1: trained with learning rate 0.01,
        batch size 128, 100 epochs.
    """
    backbones = {
        "image_a": lenet5((28, 28, 1), 10, dropout, name="lenet5_a"),
        "image_b": lenet5((28, 28, 1), 10, dropout, name="lenet5_b"),
    }
    arguments = {"kernel_size": 5, "dropout": dropout, "name": "centralnet_mm_mnist", **kwargs}
    return build_centralnet(backbones, **arguments)


@plain_arguments
def centralnet_av_mnist(dropout=0.5, **kwargs):
    """The CentralNet of Table 3, for Audiovisual MNIST: LeNet5, the six-layer audio CNN, central.

    The audio network has two blocks (56x56x8, 28x28x16) before the first fusion; they meet at
    14x14x32, 7x7x64, 1024 and the prediction of 10 classes.

    Args:
        dropout: Float in [0, 1), the rate in all three networks. Defaults to `0.5`, the paper's.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "image" (28x28x1) and "audio" (112x112x1).

    Example:

    >>> import keras_fusion as kf
    >>> list(kf.presets.centralnet_av_mnist().fusion_levels.values())
    ['14x14x32', '7x7x64', '1024', 'prediction']

    Reference:
        Vielzeuf et al. (2018), CentralNet, Sect. 3.2, Table 3: trained with learning rate 0.001,
        batch size 128, 100 epochs.
    """
    backbones = {
        "image": lenet5((28, 28, 1), 10, dropout),
        "audio": audio_cnn((112, 112, 1), 10, dropout),
    }
    arguments = {"kernel_size": 5, "dropout": dropout, "name": "centralnet_av_mnist", **kwargs}
    return build_centralnet(backbones, **arguments)


@plain_arguments
def centralnet_montalbano(dropout=0.5, padded=False, **kwargs):
    """The CentralNet for Montalbano's gestures: four perceptrons on features of 400.

    The features of all modalities are padded with zeros to 400 and fused there already, then at
    128, 42 and the prediction of 21 (20 gestures, and none of them).

    Args:
        dropout: Float in [0, 1), the rate in all five networks. Defaults to `0.5`, the paper's.
        padded: Boolean, whether the features come padded to 400 already, as
            `kf.datasets.montalbano.load_data()` gives them. Defaults to `False`.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "audio" and "mocap" of 350 features each, and "left_hand"
        and "right_hand" of 400; with `padded` all of them of 400.

    Example:

    >>> import keras_fusion as kf
    >>> list(kf.presets.centralnet_montalbano().fusion_levels.values())
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
    taps = {name: ["padded", *hidden_layers(2, dropout)] for name in backbones}
    arguments = {"taps": taps, "dropout": dropout, "name": "centralnet_montalbano", **kwargs}
    return build_centralnet(backbones, **arguments)


@plain_arguments
def centralnet_mm_imdb(dropout=0.5, **kwargs):
    """The CentralNet of Table 6, for MM-IMDb: perceptrons on a plot's and a poster's features.

    The text's 300 features are padded with zeros to the image's 4096 where they are fused; then
    2048, 512 and the prediction of 23 genres, several at once. The running text says 4096
    instead of 2048 for the first hidden layer; Table 6 is followed.

    Args:
        dropout: Float in [0, 1), the rate in all three networks. Defaults to `0.5`, the paper's.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "image" (4096) and "text" (300).

    Example:

    >>> import keras_fusion as kf
    >>> list(kf.presets.centralnet_mm_imdb().fusion_levels.values())
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
    return fused_from_inputs(backbones, 2, {**options, "name": "centralnet_mm_imdb", **kwargs})
