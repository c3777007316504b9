"""The table of a comparison: what is independent, which tests there are, files."""

import numpy as np
import pytest

from keras_fusion import evaluation as ev

stats = pytest.importorskip("scipy.stats")
SCORES = {
    "sum": [0.90, 0.91, 0.93, 0.92],
    "gmu": [0.95, 0.96, 0.97, 0.94],
    "none": [0.90, 0.92, 0.93, 0.91],
}


def test_rows():
    rows = {row["method"]: row for row in ev.Comparison(SCORES).rows()}
    assert list(rows) == list(SCORES) and "difference" not in rows["sum"]
    for name in ("gmu", "none"):
        row = rows[name]
        assert row["difference"] == pytest.approx(np.mean(SCORES[name]) - np.mean(SCORES["sum"]))
        expected = stats.ttest_ind(SCORES[name], SCORES["sum"], equal_var=False).pvalue
        assert row["p_welch"] == pytest.approx(expected)
        effect = ev.effect_size(SCORES[name], SCORES["sum"], 0.99)
        assert (row["effect"], row["effect_low"], row["effect_high"]) == effect
        assert not {"p_paired_t", "p_z", "folds"} & set(row)
        assert (row["mean"], row["low"], row["high"]) == ev.mean_interval(SCORES[name], 0.99)
    assert rows["gmu"]["holm_welch"] == pytest.approx(2 * rows["gmu"]["p_welch"])
    assert rows["none"]["holm_welch"] == pytest.approx(rows["none"]["p_welch"])


@pytest.mark.parametrize(("runs", "there"), [(2, False), (29, False), (30, True)])
def test_the_z_test_needs_many_runs(tmp_path, runs, there):
    rng = np.random.default_rng(0)
    found = ev.Comparison({"a": rng.normal(size=30), "b": rng.normal(size=runs)})
    row = found.rows()[1]
    assert ("p_z" in row) == ("z: p" in str(found)) == there
    found.save(tmp_path / "table.md")
    assert ("z: p" in (tmp_path / "table.md").read_text()) == there
    if there:
        assert row["p_z"] == ev.z_test(found.scores["b"], found.scores["a"]).p


def test_seeds_within_a_fold_are_no_independent_values():
    """Ten folds of five seeds: as 50 values they had shown a difference that is not there."""
    rng = np.random.default_rng(2)
    first = rng.normal(0.7, 0.05, (10, 1)) + rng.normal(0, 0.001, (10, 5))
    gain = 0.02 + 0.05 * np.linspace(-1, 1, 10)
    second = first + gain[:, None] + rng.normal(0, 0.001, (10, 5))
    found = ev.Comparison({"base": first, "new": second}, test_train_ratio=1 / 9)
    row = found.rows()[1]
    means = second.mean(axis=1), first.mean(axis=1)
    assert (row["runs"], row["folds"]) == (50, 10)
    assert row["p_paired_t"] == pytest.approx(stats.ttest_rel(*means).pvalue)
    assert row["p_wilcoxon"] == pytest.approx(stats.wilcoxon(*means).pvalue)
    assert row["p_corrected_t"] == ev.corrected_t_test(*means, 1 / 9).p > row["p_paired_t"]
    assert (row["low"], row["high"]) == ev.mean_interval(means[0], 0.99)[1:]
    assert not {"p_z", "p_welch"} & set(row)
    assert row["p_paired_t"] > 0.05 > 1e-3 > stats.ttest_rel(second.ravel(), first.ravel()).pvalue


def test_folds_that_are_missing():
    nan = float("nan")
    found = ev.Comparison({"a": [[1.0, 3.0], [2.0, nan], [nan, nan]], "b": [[1], [2], [3]]})
    rows = found.rows()
    assert (rows[0]["runs"], rows[0]["folds"], rows[0]["mean"]) == (3, 2, 2.0)
    assert rows[1]["difference"] == pytest.approx(-0.5)  # of the folds that both have


