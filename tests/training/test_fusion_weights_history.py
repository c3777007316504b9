"""FusionWeightsHistory records what the model reports, keeps it on disk and goes on with it."""

import copy
import csv
import os
import subprocess
import sys

import keras
import matplotlib.image
import numpy as np
import pytest
from keras import ops

import keras_fusion as kf
from keras_fusion.plots import plot_fusion_history, plot_fusion_weights
from keras_fusion.training import FusionWeightsHistory, log_fusion_weights

tensorboard = pytest.importorskip("tensorboard")

X = {
    "image": np.linspace(-1, 1, 32, dtype="float32").reshape(16, 2),
    "audio": np.linspace(0, 2, 32, dtype="float32").reshape(16, 2),
}
Y = 3 * X["image"]


class Sum(keras.Model):
    """Stands for a FusionModel: a weighted sum that learns."""

    def __init__(self, levels=("14x14/a, b", "10")):
        super().__init__()
        self.levels = levels
        self.alpha = self.add_weight(shape=(2,), initializer="ones", name="alpha")

    def call(self, inputs):
        return self.alpha[0] * inputs["image"] + self.alpha[1] * inputs["audio"]

    def fusion_weights(self):
        size = np.abs(np.array(ops.convert_to_numpy(self.alpha), "float64"))
        first, second = size / size.sum()
        shares = {"image": first, "audio": second}  # NumPy's floats, as a model may give them
        return {level: {**shares} for level in self.levels}


def compiled(**kwargs):
    model = Sum(**kwargs)
    model(X)  # on TensorFlow BackupAndRestore wants a model that is built
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
    return model


def fit(model, *callbacks, epochs=3, **kwargs):
    model.fit(
        X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=list(callbacks),
        shuffle=False, **kwargs,
    )  # fmt: skip


class Spy(keras.callbacks.Callback):
    """Collects the same by itself."""

    def __init__(self):
        super().__init__()
        self.weights, self.logs = [], [{}]

    def on_train_begin(self, logs=None):
        self.weights.append(self.model.fusion_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.fusion_weights())
        self.logs.append(dict(logs))


