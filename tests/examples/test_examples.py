"""The examples run as a user starts them: in a process of their own, here with little data."""

import importlib.util
import json
import os
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


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_methods_are_tuned_on_validation_alone(tmp_path, module, capsys):
    options = ("--data", "tcga_breast", "--methods", "trusted", "--trials", 2)
    options += ("--seeds", 1, "--epochs", 1, "--results", tmp_path)
    script = module("benchmarks/methods.py", *options)
    script.main()
    printed = capsys.readouterr()
    assert "tcga_breast: accuracy on the test part" in printed.out
    runs = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    tried = [run for run in runs if run["data"] == "tcga_breast-validation"]
    assert len(tried) == 3 * 2 and {run["test_samples"] for run in tried} == {30}
    assert len(runs) == 3 * 3 and {run["seed"] for run in runs if run not in tried} == {1}
    script.main()
    assert "1 of 1 runs of trusted from" in capsys.readouterr().err


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
