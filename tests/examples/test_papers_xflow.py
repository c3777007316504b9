"""The commands for XFlow's tables and figures: folds, both protocols, resuming, missing data."""

import argparse
import importlib
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("scipy")
pytest.importorskip("matplotlib")
from helpers import tiny_grid, tiny_recordings

import keras_fusion as kf
from keras_fusion.datasets import cuave, xflow_digits
from keras_fusion.datasets.licensed import _xflow_files

PAPERS = Path(__file__).parents[2] / "examples" / "papers"
COMMANDS = ("xflow_table4", "xflow_table5", "xflow_table6", "xflow_figures", "xflow_curves")
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="nothing in it is about the backend"
)
pytestmark = on_tensorflow


@pytest.fixture
def command(monkeypatch, tmp_path):
    """`command(name, *arguments)` runs one in this process, with results in tmp_path."""
    monkeypatch.syspath_prepend(str(PAPERS))
    monkeypatch.delenv("KERAS_FUSION_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "160")

    def run(name, *arguments):
        arguments = ("--results", tmp_path / "runs", "--output", tmp_path / "results", *arguments)
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        importlib.import_module(name).main()

    yield run
    for name in (*COMMANDS, "_xflow", "_xflow_runs", "_table", "_options"):
        sys.modules.pop(name, None)


@pytest.fixture
def fits(monkeypatch):
    """Takes the place of training: adds 1 to all weights, and notes what it was given."""
    noted = []

    class Trained:
        def __init__(self, build, seeds):
            self.model = build()
            self.first = [np.array(w) for w in self.model.get_weights()]
            self.model.set_weights([w + 1 for w in self.first])
            self.seeds, self.tests, self.folds = seeds, [], None
            curves = np.array([[0.25, 0.75 - seed / 10, 0.5] for seed in seeds])
            self.history = {name: curves for name in ("accuracy", "val_accuracy", "val_loss")}

        def evaluate(self, x, y, batch_size):
            self.tests.append(len(y))
            return {"accuracy": 0.01 * len(noted) + 0.1 * np.arange(len(self.seeds))}

        def replica(self, k):
            return self.model

    def fit(build, x, y, seeds, epochs, batch_size, backup_dir=None, validation_data=None):
        keras.utils.set_random_seed(seeds[0])
        trained = Trained(build, seeds)
        trained.x, trained.y, trained.validation = x, y, validation_data
        trained.batch_size, trained.epochs, trained.backup = batch_size, epochs, backup_dir
        noted.append(trained)
        return trained

    monkeypatch.setattr(kf.training, "fit_replicas", fit)
    return noted


def lines(tmp_path, name):
    return kf.evaluation.read_results(tmp_path / "results" / f"{name}.jsonl")


def accuracies(rows):
    return [row["scores"]["accuracy"] for row in rows]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("xflow_table4", "avletters"),
        ("xflow_table4", "grid_digits"),
        ("xflow_table5", "digits"),
        ("xflow_table6", "cuave"),
        ("xflow_table6", "digits"),
        ("xflow_figures", "digits"),
    ],
)
def test_without_data_it_says_what_is_needed(command, tmp_path, name, data):
    if (name, data) == ("xflow_table6", "digits"):
        with pytest.raises(SystemExit, match="--data: expected one of.*Received: 'digits'"):
            command(name, "--data", data)
        return
    with pytest.raises(SystemExit) as stopped:
        command(name, "--data", data, "--data-dir", tmp_path)
    module = {"digits": "xflow_digits"}.get(data, data)
    assert str(kf.datasets.info(module)) in stopped.value.code
    assert "--data grid_digits" in stopped.value.code and str(tmp_path) in stopped.value.code
    assert stopped.value.__suppress_context__  # no traceback of the reader's error


SMALL = ("--shrink", 6, "--seeds", 1)


