"""python -m keras_fusion: what it prints is what the functions behind it say."""

import re

import pytest

import keras_fusion as kf
from keras_fusion import __main__ as command


def printed(capsys, *arguments):
    """The cells of the table, a list for each row."""
    command.main(list(arguments))
    lines = [re.split(" *[│┃] *", line) for line in capsys.readouterr().out.splitlines()]
    return [line[1:-1] for line in lines if len(line) > 2]


def test_methods(capsys):
    head, *rows = printed(capsys, "methods")
    assert head[0] == "method"
    assert rows == [[m.name, m.line, m.source] for m in kf.methods()]


@pytest.fixture
def results(tmp_path):
    rows = [
        {"method": method, "seed": seed, "scores": {"accuracy": 0.5 + seed / 10, "loss": 1.0}}
        for method in ("gmu", "[late]")
        for seed in (0, 1)
    ]
    path = str(tmp_path / "runs.jsonl")
    kf.evaluation.write_results(path, rows)
    return path


def test_compare(results, tmp_path, capsys):
    given = ("compare", results, "--metric", "accuracy", "--reference", "[late]")
    table = printed(capsys, *given, "--save", str(tmp_path / "table.md"))
    assert table == kf.evaluation.Comparison.read(results, "accuracy", "[late]").table()
    assert "| [late] |" in (tmp_path / "table.md").read_text().replace("`", "")


def test_search(tmp_path, capsys):
    pytest.importorskip("keras_tuner")
    from helpers import tiny_search

    tuner = tiny_search.tuner(tmp_path, max_trials=1)
    (row,) = tiny_search.search(tuner)
    _, (trial, status, score, values) = printed(capsys, "search", str(tmp_path / "search"))
    assert (trial, status, score) == (row["trial"], "COMPLETED", f"{row['score']:.4f}")
    assert values.startswith("head_units=") or "rate=" in values


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((), "required: COMMAND"),
        (("compare", "nothing.jsonl"), "nothing.jsonl"),
        (("search", "nothing"), "folder: expected the folder of a search|needs KerasTuner"),
    ],
)
def test_errors_are_a_line(arguments, match, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(list(arguments))
    said = capsys.readouterr().err
    assert ended.value.code == 2 and re.search(match, said) and "Traceback" not in said
