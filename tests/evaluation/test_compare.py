"""Methods against each other: training, tests, files, report."""

import json

import keras
import numpy as np
import pytest
from helpers.tiny import labels
from keras import layers

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
        assert row["p_z"] == ev.z_test(SCORES[name], SCORES["sum"]).p
        assert "p_paired_t" not in row
        assert (row["mean"], row["low"], row["high"]) == ev.mean_interval(SCORES[name], 0.99)
    assert rows["gmu"]["holm_welch"] == pytest.approx(2 * rows["gmu"]["p_welch"])
    assert rows["none"]["holm_welch"] == pytest.approx(rows["none"]["p_welch"])


def test_paired_and_reference():
    found = ev.Comparison(SCORES, reference="gmu", paired=True, level=0.95)
    rows = {row["method"]: row for row in found.rows()}
    assert rows["sum"]["difference"] < 0 and "p_z" not in rows["gmu"]
    for name in ("sum", "none"):
        expected = stats.ttest_rel(SCORES[name], SCORES["gmu"]).pvalue
        assert rows[name]["p_paired_t"] == pytest.approx(expected)
        expected = ev.wilcoxon_test(SCORES[name], SCORES["gmu"]).p
        assert rows[name]["p_wilcoxon"] == expected
    head, *lines = found.table()
    assert head[3:] == [
        "95 % interval", "difference", "z: p", "Welch t: p", "paired t: p", "Wilcoxon: p",
    ]  # fmt: skip
    assert {len(line) for line in lines} == {len(head)}
    # What is printed is corrected.
    assert lines[0][6] == f"{rows['sum']['holm_welch']:.4f}"


def test_single_runs_have_no_tests():
    found = ev.Comparison({"a": [0.9], "b": [0.8]})
    assert np.isnan(found.rows()[1]["p_z"]) and "nan" in str(found)
    assert str(ev.Comparison({"a": [0.9, 0.8]})).splitlines()[0].split()[:3] == [
        "method", "runs", "mean",
    ]  # fmt: skip


def test_errors():
    with pytest.raises(ValueError, match="scores: expected one method or more"):
        ev.Comparison({})
    with pytest.raises(ValueError, match=r"reference: expected one of \['sum'"):
        ev.Comparison(SCORES, reference="max")
    with pytest.raises(ValueError, match="expected as many for all methods"):
        ev.Comparison({"a": [1.0, 2.0], "b": [1.0]}, paired=True)
    with pytest.raises(TypeError, match="methods: expected a dict of functions"):
        ev.compare([], {}, [0])
    with pytest.raises(ValueError, match=r'expected "train" and "test". Received: \[\'train\'\]'):
        ev.compare({"a": network(0)}, {"train": ()}, [0])
    with pytest.raises(ValueError, match="reference: expected one of"):
        ev.compare({"a": network(0)}, {"train": (), "test": ()}, [0], reference="b")


def network(units):
    def build():
        made.append(units)
        hidden = [layers.Dense(units, activation="relu")] if units else []
        top = layers.Dense(3, activation="softmax")
        model = keras.Sequential([keras.Input((4,)), *hidden, top])
        quick = {"run_eagerly": keras.backend.backend() == "tensorflow"}
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], **quick)
        return model

    return build


made = []


