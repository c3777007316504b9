"""KerasHub's backbones: several inputs, several outputs, levels that they declare themselves."""

import keras
import numpy as np
import pytest
from helpers.tiny import labels, outputs, reloaded, untrained_weights, vector_net

from keras_fusion import build_centralnet
from keras_fusion.graph import fusion_points

hub = pytest.importorskip("keras_hub", reason="needs keras_hub")

TEXT = {
    "vocabulary_size": 20,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 4,
    "intermediate_dim": 6,
    "max_sequence_length": 8,
}
RESNET = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 64],
    "stackwise_num_blocks": [1, 1],
    "stackwise_num_strides": [1, 2],
    "block_type": "basic_block",
    "image_shape": (32, 32, 3),
}


def bert():
    return hub.models.BertBackbone(**TEXT)


def resnet():
    return hub.models.ResNetBackbone(**RESNET)


def shapes(model):
    return [(point.path, point.shape, point.role) for point in fusion_points(model)]


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("BertBackbone", ("pooled_dense", (4,), "features")),
        ("RobertaBackbone", ("transformer_layer_1", (None, 4), "features")),
        ("DistilBertBackbone", ("transformer_layer_1", (None, 4), "features")),
    ],
)
def test_text_encoders(name, last):
    found = shapes(getattr(hub.models, name)(**TEXT))
    assert found[:3] == [
        ("token_ids", (None,), "input"),
        ("embeddings_dropout", (None, 4), "stage"),
        ("transformer_layer_0", (None, 4), "stage"),
    ]
    assert found[-1] == last


def test_declared_levels_are_taken():
    model = resnet()
    assert [shape for _, shape, _ in shapes(model)[1:]] == [
        tuple(tensor.shape[1:]) for tensor in model.pyramid_outputs.values()
    ]


def test_vision_transformer():
    model = hub.models.ViTBackbone(
        image_shape=(8, 8, 3), patch_size=4, num_layers=1, num_heads=2, hidden_dim=4, mlp_dim=6
    )
    assert [shape for _, shape, _ in shapes(model)] == [(8, 8, 3), (5, 4), (5, 4)]


@pytest.mark.parametrize("missing", [False, True])
def test_text_and_image(missing, tmp_path):
    nets = {"text": bert(), "image": resnet(), "table": vector_net(classes=None)}
    model = build_centralnet(nets, num_classes=3, missing_modalities=missing)
    rng = np.random.default_rng(0)
    x = {
        "text": {
            "token_ids": rng.integers(0, 20, (4, 8)),
            "segment_ids": np.arange(32).reshape(4, 8) % 2,
            "padding_mask": (np.arange(8) < 5) * np.ones((4, 1), "int32"),
        },
        "image": rng.uniform(size=(4, 32, 32, 3)).astype("float32"),
        "table": rng.normal(size=(4, 5)).astype("float32"),
    }
    if missing:
        x["present"] = np.array([[1, 1, 1], [0, 1, 1], [1, 1, 0], [1, 0, 1]])
        x["image"][1] = np.nan
    untrained = untrained_weights(model, x, labels())
    # One step cannot tell a key's bias: attention does not depend on it.
    assert [path for path in untrained if "key/bias" not in path] == []
    assert all(np.isfinite(values).all() for values in outputs(model, x).values())
    loaded = reloaded(model, tmp_path)
    for head, values in outputs(model, x).items():
        np.testing.assert_allclose(outputs(loaded, x)[head], values, atol=1e-6)
    assert isinstance(loaded, keras.Model)
