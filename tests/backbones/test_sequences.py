"""GRU, LSTM and 1-D CNN: sizes, numbers of weights, padding, any length."""

import keras
import numpy as np
import pytest
from helpers.tiny import BATCH, batch, labels, outputs, untrained_weights, values, vector_net
from keras import layers

from keras_fusion import build_centralnet
from keras_fusion.backbones import cnn_1d, gru, lstm
from keras_fusion.graph import fusion_points

X = np.random.default_rng(0).normal(size=(BATCH, 6, 2)).astype("float32")


def predicted(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def gru_weights(features, units):
    return 3 * units * (features + units + 2)  # Keras' GRU has two biases


def lstm_weights(features, units):
    return 4 * units * (features + units + 1)


@pytest.mark.parametrize(
    ("build", "kind", "weights"),
    [(gru, layers.GRU, gru_weights), (lstm, layers.LSTM, lstm_weights)],
)
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_layers(build, kind, weights, directions):
    model = build((6, 2), (5, 4), 3, dropout=0.25, bidirectional=directions == 2)
    assert [p.shape for p in fusion_points(model)] == [
        (6, 2),
        (6, 5 * directions),
        (4 * directions,),
        (3,),
    ]
    total = directions * (weights(2, 5) + weights(5 * directions, 4)) + (4 * directions + 1) * 3
    assert model.count_params() == total
    found = [layer for layer in model._flatten_layers() if isinstance(layer, kind)]
    assert {layer.units for layer in found} == {5, 4}
    assert [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)] == [0.25] * 2
    assert model.name == build.__name__


def test_convolutions():
    model = cnn_1d((6, 2), (5, 4), 3, num_classes=2, dropout=0.25)
    assert [p.shape for p in fusion_points(model)] == [(6, 2), (3, 5), (1, 4), (2,)]
    assert model.count_params() == 3 * 2 * 5 + 4 * 5 + 3 * 5 * 4 + 4 * 4 + (4 + 1) * 2
    kinds = [type(layer) for layer in model.layers[1:5]]
    assert kinds == [layers.Conv1D, layers.BatchNormalization, layers.ReLU, layers.MaxPooling1D]
    assert model.name == "cnn_1d"


@pytest.mark.parametrize(("build", "last"), [(gru, (64,)), (lstm, (64,)), (cnn_1d, (None, 128))])
def test_any_length(build, last):
    model = build((None, 2), num_classes=None)
    assert model.input_shape == (None, None, 2)
    inner = [point.shape for point in fusion_points(model) if point.role != "output"]
    assert inner[-1] == last and len(model.output_shape) == 2
    for length in (4, 7):
        assert predicted(model, np.ones((1, length, 2))).shape == (1, last[-1])


@pytest.mark.parametrize(
    ("build", "options"),
    [(gru, {}), (gru, {"bidirectional": True}), (lstm, {"units": (3, 2)})],
)
def test_padding_counts_for_nothing(build, options):
    model = build((None, 2), **{"units": (3,), **options}, mask_value=-1.0)
    padded = np.concatenate([X, np.full((BATCH, 3, 2), -1.0)], axis=1)
    np.testing.assert_allclose(predicted(model, padded), predicted(model, X), atol=1e-6)
    partly = padded.copy()
    partly[:, 6:, 0] = 0.5  # not all features: no padding
    assert not np.allclose(predicted(model, partly), predicted(model, X), atol=1e-3)


@pytest.mark.parametrize("build", [gru, lstm])
def test_sequence_of_padding_alone(build):
    model = build((4, 2), (3,), None, dropout=0, mask_value=0.0)
    x = np.concatenate([X[:1, :4], np.zeros((1, 4, 2))])
    found = predicted(model, x)
    assert found[0].all() and not found[1].any()


def test_fused_with_a_vector():
    nets = {"sensor": gru((6, 2), (4,), 3), "vector": vector_net(units=(4,))}
    model = build_centralnet(nets, missing_modalities=True, dropout=0)
    x = {**batch(model), "present": np.array([[1, 1], [0, 1], [1, 0], [1, 1]], "float32")}
    x["sensor"][1] = np.nan
    assert all(np.isfinite(p).all() for p in outputs(model, x).values())
    assert untrained_weights(model, x, labels()) == []
    assert all(np.isfinite(value).all() for value in values(model).values())


@pytest.mark.parametrize(
    ("sequence", "levels"),
    [
        (lambda: lstm((6, 2), (4, 3), 3, bidirectional=True, mask_value=0.0), ["8", "6"]),
        (lambda: cnn_1d((6, 2), (4, 3), num_classes=3), ["4", "4"]),
    ],
)
def test_levels_with_a_vector(sequence, levels):
    model = build_centralnet({"sensor": sequence(), "vector": vector_net(units=(4, 4))})
    assert list(model.fusion_levels.values()) == [*levels, "prediction"]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: gru(6), ValueError, r"input_shape: expected \(time, features\).*Received: 6"),
        (lambda: gru((6, None)), ValueError, r"input_shape: .*Received: \(6, None\)"),
        (lambda: lstm((0, 2)), ValueError, r"input_shape: .*0"),
        (lambda: lstm((6, 2), ()), ValueError, r"units: .*Received: \(\)"),
        (lambda: lstm((6, 2), 4), TypeError, "units: .*Received: 4"),
        (lambda: gru((6, 2), (0,)), ValueError, r"units\[0\]: .*Received: 0"),
        (lambda: gru((6, 2), num_classes=0), ValueError, "num_classes: .*Received: 0"),
        (lambda: gru((6, 2), dropout=1), ValueError, "dropout: .*Received: 1"),
        (lambda: gru((6, 2), bidirectional=1), TypeError, "bidirectional: .*Received: 1"),
        (lambda: cnn_1d((3, 2)), ValueError, r"time from 4 up. Received: \(3, 2\)"),
        (lambda: cnn_1d((6, 2), ()), ValueError, r"filters: .*Received: \(\)"),
        (lambda: cnn_1d((6, 2), kernel_size=0), ValueError, "kernel_size: .*Received: 0"),
    ],
)
def test_bad_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
