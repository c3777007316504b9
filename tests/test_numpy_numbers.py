"""Numbers of NumPy are taken wherever numbers are, and configs hold plain ones."""

import inspect
import json

import keras
import numpy as np
import pytest
from conformance import all_cases
from helpers.tiny import (
    assert_close,
    batch,
    map_net,
    outputs,
    reloaded,
    vector_net,
    without_weights,
)

import keras_fusion as kf

KINDS = {bool: np.bool_, int: np.int64, float: np.float32}


def numpy_of(value):
    """The same with NumPy's numbers."""
    if isinstance(value, dict):
        return {key: numpy_of(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(numpy_of, value))
    return KINDS[type(value)](value) if type(value) in KINDS else value


def text_of(config):
    """As JSON, floats rounded as float32 rounds them."""
    rounded = keras.tree.map_structure(
        lambda x: float(np.float32(x)) if type(x) is float else x, config
    )
    return json.dumps(rounded, sort_keys=True)


CASES = {f"{i} {case.layer.__name__}": case for i, case in enumerate(all_cases())}


@pytest.mark.parametrize("case", CASES)
def test_layers(case):
    kind, init = CASES[case].layer, CASES[case].init
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(kind).parameters.items()
        if type(parameter.default) in KINDS and name not in init
    }
    given = {**defaults, **init, "name": "layer"}
    config = kind(**numpy_of(given)).get_config()
    assert text_of(config) == text_of(kind(**given).get_config())


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (kf.losses.EvidentialLoss, {"annealing_steps": 5}),
        (kf.losses.BatchClassification, {"scale": 2.5}),
        (kf.losses.SoftTriplet, {"scale": 2.5}),
        (kf.losses.WeightedBinaryCrossentropy, {"positive_weight": 3, "from_logits": True}),
        (kf.metrics.F1, {"threshold": 0.25}),
        (kf.metrics.ExpectedCalibrationError, {"bins": 7, "from_logits": True}),
    ],
)
def test_losses_and_metrics(kind, given):
    assert text_of(kind(**numpy_of(given)).get_config()) == text_of(kind(**given).get_config())


NETS = {"a": map_net(), "b": vector_net()}
MAP_AND_VECTOR = {"a": map_net(classes=None), "b": vector_net(classes=None)}
MAPS = {"a": map_net(classes=None), "b": map_net("other", classes=None)}


def both(build, given):
    """Configs of what is built with plain and with NumPy's numbers."""
    found = []
    for values in (given, numpy_of(given)):
        keras.utils.clear_session(free_memory=False)  # it begins to number names anew
        with without_weights():
            found.append(text_of(build(**values).get_config()))
    return found


@pytest.mark.parametrize("method", [method.name for method in kf.methods()])
def test_builders(method):
    known = {m.name: m for m in kf.methods()}[method].arguments
    given = {
        name: default
        for name, default in known.items()
        if type(default) in (*KINDS, tuple) and name != "missing_modalities"
    }
    given |= {"num_classes": 3, "missing_modalities": True}
    nets = MAP_AND_VECTOR if method == "xflow" else MAPS
    expected, found = both(lambda **k: kf.build(method, nets, **k), given)
    assert found == expected


NETWORKS = {
    "mlp": {"input_shape": 4, "hidden_units": (3,), "num_classes": 2, "dropout": 0.5, "pad_to": 6},
    "lenet5": {"input_shape": (8, 8, 1), "num_classes": 3, "dropout": 0.5},
    "cnn_1d": {"input_shape": (8, 2), "filters": (4,), "kernel_size": 3, "num_classes": 3},
    "lstm": {"input_shape": (8, 2), "units": (4,), "bidirectional": True, "num_classes": 3},
    "text_encoder": {"vocabulary_size": 9, "length": 4, "embedding_units": 4, "num_classes": 3},
}


@pytest.mark.parametrize("network", NETWORKS)
def test_backbones(network):
    expected, found = both(getattr(kf.backbones, network), NETWORKS[network])
    assert found == expected


PRESETS = {
    "centralnet_mm_mnist": {"dropout": 0.25, "unimodal_loss_weights": 0.5},
    "xflow_dtn": {"dataset": "digits", "image_features": 12, "audio_features": 5, "num_classes": 3},
    "xflow_cnn_mlp": {"dataset": "cuave", "image_shape": (20, 24, 1), "kernel_sizes": (4, 2)},
}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(preset):
    expected, found = both(getattr(kf.presets, preset), PRESETS[preset])
    assert found == expected


def test_saved(tmp_path):
    arguments = {"fusion_units": 4, "dropout": 0.5, "use_bias": True, "unimodal_loss_weights": 1.5}
    model = kf.build_gmu(NETS, **numpy_of({**arguments, "num_classes": 3}))
    x = batch(model)
    again = reloaded(model, tmp_path)
    assert_close(outputs(again, x), outputs(model, x))
    assert text_of(again.get_config()["unimodal_loss_weights"]) == "1.5"
