"""A training that is cut off anywhere and started again ends as if nothing had happened."""

import errno
import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import survival
from helpers.survival import EPOCHS, At, batches, build, split, weights
from helpers.tiny import compiled, vector_net

import keras_fusion as kf
from keras_fusion.training import BackupAndRestore, _state, backup_and_restore

# Steps run one by one where that is faster than making a graph first.
QUICK = {"run_eagerly": keras.backend.backend() == "tensorflow"}
SCRIPT = Path(survival.__file__)
# On the other backends one cut and one kill are enough: nothing else depends on them.
once = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tested on TensorFlow")


class Cut(BaseException):
    """Ends a program where nobody expects it."""


def cut():
    raise Cut


def train(folder, *others, seed=0, epochs=EPOCHS, data=None, **arguments):
    """A program that trains: weights, and the `History`."""
    model = build(seed, **QUICK)
    callbacks = [BackupAndRestore(folder, **arguments), *others]
    history = model.fit(
        batches() if data is None else data, epochs=epochs, verbose=0, callbacks=callbacks
    )
    return weights(model), history


def cut_off(folder, *others, **arguments):
    with pytest.raises(Cut):
        train(folder, *others, **arguments)


def assert_equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    record = kf.training.FusionWeightsHistory()
    found, history = train(tmp_path_factory.mktemp("undisturbed") / "backup", record)
    return found, history, record


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", [(1, "write"), *(pytest.param(at, marks=once) for at in [(0, 1), (2, 0), (2, 2)])]
)
def test_goes_on_from_the_last_epoch(place, undisturbed, tmp_path, monkeypatch):
    epoch, batch = place
    first = kf.training.FusionWeightsHistory()
    if batch == "write":
        monkeypatch.setattr(np, "savez", np.savez)  # put back at the end
        survival.at_write(epoch, cut)
        cut_off(tmp_path / "b", first)
        monkeypatch.undo()
    else:
        cut_off(tmp_path / "b", first, At(epoch, batch, cut))
    seen, record = [], kf.training.FusionWeightsHistory()
    watch = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    # Another seed: all that is random comes from the file.
    found, history = train(tmp_path / "b", record, watch, seed=9)
    expected, whole, recorded = undisturbed
    assert seen == list(range(epoch, EPOCHS))
    assert_equal(found, expected)
    assert history.epoch == list(range(EPOCHS)) and history.history == whole.history
    assert record.epochs == list(range(EPOCHS + 1)) and record.weights == recorded.weights
    assert record.logs == recorded.logs and not (tmp_path / "b").exists()


