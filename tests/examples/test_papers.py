"""The commands of examples/papers: what they share, and tiny runs of two of them."""

import functools
import os
import subprocess
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.tiny import without_weights

import keras_fusion as kf

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
    import _options

    def command(*words, fails=(), folds=1, values=0, pairs=()):
        given = ["command", *map(str, words), "--results", str(tmp_path / "runs")]
        monkeypatch.setattr(sys, "argv", [*given, "--output", str(tmp_path / "tables")])
        options = (("--size", 4, "of images"), ("--samples", None, "n"), ("--own", False, "flag"))
        args = _options.arguments(
            "What it does.", epochs=9, seeds=3, quick={"epochs": 2, "size": 2}, folds=folds,
            options=options,
        )  # fmt: skip
        trained, one = [], np.full(1, values)
        data = {"train": (np.zeros(4), np.zeros(4)), "test": (one, one)}

        def row(name, published, score):
            def run(part, seeds, args, fold, backup_dir):
                assert part is data
                backup_dir.mkdir(parents=True)
                (backup_dir / "state").write_text(name)
                if name in fails:
                    raise KeyboardInterrupt
                trained.append((name, seeds, fold, args.epochs, str(backup_dir)))
                return [{"accuracy": score + (fold**2 + seed * (1 + fold)) / 100} for seed in seeds]

            return shared.Row(name, run, {"accuracy": published})

        rows = [row("CentralNet", "0.95 ± 0.1", 0.9), row("Concat + Multi", "0.9", 0.8)]
        table = shared.Table("table", "A table", rows, {"accuracy": "Accuracy"}, "CentralNet",
                             "A note.", pairs)  # fmt: skip
        shared.run(table, lambda: data, args)
        return trained

    return command


def names(trained):
    return [(name, seeds, fold) for name, seeds, fold, *_ in trained]


def rows_of(tmp_path, stem="table"):
    return kf.evaluation.read_results(tmp_path / "tables" / f"{stem}.jsonl")


def page_of(tmp_path, stem="table"):
    return (tmp_path / "tables" / f"{stem}.md").read_text(encoding="utf-8")


@one_backend
def test_all_rows_before_more_seeds_and_nothing_twice(command, tmp_path, capsys):
    expected = [(name, [seed], 0) for seed in range(2) for name in ("CentralNet", "Concat + Multi")]
    trained = command("--seeds", 2)
    assert names(trained) == expected and {epochs for *_, epochs, _ in trained} == {9}
    assert command("--seeds", 2) == []
    assert names(command()) == [(name, [2], 0) for name in ("CentralNet", "Concat + Multi")]
    assert [(row["method"], row["seed"]) for row in rows_of(tmp_path)] == [
        (name, seed) for name in ("CentralNet", "Concat + Multi") for seed in range(3)
    ]
    assert list((tmp_path / "runs").glob("backup")) == []  # of what is finished nothing is kept
    capsys.readouterr()
    assert command("--report") == []
    page = page_of(tmp_path)
    assert page in capsys.readouterr().out
    assert "| CentralNet | 3 | 0.9100 | 0.8527..0.9673 |  |  |  | 0.95 ± 0.1 |" in page
    assert page.startswith("# A table\n") and "A note." in page and "against `CentralNet`" in page
    assert "Protocol: epochs 9, size 4" in page and f"keras {keras.__version__}" in page
    assert "Imported" not in page and "runs are there" not in page
    # The rows of a part of a table do not take the place of all of it.
    command("--rows", "CentralNet")
    assert page_of(tmp_path) == page
    command("--report", "--seeds", 4)
    assert "6 of 8 runs are there" in page_of(tmp_path)


@one_backend
def test_another_protocol_is_another_training(command):
    command("--seeds", 1)
    assert len(command("--seeds", 1, "--size", 8)) == len(command("--seeds", 1, "--own")) == 2
    assert len(command("--seeds", 1, "--epochs", 8)) == len(command("--seeds", 1, values=1)) == 2
    assert command("--seeds", 1) == []
    quick = command("--seeds", 1, "--quick", "--size", 4)
    assert {epochs for *_, epochs, _ in quick} == {2}
    # What --quick changes need not be an option.
    assert len(command("--seeds", 1, "--epochs", 2)) == 2


@one_backend
def test_runs_on_other_data_are_not_mixed(command, tmp_path):
    command("--seeds", 2, values=1)
    (tmp_path / "tables" / "table_reduced_seeds_2.jsonl").rename(tmp_path / "tables/table.jsonl")
    command("--seeds", 1, values=2)
    command("--report")
    assert [(row["seed"], row.get("imported")) for row in rows_of(tmp_path)] == [(0, None)] * 2


