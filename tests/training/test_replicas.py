"""Replica k is what an ordinary fit gives, whatever the backend; JAX trains them all at once."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.tiny import labels, map_net, vector_net
from keras import layers

import keras_fusion as kf
from keras_fusion.training import fit_replicas

JAX = keras.backend.backend() == "jax"
# TensorFlow would take longer to make graphs than for all the steps.
QUICK = {"run_eagerly": keras.backend.backend() == "tensorflow"}
# Keras' dropout on PyTorch draws from the global generator: there is no stream to compare.
RATE = 0.0 if keras.backend.backend() == "torch" else 0.4
on_jax = pytest.mark.skipif(not JAX, reason="one program of all replicas: on JAX only")


def plain(rate=RATE):
    """A network with dropout and batch normalization."""
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(6, use_bias=False),
            layers.BatchNormalization(momentum=0.8),
            layers.Dropout(rate),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **QUICK)
    return model


def plain_data(count=21, seed=0):
    x = np.random.default_rng(seed).normal(size=(count, 5)).astype("float32")
    return x, labels(count, seed=seed)


def central(builder=kf.build_centralnet, **options):
    """A convolution and dropout, with missing modalities; CentralNet has heads besides."""
    image = map_net("image", size=4, filters=(2,))
    inputs = keras.Input((5,))
    x = layers.Dense(4, use_bias=False, name="dense")(inputs)
    x = layers.BatchNormalization(momentum=0.8, name="norm")(x)
    x = layers.Dropout(RATE, name="dropout")(x)
    sound = keras.Model(inputs, layers.Dense(3, activation="softmax", name="out")(x), name="sound")
    model = builder({"image": image, "sound": sound}, missing_modalities=True, **options)
    # Not Adam, whose first steps turn differences of rounding into whole steps.
    optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **QUICK)
    return model


def moddrop():
    """Modalities are dropped at random besides."""
    return central(kf.build_moddrop, rate=0.4, dropout=RATE)


def ramped():
    """The rate of ModDrop grows: every replica counts its own steps."""
    return central(kf.build_moddrop, rate=keras.optimizers.schedules.PolynomialDecay(0.0, 15, 0.6))


def central_data(count=20, seed=0):
    rng = np.random.default_rng(seed)
    present = np.ones((count, 2), "float32")
    present[::3, 0] = 0
    present[1::3, 1] = 0
    image = rng.normal(size=(count, 4, 4, 1)).astype("float32")
    image[::3] = np.nan
    sound = rng.normal(size=(count, 5)).astype("float32")
    return {"image": image, "sound": sound, "present": present}, labels(count, seed=seed)


def rows(x, order):
    return keras.tree.map_structure(lambda array: array[order], x)


def by_hand(build, x, y, seed, epochs, validation=None, **options):
    """Seed, model, and one ordinary fit for every epoch in the order that is documented."""
    keras.utils.set_random_seed(seed)
    model, history = build(), {}
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(y))
        found = model.fit(
            rows(x, order),
            y[order],
            batch_size=4,
            shuffle=False,
            verbose=0,
            validation_data=validation,
            validation_batch_size=4,
            **options,
        )
        for name, values in found.history.items():
            history.setdefault(name, []).extend(values)
    return model, history


def assert_same(model, other, atol=1e-5):
    variables = [*model.variables, *model.optimizer.variables]
    others = [*other.variables, *other.optimizer.variables]
    assert len(variables) == len(others) > 0
    for a, b in zip(variables, others, strict=True):
        a, b = (keras.ops.convert_to_numpy(v.value) for v in (a, b))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol)


@pytest.mark.parametrize(
    ("build", "data", "count"),
    [
        (plain, plain_data, 21),
        pytest.param(central, central_data, 20, marks=pytest.mark.slow),
        pytest.param(moddrop, central_data, 20, marks=pytest.mark.slow),
        pytest.param(ramped, central_data, 20, marks=pytest.mark.slow),
    ],
)
def test_replica_is_an_ordinary_fit(build, data, count):
    x, y = data(count)
    validation = data(4, seed=5)
    seeds, epochs = [3, 8], 4  # 20 steps and more
    replicas = fit_replicas(build, x, y, seeds, epochs, 4, validation_data=validation)
    assert len(replicas) == 2 and replicas.best_epochs.tolist() == [3, 3]
    model, history = by_hand(build, x, y, 8, epochs, validation)
    assert set(replicas.history) == set(history)
    for name, values in history.items():
        assert replicas.history[name].shape == (2, epochs)
        found = replicas.history[name][1]
        np.testing.assert_allclose(found, values, rtol=2e-5, atol=1e-6, err_msg=name)
    assert_same(replicas.replica(1), model)
    first, second = (replicas.history["loss"][k] for k in range(2))
    assert np.abs(first - second).min() > 1e-5  # not one replica twice


def test_batches_as_large_as_those_of_fit():
    """One step for 32 samples, a second one for the 33rd."""
    x, y = plain_data(33)
    found = fit_replicas(plain, x, y, [1], epochs=1).replica(0)
    assert int(found.optimizer.iterations) == 2
    first = fit_replicas(plain, x[:32], y[:32], [1], epochs=1).replica(0)
    assert int(first.optimizer.iterations) == 1


def test_replica_trains_on_and_saves(tmp_path):
    x, y = plain_data(8)
    replicas = fit_replicas(plain, x, y, [1, 2], 1, 4)
    model = replicas.replica(1)
    assert int(model.optimizer.iterations) == 2
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    model.fit(x, y, batch_size=4, verbose=0)
    assert int(model.optimizer.iterations) == 4
    # A replica asked for again is as it was.
    assert int(replicas.replica(1).optimizer.iterations) == 2


def test_sample_weights_and_order():
    x, y = plain_data(8)
    weight = np.array([0, 1, 2, 0, 1, 3, 0, 1], "float32")
    found = fit_replicas(plain, x, y, [4], 2, 4, sample_weight=weight, shuffle=False)
    keras.utils.set_random_seed(4)
    model = plain()
    model.fit(x, y, sample_weight=weight, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert_same(found.replica(0), model)


def test_learning_rates():
    x, y = plain_data(8)

    def rate(epoch):
        return [0.0, 0.01] if epoch else [0.02, 0.01]

    found = fit_replicas(plain, x, y, [4, 5], 3, 8, learning_rate=rate)
    once = fit_replicas(plain, x, y, [4], 1, 8, learning_rate=0.02)
    kernels = [
        keras.ops.convert_to_numpy(model.trainable_variables[0].value)
        for model in (found.replica(0), once.replica(0), found.replica(1))
    ]
    np.testing.assert_allclose(kernels[0], kernels[1], rtol=1e-6)
    rates = [float(found.replica(k).optimizer.learning_rate) for k in range(2)]
    np.testing.assert_allclose(rates, [0, 0.01], rtol=1e-6)
    steady = fit_replicas(plain, x, y, [5], 3, 8, learning_rate=0.01).replica(0)
    np.testing.assert_allclose(kernels[2], steady.trainable_variables[0].numpy(), rtol=1e-5)


def test_schedule_of_the_optimizer():
    x, y = plain_data(8)

    def build():
        model = plain()
        schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
        model.compile(keras.optimizers.SGD(schedule), "sparse_categorical_crossentropy", **QUICK)
        return model

    found = fit_replicas(build, x, y, [2], 3, 4)
    model, _ = by_hand(build, x, y, 2, 3)
    assert_same(found.replica(0), model)
    with pytest.raises(ValueError, match="a number as learning rate"):
        fit_replicas(build, x, y, [2], 1, 4, learning_rate=0.1)


@pytest.mark.parametrize("restore", [False, True])
def test_early_stopping_for_each_replica(restore):
    x, y = plain_data(8)
    # One replica that does not learn, one that does, and one whose steps are too large.
    rates = [0.0, 0.05, 20.0]
    seeds, epochs = [0, 1, 2], 6

    def stopping():
        return keras.callbacks.EarlyStopping(patience=1, restore_best_weights=restore)

    def build():
        model = keras.Sequential([keras.Input((5,)), layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", **QUICK)
        return model

    found = fit_replicas(
        build, x, y, seeds, epochs, 4, validation_data=(x, y), learning_rate=rates,
        early_stopping=stopping(),
    )  # fmt: skip
    lengths = np.sum(~np.isnan(found.history["loss"]), axis=1)
    assert lengths[0] == 2 and lengths[1] == epochs
    for k, seed in enumerate(seeds):
        # The callback's own verdict on the same records.
        callback, losses = stopping(), []
        keras.utils.set_random_seed(seed)
        model = build()
        model.optimizer.learning_rate = rates[k]
        callback.set_model(model)
        callback.on_train_begin()
        for epoch in range(epochs):
            order = np.random.default_rng([seed, epoch]).permutation(len(y))
            model.fit(x[order], y[order], batch_size=4, shuffle=False, verbose=0)
            losses.append(model.evaluate(x, y, batch_size=4, verbose=0))
            callback.on_epoch_end(epoch, {"val_loss": losses[-1]})
            if model.stop_training:
                break
        callback.on_train_end()
        assert lengths[k] == len(losses)
        assert found.best_epochs[k] == (np.argmin(losses) if restore else len(losses) - 1)
        np.testing.assert_allclose(found.history["val_loss"][k, : len(losses)], losses, rtol=1e-4)
        for a, b in zip(found.replica(k).variables, model.variables, strict=True):
            a, b = (keras.ops.convert_to_numpy(v.value) for v in (a, b))
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    expected = [found.history["val_loss"][k, e] for k, e in enumerate(found.best_epochs)]
    np.testing.assert_array_equal(found.final("val_loss"), expected)


def test_mean_and_spread():
    rows = np.array([[1.0, 2.0, 3.0], [3.0, np.nan, np.nan], [2.0, 6.0, np.nan]])
    best, trained = np.array([2, 0, 1]), np.array([3, 1, 2])
    found = kf.training.Replicas(plain, [0, 1, 2], {"loss": rows}, [], best, trained)
    np.testing.assert_allclose(found.mean("loss"), [2, 4, 3])
    np.testing.assert_allclose(found.std("loss"), [1, 8**0.5, np.nan])
    assert found.final("loss").tolist() == [3, 3, 6]
    rows[0, 1] = np.nan  # a loss that diverged is not left out
    np.testing.assert_allclose(found.mean("loss"), [2, np.nan, 3])
    assert "seeds [0, 1, 2], 3 epochs" in repr(found)
    with pytest.raises(ValueError, match=r"name: expected one of \['loss'\]"):
        found.mean("accuracy")
    with pytest.raises(ValueError, match="k: expected an int from 0 to 2"):
        found.replica(3)


@pytest.mark.parametrize("restore", [False, True])
def test_goes_on_where_it_stopped(tmp_path, restore):
    x, y = plain_data(8)

    def dropping():
        return plain(0.4)

    options = {
        "seeds": [0, 1],
        "batch_size": 4,
        "validation_data": plain_data(4, seed=5),
        "early_stopping": keras.callbacks.EarlyStopping(
            patience=1, start_from_epoch=1, restore_best_weights=restore
        ),
    }
    whole = fit_replicas(dropping, x, y, epochs=5, **options)
    fit_replicas(dropping, x, y, epochs=2, backup_dir=tmp_path, **options)
    names = ["replicas.npz"] if JAX else ["replica_0.npz", "replica_1.npz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for path in tmp_path.iterdir():
        with np.load(path, allow_pickle=False) as file:
            assert all(file[name].dtype.kind in "fiuU" for name in file.files)
    resumed = fit_replicas(dropping, x, y, epochs=5, backup_dir=tmp_path, **options)
    for name, values in whole.history.items():
        np.testing.assert_allclose(resumed.history[name], values, rtol=1e-5, err_msg=name)
    assert resumed.best_epochs.tolist() == whole.best_epochs.tolist()
    for k in range(2):
        assert_same(resumed.replica(k), whole.replica(k))
    with pytest.raises(ValueError, match="with batch_size=5. Received: 4"):
        fit_replicas(dropping, x, y, epochs=5, backup_dir=tmp_path, **{**options, "batch_size": 5})


@pytest.mark.parametrize("what", ["data", "validation", "model", "weights"])
@pytest.mark.parametrize("ordinary", [False, True])
def test_a_backup_of_another_training_is_not_taken(tmp_path, what, ordinary):
    """Of as many samples, and of a model with the same shapes: a leak from fold to fold."""
    x, y = plain_data(8)
    options = {"seeds": [0], "backup_dir": tmp_path, "validation_data": plain_data(4, seed=5)}
    if ordinary:
        options["callbacks"] = list
    fit_replicas(plain, x, y, epochs=1, **options)
    fit_replicas(plain, x, y, epochs=2, **options)  # goes on
    build = plain
    if what == "data":
        x = x + 1
    elif what == "validation":
        options["validation_data"] = plain_data(4, seed=6)
    elif what == "model":

        def build():
            model = plain()
            model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
            return model

    else:

        def build():
            model = plain()
            model.set_weights([value + 1 for value in model.get_weights()])
            return model

    with pytest.raises(ValueError, match="backup_dir: expected .* to be of this training, with"):
        fit_replicas(build, x, y, epochs=3, **options)


def test_broken_backup(tmp_path):
    name = "replicas.npz" if JAX else "replica_0.npz"
    (tmp_path / name).write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match="a file that fit_replicas wrote"):
        fit_replicas(plain, *plain_data(4), [0], backup_dir=tmp_path)


@pytest.mark.slow
def test_killed_and_started_again(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
            import sys, time
            import keras, numpy as np
            import keras_fusion as kf

            def build():
                model = keras.Sequential(
                    [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.5),
                     keras.layers.Dense(1)]
                )
                model.compile("adam", "mse")
                return model

            def slow(epoch):
                time.sleep(float(sys.argv[2]) if epoch > 1 else 0)
                return 0.01

            x = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
            replicas = kf.training.fit_replicas(
                build, x, x[:, :1], [0, 1], 4, 4, backup_dir=sys.argv[1], learning_rate=slow
            )
            weights = [w for k in range(2) for w in replicas.replica(k).get_weights()]
            np.savez(sys.argv[1] + "/weights", replicas.history["loss"], *weights)
        """)
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}

    def command(folder, wait):
        (tmp_path / folder).mkdir(exist_ok=True)
        return [sys.executable, str(script), str(tmp_path / folder), str(wait)]

    subprocess.run(command("whole", 0), env=environment, check=True, capture_output=True)
    running = subprocess.Popen(
        command("killed", 60), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    backup = tmp_path / "killed" / ("replicas.npz" if JAX else "replica_0.npz")
    for _ in range(600):
        if backup.exists() or running.poll() is not None:
            break
        time.sleep(0.1)
    time.sleep(0.5)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert backup.exists() and running.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "weights.npz").exists()
    subprocess.run(command("killed", 0), env=environment, check=True, capture_output=True)
    whole, killed = (np.load(tmp_path / f / "weights.npz") for f in ("whole", "killed"))
    for name in whole.files:
        np.testing.assert_allclose(killed[name], whole[name], rtol=1e-6, atol=1e-7)
    # What the killed process was writing is not left behind under its final name.
    assert all(path.suffix != ".npz" or np.load(path) for path in backup.parent.iterdir())


