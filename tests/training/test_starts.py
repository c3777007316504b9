"""A run starts from its own weights, also where a builder returns layers that it keeps."""

import gc

import keras
import numpy as np
import pytest
from helpers.tiny import labels, vector_net
from keras import layers

import keras_fusion as kf
from keras_fusion.training import Starts, fit_replicas, train_each

BACKEND = keras.backend.backend()
QUICK = {"run_eagerly": BACKEND == "tensorflow"}
SEEDS = [4, 1, 2]


def net(name="image"):
    """With all kinds of variables; Keras' dropout on PyTorch draws from the global generator."""
    inputs = keras.Input((5,))
    x = layers.BatchNormalization(momentum=0.5)(inputs)
    x = layers.Dropout(0 if BACKEND == "torch" else 0.3)(x)
    x = layers.Dense(4, activation="tanh")(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x), name=name)


def compiled(model, optimizer=None):
    # Steps so large that a run which goes on from another one is seen at once.
    optimizer = optimizer or keras.optimizers.SGD(0.5)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **QUICK)
    return model


def data(count=12):
    x = np.random.default_rng(0).normal(size=(count, 5)).astype("float32")
    return {"image": x, "sound": x[:, ::-1]}, labels(count)


def values(model):
    return [keras.ops.convert_to_numpy(v).copy() for v in model.variables]


def copied(model):
    copy = keras.models.clone_model(model)
    for variable, value in zip(copy.variables, values(model), strict=True):
        variable.assign(value)
    return copy


def gmu(nets):
    return compiled(kf.build("gmu", nets, fusion_units=3))


def one(nets):
    """The backbone itself is the model: the same object at every call."""
    return compiled(nets["image"])


def assert_equal(found, expected, **tolerance):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("build", [gmu, one])
def test_shared_backbones(build):
    x, y = data()
    arguments = {"x": x if build is gmu else x["image"], "y": y, "epochs": 2, "batch_size": 4}
    nets = {"image": net(), "sound": net("sound")}
    first = [values(net) for net in nets.values()]
    expected = []
    for seed in SEEDS:
        copies = {name: copied(net) for name, net in nets.items()}
        fresh = fit_replicas(lambda copies=copies: build(copies), seeds=[seed], **arguments)
        expected.append((fresh.history, values(fresh.replica(0))))
    for _ in range(2):  # the second call, too, starts from the first weights
        found = fit_replicas(lambda: build(nets), seeds=SEEDS, **arguments)
        for net_, value in zip(nets.values(), first, strict=True):
            assert_equal(values(net_), value, rtol=0)
    for k, (history, weights) in enumerate(expected):
        for name, rows in history.items():
            np.testing.assert_allclose(found.history[name][k], rows[0], rtol=1e-4, err_msg=name)
        assert_equal(values(found.replica(k)), weights, rtol=1e-3, atol=1e-5)


def test_one_starts_for_many_calls():
    x, y = data()
    nets = {"image": net(), "sound": net("sound")}
    starts = Starts()
    found = [
        next(train_each(lambda: gmu(nets), x, y, [seed], starts=starts, batch_size=4))
        for seed in (1, 2, 1)  # that are never run to their ends, where weights are put back
    ]
    a, b, c = (replicas.history["loss"][0, 0] for replicas in found)
    np.testing.assert_allclose(a, c, rtol=1e-5)
    assert abs(a - b) > 1e-3


def test_models_that_are_gone_are_forgotten():
    starts, shared = Starts(), vector_net()
    for build in (lambda: shared, lambda: compiled(net())):
        starts(build, 0)
    gc.collect()
    assert set(starts._values) == {id(variable) for variable in shared.variables}
    assert not starts._optimizers


def test_train_each_gives_every_replica_when_it_is_there():
    x, y = data()
    x, built = x["image"], []

    def build():
        built.append(compiled(net()))
        return built[-1]

    with pytest.raises(ValueError, match="expected equally many samples"):
        train_each(build, x, y[:3], SEEDS)  # at once, not when the first one is asked for
    built.clear()
    each = train_each(build, x, y, SEEDS, batch_size=4)
    parts = [next(each)]
    assert len(built) == (3 if BACKEND == "jax" else 1)
    first = values(parts[0].replica(0))
    parts += each
    assert [part.seeds for part in parts] == ([SEEDS] if BACKEND == "jax" else [[s] for s in SEEDS])
    # Its model was trained further since.
    assert_equal(values(parts[0].replica(0)), first, rtol=0)


def test_models_are_one_model():
    x, y = data()
    found = fit_replicas(lambda: compiled(net()), x["image"], y, SEEDS[:2], batch_size=4)
    before, seen = values(found._model), []
    for k, model in found.models():
        assert model is found._model
        assert_equal(values(model), values(found.replica(k)), rtol=0)
        seen.append(model.evaluate(x["image"], y, verbose=0, return_dict=True))
    assert_equal(values(model)[:-2], before[:-2], rtol=0)  # but for the sums of metrics
    scores = found.evaluate(x["image"], y)
    for name, rows in scores.items():
        np.testing.assert_allclose(rows, [score[name] for score in seen], rtol=1e-6)
    assert abs(np.diff(scores["loss"])) > 1e-3
    k, model = next(found.models())
    assert_equal(values(model)[:-2], values(found.replica(0))[:-2], rtol=0)  # it is not taken back


def test_builders_that_cannot_start_anew():
    x, y = data()
    adam, dense = keras.optimizers.Adam(), layers.Dense(3)
    cases = [
        (lambda: compiled(vector_net(), adam), "new optimizer at every call.*Received:.*Adam"),
        (lambda: compiled(keras.Sequential([dense])), "layers that have their weights.*dense"),
    ]
    for build, match in cases:
        with pytest.raises(ValueError, match=match):
            fit_replicas(build, x["image"], y, SEEDS)


def test_optimizer_within_another():
    adam, starts = keras.optimizers.Adam(), Starts()

    def build():
        return compiled(vector_net(), keras.optimizers.LossScaleOptimizer(adam))

    first = starts(build, 0)  # noqa: F841
    with pytest.raises(ValueError, match="a new optimizer at every call"):
        starts(build, 1)
