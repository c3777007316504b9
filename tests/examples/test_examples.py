"""The examples run as a user starts them: in a process of their own, here with little data."""

import dataclasses
import functools
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("rich")
EXAMPLES = Path(__file__).parents[2] / "examples"
needs_data = pytest.mark.skipif(
    not os.environ.get("KERAS_FUSION_DATA"),
    reason="needs the data sets in the folder named by KERAS_FUSION_DATA",
)


def run(folder, script, *arguments):
    command = [sys.executable, EXAMPLES / script, *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def module(monkeypatch):
    """Gets a script ready to run again in this process: a start takes ten seconds."""

    def module(script, *arguments, **replaced):
        spec = importlib.util.spec_from_file_location("example", EXAMPLES / script)
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        monkeypatch.setattr(sys, "argv", list(map(str, (script, *arguments))))
        monkeypatch.setenv("COLUMNS", "200")
        for name, value in replaced.items():
            monkeypatch.setattr(loaded, name, value)
        return loaded

    return module


@pytest.mark.slow
def test_own_method(tmp_path):
    pytest.importorskip("keras_tuner")
    pytest.importorskip("tensorflow")  # the export
    lines = (EXAMPLES / "own_method.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40
    text = "\n".join(lines)
    for whole, short in (
        ("seeds=[0, 1, 2], epochs=4", "seeds=[0, 1], epochs=1"),
        ("epochs=2", "epochs=1"),
    ):
        assert whole in text
        text = text.replace(whole, short)
    (tmp_path / "short.py").write_text(text, encoding="utf-8")
    printed = run(tmp_path, tmp_path / "short.py")
    assert "peak       2" in printed and "saved_model: " in printed and "peak/1" in printed
    assert (tmp_path / "peak" / "1" / "saved_model.pb").exists()


@pytest.mark.slow
def test_from_a_table(module, capsys):
    pytest.importorskip("pandas")
    pytest.importorskip("PIL")
    module("from_a_table.py", "--epochs", 1, "--seeds", 1, "--rows", 200).main()
    printed = capsys.readouterr().out.splitlines()
    assert "photo  Normalization, lenet5((8, 8, 1), num_classes=10)" in printed
    rows = [line[:36].strip() for line in printed[-6:]]
    assert rows[0] == "CentralNet" and rows[4:] == [
        f"scikit-learn, {name}" for name in ("logistic regression", "gradient boosting")
    ]
    assert all(5 < float(line[36:].split()[0]) <= 100 for line in printed[-6:])


@pytest.mark.slow
def test_trusted(module, capsys):
    script = module("trusted.py", "--seeds", 1, "--epochs", 1, "--methods", "trusted")
    script.main()
    rows = capsys.readouterr().out.splitlines()
    assert "-10 dB" in rows[0] and [row.split("  ")[-1] for row in rows[1:]] == [
        *("accuracy", "ece"),
        *(f"uncertainty, {name}" for name in ("central", "image_a", "image_b")),
    ]


@pytest.mark.slow
def test_crf(module, capsys):
    module("crf.py", "--seeds", 2, "--epochs", 1, "--samples", 20).main()
    *rows, last = capsys.readouterr().out.splitlines()
    softmax, _, path = (float(row[16:]) for row in rows)
    gain, half = map(float, last.removeprefix("path - softmax").split("+-"))
    assert 0 < softmax < 1 and half > 0
    assert gain == pytest.approx(path - softmax, abs=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["steps", "pixels"])
def test_per_place(module, capsys, task):
    parts = {"train": 20, "validation": 10, "test": 10}
    module("per_place.py", task, "--seeds", 1, "--epochs", 1, PARTS=parts).main()
    rows = capsys.readouterr().out.splitlines()
    alone = {"steps": ["arm", "foot"], "pixels": ["brightness", "depth"]}[task]
    methods = [*(f"{name} alone" for name in alone), "late_mean", "centralnet", "gmu"]
    assert [row[:18].strip() for row in rows[1:]] == methods
    assert all(0 < float(row[18:].split()[0]) < 1 for row in rows[1:])


@pytest.mark.slow
def test_modality_balance(module, capsys):
    options = ("--seeds", 2, "--epochs", 2, "--limit", 64)
    module("modality_balance.py", *options, BALANCES=(None, "blend", "pmr")).main()
    rows = capsys.readouterr().out.splitlines()[-4:]
    assert rows[0].split() == ["balance", "central", "image_a", "image_b", "gap"]
    assert [row.split()[0] for row in rows[1:]] == ["None", "blend", "pmr"]


@pytest.mark.slow
def test_compare_methods_goes_on_where_it_stopped(tmp_path, module, monkeypatch, capsys):
    results = tmp_path / "results"
    arguments = ("--epochs", 1, "--results", results, "--methods", "weighted_mean")
    printed = run(tmp_path, "compare_methods.py", *arguments)
    (log,) = results.iterdir()
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["method"] for row in rows] == ["alone", "weighted_mean"]
    assert set(rows[1]["heads"]) <= {"image_a", "image_b"} and "level_0: " in printed
    # What is there is not trained again.
    log.write_text(log.read_text().replace(f'"accuracy": {rows[1]["accuracy"]}', '"accuracy": 0.4'))
    again, trained = module("compare_methods.py", *arguments, "xflow"), []
    train = again.run
    monkeypatch.setattr(again, "run", lambda *args: trained.append(args[1]) or train(*args))
    again.main()
    printed = capsys.readouterr().out
    assert "40.0" in printed and "xflow" in printed and trained == ["xflow"]
    assert len(log.read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_compare_methods_on_spoken_digits(tmp_path):
    options = ("--data", "grid_digits", "--epochs", 1, "--methods", "late_mean")
    printed = run(tmp_path, "compare_methods.py", *options)
    assert "grid_digits, test split" in printed and "late_mean" in printed


@pytest.mark.slow
def test_alignment(module, capsys):
    options = ("--data", "mm_digits", "--seeds", 2, "--epochs", 2, "--align-epochs", 1)
    module("alignment.py", *options).main()
    printed = capsys.readouterr().out
    assert "400 samples, 2 seeds" in printed and "image_a to image_b" in printed
    assert "aligned, infonce" in printed and "paired t test" in printed


@pytest.mark.slow
def test_moddrop_stages(module, capsys):
    module("moddrop_stages.py", "--seeds", 1, "--epochs", 4).main()
    rows = [row.split("±")[0].split() for row in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["both", "image_a", "image_b"]
    assert [" ".join(row[:-1]) for row in rows[1:]] == [
        *("random start", "random start, dropping", "stages", "stages, dropping"),
    ]
    # After so few epochs those that go on from trained networks are ahead.
    assert float(rows[3][-1]) > float(rows[1][-1]) and float(rows[4][-1]) > float(rows[2][-1])


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["classification", "triplet"])
def test_retrieval(module, capsys, loss):
    module("retrieval.py", "--seeds", 1, "--epochs", 2, "--loss", loss).main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [" ".join(row[:-9]) for row in rows] == ["image and text", "image alone", "text alone"]
    both, image, text = (float(row[-9]) for row in rows)
    assert both > image > text


@pytest.fixture
def benchmark(module, monkeypatch, tmp_path):
    """The comparison of methods, with 60 made samples for the first data set."""
    for package in ("keras_tuner", "matplotlib", "scipy"):
        pytest.importorskip(package)
    monkeypatch.syspath_prepend(EXAMPLES / "benchmarks")

    def benchmark(*options):
        folders = ("--results", tmp_path / "runs", "--output", tmp_path / "tables")
        script = module("benchmarks/methods.py", *options, *folders)
        made = functools.partial(sys.modules["_method_data"].made, "redundant", 60)
        task = dataclasses.replace(script.DATA["mm_digits"], load=made, classes=4, disturbed="a")
        monkeypatch.setitem(script.DATA, "mm_digits", task)
        return script

    return benchmark


@pytest.mark.slow
def test_methods_are_tuned_on_validation_alone(tmp_path, benchmark, capsys):
    options = ("--data", "mm_digits", "--methods", "trusted", "--epochs", 1)
    options += ("--trials", 2, "--seeds", 2)
    benchmark(*options).main()
    assert capsys.readouterr().out.startswith("12 runs at most, about 0.1 hours")
    runs = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*.json")]
    tried = {r["method"]: r["scores"] for r in runs if r["data"] == "mm_digits-validation"}
    assert len(tried) == 3 * 2 and len(runs) == 12
    lines = (tmp_path / "tables/methods-mm_digits.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert sorted((row["method"], row["seed"]) for row in rows) == [
        (method, seed) for method in ("a alone", "b alone", "trusted") for seed in (1, 2)
    ]
    for row in rows:  # the best trial by accuracy, then by loss, is the one that was tested
        scores = [tried[f"{row['method']} {trial}"] for trial in range(2)]
        ranked = [(s["central_accuracy"], -s["central_loss"]) for s in scores]
        assert row["trial"] == ranked.index(max(ranked))
        assert row["validation"] == ranked[row["trial"]][0]
        assert len(row["scores"]) == 3 and row["parameters"] > 4 * 20
        assert all(round(24 * score, 6).is_integer() for score in row["scores"].values())
    benchmark(*options).main()
    assert "2 of 2 runs of trusted from" in capsys.readouterr().err


def test_report_of_the_benchmark(tmp_path, benchmark, capsys):
    script = benchmark("--report")
    (tmp_path / "tables").mkdir()
    accuracies = {"a alone": 0.5, "b alone": 0.9, "gmu": 0.7, "sum": 0.8}
    for name in ("mfeat", "tcga_breast", "womens_clothing", "xor"):
        rows = [
            {
                "method": method, "seed": seed, "train_samples": 9, "test_samples": 30,
                "epochs_trained": 2, "seconds": 3.0, "backend": "jax", "parameters": 1234,
                "validation": None if name == "xor" else 0.6 if method == "a alone" else 0.55,
                "scores": dict.fromkeys(sys.modules["_method_data"].CONDITIONS, value + seed / 100),
            }
            for method, value in accuracies.items()
            for seed in (1, 2)
        ]  # fmt: skip
        file = sys.modules["_method_report"].file(tmp_path / "tables", name)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    script.main()
    printed = capsys.readouterr().out
    row = r"\| gmu \| 55\.0 (\| 71\.5 ± 0\.7 ){3}\| (< )?0\.\d{3} \| 3 \| 1,234 \|"  # with Holm's p
    assert re.search(row, printed)
    assert "Must win: what joins features" in printed
    # Of the modalities alone the one that validation chose; the made data count for no rank.
    assert "Mean ranks over 3 data sets" in printed
    ranks = [line.split()[:2] for line in printed.splitlines() if line.split()[1:2] == ["1.0000"]]
    assert ranks == [["sum", "1.0000"]] * 3 and "one alone     3.0000" in printed
    assert (tmp_path / "tables/methods.png").stat().st_size > 10_000
    assert (tmp_path / "tables/methods.md").read_text().strip() == printed.strip()


def test_test_parts_of_the_benchmark(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES / "benchmarks")
    data = importlib.import_module("_method_data")
    parts = data.standardized(data.made("xor", 200))
    x, y = parts["train"]
    np.testing.assert_allclose(x["a"].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x["a"].std(axis=0), 1, atol=1e-4)
    x, y = parts["test"]
    three, labels = data.threefold(x, y, "a")
    np.testing.assert_array_equal(labels, np.tile(y, 3))
    np.testing.assert_array_equal(three["b"], np.tile(x["b"], (3, 1)))
    clean, absent, noisy = np.split(three["a"], 3)
    np.testing.assert_array_equal(clean, x["a"])
    np.testing.assert_array_equal(absent[1::2], x["a"][1::2])
    assert not absent[::2].any()
    power = np.square(noisy - x["a"]).mean() / np.square(x["a"]).mean()
    assert power == pytest.approx(1, rel=0.1)
    predictions = np.eye(2)[labels]
    predictions[len(y) : len(y) + 8] = predictions[len(y) : len(y) + 8, ::-1]
    assert list(data.by_condition(labels, predictions).values()) == [1, 1 - 8 / len(y), 1]


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_mm_mnist_goes_on_where_it_stopped(tmp_path, module, data_dir, capsys):
    options = ("--epochs", 1, "--limit", 128, "--results", tmp_path, "--models", "image_a")
    with np.load(data_dir / "mnist.npz") as file:
        labels = file["y_test"]
    printed = run(tmp_path, "mm_mnist.py", *options)
    assert "230 ± 2.7" in printed
    errors = (np.load(next(tmp_path.glob("*.npy"))).argmax(-1) != labels).sum()
    # What is there is not trained again, and its labels are all that is needed.
    module("mm_mnist.py", *options, load=lambda *_: {"test": (None, labels)}, run=None).main()
    line = next(row for row in capsys.readouterr().out.splitlines() if "image_a" in row)
    assert str(errors) in line and "230 ± 2.7" in line


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_audio_visual_goes_on_where_it_stopped(tmp_path, module, capsys):
    pytest.importorskip("soundfile")
    options = ("--quick", "--cache", tmp_path / "cache", "--results", tmp_path / "results")
    printed = run(tmp_path, "audio_visual.py", *options, "--models", "image")
    assert "image alone" in printed and "72.8 ± 0.3" in printed and "CentralNet" not in printed
    done = [path.suffix for path in (tmp_path / "results").iterdir()]
    assert sorted(done) == [".npy", ".png", ".wav"]
    module("audio_visual.py", *options, "--models", "image", train=None).main()
    assert "image alone" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_missing_modality(tmp_path):
    models = ("mrna", 'CentralNet, dropped, "mean"')
    options = ("--seeds", 1, "--epochs", 1, "--models", *models)
    printed = run(tmp_path, "missing_modality.py", *options)
    assert "70 tumours" in printed and "mrna alone" in printed and models[1] in printed
    assert "mirna + mrna + protein" in printed


@pytest.mark.slow
def test_report(tmp_path, module, capsys):
    for package in ("jinja2", "matplotlib"):
        pytest.importorskip(package)
    module("report.py", "--epochs", 1, "--path", tmp_path / "page.html").main()
    assert capsys.readouterr().out.endswith("page.html\n")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Two views of digits" in page and page.count("<svg") == 6


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_text_and_table(tmp_path):
    pytest.importorskip("tensorflow")  # the vocabulary
    options = ("--epochs", 1, "--limit", 500, "--methods", "concat")
    printed = run(tmp_path, "text_and_table.py", *options)
    assert "4524 test reviews" in printed and "table alone" in printed and "concat" in printed


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_pretrained_backbones(tmp_path):
    network = ("--network", "mobilenet", "--alpha", 0.25, "--trainable", 5)
    options = ("--epochs", 1, "--limit", 64, *network)
    printed = run(tmp_path, "pretrained_backbones.py", *options)
    assert "conv_pw_13_relu" in printed and "trainable=5" in printed
    assert "200 clips" in printed and "lips alone" in printed and "its head audio" in printed