@one_backend
@pytest.mark.parametrize(
    ("words", "stem", "says"),
    [
        ((), "table", ""),
        (("--seeds", 5, "--folds", 3), "table", ""),
        (("--epochs", 3), "table_reduced_epochs_3", "reduced: epochs 3 instead of 9"),
        (("--seeds", 1, "--folds", 1), "table_reduced_seeds_1_folds_1",
         "reduced: seeds 1 instead of 3, folds 1 instead of 2"),
        (("--size", 8, "--own"), "table_changed_size_8_own_true",
         "changed: size 8 instead of 4, own True instead of False"),
        (("--samples", 7), "table_changed_samples_7",
         "changed: samples 7 instead of the paper's"),
        (("--quick",), "table_quick", "quick: epochs 2 instead of 9, size 2 instead of 4"),
        (("--quick", "--size", 4), "table_quick_size_4", "quick: epochs 2 instead of 9"),
    ],
)  # fmt: skip
def test_a_run_that_differs_has_a_title_and_files_of_its_own(command, tmp_path, words, stem, says):
    command(*words, folds=2)
    title = f"A table ({says})" if says else "A table"
    assert page_of(tmp_path, stem).startswith(f"# {title}\n")
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        f"{stem}.jsonl",
        f"{stem}.md",
    }


@one_backend
def test_a_reduced_run_leaves_the_full_table_alone(command, tmp_path):
    command(folds=2)
    before = page_of(tmp_path), rows_of(tmp_path)
    assert command("--seeds", 1, folds=2) == []  # the same runs, of which fewer are shown
    reduced = rows_of(tmp_path, "table_reduced_seeds_1")
    assert [row["seed"] for row in reduced] == [0] * 4
    command("--epochs", 1, "--folds", 1, folds=2)
    assert len(rows_of(tmp_path, "table_reduced_epochs_1_folds_1")) == 6
    assert (page_of(tmp_path), rows_of(tmp_path)) == before


@one_backend
def test_imported_results_are_shown_and_never_reused(command, tmp_path):
    command("--seeds", 3)
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    rows = [{**row, "scores": {"accuracy": row["seed"] / 8}} for row in rows_of(tmp_path)]
    old = {**rows[0], "seed": 7, "arguments": {**rows[0]["arguments"], "epochs": 1}}
    kf.evaluation.write_results(tmp_path / "tables" / "table.jsonl", [*rows, old])
    assert command("--report") == []
    imported = [{**row, "imported": True} for row in rows]  # what is of another protocol is left
    assert rows_of(tmp_path) == imported
    assert "Imported, shown and never taken in place of a training: all runs." in page_of(tmp_path)
    trained = command("--rows", "CentralNet", "--at-once", 3)
    assert names(trained) == [("CentralNet", [0, 1, 2], 0)]
    found = rows_of(tmp_path)
    assert [row["scores"]["accuracy"] for row in found[:3]] == [0.9, 0.91, 0.92]
    assert found[3:] == imported[3:]
    assert "in place of a training: Concat + Multi (3)." in page_of(tmp_path)