class Stop(keras.callbacks.Callback):
    """Ends the process's training as a crash would, in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch == self.epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now:
            raise KeyboardInterrupt


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    return accumulator.Reload()


def curve(folder, tag):
    return {event.step: event.value for event in events(folder).Scalars(tag)}


def test_records_before_training_and_after_every_epoch():
    history, spy, model = FusionWeightsHistory(), Spy(), compiled()
    fit(model, history, spy, validation_split=0.5)
    assert history.epochs == [0, 1, 2, 3]
    assert history.weights == spy.weights
    assert history.logs == spy.logs
    assert set(history.logs[1]) == {"loss", "mae", "val_loss", "val_mae"}
    assert history.weights[0]["10"] == {"image": 0.5, "audio": 0.5}
    shares = [weights["10"]["image"] for weights in history.weights]
    assert len(set(shares)) == 4
    assert history.weights[-1] == model.fusion_weights()
    assert {type(v) for w in history.weights for s in w.values() for v in s.values()} == {float}
    assert {type(v) for log in history.logs for v in log.values()} == {float}


def test_a_real_model_is_recorded_and_drawn():
    model = kf.build_centralnet({"image": kf.backbones.mlp(2), "audio": kf.backbones.mlp(2)})
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = kf.training.FusionWeightsHistory()
    model.fit(X, np.arange(16) % 10, epochs=2, verbose=0, callbacks=[history])
    assert history.weights[-1] == model.fusion_weights() != history.weights[0]
    assert {"central_accuracy", "image_accuracy", "audio_loss"} <= set(history.logs[-1])
    panels = plot_fusion_history(history).axes
    assert [panel.get_title() for panel in panels] == [
        "level_0 (2)",
        "level_1 (128)",
        "level_2 (prediction)",
        "accuracy",
    ]
    assert len(panels[-1].get_lines()) == 3
    bars = plot_fusion_weights(model).axes[0].containers
    drawn = [bar.get_width() for container in bars for bar in container]
    shares = [100 * share for level in model.fusion_weights().values() for share in level.values()]
    np.testing.assert_allclose(sorted(drawn), sorted(shares))


def test_csv_round_trip(tmp_path):
    path = tmp_path / "history.csv"
    history = FusionWeightsHistory(path)
    fit(compiled(), history, validation_split=0.5, validation_freq=2)
    rows = read(path)
    assert list(rows[0])[:3] == ["epoch", "fusion/14x14/a, b/image", "fusion/14x14/a, b/audio"]
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3]
    for row, weights, logs in zip(rows, history.weights, history.logs, strict=True):
        for level, shares in weights.items():
            for source, share in shares.items():
                assert float(row[f"fusion/{level}/{source}"]) == share
        for name in ("loss", "mae", "val_loss", "val_mae"):
            assert row[name] == (repr(logs[name]) if name in logs else "")
    assert rows[1]["val_loss"] == "" != rows[2]["val_loss"]
    assert os.listdir(tmp_path) == ["history.csv"]


def test_the_figure_of_the_file_is_that_of_the_callback(tmp_path):
    history = FusionWeightsHistory(tmp_path / "history.csv")
    fit(compiled(), history, validation_split=0.5)
    figures = [plot_fusion_history(given, metric="loss") for given in (history, history.path)]
    titles = [[ax.get_title() for ax in figure.axes] for figure in figures]
    assert titles[0] == titles[1] == ["14x14/a, b", "10", "loss"]
    lines = [[line for ax in figure.axes for line in ax.get_lines()] for figure in figures]
    assert len(lines[0]) == len(lines[1]) == 6
    for ours, theirs in zip(*lines, strict=True):
        assert ours.get_label() == theirs.get_label()
        np.testing.assert_array_equal(ours.get_xydata(), theirs.get_xydata())


def test_resuming_goes_on_with_the_file_and_repeats_no_epoch(tmp_path):
    path = tmp_path / "history.csv"
    model = compiled()
    fit(model, FusionWeightsHistory(path), epochs=2)
    first = read(path)
    resumed = FusionWeightsHistory(path)
    fit(model, resumed, epochs=4, initial_epoch=2)
    rows = read(path)
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3, 4] == resumed.epochs
    assert rows[:3] == first
    assert resumed.logs[0] == {}
    assert [float(row["loss"]) for row in rows[1:]] == [log["loss"] for log in resumed.logs[1:]]
    shares = [weights["10"]["image"] for weights in resumed.weights]
    assert [float(row["fusion/10/image"]) for row in rows] == shares


def test_resuming_with_the_same_callback_needs_no_file():
    history, model = FusionWeightsHistory(), compiled()
    fit(model, history, epochs=2)
    fit(model, history, epochs=3, initial_epoch=2)
    assert history.epochs == [0, 1, 2, 3]
    assert [set(log) for log in history.logs] == [set(), *[{"loss", "mae"}] * 3]


def test_epochs_that_are_trained_again_replace_their_rows(tmp_path):
    path, model = tmp_path / "history.csv", compiled()
    fit(model, FusionWeightsHistory(path), epochs=4)
    fit(model, FusionWeightsHistory(path), epochs=3, initial_epoch=2)
    rows = read(path)
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3]
    assert float(rows[-1]["fusion/10/image"]) == model.fusion_weights()["10"]["image"]


def test_a_training_from_epoch_0_starts_anew(tmp_path):
    history, model = FusionWeightsHistory(tmp_path / "history.csv"), compiled()
    fit(model, history, epochs=3)
    reached = model.fusion_weights()
    fit(model, history, epochs=1)
    assert history.epochs == [0, 1]
    assert history.weights[0] == reached
    assert len(read(history.path)) == 2


@pytest.mark.parametrize("backup_first", [True, False])
def test_resuming_after_a_crash_with_backup_and_restore(tmp_path, backup_first):
    path, log_dir = tmp_path / "history.csv", tmp_path / "logs"

    def callbacks():
        history = FusionWeightsHistory(path, log_dir)
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        return history, ([backup, history] if backup_first else [history, backup])

    with pytest.raises(KeyboardInterrupt):
        fit(compiled(), *callbacks()[1], Stop(2), epochs=4)
    assert [int(row["epoch"]) for row in read(path)] == [0, 1, 2]
    history, resumed = callbacks()
    fit(compiled(), *resumed, epochs=4)
    whole, model = FusionWeightsHistory(), compiled()
    fit(model, whole, epochs=4)
    assert history.epochs == whole.epochs == [0, 1, 2, 3, 4]
    found = [weights["10"]["image"] for weights in history.weights]
    expected = [weights["10"]["image"] for weights in whole.weights]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(list(curve(log_dir, "fusion/10/image").values()), found, rtol=1e-6)


def test_a_file_of_another_model_is_refused_and_kept(tmp_path):
    path = tmp_path / "history.csv"
    fit(compiled(levels=("other",)), FusionWeightsHistory(path), epochs=1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"columns \['fusion/14x14.* Received: .*fusion/other"):
        fit(compiled(), FusionWeightsHistory(path), epochs=2, initial_epoch=1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "epoch,loss\n1\n", "epoch\n1,2\n", "epoch\nx\n"])
def test_a_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"expected `path` to be a CSV .* Received: .*broken\.csv"):
        fit(compiled(), FusionWeightsHistory(path), epochs=2, initial_epoch=1)
    assert path.read_text() == text


def test_a_failed_write_keeps_the_old_rows(tmp_path, monkeypatch):
    path, model = tmp_path / "history.csv", compiled()
    fit(model, FusionWeightsHistory(path), epochs=1)
    before = path.read_bytes()

    def fail(self, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerows", fail)
    with pytest.raises(OSError, match=r"history\.csv.*No space left"):
        fit(model, FusionWeightsHistory(path), epochs=2, initial_epoch=1)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["history.csv"]


def test_a_path_that_cannot_be_written_fails_before_the_first_step(tmp_path):
    history, model = FusionWeightsHistory(tmp_path / "missing" / "history.csv"), compiled()
    with pytest.raises(OSError, match=r"expected `path` to be a file .* Received: path="):
        fit(model, history)
    assert model.fusion_weights()["10"]["image"] == 0.5


def test_tensorboard_gets_every_share_and_the_pictures(tmp_path):
    history = FusionWeightsHistory(log_dir=tmp_path / "logs", plot=plot_fusion_weights)
    fit(compiled(), history)
    found = events(tmp_path / "logs")
    tags = {f"fusion/{level}/{s}" for level in ("14x14/a, b", "10") for s in ("image", "audio")}
    assert set(found.Tags()["scalars"]) == tags
    for level in ("14x14/a, b", "10"):
        for source in ("image", "audio"):
            values = curve(tmp_path / "logs", f"fusion/{level}/{source}")
            assert list(values) == [0, 1, 2, 3]
            shares = [weights[level][source] for weights in history.weights]
            np.testing.assert_allclose(list(values.values()), shares, rtol=1e-6)
    pictures = found.Images("fusion_weights")
    assert [picture.step for picture in pictures] == [0, 3]
    for picture in pictures:
        file = tmp_path / "picture.png"
        file.write_bytes(picture.encoded_image_string)
        assert matplotlib.image.imread(file).shape[:2] == (picture.height, picture.width)
    assert pictures[0].encoded_image_string != pictures[1].encoded_image_string


def test_the_last_picture_shows_the_weights_that_training_leaves(tmp_path):
    given = []

    def plot(weights):
        given.append(weights)
        return plot_fusion_weights(weights)

    class Restore(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.model.alpha.assign([3.0, 1.0])

    model = compiled()
    fit(model, Restore(), FusionWeightsHistory(log_dir=tmp_path, plot=plot))
    assert [weights["10"]["image"] for weights in given] == [0.5, 0.75]


def test_resuming_or_starting_again_leaves_one_curve_in_tensorboard(tmp_path):
    model = compiled()
    fit(model, FusionWeightsHistory(log_dir=tmp_path), epochs=4)
    history = FusionWeightsHistory(log_dir=tmp_path)
    fit(model, history, epochs=3, initial_epoch=2)
    values = curve(tmp_path, "fusion/10/image")
    assert list(values) == [0, 1, 2, 3]
    assert values[3] == pytest.approx(model.fusion_weights()["10"]["image"])
    fit(model, FusionWeightsHistory(log_dir=tmp_path), epochs=1)
    assert list(curve(tmp_path, "fusion/10/image")) == [0, 1]


def test_log_fusion_weights(tmp_path):
    weights = {"level_0": {"image": 0.25, "audio": 0.75}}
    figures = {"fusion_weights": plot_fusion_weights(weights)}
    file = log_fusion_weights(weights, tmp_path / "new" / "logs", step=7, figures=figures)
    assert os.path.dirname(file) == str(tmp_path / "new" / "logs")
    assert curve(file, "fusion/level_0/audio") == {7: 0.75}
    assert [picture.step for picture in events(file).Images("fusion_weights")] == [7]
    log_fusion_weights(Sum(), tmp_path / "model")
    assert curve(tmp_path / "model", "fusion/10/image") == {0: 0.5}
    with pytest.raises(TypeError, match=r"expected a FusionModel.* Received: 3"):
        log_fusion_weights(3, tmp_path)
    with pytest.raises(ValueError, match=r"local folder.* Received: log_dir='gs://bucket'"):
        log_fusion_weights(weights, "gs://bucket")


def test_a_later_log_keeps_the_earlier_steps(tmp_path):
    for step in (1, 2):
        log_fusion_weights({"l": {"x": 1 / step, "y": 1 - 1 / step}}, tmp_path, step=step)
    assert curve(tmp_path, "fusion/l/x") == {1: 1.0, 2: 0.5}


@pytest.mark.slow
def test_tensorflow_is_not_loaded_for_the_logs(tmp_path):
    for package in ("scipy", "jax"):
        pytest.importorskip(package, reason="Keras on NumPy needs it")
    code = (
        "import sys; sys.modules['tensorflow'] = None;"  # as if it were not installed
        "from keras_fusion.training import log_fusion_weights;"
        "assert 'tensorboard' not in sys.modules;"
        f"log_fusion_weights({{'l': {{'x': 1.0}}}}, {str(tmp_path)!r})"
    )
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert curve(tmp_path, "fusion/l/x") == {0: 1.0}


def test_can_be_copied_before_and_after_training(tmp_path):
    history = FusionWeightsHistory(tmp_path / "h.csv", tmp_path / "logs", plot_fusion_weights)
    twin = copy.deepcopy(history)
    fit(compiled(), twin, epochs=1)
    assert history.epochs == []
    assert twin.epochs == [0, 1]
    again = copy.deepcopy(twin)
    assert again.weights == twin.weights
    assert again.model is None
    fit(compiled(), again, epochs=2)
    assert (again.epochs, twin.epochs) == ([0, 1, 2], [0, 1])


@pytest.mark.slow
def test_keras_tuner_accepts_it(tmp_path):
    keras_tuner = pytest.importorskip("keras_tuner")
    tuner = keras_tuner.RandomSearch(
        lambda hp: compiled(levels=(f"level_{hp.Int('level', 0, 1)}",)),
        objective=keras_tuner.Objective("val_mae", "min"),
        max_trials=2,
        directory=str(tmp_path),
    )
    history = FusionWeightsHistory(tmp_path / "history.csv", tmp_path / "logs")
    tuner.search(X, Y, validation_data=(X, Y), epochs=2, verbose=0, callbacks=[history])
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 2
    assert history.epochs == []
    assert [int(row["epoch"]) for row in read(history.path)] == [0, 1, 2]


def test_a_diverged_training_is_recorded(tmp_path):
    model = compiled()
    model.alpha.assign([float("nan"), 1.0])
    history = FusionWeightsHistory(tmp_path / "history.csv", tmp_path / "logs")
    fit(model, history, epochs=1)
    assert np.isnan(history.weights[-1]["10"]["image"])
    assert read(history.path)[-1]["fusion/10/image"] == "nan"


def test_metrics_that_are_vectors_are_left_out():
    history = FusionWeightsHistory()
    history.set_model(compiled())
    history.on_train_begin()
    history.on_epoch_begin(0)
    history.on_epoch_end(0, logs={"loss": np.float32(0.5), "f1": np.ones(3), "auc": 0.25})
    assert history.logs == [{}, {"loss": 0.5, "auc": 0.25}]


def test_training_of_no_epoch_records_nothing(tmp_path):
    history = FusionWeightsHistory(tmp_path / "h.csv", tmp_path / "logs", plot_fusion_weights)
    fit(compiled(), history, epochs=0)
    assert history.epochs == []
    assert os.listdir(tmp_path) == []


def test_a_model_without_fusion_weights_is_refused_when_training_starts():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(TypeError, match=r"expected a FusionModel.* Received: <Sequential"):
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[FusionWeightsHistory()])


def test_wrong_arguments(tmp_path):
    with pytest.raises(
        ValueError, match=r"expected `log_dir` with `plot`.* Received: log_dir=None"
    ):
        FusionWeightsHistory(plot=plot_fusion_weights)
    with pytest.raises(TypeError, match=r"expected `plot` to be a function.* Received: plot=True"):
        FusionWeightsHistory(log_dir=tmp_path, plot=True)
    with pytest.raises(ValueError, match=r"local folder.* Received: log_dir='gs://bucket/logs'"):
        FusionWeightsHistory(log_dir="gs://bucket/logs")
    with pytest.raises(TypeError, match="expected `path` to be .*Received: path=3"):
        FusionWeightsHistory(path=3)


def test_without_tensorboard(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match=r'keras_fusion\[tune\]".*pip install tensorboard'):
        FusionWeightsHistory(log_dir=tmp_path)
    FusionWeightsHistory(path=tmp_path / "history.csv")
