"""python -m keras_fusion: what it prints is what the functions behind it say."""

import json
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


def test_report(results, tmp_path, capsys):
    for package in ("jinja2", "matplotlib", "scipy", "sklearn"):
        pytest.importorskip(package)
    nets = {name: kf.backbones.mlp((8, 8, 1), (4,)) for name in ("image_a", "image_b")}
    model = kf.build("late_mean", nets)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)  # Keras warns of one that never took a step
    model.save(path := str(tmp_path / "model.keras"))
    for name, more, told in (
        (results, (), "[late]"),
        (path, ("--data", "mm_digits"), "image_b"),
    ):
        command.main(["report", name, page := str(tmp_path / "page.html"), *more])
        assert capsys.readouterr().out.endswith(f"{page}\n")
        with open(page, encoding="utf-8") as file:
            assert told in file.read()


def test_search(tmp_path, capsys):
    pytest.importorskip("keras_tuner")
    (tmp_path / "oracle.json").write_text("{}")
    values = {"rate": 0.123456, "units": 4}
    for trial_id, status, score, message in (
        ("0", "COMPLETED", 0.5, None),
        ("1", "FAILED", None, "Traceback\nValueError: expected [a]"),
    ):
        trial = {"trial_id": trial_id, "status": status, "score": score, "message": message}
        (tmp_path / f"trial_{trial_id}").mkdir()
        text = json.dumps({**trial, "hyperparameters": {"values": values}})
        (tmp_path / f"trial_{trial_id}" / "trial.json").write_text(text)
    assert printed(capsys, "search", str(tmp_path))[1:] == [
        ["0", "COMPLETED", "0.5000", "rate=0.1235, units=4"],
        ["1", "FAILED", "", "ValueError: expected [a]"],
    ]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((), "required: COMMAND"),
        (("compare", "nothing.jsonl"), "nothing.jsonl"),
        (("report", "model.keras", "page.html"), "--data: expected the name of a data set"),
        (("search", "nothing"), "folder: expected the folder of a search|needs KerasTuner"),
    ],
)
def test_errors_are_a_line(arguments, match, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(list(arguments))
    said = capsys.readouterr().err
    assert ended.value.code == 2 and re.search(match, said) and "Traceback" not in said
