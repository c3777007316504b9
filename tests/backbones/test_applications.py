"""The stages of well-known networks."""

import keras
import pytest
from helpers.tiny import without_weights
from keras import layers

from keras_fusion.graph import fusion_points


@pytest.fixture(autouse=True)
def graphs_only():
    with without_weights():
        yield


RESNET50 = [(8, 8, 64), (8, 8, 256), (4, 4, 512), (2, 2, 1024), (1, 1, 2048)]
VGG = [(16, 16, 64), (8, 8, 128), (4, 4, 256), (2, 2, 512), (1, 1, 512)]
# Each at its smallest input; the shapes of its stages, lowest first, as its authors list them.
STAGES = {
    "VGG16": (32, VGG),
    "VGG19": (32, VGG),
    "ResNet50": (32, RESNET50),
    "ResNet50V2": (32, RESNET50),
    "InceptionV3": (75, [(17, 17, 64), (7, 7, 192), (7, 7, 288), (3, 3, 768), (1, 1, 2048)]),
    "InceptionResNetV2": (
        75,
        [(17, 17, 64), (7, 7, 192), (7, 7, 320), (3, 3, 1088), (1, 1, 1536)],
    ),
    "Xception": (71, [(33, 33, 64), (17, 17, 128), (9, 9, 256), (5, 5, 728), (3, 3, 2048)]),
    "MobileNet": (32, [(16, 16, 64), (8, 8, 128), (4, 4, 256), (2, 2, 512), (1, 1, 1024)]),
    "MobileNetV2": (32, [(16, 16, 96), (8, 8, 144), (4, 4, 192), (2, 2, 576), (1, 1, 1280)]),
    # With its top: the last convolution is a hidden layer on a single pixel.
    "MobileNetV3Small": (32, [(16, 16, 16), (8, 8, 72), (4, 4, 96), (2, 2, 288), (1, 1, 1024)]),
    "MobileNetV3Large": (32, [(16, 16, 64), (8, 8, 72), (4, 4, 240), (2, 2, 672), (1, 1, 1280)]),
    "EfficientNetB0": (32, [(16, 16, 96), (8, 8, 144), (4, 4, 240), (2, 2, 672), (1, 1, 1280)]),
    "EfficientNetV2B0": (32, [(16, 16, 16), (8, 8, 32), (4, 4, 192), (2, 2, 672), (1, 1, 1280)]),
    "DenseNet121": (32, [(8, 8, 64), (4, 4, 128), (2, 2, 256), (1, 1, 512), (1, 1, 1024)]),
    "NASNetMobile": (32, [(15, 15, 32), (8, 8, 44), (4, 4, 264), (2, 2, 528), (1, 1, 1056)]),
    "ConvNeXtTiny": (32, [(8, 8, 96), (4, 4, 192), (2, 2, 384), (1, 1, 768)]),
}


def network(name, **arguments):
    size = STAGES[name][0]
    build = getattr(keras.applications, name)
    return build(weights=None, input_shape=(size, size, 3), classes=5, **arguments)


@pytest.mark.parametrize("name", STAGES)
def test_stages(name):
    if name == "NASNetMobile" and keras.backend.backend() == "torch":
        pytest.skip("Keras does not offer NASNet on PyTorch")
    model = network(name)
    found = [(p.shape, p.role) for p in fusion_points(model)[1:]]
    hidden = [((4096,), "stage")] * 2 if name.startswith("VGG") else []
    stages = [(shape, "stage") for shape in STAGES[name][1]]
    assert found == [*stages, *hidden, ((5,), "prediction")]


@pytest.mark.parametrize("name", ["VGG16", "ResNet50"])
@pytest.mark.parametrize("pooling", [None, "avg"])
def test_stages_of_headless_networks(name, pooling):
    found = [
        (p.shape, p.role)
        for p in fusion_points(network(name, include_top=False, pooling=pooling))[1:]
    ]
    *lower, top = STAGES[name][1]
    stages = [(shape, "stage") for shape in lower]
    if pooling:
        assert found == [*stages, (top, "stage"), ((top[-1],), "output")]
    else:
        assert found == [*stages, (top, "features")]


def test_residual_blocks_are_not_entered():
    paths = [point.path for point in fusion_points(network("ResNet50"))[1:]]
    assert paths == [
        "pool1_pool",
        "conv2_block3_out",
        "conv3_block4_out",
        "conv4_block6_out",
        "conv5_block3_out",
        "predictions",
    ]


def test_nested_in_a_sequential():
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3), name="picture"),
            layers.Rescaling(1 / 255),
            network("VGG16", include_top=False),
            layers.GlobalAveragePooling2D(),
            layers.Dense(16, activation="relu", name="hidden"),
            layers.Dense(5, activation="softmax", name="out"),
        ]
    )
    blocks = [f"vgg16/block{i}_pool" for i in range(1, 6)]
    assert [point.path for point in fusion_points(model)] == ["picture", *blocks, "hidden", "out"]
