"""Networks of keras.applications: preprocessing, weights files, what is frozen."""

import sys

import keras
import numpy as np
import pytest
from helpers.tiny import outputs, reloaded, without_weights
from keras import layers

from keras_fusion import build_centralnet
from keras_fusion.backbones import mlp, pretrained, resnet50, vgg16, vgg19
from keras_fusion.backbones.applications import _NETWORKS
from keras_fusion.graph import fusion_points
from keras_fusion.layers import PreprocessImages

ALL = sorted(name for name in dir(keras.applications) if name[0].isupper())
IMAGES = np.random.default_rng(0).uniform(0, 255, size=(2, 32, 32, 3)).astype("float32")
SMALL = {"network": "mobilenet", "input_shape": (32, 32, 3), "alpha": 0.25}


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """A small network of keras.applications with weights of its own, and their file."""
    network = keras.applications.MobileNet(
        include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.25
    )
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if weight.path.endswith(("mean", "beta")):
            weight.assign(rng.normal(size=tuple(weight.shape)) / 10)
        elif weight.path.endswith(("variance", "gamma")):
            weight.assign(rng.uniform(0.5, 1.5, size=tuple(weight.shape)))
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    network.save_weights(path)
    return network, path


def values(model, x, training=False):
    return keras.ops.convert_to_numpy(model(x, training=training))


def trainable(model):
    return {layer.name for layer in model.layers if layer.trainable_weights}


def test_every_network_is_known():
    assert sorted(name for name, _ in _NETWORKS.values()) == ALL


@pytest.mark.parametrize("network", ALL)
def test_preprocessing_is_that_of_the_network(network):
    module = sys.modules[getattr(keras.applications, network).__module__]
    mode = _NETWORKS[network.lower()][1]
    found = IMAGES if mode is None else keras.ops.convert_to_numpy(PreprocessImages(mode)(IMAGES))
    np.testing.assert_allclose(found, module.preprocess_input(IMAGES.copy()), atol=1e-4)


@pytest.mark.parametrize(
    ("network", "own", "stages"),
    [
        ("vgg16", ["caffe"], ["block2_pool", "block5_pool"]),
        ("ResNet50", ["caffe"], ["conv2_block3_out", "conv5_block3_out"]),
        ("resnet50_v2", ["tf"], ["conv2_block2_out", "post_relu"]),
        ("mobilenet_v2", ["tf"], ["block_3_expand_relu", "out_relu"]),
        ("densenet121", ["torch"], ["pool2_pool", "relu"]),
        ("mobilenet_v3_small", [], None),
        ("efficientnet_b0", [], ["block3a_expand_activation", "top_activation"]),
        ("efficientnet_v2_b0", [], ["block2b_add", "top_activation"]),
        ("convnext_tiny", [], None),
    ],
)
def test_is_flat_and_preprocessed_once(network, own, stages):
    with without_weights():
        model = pretrained(network, (32, 32, 3))
    found = [layer.mode for layer in model.layers if isinstance(layer, PreprocessImages)]
    inside = [type(layer) for layer in model.layers]
    assert found == own
    assert own or layers.Rescaling in inside or layers.Normalization in inside
    assert model.name == network.lower().replace("_", "")
    points = fusion_points(model)
    assert points[0].path == "input" and points[-1].role == "features"
    assert points[-1].shape[:2] == (1, 1)
    if stages:
        assert [points[2].path, points[-1].path] == stages


def test_raw_images_go_in(weights_file):
    network, path = weights_file
    model = pretrained(**SMALL, weights=str(path))
    expected = values(network, keras.applications.mobilenet.preprocess_input(IMAGES.copy()))
    np.testing.assert_allclose(values(model, IMAGES), expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected) > 0.1


def test_saved_with_its_preprocessing(weights_file, tmp_path):
    _, path = weights_file
    model = pretrained(**SMALL, weights=path, num_classes=3, dropout=0.5)
    again = reloaded(model, tmp_path)
    np.testing.assert_allclose(values(again, IMAGES), values(model, IMAGES), rtol=1e-5)
    assert again.get_layer("preprocessing").mode == "tf"
    # The file of the whole serves as a weights file of the network.
    model.save_weights(tmp_path / "whole.weights.h5")
    for name in ("whole.weights.h5", "model.keras"):
        other = pretrained(**SMALL, weights=tmp_path / name)
        for ours, theirs in zip(other.get_weights(), model.get_weights(), strict=False):
            np.testing.assert_array_equal(ours, theirs)


def test_frozen_batch_normalization_keeps_its_averages(weights_file):
    _, path = weights_file
    model = pretrained(**SMALL, weights=path, trainable=4)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    before = [keras.ops.convert_to_numpy(norm.moving_mean).copy() for norm in norms]
    values(model, IMAGES, training=True)
    after = [keras.ops.convert_to_numpy(norm.moving_mean) for norm in norms]
    moved = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert moved == [norm.trainable for norm in norms]
    assert True in moved and False in moved
    # Below the first stage that trains, training changes nothing.
    end = fusion_points(model)[3].path
    below = keras.Model(model.input, model.get_layer(end).output)
    np.testing.assert_array_equal(values(below, IMAGES, True), values(below, IMAGES))


