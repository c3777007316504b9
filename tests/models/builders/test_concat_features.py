"""build_concat_features: it is the modality gate without its gate."""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    BATCH,
    batch,
    labels,
    map_net,
    norm_net,
    outputs,
    randomize,
    sequence_net,
    untrained_weights,
    vector_net,
)

import keras_fusion as kf


def nets(**arguments):
    """Not in the order of their names; features of widths 3 (a map, averaged), 4 and 2."""
    return {
        "rgb": map_net("net_rgb", **arguments),
        "depth": vector_net("net_depth", **arguments),
        "audio": sequence_net("net_audio", filters=(2,), **arguments),
    }


def top(model):
    """The layers after the fusion, with their settings and the shapes of their weights."""
    return [
        (layer.get_config(), [tuple(w.shape) for w in layer.weights])
        for layer in model.layers
        if layer.name.startswith("central_")
    ]


def test_is_the_gated_network_without_its_gate():
    """The features by hand; what follows them is layer for layer the same."""
    backbones = nets()
    sizes = {"head_units": (6, 5), "dropout": 0.3}
    model = kf.build("concat_features", backbones, **sizes)
    randomize(model)
    x = batch(model)
    tapped = {"rgb": "pool1", "depth": "dense0", "audio": "pool0"}
    hidden = []
    for name, layer in tapped.items():
        network = backbones[name]
        end = keras.Model(network.input, network.get_layer(layer).output)
        features = keras.ops.convert_to_numpy(end(x[name]))
        hidden.append(features.mean(axis=tuple(range(1, features.ndim - 1))))
    joined = keras.Model(model.inputs, model.get_layer("fusion_0").output)
    found = keras.ops.convert_to_numpy(joined(x))
    np.testing.assert_allclose(found, np.concatenate(hidden, axis=1), rtol=1e-5, atol=1e-6)

    gated = kf.build("modality_gated", backbones, **sizes)
    assert len(top(model)) > 8 and top(model) == top(gated)
    assert untrained_weights(model, x, labels()) == []


def test_defaults_are_those_of_the_gated_network():
    methods = {method.name: method.arguments for method in kf.methods()}
    ours = {k: v for k, v in methods["concat_features"].items() if k != "name"}
    assert ours == {k: methods["modality_gated"][k] for k in ours}
    names = list(methods)
    assert names.index("concat_features") == names.index("concat") - 1


def test_absent_modalities_are_zeros():
    """Columns in the order of the sorted names: audio, depth, rgb."""
    backbones = {**nets(), "depth": norm_net("net_depth")}
    model = kf.build_concat_features(backbones, head_units=(4,), missing_modalities=True)
    randomize(model)
    joined = keras.Model(model.input, model.get_layer("fusion_0").output)
    x = {**batch(model), "present": np.ones((BATCH, 3), "float32")}
    whole = keras.ops.convert_to_numpy(joined(x))
    x["present"][:2] = [[1, 0, 1], [0, 1, 0]]
    x["depth"][0] = x["rgb"][1] = x["audio"][1] = np.nan
    found = keras.ops.convert_to_numpy(joined(x))
    kept = np.repeat(x["present"][:, [2, 1, 0]], [3, found.shape[1] - 5, 2], axis=1)
    np.testing.assert_allclose(found, np.where(kept, whole, 0), rtol=1e-5, atol=1e-6)
    assert np.isfinite(outputs(model, x)["central"]).all()


def test_heads_of_backbones_that_end_in_features():
    model = kf.build_concat_features(
        nets(classes=None), head_units=(), num_classes=4, unimodal_loss_weights={"rgb": 0.5}
    )
    shapes = {name: tensor.shape for name, tensor in model.output.items()}
    assert shapes == dict.fromkeys(["central", "rgb", "depth", "audio"], (None, 4))
    names = [config["name"] for config, _ in top(model)]
    assert names == ["central_dropout", "central_logits", "central_head"]


def test_is_no_other_fusion():
    with pytest.raises(TypeError, match=r"build_concat_features: .*build_fusion.*Received: layer"):
        kf.build_concat_features(nets(), layer=keras.layers.Add())