def test_paired_and_reference():
    found = ev.Comparison(SCORES, reference="gmu", paired=True, level=0.95, test_train_ratio=0.25)
    rows = {row["method"]: row for row in found.rows()}
    assert rows["sum"]["difference"] < 0 and "p_welch" not in rows["gmu"]
    for name in ("sum", "none"):
        expected = stats.ttest_rel(SCORES[name], SCORES["gmu"]).pvalue
        assert rows[name]["p_paired_t"] == pytest.approx(expected)
        assert rows[name]["p_wilcoxon"] == ev.wilcoxon_test(SCORES[name], SCORES["gmu"]).p
        corrected = ev.corrected_t_test(SCORES[name], SCORES["gmu"], 0.25).p
        assert rows[name]["p_corrected_t"] == corrected
    head, *lines = found.table()
    assert head == [
        "method", "runs", "mean", "95 % interval", "difference", "effect size", "Welch t: p",
        "paired t: p", "corrected t: p", "Wilcoxon: p",
    ]  # fmt: skip
    assert {len(line) for line in lines} == {len(head)}
    # What is printed is corrected.
    assert lines[0][7] == f"{rows['sum']['holm_paired_t']:.4f}"
    assert lines[0][5].startswith(f"{rows['sum']['effect']:+.2f} (")


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.91, 0.93], ["0.9200", "0.7929..1.0471"]),
        ([91.0, 93.0], ["92.00", "79.29..104.71"]),
        ([900.0, 980.0], ["940.0", "431.8..1448.2"]),
        ([11000.0, 11002.0], ["11001.0", "10988.3..11013.7"]),
    ],
)
def test_numbers_are_as_long_as_they_need(scores, expected):
    text = str(ev.Comparison({"a": scores}, level=0.95))
    assert all(number in text for number in expected)


def test_small_probabilities_are_not_zero():
    found = ev.Comparison({"a": [0.1, 0.1001, 0.1002], "b": [0.9, 0.9001, 0.9002]})
    assert "< 0.0001" in str(found) and "0.0000" not in str(found)


def test_single_runs_have_no_tests():
    found = ev.Comparison({"a": [0.9], "b": [0.8]})
    assert np.isnan(found.rows()[1]["p_welch"])
    assert found.table()[0] == ["method", "runs", "mean", "difference"]
    assert ev.Comparison({"a": [0.9, 0.8]}).table()[0] == [
        "method",
        "runs",
        "mean",
        "99 % interval",
    ]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"scores": {}}, "scores: expected one method or more"),
        ({"scores": SCORES, "reference": "max"}, r"reference: expected one of \['sum'"),
        ({"scores": {"a": [1.0, 2.0], "b": [1.0]}, "paired": True}, "as many for all methods"),
        ({"scores": {"a": [1.0], "b": [[1.0]]}}, "expected .runs,. or .folds, seeds. for all"),
        ({"scores": {"a": [[1.0]], "b": [[1.0], [2.0]]}}, "as many for all methods"),
    ],
)
def test_errors(arguments, match):
    with pytest.raises(ValueError, match=match):
        ev.Comparison(**arguments)


def rows():
    return [
        {"method": method, "data": data, "fold": fold, "seed": seed, "train_samples": 90,
         "test_samples": 10, "keras": "3.15.1" if seed else "3.12.0",
         "scores": {"accuracy" if method == "plain" else "central_accuracy": (fold + seed) / 10}}
        for data in ("x", "y")
        for method in ("gmu", "plain") for fold in (0, 1) for seed in (0, 1, 2)
    ]  # fmt: skip


