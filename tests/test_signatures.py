"""Names, arguments and defaults that users rely on are those of golden/signatures.json."""

import json

import pytest
import signatures

pytest.importorskip("keras_tuner")  # names of the package tuning


def test_signatures_are_those_of_the_golden_file():
    golden = json.loads(signatures.GOLDEN.read_text(encoding="utf-8"))
    differing = signatures.differences(golden, signatures.all_lines())
    if differing:
        pytest.fail("\n".join([*differing, "run: python tests/rewrite.py"]), pytrace=False)


def test_text_is_the_same_on_every_machine():
    text = signatures.golden_text()
    assert " at 0x" not in text and "<function" not in text and "<class" not in text
    assert text.count("\n") == len(json.loads(text)) + 2


NOT_GIVEN = object()


class Base:
    def inherited(self, a=1):
        pass


class Made(Base):
    """Of everything that has a line of its own."""

    def __init__(self, units, *rest, rate=0.5, rule=len, loss=NOT_GIVEN, **kwargs):
        pass

    def call(self, x, /, y: int = 3):
        pass

    @classmethod
    def make(cls, a=None):
        pass

    @staticmethod
    def static(a="b"):
        pass

    @property
    def names(self):
        pass

    def _private(self):
        pass


def test_lines_of_a_class(monkeypatch):
    for kind in (Base, Made):
        monkeypatch.setattr(kind, "__module__", "keras_fusion.made_up")
    expected = {
        "Made": "(units, *rest, rate=0.5, rule=len, loss=..., **kwargs)",
        "Made.call": "(x, /, y=3)",
        "Made.make": "classmethod (a=None)",
        "Made.names": "property",
        "Made.static": "staticmethod (a='b')",
    }
    assert signatures.class_lines("Made", Made, {Base, Made}) == expected
    expected["Made.inherited"] = "(a=1)"
    assert signatures.class_lines("Made", Made, {Made}) == expected
    monkeypatch.setattr(Base, "__module__", "keras")
    assert "Made.inherited" not in signatures.class_lines("Made", Made, {Made})
    assert signatures.class_lines("Base", Base, {Base}) == {"Base": "as object"}


def test_a_difference_names_what_and_how():
    golden = {"gone": "(a)", "build": "(a, b=1)", "same": "()"}
    found = {"same": "()", "build": "(a, b=2)", "new": "(c)"}
    assert signatures.differences(golden, found) == [
        "build: expected (a, b=1), received (a, b=2)",
        "gone: expected (a), received nothing",
        "new: expected nothing, received (c)",
    ]


def test_every_public_function_has_a_line():
    lines = signatures.all_lines()
    assert lines["build"] == "(method, backbones, **arguments)"
    assert lines["models.build"] == "is build"
    assert "datasets.mm_digits.load_data" in lines and "tuning.make_tuner" in lines
    assert "tuning.default_space('gmu')" in lines and "layers.FusionLayer.compute_mask" in lines
    assert not [name for name in lines if "keras." in name or "._" in name]
