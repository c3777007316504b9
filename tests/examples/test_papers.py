"""The commands of examples/papers: what they share, and tiny runs of two of them."""

import os
import subprocess
import sys
import types
from pathlib import Path

import keras
import pytest

import keras_fusion as kf

pytest.importorskip("rich")
pytest.importorskip("scipy")
PAPERS = Path(__file__).parents[2] / "examples" / "papers"
one_backend = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="nothing here depends on the backend"
)


@pytest.fixture
def shared(monkeypatch):
    monkeypatch.syspath_prepend(PAPERS)
    import _table

    return _table


@pytest.fixture
def command(shared, monkeypatch, tmp_path):
    """Runs a command with two rows, one of which fails at will; returns what was trained."""
    # There is no model; but it would collect the garbage of all tests before.
    monkeypatch.setattr(keras.utils, "clear_session", lambda **_: None)

    def command(*words, fails=(), folds=1, paired=False):
        given = ["command", *map(str, words), "--results", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", given)
        options = (("--size", 4, "of images"), ("--samples", None, "n"), ("--own", False, "flag"))
        args = shared.arguments(
            "What it does.", epochs=9, seeds=3, quick={"epochs": 2, "size": 2}, folds=folds,
            options=options,
        )  # fmt: skip
        trained, loaded = [], []

        def row(name, published, score):
            def run(data, seeds, args, fold, backup_dir):
                loaded.append(data)
                backup_dir.mkdir(parents=True)
                (backup_dir / "state").write_text(name)
                if name in fails:
                    raise KeyboardInterrupt
                trained.append((name, seeds, fold, args.epochs, str(backup_dir)))
                return [{"accuracy": score + seed / 100} for seed in seeds]

            return shared.Row(name, run, {"accuracy": published})

        rows = [row("CentralNet", "0.95 ± 0.1", 0.9), row("Concat + Multi", "0.9", 0.8)]
        table = shared.Table("table", "A table", rows, {"accuracy": "accuracy"}, "CentralNet",
                             paired, "A note.")  # fmt: skip
        shared.run(table, lambda: "data", args)
        assert set(loaded) <= {"data"}
        return trained

    return command


def names(trained):
    return [(name, seeds, fold) for name, seeds, fold, *_ in trained]


@one_backend
def test_all_rows_before_more_seeds_and_nothing_twice(command, tmp_path, capsys):
    expected = [(name, [seed], 0) for seed in range(2) for name in ("CentralNet", "Concat + Multi")]
    trained = command("--seeds", 2)
    assert names(trained) == expected and {epochs for *_, epochs, _ in trained} == {9}
    assert command("--seeds", 2) == []
    assert names(command()) == [(name, [2], 0) for name in ("CentralNet", "Concat + Multi")]
    assert len(kf.evaluation.read_results(tmp_path / "table.csv")) == 6
    assert list(tmp_path.glob("backup")) == []  # of what is finished nothing is kept
    capsys.readouterr()
    assert command("--report") == []
    printed = capsys.readouterr().out
    line = next(line for line in printed.splitlines() if "CentralNet" in line)
    assert [cell.strip() for cell in line.split("|")[1:-1]] == [
        "CentralNet", "0.95 ± 0.1", "0.91 ± 0.057", "3"
    ]  # fmt: skip
    page = (tmp_path / "table.md").read_text()
    assert line.strip() in page and "A note." in page and "against `CentralNet`" in page
    assert "Protocol: epochs 9, size 4" in page and f"keras {keras.__version__}" in page


@one_backend
def test_another_protocol_is_another_training(command, tmp_path):
    command("--seeds", 1)
    assert len(command("--seeds", 1, "--size", 8)) == len(command("--seeds", 1, "--own")) == 2
    assert len(command("--seeds", 1, "--epochs", 8)) == 2
    assert command("--seeds", 1) == []
    quick = command("--seeds", 1, "--quick", "--size", 4)
    assert {epochs for *_, epochs, _ in quick} == {2}
    assert (tmp_path / "table_quick.csv").exists()
    assert "not the paper's protocol: epochs 2, size 4" in (tmp_path / "table_quick.md").read_text()


@one_backend
def test_a_killed_row_goes_on_with_its_own_backup(command, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        command("--at-once", 3, fails=["Concat + Multi"])
    (left,) = (tmp_path / "backup").iterdir()
    assert (left / "state").read_text() == "Concat + Multi"
    others = [command("--at-once", 3, "--size", 3), command("--seeds", 2, "--at-once", 2)]
    assert left.exists() and str(left) not in {folder for found in others for *_, folder in found}
    left.joinpath("state").unlink()
    left.rmdir()
    with pytest.raises(KeyboardInterrupt):
        command("--at-once", 3, "--rows", "Concat + Multi", "--epochs", 7, fails=["Concat + Multi"])
    assert [path.name for path in (tmp_path / "backup").iterdir()] != [left.name]


@one_backend
def test_folds_and_paired_tests(command, tmp_path):
    trained = command("--seeds", 1, folds=2, paired=True)
    assert names(trained)[:2] == [("CentralNet", [0], 0), ("Concat + Multi", [0], 0)]
    assert len(trained) == 4 and "paired t" in (tmp_path / "table.md").read_text()
    assert len(command("--seeds", 1, "--folds", 1, folds=3)) == 0


@one_backend
def test_errors(command, shared, tmp_path):
    with pytest.raises(SystemExit, match="--rows: expected some of"):
        command("--rows", "none")
    with pytest.raises(SystemExit, match="Nothing has been measured"):
        command("--report")
    row = shared.Row("a", lambda *_: [{"size": 1.0}])
    args = types.SimpleNamespace(
        results=tmp_path, rows=None, seeds=[0], folds=[0], at_once=1, report=False, quick=False,
        protocol={"size": 4},
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"a: expected numbers named unlike .* \['size'\]"):
        shared.run(shared.Table("none", "", [row], {"size": ""}, "a"), dict, args)


def run(script, *words):
    done = subprocess.run(
        [sys.executable, PAPERS / script, *map(str, words)],
        env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


needs_data = pytest.mark.skipif(
    not os.environ.get("KERAS_FUSION_DATA"),
    reason="needs the data sets in the folder named by KERAS_FUSION_DATA",
)
TINY = ("--quick", "--test", 64, "--seeds", 1, "--epochs", 1, "--size", 7, "--rows")


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_table2(tmp_path):
    rows = ("Baseline", "Ensemble 2 classifiers", "Baseline on one modality", "Moddrop")
    printed = run("centralnet_table2.py", "--samples", 64, "--results", tmp_path, *TINY, *rows)
    assert all(row in printed for row in rows) and "230 ± 2.7" in printed
    lines = kf.evaluation.read_results(tmp_path / "centralnet_table2_quick.csv")
    assert [line["row"] for line in lines] == list(rows)
    assert all(3000 < line["errors"] <= 10000 for line in lines)


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_table4(tmp_path, monkeypatch):
    pytest.importorskip("soundfile")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    rows = ("Audio", "CentralNet")
    printed = run("centralnet_table4.py", "--samples", 64, "--results", tmp_path, *TINY, *rows)
    assert "86.1 ± 0.15" in printed and "95.0 ± 0.12" in printed
    lines = kf.evaluation.read_results(tmp_path / "centralnet_table4_quick.csv")
    assert len(lines) == 2 and "noise_db" in lines[0]["pairs"]