@pytest.mark.slow
def test_a_new_model_for_every_fold(command, fits, tmp_path, capsys):
    tiny_recordings.write_raw(tmp_path / "Digits", xflow_digits)
    rows = ("--rows", "CNN x MLP, baseline", "CNN x MLP, XFlow")
    options = ("--data", "digits", "--data-dir", tmp_path, "--folds", 2, *SMALL, *rows)
    command("xflow_table4", *options)
    assert len(fits) == 4
    baseline, xflow, again, _ = fits
    for first, second in zip(baseline.first, again.first, strict=True):
        np.testing.assert_array_equal(first, second)  # the second fold knows nothing of the first
    names = [[layer.name for layer in fit.model.layers] for fit in (baseline, xflow)]
    assert not any("cross" in n or "residual" in n for n in names[0])
    assert {"image_to_audio_cross_1", "audio_to_image_residual_2"} <= set(names[1])
    assert [fit.tests for fit in fits] == [[2], [2], [1], [1]]  # once each
    assert all(fit.validation is None for fit in fits)  # nothing is selected
    assert [len(fit.y) for fit in fits] == [11, 11, 12, 12]
    assert (baseline.batch_size, baseline.epochs) == (128, 300)
    assert baseline.x["image"].shape == (11, 15, 20, 6)
    printed = capsys.readouterr().out
    assert "78.3" in printed and "87.7 (86.7)" in printed and "DTN" not in printed
    assert "over 2 folds, paired t p = " in printed and "(published: p = 0.002)" in printed
    stem = "xflow_table4_digits_changed_seeds_1_folds_2_shrink_6"
    page = (tmp_path / "results" / f"{stem}.md").read_text(encoding="utf-8")
    assert "(changed: seeds 1 instead of 5, folds 2 instead of 15, shrink 6 instead of 1)" in page
    # A mean for each fold, tested in pairs; the training parts of folds overlap.
    assert "| 2 | 2 | 2.0000 |" in page and "corrected t: p" in page and "Welch" not in page
    assert "## Tests over the folds" in page and "published: p = 0.002" in page
    found = lines(tmp_path, stem)
    assert accuracies(found) == [1, 3, 2, 4]
    # What is there is not trained again, and counts as it stands in the file.
    command("xflow_table4", *options)
    assert len(fits) == 4


@pytest.mark.slow
def test_published_protocol(command, fits, tmp_path, capsys):
    tiny_recordings.write_raw(tmp_path / "Digits", xflow_digits)
    rows = ("--rows", "{CNN x MLP}-LSTM, no x-conns")
    options = ("--data", "digits", "--data-dir", tmp_path, *SMALL, *rows, "--published-protocol")
    command("xflow_table5", *options, "--folds", 1)
    command("xflow_table5", *options, "--folds", 2)  # goes on with the same model
    first, second = fits
    for one, other in zip(first.first, second.first, strict=True):
        np.testing.assert_allclose(one + 1, other, rtol=1e-6)
    assert not any("cross" in layer.name for layer in first.model.layers)
    assert any("residual" in layer.name for layer in first.model.layers)
    assert first.batch_size == 32 and first.x["image"].shape[1:] == (58, 15, 20, 1)
    assert [len(fit.validation[1]) for fit in fits] == [2, 1]  # the test part
    stem = "xflow_table5_digits_changed_seeds_1_folds_2_shrink_6_published_protocol_true"
    assert accuracies(lines(tmp_path, stem)) == [75, 75]
    assert "too good" in capsys.readouterr().out
    # The honest protocol's runs are others, and start anew.
    command("xflow_table5", *options[:-1], "--folds", 1)
    assert len(fits) == 3 and fits[-1].validation is None
    (weights,) = (tmp_path / "runs" / "backup").rglob("after_0.weights.h5")
    weights.unlink()
    for path in (tmp_path / "runs" / "xflow_table5_digits").glob("*.json"):
        if '"fold": 1' in path.read_text(encoding="utf-8"):
            path.unlink()
    with pytest.raises(SystemExit, match="the weights after the fold before in .*no such file"):
        command("xflow_table5", *options, "--folds", 2)


@pytest.mark.parametrize(
    ("options", "runs", "honest", "reported", "said"),
    [
        (("--best-of", 2), [[0, 1], [2, 3]], [6, 7], [11, 12], "the best of 2 runs per fold"),
        (("--sliding-mean", 1), [[0], [1]], [1, 2], [75, 65], "the best epoch"),
        (
            ("--best-of", 2, "--sliding-mean", 2),
            [[0, 1], [2, 3]],
            [6, 7],
            [62.5, 52.5],
            "the best of 2 runs per fold, of each the best mean of 2 epochs in a row",
        ),
    ],
)
def test_as_the_paper_says(command, fits, tmp_path, capsys, options, runs, honest, reported, said):
    """Beside the honest table: the best run of a fold, and the best epochs of a run."""
    tiny_recordings.write_raw(tmp_path, cuave)
    options = ("--data", "cuave", "--data-dir", tmp_path, "--folds", 1, *SMALL[:2], *options)
    command("xflow_table4", *options, "--seeds", 2, "--rows", "CNN x MLP, XFlow")
    assert [fit.seeds for fit in fits] == runs
    assert [fit.validation is not None for fit in fits] == ["--sliding-mean" in options] * 2
    assert fits[0].tests == [2]
    (path,) = (tmp_path / "results").glob("*.jsonl")
    found = [row["scores"] for row in kf.evaluation.read_results(path)]
    assert [score["accuracy"] for score in found] == pytest.approx(honest)
    assert [score["reported"] for score in found] == pytest.approx(reported)
    printed = capsys.readouterr().out
    assert "and as XFlow reports it (changed: " in printed and "## Accuracy (%)\n" in printed
    assert f" it: {said}; chosen on test data, not comparable\n" in printed
    assert printed.count("93.5") == 2  # the published number, in both tables