def test_files(tmp_path):
    cells = ev.Cells(tmp_path / "cells")
    for row in rows():
        cells.write(row, row)
    cells.write("f" * 32, {"method": "gmu", "data": "x", "seed": 9, "failed": "its worker died"})
    found = ev.Comparison.read(cells.folder, data="x")
    assert found.scores["plain"].tolist() == [[0.0, 0.1, 0.2], [0.1, 0.2, 0.3]]
    assert found.test_train_ratio == pytest.approx(1 / 9) and found.metric == "central_accuracy"
    with pytest.raises(ValueError, match=r"data: expected one of \['x', 'y'\]. Received: None"):
        ev.Comparison.read(cells.folder)
    with pytest.raises(ValueError, match="runs: expected one or more with scores. Received: none"):
        ev.Comparison.read(cells.folder, data="z")

    found.save(tmp_path / "runs.jsonl")
    again = ev.Comparison.read(tmp_path / "runs.jsonl", reference="plain")
    assert again.runs == found.runs and again.reference == "plain"
    found.save(tmp_path / "runs.csv")
    head, first, *_ = (tmp_path / "runs.csv").read_text().splitlines()
    assert {"method", "fold", "seed", "scores.central_accuracy"} <= set(head.split(","))
    assert len(first.split(",")) == len(head.split(","))
    found.save(tmp_path / "table.md")
    assert "| plain | 6 | 2 |" in (tmp_path / "table.md").read_text()
    with pytest.raises(ValueError, match="path: expected a file .csv or .jsonl"):
        found.save(tmp_path / "runs.txt")
    frame = pytest.importorskip("pandas") and found.frame()
    means = frame[frame.method == "gmu"].groupby("fold")["scores.central_accuracy"].mean()
    np.testing.assert_allclose(means, found.values("gmu"))


def test_a_run_that_diverged_is_said(capsys):
    nan = [{"method": "a", "seed": 3, "scores": {"accuracy": float("nan")}}]
    runs = [{"method": "a", "seed": seed, "scores": {"accuracy": 0.5}} for seed in (0, 1)]
    nan.append({"method": "b", "seed": 0, "failed": "its worker died"})
    found = ev.Comparison.of_runs(runs + nan, reference="b")
    assert found.rows()[0]["runs"] == 2 and found.reference == "a"
    assert "a, seed 3: accuracy is nan, left out" in capsys.readouterr().err


def test_given_scores_can_be_saved(tmp_path):
    found = ev.Comparison({"a": [[0.1, 0.2], [0.3, float("nan")]], "b": [[0.4], [0.5]]}, "f1")
    found.save(tmp_path / "runs.jsonl")
    again = ev.Comparison.read(tmp_path / "runs.jsonl", "f1")
    assert again.values("a").tolist() == found.values("a").tolist()


@pytest.mark.parametrize("value", [{}, [1, 2], "text"])
def test_rows_that_are_no_rows(tmp_path, value):
    with pytest.raises(TypeError, match="rows: expected a list of dicts"):
        ev.write_results(tmp_path / "a.jsonl", [3] if value == [1, 2] else value)


def test_results_in_files(tmp_path, monkeypatch):
    path = tmp_path / "runs.jsonl"
    first = [{"method": 'a,"b"\nc', "scores": {"f1": [1, 2.5]}, "note": "1", "none": None}]
    ev.write_results(path, first)
    assert ev.read_results(path) == first
    before = path.read_bytes()
    path.with_suffix(".csv").write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    for suffix, kept in ((".jsonl", before), (".csv", b"old")):
        with pytest.raises(OSError, match="disk full"):
            ev.write_results(path.with_suffix(suffix), [{"seed": 2}])
        assert path.with_suffix(suffix).read_bytes() == kept
    assert len(list(tmp_path.iterdir())) == 2
    path.write_text('{"a": 1}\n{"a"')
    with pytest.raises(ValueError, match="line 2: expected JSON"):
        ev.read_results(path)
    assert not any(str(tmp_path) in str(value) for value in ev.environment().values())


def test_report(tmp_path):
    found = ev.Comparison(SCORES, environment={"keras": "3.15.1", "accelerators": ""})
    path = tmp_path / "report.md"
    published = {"gmu": "96 | 97"}
    text = ev.markdown_report(found, path, "Digits", published)
    assert path.read_text() == text and [p.name for p in tmp_path.iterdir()] == ["report.md"]
    lines = text.splitlines()
    assert lines[0] == "# Digits" and "against `sum`" in text and "(99 %)" in text
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 5 and "published" in table[0] and "96 \\| 97" in table[3]
    assert table[2].startswith("| sum | 4 | 0.9150 |")
    assert lines[-1] == "Measured with keras 3.15.1."
    with pytest.raises(ValueError, match=r"published: expected methods of .*Received: \['mfas'\]"):
        ev.markdown_report(found, published={"mfas": "1"})
