"""pretrain_dtn: a step of every autoencoder by hand, and what it leaves alone."""

import keras
import numpy as np
import pytest
from helpers.tiny import CLASSES, batch, randomize, values, vector_net

from keras_fusion.models import build_dtn, pretrain_dtn

LAYERS = {"stream_units": (4, 3), "shared_units": (5,), "activation": "linear"}


def two(**options):
    nets = {"b": vector_net("net_b", 5, units=()), "a": vector_net("net_a", 6, units=())}
    model = build_dtn(nets, **{**LAYERS, **options})
    randomize(model)
    return model


@pytest.fixture
def autoencoders(monkeypatch):
    """All that are made, with the weights they start from."""
    found = []

    class Recorded(keras.Sequential):
        def compile(self, *args, **kwargs):
            found.append(self.get_weights())
            super().compile(*args, **{**kwargs, "run_eagerly": True})

    monkeypatch.setattr(keras, "Sequential", Recorded)
    return found


@pytest.mark.parametrize("missing", [False, True])
def test_steps_by_hand(missing, autoencoders):
    """Layer by layer: z -> V (W z + b) + c, one step of gradient descent on the mean square."""
    model = two(missing_modalities=missing)
    x, rows = batch(model, 8), {"a": slice(None), "b": slice(None)}
    if missing:
        x["present"] = np.ones((8, 2), "float32")
        x["present"][5:, 1] = 0
        x["b"][5:] = np.nan
        rows["b"] = slice(5)
    before = values(model)
    optimizer = keras.optimizers.SGD(0.1)
    losses = pretrain_dtn(model, x, epochs=1, batch_size=8, optimizer=optimizer)
    assert list(losses) == ["b", "a"] and not optimizer.built
    recorded = iter(autoencoders)
    for modality, of_layers in losses.items():
        z = x[modality][rows[modality]]
        for i, loss in enumerate(of_layers):
            w, b, v, c = next(recorded)
            assert w.shape == v.T.shape == (z.shape[1], LAYERS["stream_units"][i])
            error = (z @ w + b) @ v + c - z
            assert loss == pytest.approx(np.square(error).mean(), rel=1e-4)
            slope = 2 * error / error.size @ v.T
            w, b = w - 0.1 * z.T @ slope, b - 0.1 * slope.sum(0)
            found = model.get_layer(f"{modality}_dense_{i}").get_weights()
            np.testing.assert_allclose(found[0], w, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(found[1], b, rtol=1e-4, atol=1e-5)
            z = z @ w + b
    assert next(recorded, None) is None
    changed = {path for path, value in values(model).items() if np.any(before[path] != value)}
    assert {path.split(" ")[1].split("/")[0] for path in changed} == {
        f"{modality}_dense_{i}" for modality in "ab" for i in range(2)
    }


def test_arguments_of_training(autoencoders):
    """Epochs, batches and the copies of an optimizer are what `fit` would have."""
    steps = []

    class Counting(keras.optimizers.SGD):
        def apply(self, *args, **kwargs):
            steps.append(id(self))
            return super().apply(*args, **kwargs)

    model = two(stream_units={"a": (4,), "b": (4,)})
    pretrain_dtn(model, batch(model, 8), epochs=2, batch_size=3, optimizer=Counting(0.1))
    assert len(steps) == 2 * 2 * 3 and len(set(steps)) == 2
    assert len(autoencoders) == 2


def test_goes_on_from_the_features_of_the_backbones(autoencoders):
    nets = {"a": vector_net("net_a", units=(6,), classes=None), "b": vector_net("net_b")}
    nets["b"] = keras.Model(nets["b"].input, nets["b"].layers[1].output)
    model = build_dtn(nets, num_classes=CLASSES, **{**LAYERS, "stream_units": {"a": (4,), "b": ()}})
    before = values(nets["a"])
    assert {m: len(found) for m, found in pretrain_dtn(model, batch(model), epochs=1).items()} == {
        "a": 1,
        "b": 0,
    }
    assert [w.shape for w in autoencoders[0]] == [(6, 4), (4,), (4, 6), (6,)]
    assert all(np.array_equal(before[path], value) for path, value in values(nets["a"]).items())


def test_errors():
    nets = {"a": vector_net("net_a", 5, units=()), "b": vector_net("net_b", 5, units=())}
    model = build_dtn(nets, **{**LAYERS, "stream_units": ()})
    with pytest.raises(ValueError, match="expected one of build_dtn.*Received: .dtn., in which"):
        pretrain_dtn(model, batch(model))
    with pytest.raises(ValueError, match="x: expected the modalities .*without ..a.."):
        pretrain_dtn(model, {"b": np.zeros((2, 5))})