@one_backend
def test_a_killed_row_goes_on_with_its_own_backup(command, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        command("--at-once", 3, fails=["Concat + Multi"])
    (left,) = (tmp_path / "runs" / "backup").iterdir()
    assert (left / "state").read_text() == "Concat + Multi"
    others = [command("--at-once", 3, "--size", 3), command("--seeds", 2, "--at-once", 2)]
    others.append(command("--at-once", 3, values=5))
    assert left.exists() and str(left) not in {folder for found in others for *_, folder in found}
    left.joinpath("state").unlink()
    left.rmdir()
    with pytest.raises(KeyboardInterrupt):
        command("--at-once", 3, "--rows", "Concat + Multi", "--epochs", 7, fails=["Concat + Multi"])
    assert [path.name for path in (tmp_path / "runs" / "backup").iterdir()] != [left.name]


@one_backend
def test_tests_are_over_the_means_of_folds(command, tmp_path):
    pairs = (("Concat + Multi", "CentralNet", "0.01"), ("Concat + Multi", "absent", ""))
    trained = command("--seeds", 2, folds=3, pairs=pairs)
    assert names(trained)[:3] == [
        ("CentralNet", [0], 0), ("Concat + Multi", [0], 0), ("CentralNet", [0], 1)
    ]  # fmt: skip
    assert len(trained) == 12
    page, rows = (
        page_of(tmp_path, "table_reduced_seeds_2"),
        rows_of(tmp_path, "table_reduced_seeds_2"),
    )
    assert {(row["train_samples"], row["test_samples"]) for row in rows} == {(4, 1)}
    scores = [row["scores"]["accuracy"] for row in rows if row["method"] == "CentralNet"]
    mean, low, high = kf.evaluation.mean_interval(np.reshape(scores, (3, 2)).mean(axis=1))
    assert f"| CentralNet | 6 | 3 | {mean:.4f} | {low:.4f}..{high:.4f} |" in page
    assert "z: p" not in page and "Welch" not in page
    assert "paired t: p" in page and "corrected t: p" in page
    assert "- Concat + Multi against CentralNet: -0.1 points over 3 folds, paired t p = " in page
    assert ", corrected for overlapping training parts p = " in page
    assert "(published: p = 0.01)" in page and "absent" not in page


@one_backend
def test_errors(command):
    with pytest.raises(SystemExit, match="--rows: expected some of"):
        command("--rows", "none")
    with pytest.raises(SystemExit, match="Nothing has been measured"):
        command("--report")


@one_backend
def test_moddrop_drops_as_often_as_the_papers_say(shared):
    import centralnet_table2
    import centralnet_table4
    import centralnet_table5
    import centralnet_table7
    import multilevel_table1

    built = {
        0.2: centralnet_table2.methods(types.SimpleNamespace(size=28))["Moddrop"][1],
        0.32: centralnet_table4.methods(28)["Moddrop"][1],
        0.5: centralnet_table5.methods()["Moddrop"][1],
        0.25: centralnet_table7.methods()["Moddrop"][1],
        0.4: multilevel_table1.method_rows(multilevel_table1.afew_networks, None, 0.4)["ModDrop"],
    }
    for rate, build in built.items():
        with without_weights():
            config = build().get_layer("fusion_moddrop").get_config()
        ones = [np.ones((20000, 1), "float32")] * 2
        dropped = kf.layers.ModDrop.from_config(config)(ones, training=True)
        np.testing.assert_allclose([1 - np.mean(part) for part in dropped], rate, atol=0.015)


@one_backend
def test_every_run_has_a_new_model(shared):
    import centralnet_table2
    import centralnet_table4

    methods = [*centralnet_table2.methods(types.SimpleNamespace(size=14)).values()]
    for _, build, *_ in [*methods, *centralnet_table4.methods(14).values()]:
        with without_weights():
            first, second = ({id(variable) for variable in build().variables} for _ in range(2))
        assert first and not first & second


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
    printed = run(
        "centralnet_table2.py",
        "--samples",
        64,
        "--results",
        tmp_path,
        "--output",
        tmp_path,
        *TINY,
        *rows,
    )
    assert all(row in printed for row in rows) and "230 ± 2.7" in printed
    (path,) = tmp_path.glob("centralnet_table2_quick_*.jsonl")
    found = kf.evaluation.read_results(path)
    assert [row["method"] for row in found] == list(rows)
    assert all(3000 < row["scores"]["errors"] <= 10000 for row in found)


@pytest.mark.slow
@pytest.mark.data
@needs_data
def test_table4(tmp_path, monkeypatch):
    pytest.importorskip("soundfile")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    rows = ("Audio", "CentralNet")
    printed = run(
        "centralnet_table4.py",
        "--samples",
        64,
        "--results",
        tmp_path,
        "--output",
        tmp_path,
        *TINY,
        *rows,
    )
    assert "86.1 ± 0.15" in printed and "95.0 ± 0.12" in printed
    (path,) = tmp_path.glob("centralnet_table4_quick_*.jsonl")
    found = kf.evaluation.read_results(path)
    assert len(found) == 2 and "noise_db" in found[0]["arguments"]["pairs"]
    assert all(row["data_sha256"] for row in found)


def test_short_protocol(monkeypatch, shared):
    """Full size, fewer epochs, a falling learning rate for all rows; said in title and file."""
    import _centralnet
    import _options

    monkeypatch.setattr(sys, "argv", ["command", "--protocol", "short", "--output", "tables"])
    how = {"epochs": 100, "seeds": 64, "quick": {}, "short": _centralnet.SHORT}
    args = _options.arguments("x", **how, options=_centralnet.OPTIONS)
    assert (args.epochs, args.seeds, args.samples, args.size) == (12, [0, 1, 2], 55000, 28)
    assert _options.file("table", args).name == "table_short.jsonl"
    title = _options.title("T", args)
    assert title.startswith("T (short: epochs 12 instead of 100, seeds 3 instead of 64")
    monkeypatch.setattr(kf.training, "fit_replicas", lambda build, *_, **__: build())
    networks = _centralnet.networks(_centralnet.PAIR, 14)
    make = functools.partial(kf.build, "late_mean", networks)
    data = {"train": (None, np.zeros(1280))}
    for schedule, rates in (("cosine", (0.002, 0.0)), ("constant", (0.01, 0.01))):
        args.schedule = schedule
        optimizer = _centralnet.trained(make, data, [0], args, None, 0.01).optimizer
        found = [float(optimizer.learning_rate)]
        optimizer.iterations.assign(12 * 10)
        found.append(float(optimizer.learning_rate))
        assert found == pytest.approx(rates, abs=1e-8)
    monkeypatch.setattr(sys, "argv", ["command", "--protocol", "short", "--quick"])
    with pytest.raises(SystemExit):
        _options.arguments("x", **how)
