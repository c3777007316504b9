"""PreprocessImages against the functions of keras.applications."""

import keras
import numpy as np
import pytest
from conformance import to_numpy
from keras.applications import densenet, imagenet_utils, resnet, vgg16, xception
from layer_cases import Case, floats, integers

from keras_fusion.layers import PreprocessImages

CASES = [
    Case(PreprocessImages, "caffe", {"mode": "caffe"}, (floats(3, 4, 4, 3),), (3, 4, 4, 3)),
    Case(
        PreprocessImages,
        "integer frames to torch",
        {"mode": "torch"},
        (integers(256, 3, 2, 4, 4, 3, dtype="uint8"),),
        (3, 2, 4, 4, 3),
    ),
    Case(PreprocessImages, "tf", {"mode": "tf"}, (floats(3, 4, 4, 1),), (3, 4, 4, 1)),
]

IMAGES = np.random.default_rng(0).uniform(0, 255, size=(2, 4, 5, 3)).astype("float32")


@pytest.mark.parametrize(
    ("mode", "function"),
    [
        ("caffe", vgg16.preprocess_input),
        ("caffe", resnet.preprocess_input),
        ("tf", xception.preprocess_input),
        ("torch", densenet.preprocess_input),
    ],
)
def test_as_keras_applications(mode, function):
    found = to_numpy(PreprocessImages(mode)(IMAGES))
    np.testing.assert_allclose(found, function(IMAGES.copy()), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_integers_and_videos(mode):
    video = IMAGES.astype("uint8")[None]
    expected = imagenet_utils.preprocess_input(video[0].astype("float32"), mode=mode)
    found = to_numpy(PreprocessImages(mode)(video))
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-4)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"mode: expected one of .*Received: 'keras'"):
        PreprocessImages("keras")
    for mode in ("caffe", "torch"):
        with pytest.raises(ValueError, match=r"\(batch, \.\.\., 3\).* Received: \(2, 4, 4, 1\)"):
            PreprocessImages(mode)(np.ones((2, 4, 4, 1)))
    with pytest.raises(ValueError, match=r"Received: \(2,\)"):
        PreprocessImages("tf")(np.ones((2,)))


def test_open_size():
    x = keras.Input((None, None, 3))
    assert PreprocessImages("caffe")(x).shape == (None, None, None, 3)
