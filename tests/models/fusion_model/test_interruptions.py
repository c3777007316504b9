"""An error or Ctrl-C in fit, evaluate or predict leaves the model usable, its weights intact.

On JAX Keras takes the weights out of the model while it works on them.
"""

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    compiled,
    labels,
    norm_net,
    outputs,
    values,
    vector_net,
)

from keras_fusion import build_centralnet


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C at the end of a given batch of training, evaluation or prediction."""

    def __init__(self, after=0):
        super().__init__()
        self.after = after

    def stop(self, index):
        if index >= self.after:
            raise KeyboardInterrupt

    def on_train_batch_end(self, batch, logs=None):
        self.stop(batch)

    def on_test_batch_end(self, batch, logs=None):
        self.stop(batch)

    def on_predict_batch_end(self, batch, logs=None):
        self.stop(batch)


class Broken(keras.utils.PyDataset):
    """Delivers so many batches, counted over the whole of its life, then fails."""

    def __init__(self, x, y, good):
        super().__init__()
        self.x, self.y, self.left = x, y, good

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if self.left == 0:
            raise OSError("the disk is gone")
        self.left -= 1
        return self.x, self.y


def new_model():
    model = build_centralnet({"a": vector_net("one"), "b": norm_net("two")})
    return compiled(model, "adam", metrics=["accuracy"])


@pytest.fixture(scope="module")
def used():
    """One model that has been trained, and goes through all the faults one after the other."""
    model = new_model()
    model.fit(batch(model, 8), labels(8), batch_size=4, verbose=0)
    return model


def wrong(x):
    """One modality with a feature too many."""
    return {**x, "b": np.concatenate([x["b"], x["b"][:, :1]], axis=1)}


# What is done, and the error that comes of it.
FAULTS = {
    "predict: wrong shape": (lambda m, x, y: m.predict(wrong(x), verbose=0), Exception),
    "predict: Ctrl-C": (
        lambda m, x, y: m.predict(x, batch_size=4, callbacks=[Interrupt()], verbose=0),
        KeyboardInterrupt,
    ),
    "predict: later Ctrl-C": (
        lambda m, x, y: m.predict(x, batch_size=4, callbacks=[Interrupt(1)], verbose=0),
        KeyboardInterrupt,
    ),
    "predict: broken data": (
        lambda m, x, y: m.predict(Broken({k: v[:4] for k, v in x.items()}, None, 1), verbose=0),
        OSError,
    ),
    "evaluate: wrong shape": (lambda m, x, y: m.evaluate(wrong(x), y, verbose=0), Exception),
    "evaluate: Ctrl-C": (
        lambda m, x, y: m.evaluate(x, y, batch_size=4, callbacks=[Interrupt()], verbose=0),
        KeyboardInterrupt,
    ),
    "evaluate: wrong labels": (
        lambda m, x, y: m.evaluate(x, np.ones((8, 2, 2, 2)), batch_size=4, verbose=0),
        Exception,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_weights_outlive_faults_that_train_nothing(fault, used):
    act, error = FAULTS[fault]
    x, y = batch(used, 8), labels(8)
    expected, weights = outputs(used, x), values(used)
    with pytest.raises(error):
        act(used, x, y)
    assert_close(values(used), weights, atol=0)
    assert_close(outputs(used, x), expected, atol=0)
    used.fit(x, y, batch_size=4, verbose=0)
    assert any(np.any(weights[path] != value) for path, value in values(used).items())


def broken_data(model, x, y):
    half = {name: value[:4] for name, value in x.items()}
    good = 1 if keras.backend.backend() == "torch" else 2  # the others look at one to build
    model.fit(Broken(half, y[:4], good), verbose=0)


def stopped(after):
    return lambda m, x, y: m.fit(x, y, batch_size=4, verbose=0, callbacks=[Interrupt(after)])


@pytest.mark.parametrize(
    ("act", "error", "done"),
    [
        (stopped(0), KeyboardInterrupt, 1),
        (stopped(1), KeyboardInterrupt, 2),
        (lambda m, x, y: m.fit(wrong(x), y, batch_size=4, verbose=0), Exception, 0),
        (broken_data, Exception, None),  # how far it reads ahead is the backend's own
    ],
)
def test_fit_can_be_broken_off(act, error, done, used):
    """What was learned until then stays, the optimizer's state too, and training goes on."""
    x, y = batch(used, 8), labels(8)
    before, steps = values(used), int(used.optimizer.iterations)
    with pytest.raises(error):
        act(used, x, y)
    after = values(used)
    trained = int(used.optimizer.iterations) - steps
    assert trained == done if done is not None else trained <= 2
    assert any(np.any(before[path] != after[path]) for path in after) == (trained > 0)
    used.fit(x, y, batch_size=4, verbose=0)
    assert int(used.optimizer.iterations) == steps + trained + 2
    assert set(used.evaluate(x, y, verbose=0, return_dict=True)) >= {"loss", "central_accuracy"}


@pytest.mark.parametrize("fault", ["while it compiles", "wrong shape"])
def test_first_fit_can_be_broken_off(fault, monkeypatch):
    """The first step is where a backend compiles, and where people lose patience."""
    model = new_model()
    x, y = batch(model), labels()
    weights = values(model)

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(BaseException):  # noqa: B017
        if fault == "while it compiles":
            patched.setattr(model, "make_train_function", lambda *a, **k: None)
            patched.setattr(model, "train_function", interrupted)
        model.fit(wrong(x) if fault == "wrong shape" else x, y, verbose=0)
    assert_close(values(model), weights, atol=0)
    model.fit(x, y, verbose=0)
    assert int(model.optimizer.iterations) == 1


def test_validation_can_be_broken_off(used):
    x, y = batch(used, 8), labels(8)
    steps = int(used.optimizer.iterations)
    broken = Broken({k: v[:4] for k, v in x.items()}, y[:4], good=1)
    with pytest.raises(Exception):  # noqa: B017 - TensorFlow wraps it
        used.fit(x, y, batch_size=4, verbose=0, validation_data=broken)
    assert int(used.optimizer.iterations) == steps + 2
    expected = outputs(used, x)
    used.evaluate(x, y, verbose=0)
    assert_close(outputs(used, x), expected, atol=0)


def test_weights_loaded_between_steps_stay_loaded(used):
    """A failing first step must not bring back what an earlier train_on_batch left behind."""
    x, y = batch(used), labels()
    start = used.get_weights()
    used.train_on_batch(x, y)
    used.set_weights(start)
    weights = values(used)
    with pytest.raises(Exception):  # noqa: B017 - each backend's own
        used.fit(wrong(x), y, verbose=0)
    assert_close(values(used), weights, atol=0)