def test_compare_trains_and_goes_on(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    data = {
        part: (rng.normal(size=(count, 4)).astype("float32"), labels(count))
        for part, count in {"train": 12, "validation": 6, "test": 9}.items()
    }
    path = tmp_path / "runs.jsonl"
    options = {
        "epochs": 2,
        "batch_size": 6,
        "results": path,
        "name": "toy",
        "early_stopping": keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True),
    }
    methods = {"linear": network(0), "deep": network(5)}
    found = ev.compare(methods, data, [0, 1], **options)
    assert found.metric == "accuracy" and found.reference == "linear"
    rows = ev.read_results(path)
    assert [(row["method"], row["seed"]) for row in rows] == [
        ("linear", 0), ("linear", 1), ("deep", 0), ("deep", 1),
    ]  # fmt: skip
    for row in rows:
        score = found.scores[row["method"]][row["seed"]]
        assert row["scores"]["accuracy"] == pytest.approx(score) and row["data"] == "toy"
        assert row["arguments"]["early_stopping"]["patience"] == 5 and row["epoch"] in (0, 1)
        assert row["keras"] == keras.__version__ and row["backend"] == keras.backend.backend()
    # The test part, and no other, is what is scored.
    order = [np.random.default_rng([1, epoch]).permutation(12) for epoch in range(2)]
    keras.utils.set_random_seed(1)
    model = methods["deep"]()
    best, kept = np.inf, None
    for rows_of_epoch in order:
        x, y = (part[rows_of_epoch] for part in data["train"])
        model.fit(x, y, batch_size=6, shuffle=False, verbose=0)
        loss = model.evaluate(*data["validation"], verbose=0)[0]
        if loss < best:
            best, kept = loss, model.evaluate(*data["test"], verbose=0)[0]
    losses = {(row["method"], row["seed"]): row["scores"]["loss"] for row in rows}
    assert losses["deep", 1] == pytest.approx(kept, rel=1e-4)
    # What is there is not trained again; what is new is.
    made.clear()
    again = ev.compare(methods, data, [1, 0], **options)
    assert made == []
    for method, scores in found.scores.items():
        assert again.scores[method].tolist() == scores[::-1].tolist()
    for seeds, change, missing in (
        ([2, 0], {}, [2]),
        ([0, 1], {"epochs": 1}, [0, 1]),
        ([0, 1], {"name": "other data"}, [0, 1]),
    ):

        def train(build, x, y, wanted, missing=missing, **_):
            assert wanted == missing
            raise InterruptedError

        monkeypatch.setattr("keras_fusion.evaluation.comparison.fit_replicas", train)
        with pytest.raises(InterruptedError):
            ev.compare(methods, data, seeds, **{**options, **change})
    assert len(ev.read_results(path)) == 4
    with pytest.raises(ValueError, match=r"metric: expected one of \['accuracy', 'loss'\]"):
        ev.compare(methods, data, [0, 1], metric="f1", **options)


@pytest.mark.parametrize("name", ["runs.csv", "runs.jsonl"])
def test_results(tmp_path, name):
    path = tmp_path / name
    first = [{"method": "gmu", "seed": 1, "score": 0.5, "note": "1", "ok": True}]
    second = [{"method": 'a,"b"\nc', "scores": {"f1": [1, 2.5]}, "score": None, "note": "true"}]
    ev.append_results(path, first)
    ev.append_results(path, [{**second[0], "seed": np.int64(3)}])
    assert ev.read_results(path) == [*first, {**second[0], "seed": 3}]
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["runs.csv", "runs.jsonl"])
def test_a_write_that_fails_leaves_the_file(tmp_path, name, monkeypatch):
    path = tmp_path / name
    ev.append_results(path, [{"seed": 1}])
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        ev.append_results(path, [{"seed": 2}])
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_results_name_no_machine(tmp_path):
    import platform

    path = tmp_path / "runs.csv"
    for value in (str(tmp_path), tmp_path, "~/data", [str(tmp_path)], {"a": str(tmp_path)}):
        with pytest.raises(ValueError, match="expected no path of a machine and not its name"):
            ev.append_results(path, [{"folder": value}])
    with pytest.raises(ValueError, match="not its name"):
        ev.append_results(path, [{"where": platform.node() or str(tmp_path)}])
    with pytest.raises(TypeError, match="rows: expected plain values"):
        ev.append_results(path, [{"model": object()}])
    with pytest.raises(ValueError, match="path: expected a file .csv or .jsonl"):
        ev.append_results(tmp_path / "runs.txt", [])
    assert not path.exists()
    found = ev.environment()
    ev.append_results(path, [found])  # nothing private in it
    assert found["cores"] >= 1 and found["python"].count(".") == 2
    assert found[keras.backend.backend()][0].isdigit()


def test_broken_results(tmp_path):
    table, lines = tmp_path / "a.csv", tmp_path / "a.jsonl"
    table.write_text("a,b\n1,2\n3\n")
    with pytest.raises(ValueError, match="row 3: expected 2 cells. Received: 1"):
        ev.read_results(table)
    lines.write_text(json.dumps({"a": 1}) + '\n{"a"')
    with pytest.raises(ValueError, match="line 2: expected JSON"):
        ev.read_results(lines)


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
