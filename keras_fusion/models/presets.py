"""The papers' own networks: builders called with the papers' numbers and nothing else."""

from keras_fusion.backbones import audio_cnn, lenet5
from keras_fusion.models.centralnet import build_centralnet


def centralnet_mm_mnist(dropout=0.5, **kwargs):
    """The CentralNet of Table 1, for Multimodal MNIST: three LeNet5.

    Fused at the inputs already, then at 14x14x32, 7x7x64, 1024 and the prediction of 10 classes.

    Args:
        dropout: Float in [0, 1), in all three networks; the paper's is 0.5.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "image_a" and "image_b", 28x28x1 each.

    Example:

    >>> import keras_fusion as kf
    >>> list(kf.centralnet_mm_mnist().fusion_levels.values())
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


def centralnet_av_mnist(dropout=0.5, **kwargs):
    """The CentralNet of Table 3, for Audiovisual MNIST: LeNet5, the six-layer audio CNN, central.

    The audio network has two blocks (56x56x8, 28x28x16) before the first fusion; they meet at
    14x14x32, 7x7x64, 1024 and the prediction of 10 classes.

    Args:
        dropout: Float in [0, 1), in all three networks; the paper's is 0.5.
        **kwargs: Further arguments of `build_centralnet`.

    Returns:
        `FusionModel` with the inputs "image" (28x28x1) and "audio" (112x112x1).

    Example:

    >>> import keras_fusion as kf
    >>> list(kf.centralnet_av_mnist().fusion_levels.values())
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