def test_pretrained_runs_are_chosen_too(command, fits, tmp_path):
    runs = importlib.import_module("_xflow_runs")
    args = argparse.Namespace(
        **{"batch": None, "epochs": 3, "best_of": 2, "sliding_mean": 2, "reported": True},
        published_protocol=False,
    )
    prepared = []

    def build():
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])

    data = dict.fromkeys(("train", "test"), (np.zeros((3, 2)), np.zeros(3)))
    found = runs.scores("dtn", build, data, [1], args, 0, tmp_path, prepared.append)
    assert len(prepared) == 2 and [fit.seeds for fit in fits] == [[2], [3]]
    assert [fit.backup for fit in fits] == [tmp_path / "seed_2", tmp_path / "seed_3"]
    assert found == [pytest.approx({"accuracy": 1.5, "reported": 52.5})]


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("xflow_table4", ("--best-of", 0), "--best-of, --sliding-mean: expected 1 or more.*: 0, 0"),
        ("xflow_table5", ("--sliding-mean", 9, "--epochs", 8), "and 0 to 8 epochs. Received: 1, 9"),
        (
            "xflow_table6",
            ("--best-of", 5, "--published-protocol"),
            "expected a new model for every fold. Received: --published-protocol",
        ),
        ("xflow_figures", ("--sliding-mean", 5), "--sliding-mean: the figures are of one fold's"),
    ],
)
def test_what_cannot_be_reported(command, name, options, match):
    with pytest.raises(SystemExit, match=match):
        command(name, "--data", "cuave", *options)


def test_the_model_of_one_table_is_not_that_of_another(command, fits, tmp_path):
    tiny_recordings.write_raw(tmp_path, cuave)
    options = ("--data", "cuave", "--data-dir", tmp_path, *SMALL, "--published-protocol")
    options += ("--rows", "{CNN x MLP}-LSTM, XFlow")
    command("xflow_table4", *options, "--folds", 1)
    command("xflow_table6", *options)
    assert len(list((tmp_path / "runs").rglob("after_0.weights.h5"))) == 2


@pytest.mark.slow
def test_the_variants(command, fits, tmp_path, capsys):
    tiny_recordings.write_raw(tmp_path, cuave)
    options = ("--data", "cuave", "--data-dir", tmp_path, "--folds", 1, *SMALL)
    command("xflow_table5", *options, "--batch", 8)
    found = [{w for part in fit.model.layers for w in part.name.split("_")} for fit in fits]
    assert [("cross" in n, "residual" in n) for n in found] == [
        (True, True), (False, True), (True, False)
    ] * 2  # fmt: skip
    assert {fit.batch_size for fit in fits} == {8}
    found = lines(tmp_path, "xflow_table5_cuave_changed_seeds_1_folds_1_batch_8_shrink_6")
    assert "batch 8 instead of the paper's" in capsys.readouterr().out
    assert [line["method"].split(", ")[1] for line in found[:3]] == [
        "both",
        "no x-conns",
        "no res-conns",
    ]


def test_fixed_split(command, fits, tmp_path, capsys):
    tiny_recordings.write_raw(tmp_path, cuave)
    command("xflow_table6", "--data", "cuave", "--data-dir", tmp_path, *SMALL)
    assert [len(fit.y) for fit in fits] == [10, 10]  # s36; s01 and s05 are the test part
    assert [fit.tests for fit in fits] == [[3], [3]]
    connections = [
        [
            part.name
            for part in fit.model.layers
            if "_cross_" in part.name or "_residual_" in part.name
        ]
        for fit in fits
    ]
    assert [len(found) for found in connections] == [0, 8]
    printed = capsys.readouterr().out
    assert "96.1" in printed and "96.9" in printed and "CorrRNN" in printed