@once
def test_other_seeds_and_orders_are_another_training(undisturbed, tmp_path):
    # Or the tests above could not fail.
    for number, change in enumerate([{"seed": 1}, {"data": batches(seed=4)}]):
        found, _ = train(tmp_path / str(number), **change)
        assert any((a != b).any() for a, b in zip(found, undisturbed[0], strict=True))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_again_and_again(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])}

    def run(folder, *place):
        folder.mkdir(exist_ok=True)
        command = [sys.executable, SCRIPT, folder, *map(str, place)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        expected = -signal.SIGKILL if place else 0
        assert done.returncode == expected, done.stderr[-3000:]
        return done.stdout

    (tmp_path / "whole").mkdir()
    survival.main(tmp_path / "whole")  # one start of Keras less
    # In the middle of a write, and, where starting again is cheap, of an epoch.
    for place in [(1, "write"), *([(2, 2)] if QUICK["run_eagerly"] else [])]:
        printed = run(tmp_path / "killed", *place)
        assert "SIGKILL" in printed
    printed = run(tmp_path / "killed")
    assert f"Epoch {EPOCHS}/{EPOCHS}" in printed and "Epoch 1/" not in printed
    with (
        np.load(tmp_path / "whole" / "done.npz") as whole,
        np.load(tmp_path / "killed" / "done.npz") as found,
    ):
        assert len(whole.files) > 20 and str(found["about"]) == str(whole["about"])
        assert_equal([found[name] for name in whole.files], [whole[name] for name in whole.files])
    rows = [(tmp_path / name / "weights.csv").read_text() for name in ("whole", "killed")]
    assert rows[0] == rows[1] and not list((tmp_path / "killed").glob("**/.whole-*"))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGINT")
def test_ctrl_c_leaves_a_model_that_can_be_saved(tmp_path):
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(SCRIPT.parents[1])!r})
from helpers.survival import At, BackupAndRestore, batches, build, weights
import keras, numpy as np
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell starts us with &
model, folder = build(), {str(tmp_path / "backup")!r}
at = At(1, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
try:
    model.fit(batches(), epochs=3, verbose=0, callbacks=[at, BackupAndRestore(folder)])
except KeyboardInterrupt:
    model.save({str(tmp_path / "model.keras")!r})
    model.fit(batches(), epochs=3, verbose=0, callbacks=[BackupAndRestore(folder)])
    np.savez({str(tmp_path / "done.npz")!r}, *weights(model))
"""
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    model = keras.models.load_model(tmp_path / "model.keras")
    assert all(np.isfinite(p).all() for p in model.predict(split()[0], verbose=0).values())
    fit = model.fit(*split(), verbose=0, callbacks=[])  # stays compiled
    assert np.isfinite(fit.history["loss"]).all()
    with np.load(tmp_path / "done.npz") as found:
        expected = build()
        backup = BackupAndRestore(tmp_path / "other")
        expected.fit(batches(), epochs=3, verbose=0, callbacks=[backup])
        assert_equal([found[name] for name in found.files], weights(expected))


@once
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_full_disk(undisturbed, tmp_path, monkeypatch):
    folder = tmp_path / "b"

    class Fills(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:  # what is written next goes to a full device
                full = functools.partial(open, "/dev/full")
                monkeypatch.setattr(_state, "open", lambda path, mode: full(mode), raising=False)

    with pytest.raises(OSError, match="the one after 2 epochs is whole.*No space left") as error:
        train(folder, Fills())
    assert error.value.errno == errno.ENOSPC
    assert [path.name for path in folder.iterdir()] == ["backup.npz"]
    monkeypatch.undo()
    assert_equal(train(folder, seed=9)[0], undisturbed[0])


@pytest.mark.slow
@once
def test_what_callbacks_know_goes_on(tmp_path):
    def others():
        return [
            keras.callbacks.EarlyStopping(
                "central_loss", 10, mode="max", patience=2, restore_best_weights=True
            ),
            keras.callbacks.ReduceLROnPlateau("central_loss", mode="max", patience=1, factor=0.1),
        ]

    whole, stopping = others(), others()
    expected, history = train(tmp_path / "a", *whole, epochs=5)
    assert len(history.epoch) == 3  # stopped
    # Stopped and killed before the end: nothing is trained any more, the best weights come back.
    late = keras.callbacks.LambdaCallback(on_train_end=lambda logs: cut())
    cut_off(tmp_path / "b", late, *others(), epochs=5)
    found, again = train(tmp_path / "b", *stopping, seed=9, epochs=5)
    assert_equal(found, expected)
    assert again.history == history.history
    # Killed with one epoch of patience left.
    cut_off(tmp_path / "c", *others(), At(2, 1, cut), epochs=5)
    found, again = train(tmp_path / "c", *others(), seed=9, epochs=5)
    assert_equal(found, expected)
    assert len(again.epoch) == 3


@once
def test_a_finished_training_that_is_kept(undisturbed, tmp_path):
    folder = tmp_path / "b"
    train(folder, epochs=EPOCHS - 1, delete_checkpoint=False)
    found, history = train(folder, seed=9, delete_checkpoint=False)
    assert_equal(found, undisturbed[0])
    found, history = train(folder, seed=9, delete_checkpoint=False)  # nothing to do
    assert_equal(found, undisturbed[0])
    assert history.history == undisturbed[1].history
    # The model is not left to begin its next fit at that epoch.
    model = build(**QUICK)
    model.fit(batches(), epochs=EPOCHS, verbose=0, callbacks=[BackupAndRestore(folder)])
    assert model.fit(batches(), epochs=1, verbose=0).epoch == [0]


@pytest.mark.slow
@once
def test_fixed_order_and_tf_data(undisturbed, tmp_path):
    x, y = split()
    results = []
    for folder, interrupt in (("a", None), ("b", 2)):
        for _ in range(1 if interrupt is None else 2):
            model = build(**QUICK)
            callbacks = [BackupAndRestore(tmp_path / folder)]
            if interrupt is not None:
                callbacks.append(At(interrupt, 0, cut))
            options = {"epochs": EPOCHS, "verbose": 0, "batch_size": 4, "shuffle": False}
            try:
                model.fit(x, y, callbacks=callbacks, **options)
            except Cut:
                interrupt = EPOCHS
        results.append(weights(model))
    assert_equal(*results)
    if keras.backend.backend() == "tensorflow":
        data = kf.datasets.as_dataset(split(), survival.BATCH, seed=3)
        cut_off(tmp_path / "c", At(1, 1, cut), data=data)
        data = kf.datasets.as_dataset(split(), survival.BATCH, seed=3)
        # The same orders as those of the PyDataset.
        assert_equal(train(tmp_path / "c", data=data, seed=9)[0], undisturbed[0])


@once
def test_other_keras_models(tmp_path):
    def run(folder, place=None, seed=0):
        keras.utils.set_random_seed(seed)
        model = compiled(vector_net(), "adam", **QUICK)
        x, y = split()
        data = kf.datasets.as_pydataset((x, y), batch_size=4)

        class Sound(keras.utils.PyDataset):
            """What a model of one modality takes."""

            set_epoch, on_epoch_end, identity = data.set_epoch, data.on_epoch_end, data.identity
            __len__ = lambda self: len(data)  # noqa: E731
            __getitem__ = lambda self, i: (data[i][0]["image"], data[i][1])  # noqa: E731

        data_of_one = Sound()
        record = keras.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
        callbacks = [record] if place is None else [record, At(*place, cut)]
        callbacks.append(BackupAndRestore(folder, callbacks=[record], data=data_of_one))
        model.fit(data_of_one, epochs=3, verbose=0, shuffle=False, callbacks=callbacks)
        return weights(model)

    expected = run(tmp_path / "a")
    with pytest.raises(Cut):
        run(tmp_path / "b", (2, 1))
    assert_equal(run(tmp_path / "b", seed=9), expected)


@once
def test_epochs_of_a_data_set_follow_fit():
    seen = []

    class Data(kf.datasets.BalancedBatches):
        def __getitem__(self, index):
            seen.append(self._epoch)
            return super().__getitem__(index)

    model, data = build(**QUICK), Data(split())
    model.fit(data, epochs=4, initial_epoch=2, verbose=0)
    assert sorted(set(seen[-2 * len(data) :])) == [3, 4]


@pytest.mark.parametrize(
    ("arguments", "fit", "message"),
    [
        ({}, {"x": split()[0], "y": split()[1]}, "function of the epoch, such as"),
        ({}, {"x": batches(), "shuffle": True}, "Received: data that fit.. shuffles"),
        ({}, {"x": batches(), "steps_per_epoch": 1}, "steps_per_epoch: expected None"),
        ({"data": batches()}, {"x": batches()}, "callbacks= and data= to be left out"),
        ({"callbacks": 1}, {}, "callbacks: expected a sequence. Received: 1"),
        ({"delete_checkpoint": 1}, {}, "delete_checkpoint: expected True or False"),
        ({"backup_dir": ""}, {}, "backup_dir: expected a path. Received: ''"),
    ],
)
def test_errors(arguments, fit, message, tmp_path):
    with pytest.raises((TypeError, ValueError), match=message):
        build().fit(
            **fit, verbose=0, callbacks=[BackupAndRestore(**{"backup_dir": tmp_path, **arguments})]
        )


@once
def test_files_of_something_else(tmp_path):
    cut_off(tmp_path, At(1, 0, cut))
    with pytest.raises(ValueError, match="with data=.*'batch_size': 5.*Received:.*: 4.*Remove it"):
        train(tmp_path, data=batches(batch_size=5))
    other = kf.build_gmu({"image": vector_net("image", 5), "sound": vector_net("sound", 4)})
    with pytest.raises(ValueError, match="of this training, with variables="):
        compiled(other).fit(batches(), verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    (tmp_path / "backup.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(ValueError, match="a file that BackupAndRestore wrote"):
        train(tmp_path)


def test_torch_is_seeded_for_every_epoch(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    draws = []
    for seed, epoch in ((5, 1), (5, 1), (5, 2), (6, 1)):
        _state.seed_torch(seed, epoch)
        draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[1] and draws[1] != draws[2] and draws[1] != draws[3]
    torch.manual_seed(11)
    assert backup_and_restore._torch_seed() == 11
