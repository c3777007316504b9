"""Two devices give what one gives: each backend's own way, in processes of their own."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import distributed
from helpers.tiny import labels, vector_net

import keras_fusion as kf
from keras_fusion import _replica
from keras_fusion.models.fusion_model import _jax as devices

BACKEND = keras.backend.backend()
SCRIPT = Path(distributed.__file__)
ALL = next(iter(distributed.SETTINGS))


def start(*arguments):
    environment = {**os.environ, "KERAS_BACKEND": BACKEND, "PYTHONPATH": str(SCRIPT.parents[2])}
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def end(*processes):
    try:
        for process in processes:
            _, errors = process.communicate(timeout=500)
            assert process.returncode == 0, errors[-3000:]
    finally:
        for process in processes:
            process.kill()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    if BACKEND == "torch":
        pytest.skip("PyTorch has no way of its own in Keras")
    out = tmp_path_factory.mktemp("devices") / "two.json"
    end(start(out, "two"))
    return json.loads(out.read_text())


def assert_equal(found, expected):
    """To the rounding of floats; `found` may lack what only one process was asked for."""
    for name, values in found.items():
        keras.tree.map_structure(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=2e-6), values, expected[name]
        )


@pytest.mark.slow
@pytest.mark.parametrize("setting", distributed.WANTED)
def test_two_devices_of_one_process(setting, found):
    one, two = found["one"][setting], found["two"][setting]
    if BACKEND == "tensorflow" and "last batch" in setting:
        # What Keras reports for one head is a mean over the devices, not over the samples.
        for result in (one, two):
            for head in ("central", "image", "sound"):
                del result["history"][f"{head}_loss"]
    assert_equal(two, one)


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "jax", reason="keras.distribution over processes: on JAX")
def test_two_processes(found, tmp_path):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    files = [tmp_path / f"{number}.json" for number in range(2)]
    end(*[start(file, "process", number, *ports) for number, file in enumerate(files)])
    for file in files:
        both = json.loads(file.read_text())["two"]
        for setting in (ALL, "ModDrop and dropout"):
            assert_equal(both[setting], found["one"][setting])


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="replicas with draws of their own")
def test_moddrop_draws_for_every_replica():
    code = """
import tensorflow as tf
parts = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
import keras, numpy as np, keras_fusion as kf
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    drop = kf.layers.ModDrop([0.2, 0.6], allow_none=True, seed=3)
ones = tf.ones((2000, 1))
step = tf.function(lambda: strategy.run(lambda: tf.concat(drop([ones] * 2, training=True), 1)))
for _ in range(2):
    first, second = (np.array(kept) for kept in strategy.experimental_local_results(step()))
    assert (first != second).any(axis=1).mean() > 0.4
    for kept in (first, second):
        np.testing.assert_allclose(kept.mean(axis=0), [0.8, 0.4], atol=0.04)
"""
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()[-3000:]


def central():
    model = kf.build_centralnet({"image": vector_net("image"), "sound": vector_net("sound")})
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_batches_that_do_not_divide(monkeypatch):
    model = central()
    x = {name: np.random.default_rng(0).normal(size=(7, 5)) for name in ("image", "sound")}
    expected = model.predict(x, verbose=0)
    monkeypatch.setattr(devices, "devices_of_a_batch", lambda: 2)
    padded, samples = devices.padded(x)
    assert samples == 7 and {len(a) for a in padded.values()} == {8}
    found = model.predict(x, verbose=0)
    for head in expected:
        np.testing.assert_allclose(found[head], expected[head], atol=1e-6)
    even = {name: a[:6] for name, a in x.items()}
    message = "that divide among 2 devices. Received: 7 samples in batches of 4"
    with pytest.raises(ValueError, match=message):
        model.evaluate(x, labels(7), batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="6 samples in batches of 3. Leave out"):
        model.fit(even, labels(6), batch_size=3, verbose=0)
    with pytest.raises(ValueError, match="3 samples in batches of 32"):
        model.fit(even, labels(6), validation_split=0.5, verbose=0)
    with pytest.raises(ValueError, match="7 samples in batches of 6"):
        model.fit(even, labels(6), 6, validation_data=(x, labels(7)), verbose=0)
    devices.check_batches(even, None)
    devices.check_batches(kf.datasets.as_pydataset((x, labels(7)), 4), None)


def test_one_device_is_left_as_it_is():
    assert _replica.which_replica() == (0, 1) and devices.devices_of_a_batch() == 1
    loss = object()
    assert _replica.weighed_by_samples(loss, 3) is loss