def test_deep_transfer_network(command, fits, tmp_path, monkeypatch):
    tiny_recordings.write_raw(tmp_path, cuave)
    asked, pretrained = [], []

    def tiny(preset, **sizes):
        asked.append({"preset": preset, **sizes})
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    def pretrain(model, x, epochs):
        model.set_weights([w + 7 for w in model.get_weights()])
        pretrained.append(({name: array.shape for name, array in x.items()}, epochs))

    monkeypatch.setattr(kf.presets, "xflow_dtn", tiny)
    monkeypatch.setattr(kf.models, "pretrain_dtn", pretrain)
    options = ("--data", "cuave", "--data-dir", tmp_path, "--folds", 1, "--seeds", 1)
    command("xflow_table4", *options, "--rows", "DTN")
    # 16,200 pixels as in the paper: 45 x 60 x 6.
    sizes = {"image_features": 16200, "audio_features": 156, "num_classes": 10}
    assert asked[0] == {"preset": "cuave", **sizes}
    assert pretrained == [({"image": (11, 16200), "audio": (11, 156)}, 50)]
    assert (fits[0].first[1] == 7).all()  # training starts from there


def test_folds_of_clips(command, tmp_path):
    xflow = importlib.import_module("_xflow")
    arrays = tiny_grid.write(tmp_path, y=np.arange(13) % 2)
    folds = [xflow._grid_digits(tmp_path, "averaged", fold) for fold in range(5)]
    tests = [len(parts["test"][1]) for parts in folds]
    assert sum(tests) == 13 and all(
        len(p["train"][1]) == 13 - n for p, n in zip(folds, tests, strict=True)
    )
    pixels = np.concatenate([p["test"][0]["image"][:, 0, 0, 0] for p in folds])
    assert len(set(pixels.tolist())) == 13  # every clip is tested once
    parts = xflow._grid_digits(tmp_path, "sequences", 0)
    x, _ = parts["train"]
    assert x["image"].shape[1:] == (12, 32, 48, 1) and x["audio"].shape[1:] == (12, 24)
    np.testing.assert_allclose(x["audio"].mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(x["audio"].std(axis=0), 1, atol=1e-3)
    x_averaged, _ = folds[0]["train"]
    for i in range(2):
        frames = np.moveaxis(_xflow_files.averaged(x["image"][i, ..., 0], 6), 0, -1)
        np.testing.assert_allclose(x_averaged["image"][i], frames, rtol=1e-5)
        sound = _xflow_files.averaged(x["audio"][i], 6).ravel()
        np.testing.assert_allclose(x_averaged["audio"][i], sound, rtol=1e-4, atol=1e-5)
    held = xflow._grid_digits(tmp_path, "sequences", "holdout")["test"]
    np.testing.assert_array_equal(held[1], arrays["y"][arrays["split"] == "test"])
    read = kf.datasets.grid_digits.load_data(tmp_path, noise_db=0, spectrogram=True)["test"][0]
    for k in (0, 11):  # the step in the middle of each frame
        expected = read["audio"][:, :, 2 * k + 1]
        np.testing.assert_allclose(held[0]["audio"][:, k], expected, rtol=1e-3, atol=1e-4)


def test_pixels_are_means(command):
    xflow = importlib.import_module("_xflow")
    image = np.random.default_rng(0).normal(size=(2, 3, 9, 13, 1))
    small = xflow.shrunk(image, 4, "sequences")
    assert small.shape == (2, 3, 2, 3, 1)
    for i, j in np.ndindex(2, 3):
        square = image[1, 2, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4, 0]
        np.testing.assert_allclose(small[1, 2, i, j, 0], square.mean())
    maps = np.moveaxis(image[..., 0], 1, -1)
    np.testing.assert_allclose(
        xflow.shrunk(maps, 4, "averaged"), np.moveaxis(small[..., 0], 1, -1), rtol=1e-6
    )


@pytest.mark.slow
def test_letters_are_trained(command, tmp_path, capsys):
    tiny_recordings.write_letters(tmp_path / "avletters")
    options = ("--data", "avletters", "--data-dir", tmp_path, "--quick", "--shrink", 5)
    rows = ("--rows", "DTN", "{CNN x MLP}-LSTM, XFlow")
    command("xflow_table4", *options, "--epochs", 1, "--folds", 1, *rows)
    printed = capsys.readouterr().out
    assert "(quick: epochs 1 instead of 300" in printed
    assert "35.0" in printed and "89.6 (85.6)" in printed
    found = lines(tmp_path, "xflow_table4_avletters_quick_epochs_1_folds_1_shrink_5")
    assert [line["method"] for line in found] == list(rows[1:])
    assert all(0 <= accuracy <= 100 for accuracy in accuracies(found))


@pytest.mark.slow
def test_figures(command, tmp_path, capsys):
    tiny_grid.write(tmp_path, y=np.arange(13) % 2)
    options = ("--data", "grid_digits", "--data-dir", tmp_path, "--epochs", 1, "--shrink", 4)
    command("xflow_figures", *options, "--quick")
    name = "xflow_figures_grid_digits_quick_epochs_1_shrink_4"
    printed = capsys.readouterr().out
    assert "trained, seeds [0]" in printed and "| kept |" in printed
    written = {path.name for path in (tmp_path / "results").iterdir()}
    ends = (".jsonl", ".md", "_9.png", "_10.png", "_11.png")
    assert written == {name + end for end in ends}
    page = (tmp_path / "results" / f"{name}.md").read_text(encoding="utf-8")
    assert page.count("## First") == 3 and page.count("## Second") == 1
    assert all(f"]({name}_{number}.png)" in page for number in (9, 10, 11))
    after, before = (row["scores"] for row in lines(tmp_path, name))
    assert len(after) == 4 and all(-1 <= value <= 1 for value in after.values())
    assert all(after[n] != before[n] for n in ("first_silhouette", "second_silhouette"))
    command("xflow_figures", *options, "--quick")
    assert "seeds [0]" not in capsys.readouterr().out
    assert len(lines(tmp_path, name)) == 2


def test_what_figures_measure(command):
    figures = importlib.import_module("xflow_figures")
    steps = np.array([[0.0, 0], [3, 4], [3, 5]])
    np.testing.assert_allclose(figures.difference(steps), [25, 1])  # Eq. 1
    a, b = np.array([1.0, 2, 4]), np.array([2.0, 1, 0])
    pairs = [(a, 2 * a), (a, -a), (a, np.ones(3)), (a, b)]
    expected = (1 - 1 + np.corrcoef(a, b)[0, 1]) / 3
    assert figures.mean_correlation(pairs) == pytest.approx(expected)
    maps = np.arange(24.0).reshape(1, 4, 3, 2)
    left, right = figures.neighbours(maps)
    np.testing.assert_allclose(right - left, 2)


@pytest.mark.slow
def test_curves(command, fits, tmp_path, capsys):
    tiny_grid.write(tmp_path, y=np.arange(13) % 2)
    options = ("--data", "grid_digits", "--data-dir", tmp_path, "--quick", "--shrink", 4)
    command("xflow_curves", *options, "--seeds", 2)
    names = [" ".join(layer.name for layer in fit.model.layers) for fit in fits]
    assert [("cross" in n, "residual" in n) for n in names] == [(False, False), (True, True)] * 2
    first = importlib.import_module("_xflow")._grid_digits(tmp_path, "sequences", 0)
    for fit in fits:
        np.testing.assert_array_equal(fit.y, first["train"][1])
        np.testing.assert_array_equal(fit.validation[1], first["test"][1])
    name = "xflow_curves_grid_digits_quick_seeds_2_shrink_4"
    for found in lines(tmp_path, name):
        scores, middle = found["scores"], 75 - 10 * found["seed"]
        assert scores["accuracy_by_epoch"] == pytest.approx([25, middle, 50])
        # The mean of the last epochs, not the best one.
        assert scores["accuracy"] == pytest.approx((75 + middle) / 3)
        assert scores["loss"] == pytest.approx((75 + middle) / 300)
    page = (tmp_path / "results" / f"{name}.md").read_text(encoding="utf-8")
    for number in (7, 8):
        assert f"]({name}_{number}.png)" in page
        assert (tmp_path / "results" / f"{name}_{number}.png").stat().st_size > 5000
    assert "| below the baseline |" in page and "| above the baseline |" in page
    with pytest.raises(SystemExit, match="first fold alone. Leave it"):
        command("xflow_curves", *options, "--published-protocol")


def test_sliding_mean(command):
    smoothed = importlib.import_module("xflow_curves").smoothed
    epochs, means = smoothed([0.0, 3, 6, 3], 3)
    assert epochs.tolist() == [3, 4]
    np.testing.assert_allclose(means, [3, 4])
    assert smoothed([1, 2], 5)[0].tolist() == [2] and smoothed([1, 2], 1)[1].tolist() == [1, 2]