@pytest.mark.parametrize(
    ("build", "stage", "frozen"),
    [
        (vgg16, True, ()),
        (vgg16, 1, ()),
        (vgg16, 3, ("block1", "block2")),
        (vgg19, "block5_pool", ("block1", "block2", "block3", "block4")),
        (vgg16, False, ("block",)),
        (resnet50, "conv3_block4_out", ("conv1", "conv2")),
        (resnet50, 5, ("conv1", "conv2", "conv3", "conv4")),
    ],
)
def test_frozen_below_a_stage(build, stage, frozen):
    with without_weights():
        model = build((32, 32, 3), 4, trainable=stage)
    weighted = {layer.name for layer in model.layers if layer.weights}
    assert trainable(model) == {n for n in weighted if not n.startswith(frozen or ("none",))}
    assert "prediction" in trainable(model)


def test_frozen_inside_a_nested_block():
    """ConvNeXt's stages begin inside a Sequential."""
    with without_weights():
        model = pretrained("convnext_tiny", (32, 32, 3), trainable=3)
    point = fusion_points(model)[2].path
    assert "/" in point
    flat = {layer.name: layer.trainable for layer in model._flatten_layers() if layer.weights}
    below, above = "convnext_tiny_stage_1_block_0", "convnext_tiny_stage_2_block_0"
    assert not flat[f"{below}_depthwise_conv"] and flat[f"{above}_depthwise_conv"]
    outer, inner = point.split("/")
    inside = {layer.name: layer.trainable for layer in model.get_layer(outer).layers}
    assert inside.pop(inner) is False
    assert [inside[name] for name in inside if "conv_" in name] == [True]


def test_stays_frozen_in_a_fusion_model():
    with without_weights():
        images = vgg16((32, 32, 3), 3, trainable="block5_pool")
        model = build_centralnet({"image": images, "table": mlp(5, (4, 4), 3)})
    ours = [w.path for w in model.trainable_weights if "block" in w.path]
    assert len(ours) == 6 and all("block5_conv" in path for path in ours)


def test_fused_and_trained(weights_file):
    _, path = weights_file
    images = pretrained(**SMALL, weights=path, num_classes=3, trainable=False)
    nets = {"image": images, "table": mlp(5, (4,), 3)}
    model = build_centralnet(nets, taps={"image": ["pooled"], "table": ["dense1_dropout"]})
    x = {"image": IMAGES, "table": np.ones((2, 5), "float32")}
    assert all(np.isfinite(p).all() for p in outputs(model, x).values())
    frozen = [w for w in model.weights if "conv_pw_13" in w.path and "bn" in w.path]
    assert len(frozen) == 4 and not any(weight.trainable for weight in frozen)


@pytest.mark.parametrize(("momentum", "expected"), [(None, {0.99}), (0.8, {0.8})])
def test_momentum(momentum, expected):
    with without_weights():
        model = pretrained(**SMALL, momentum=momentum)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == expected and len(norms) == 27


def test_ends():
    with without_weights():
        model = pretrained(**SMALL, num_classes=3, dropout=0.25, activation="sigmoid", name="mine")
        bare = pretrained(**SMALL)
        opened = pretrained(**{**SMALL, "input_shape": (None, None, 3)})
    *_, pool, dropout, prediction = model.layers
    assert (pool.name, dropout.rate, prediction.units) == ("pooled", 0.25, 3)
    assert prediction.activation is keras.activations.sigmoid
    assert model.name == "mine" and fusion_points(model).head == "sigmoid"
    assert bare.output.shape == (None, 1, 1, 256) and bare.name == "mobilenet"
    assert opened.input.shape == (None, None, None, 3)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"network": "vgg17"}, "network: expected one of .*vgg16.*Received: 'vgg17'"),
        ({"network": None}, "network: .*Received: None"),
        ({"input_shape": (32, 32, 1)}, r"input_shape: .*Received: \(32, 32, 1\). Repeat"),
        ({"input_shape": (32, 32)}, r"input_shape: .*Received: \(32, 32\)"),
        ({"input_shape": (16, 16, 3)}, "at least 32x32"),
        ({"num_classes": 0}, "num_classes: .*Received: 0"),
        ({"dropout": 1}, "dropout: .*Received: 1"),
        ({"momentum": 1.0}, "momentum: .*Received: 1.0"),
        ({"trainable": 9}, r'trainable: .*5 or "conv_pw_13_relu". Received: 9'),
        ({"trainable": 0}, "trainable: .*Received: 0"),
        ({"trainable": "conv_pw_12"}, "trainable: .*Received: 'conv_pw_12'"),
        ({"trainable": None}, "trainable: .*Received: None"),
    ],
)
def test_bad_arguments(arguments, match):
    with without_weights(), pytest.raises(ValueError, match=match):
        pretrained(**{**SMALL, **arguments})


def test_weights_that_do_not_fit(weights_file, tmp_path):
    _, path = weights_file
    with pytest.raises(FileNotFoundError, match="weights: .*MobileNet.*nowhere.h5"):
        pretrained(**SMALL, weights=tmp_path / "nowhere.h5")
    text = tmp_path / "text.weights.h5"
    text.write_text("no weights")
    for arguments, file in [
        (SMALL, text),
        ({**SMALL, "alpha": 0.5}, path),
    ]:
        match = f"weights: expected a weights file of MobileNet.*{file.name}.*does not fit"
        with pytest.raises(ValueError, match=match):
            pretrained(**arguments, weights=file)