def test_says_what_it_does(capsys):
    fit_replicas(plain, *plain_data(4), [0, 1], batch_size=4, verbose=1)
    printed, said = capsys.readouterr()
    assert "epoch 1/1, " in printed and "accuracy" in printed
    assert ("one after the other" in said) != JAX


@on_jax
def test_replicas_of_one_stream_are_refused():
    def build():
        model = keras.Sequential(
            [keras.Input((5,)), layers.Dropout(0.5, seed=1), layers.Dense(3, activation="softmax")]
        )
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    with pytest.raises(ValueError, match="without a seed of their own"):
        fit_replicas(build, *plain_data(4), [0, 1])


def test_architectures_must_agree():
    widths = iter([3, 4])

    def build():
        model = vector_net(units=(next(widths),))
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    with pytest.raises(ValueError, match="same architecture for every seed"):
        fit_replicas(build, *plain_data(4), [0, 1])


@on_jax
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Conv2D(3, 3, strides=2, padding="same", use_bias=False), (7, 6, 2)),
        (layers.Conv2D(3, (2, 3), dilation_rate=(1, 2), padding="valid"), (6, 7, 2)),
        (layers.Conv2D(4, 3, padding="same", dilation_rate=2), (6, 5, 1)),
        (layers.Conv2D(4, 1, strides=2), (5, 5, 2)),
        (layers.Conv2D(4, 3, groups=2, padding="same"), (4, 4, 2)),
        (layers.Conv1D(3, 3, padding="causal", dilation_rate=2), (8, 2)),
        (layers.Conv1D(3, 4, padding="same", strides=3), (8, 2)),
        (layers.Conv3D(2, 2, padding="same"), (3, 4, 5, 2)),
        (layers.MaxPooling1D(3), (8, 2)),
        (layers.MaxPooling2D((2, 3)), (5, 7, 2)),
        (layers.MaxPooling2D(3, strides=2), (7, 7, 2)),
        (layers.MaxPooling2D(2, padding="same"), (5, 5, 2)),
        (layers.MaxPooling3D(2), (4, 2, 5, 1)),
    ],
)
def test_convolutions_as_products(layer, shape):
    from keras_fusion.training._convolutions import matrix_products

    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    expected = np.array(layer(x))
    name = "call" if "Pooling" in type(layer).__name__ else "convolution_op"
    usual = getattr(type(layer), name)
    with matrix_products():
        found = np.array(layer(x))
    assert getattr(type(layer), name) is usual
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@on_jax
@pytest.mark.parametrize("convolutions", ["patches", "grouped"])
def test_both_ways_to_convolve(convolutions, monkeypatch):
    from keras_fusion.training import _replica_program

    seen = []
    usual = _replica_program._has_convolution
    monkeypatch.setattr(
        _replica_program, "_has_convolution", lambda jaxpr: seen.append(usual(jaxpr)) or seen[-1]
    )

    def build():
        model = map_net(size=4, filters=(2,))
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    x = np.random.default_rng(0).normal(size=(8, 4, 4, 1)).astype("float32")
    y = labels(8)
    found = fit_replicas(build, x, y, [6, 7], 2, 4, convolutions=convolutions)
    # No convolution is left in the one, so that its steps can be one loop.
    assert any(seen) == (convolutions == "grouped") and seen
    assert_same(found.replica(1), by_hand(build, x, y, 7, 2)[0])


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"build": 1}, TypeError, "build: expected a function"),
        ({"build": lambda: 1}, TypeError, "build: expected it to return a keras.Model"),
        ({"build": vector_net}, ValueError, "expected it to return a compiled model"),
        ({"seeds": 3}, TypeError, "seeds: expected a sequence of ints"),
        ({"seeds": []}, ValueError, "seeds: expected one or more distinct ints"),
        ({"seeds": [1, 1]}, ValueError, "seeds: expected one or more distinct ints"),
        ({"seeds": [-1]}, ValueError, r"seeds\[0\]: expected an int >= 0"),
        ({"epochs": 0}, ValueError, "epochs: expected an int >= 1"),
        ({"batch_size": 1.5}, ValueError, "batch_size: expected an int >= 1"),
        ({"shuffle": 1}, TypeError, "shuffle: expected True or False"),
        ({"convolutions": "fast"}, ValueError, "convolutions: expected one of"),
        ({"verbose": 2}, ValueError, "verbose: expected one of"),
        ({"y": np.zeros(3)}, ValueError, r"expected equally many samples. Received: \[3, 4\]"),
        ({"y": [0, 1, 2, 0]}, TypeError, "x, y: expected arrays, or dicts of arrays"),
        ({"validation_data": 1}, ValueError, "validation_data: expected"),
        ({"early_stopping": 3}, TypeError, "early_stopping: expected a keras.callbacks.Early"),
        (
            {"early_stopping": keras.callbacks.EarlyStopping("val_loss")},
            ValueError,
            r"monitor= to be one of \['accuracy', 'loss'\]",
        ),
        ({"learning_rate": [0.1, 0.1]}, ValueError, "learning_rate: expected a float >= 0"),
        ({"learning_rate": lambda epoch: -1.0}, ValueError, "learning_rate: expected a float"),
    ],
)
def test_errors(arguments, error, match):
    x, y = plain_data(4)
    usual = {"build": plain, "x": x, "y": y, "seeds": [0]}
    with pytest.raises(error, match=match):
        fit_replicas(**{**usual, **arguments})


def test_wrong_labels_of_a_fusion_model_are_an_error():
    x, y = central_data(4)
    with pytest.raises(ValueError, match="expected class indices from 0 to 2"):
        fit_replicas(central, x, y + 5, [0])
    with pytest.raises(ValueError, match=r"without \['sound'\]"):
        fit_replicas(central, {"image": x["image"]}, y, [0])
