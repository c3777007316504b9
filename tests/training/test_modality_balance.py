"""ModalityBalance: norms against the step that gradient descent takes, scores against the logs."""

import copy

import keras
import numpy as np
import pytest
from helpers.tiny import batch, compiled, labels, randomize, values, vector_net

import keras_fusion as kf
from keras_fusion.training import ModalityBalance

# One name begins like another, and like a layer of its own.
NETS = {"image": 5, "image_left": 6, "sound": 4}


def model_of(method="gmu", **arguments):
    nets = {name: vector_net(name, features=size) for name, size in NETS.items()}
    model = kf.build(method, nets, **arguments)
    randomize(model)
    return model


def norms_by_a_step(model, x, y):
    """Gradient descent with rate 1 moves every weight by its gradient."""
    compiled(model, keras.optimizers.SGD(1.0))
    before = {id(v): np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables}
    model.train_on_batch(x, y)
    squares = dict.fromkeys([*NETS, "central"], 0.0)
    for layer in model.layers:
        owners = [n for n in ("image_left", "image", "sound") if layer.name.startswith(f"{n}_")]
        for v in layer.trainable_variables:
            step = before[id(v)] - keras.ops.convert_to_numpy(v)
            owner = owners[0] if owners else "central"
            squares[owner] += float((step.astype("float64") ** 2).sum())
    return {name: pytest.approx(square**0.5, rel=1e-3) for name, square in squares.items()}


@pytest.mark.parametrize("method", ["gmu", "dtn"])
def test_gradient_norms(method):
    """With unimodal heads of different weight, and losses that layers add (dtn)."""
    weights = {"image": 0.5, "image_left": 2.0, "sound": 0.0}
    arguments = {"unimodal_loss_weights": weights} if method == "gmu" else {}
    model = model_of(method, **arguments)
    x, y = batch(model), labels()
    start = model.get_weights()
    expected = norms_by_a_step(model, x, y)
    model.set_weights(start)
    compiled(model, keras.optimizers.SGD(0.0))
    balance = ModalityBalance(x, y)
    model.fit(x, y, verbose=0, callbacks=[balance])
    assert balance.epochs == [0, 1]
    assert balance.gradient_norms[0] == expected
    assert balance.gradient_norms[1] == expected
    assert all(norm > 1e-4 for norm in balance.gradient_norms[0].values())


def test_norms_are_of_the_weights_after_the_epoch():
    model = model_of()
    x, y = batch(model), labels()
    compiled(model, keras.optimizers.SGD(0.5))
    balance = ModalityBalance(x, y)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[balance])
    assert balance.gradient_norms[2] == norms_by_a_step(model, x, y)
    assert balance.gradient_norms[1] != balance.gradient_norms[2]


@pytest.mark.slow
def test_training_is_as_without_it():
    """Weights, losses and metrics, in a graph and with missing modalities."""
    found = []
    for callbacks in (False, True):
        keras.utils.set_random_seed(0)
        model = model_of("centralnet", missing_modalities=True, dropout=0)
        compiled(model, "adam", metrics=["accuracy"], run_eagerly=False)
        x = kf.datasets.drop_modalities(batch(model, 8), rate=0.5, fill=np.nan)
        y = labels(8)
        probe = {name: array[:3] for name, array in x.items()}  # has another loss
        callbacks = [ModalityBalance(probe, 2 - y[:3])] if callbacks else None
        history = model.fit(
            x, y, epochs=2, shuffle=False, validation_data=(x, y), verbose=0, callbacks=callbacks
        )
        found.append((history.history, values(model)))
    for first, second in zip(*found, strict=True):
        assert sorted(first) == sorted(second)
        for one, other in zip(first.values(), second.values(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert all(np.isfinite(list(n.values())).all() for n in callbacks[0].gradient_norms)


def test_scores_are_those_of_the_heads():
    model = compiled(model_of("centralnet"), metrics=["accuracy"])
    x, y = batch(model), labels()
    balance = ModalityBalance(x, y)
    history = model.fit(x, y, validation_data=(x, y), verbose=0, callbacks=[balance]).history
    assert balance.scores[0] == {}
    assert set(balance.scores[1]) == {*NETS, "central"}
    for head, scores in balance.scores[1].items():
        assert set(scores) == {"loss", "accuracy", "val_loss", "val_accuracy"}
        for name, value in scores.items():
            prefix = "val_" if name.startswith("val_") else ""
            assert value == history[f"{prefix}{head}_{name.removeprefix('val_')}"][0]


def test_without_unimodal_heads():
    model = compiled(model_of())
    x, y = batch(model), labels()
    balance = ModalityBalance(x, y)
    model.fit(x, y, verbose=0, callbacks=[balance])
    assert set(balance.scores[1]) == {"central"} and set(balance.gradient_norms[1]) > set(NETS)


def test_resumed_and_started_anew():
    model = compiled(model_of())
    x, y = batch(model), labels()
    balance = ModalityBalance(x, y)
    fit = {"x": x, "y": y, "verbose": 0, "callbacks": [balance]}
    model.fit(epochs=2, **fit)
    model.fit(initial_epoch=1, epochs=3, **fit)
    assert balance.epochs == [0, 1, 2, 3]
    assert len(balance.scores) == len(balance.gradient_norms) == 4
    model.fit(epochs=1, **fit)
    assert balance.epochs == [0, 1]
    assert copy.deepcopy(balance).epochs == [0, 1]


def test_refuses():
    x, y = np.zeros((4, 5), "float32"), labels()
    net = vector_net()
    net.compile("sgd", loss="sparse_categorical_crossentropy", run_eagerly=True)
    with pytest.raises(TypeError, match="expected a FusionModel. Received: Functional"):
        net.fit(x, y, verbose=0, callbacks=[ModalityBalance({"vector": x}, y)])
    model = compiled(model_of())
    x = batch(model)
    with pytest.raises(ValueError, match="sound"):
        part = {name: x[name] for name in ("image", "image_left")}
        model.fit(x, y, verbose=0, callbacks=[ModalityBalance(part, y)])
