"""The page says what the functions it calls say, and asks nothing of anyone."""

import re
import sys
import types
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
from helpers.tiny import compiled, map_net, text_net, vector_net

import keras_fusion as kf

for package in ("jinja2", "matplotlib", "scipy"):
    pytest.importorskip(package)

CLASSES = ["cat", "<b>dog", "hen & co"]
RNG = np.random.default_rng(0)
Y = np.arange(24) % 3
X = {
    "image": RNG.normal(size=(24, 8, 8, 1)).astype("float32"),
    "sound": RNG.normal(size=(24, 5)).astype("float32"),
}


def vectors(**arguments):
    return {name: vector_net(**arguments) for name in X}


def build(method="centralnet", nets=None, compile=None, **arguments):
    nets = nets or vectors()
    return compiled(kf.build(method, nets, **arguments), **(compile or {"metrics": ["accuracy"]}))


class Page(HTMLParser):
    """What a page holds: ids, links within it, addresses, the cells of each section's tables."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.ids, self.targets, self.addresses = [], [], []
        self.text, self.rows, self.section, self._open = {}, {}, "", []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.targets += given.get("aria-labelledby", "").split()
        self.targets += re.findall(r"url\(#(.*?)\)", str(given))
        for name in ("href", "src", "xlink:href"):
            value = given.get(name, "#")
            (self.targets if value[0] == "#" else self.addresses).append(value.removeprefix("#"))
        self.targets = [target for target in self.targets if target]
        if tag == "section":
            self.section = given["id"]
        self._open.append(tag)
        if tag == "tr":
            self.rows.setdefault(self.section, []).append([])
        if tag in ("td", "th"):
            self.rows[self.section][-1].append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        self.text[self.section] = self.text.get(self.section, "") + data
        if self._open[-1:] in (["td"], ["th"]):
            self.rows[self.section][-1][-1] += data


def check(page):
    """What holds for every page."""
    assert len(page.source) < 1.5e6
    assert len(page.ids) == len(set(page.ids)) and set(page.targets) <= set(page.ids)
    assert all(address.startswith("data:") for address in page.addresses)
    assert "http://" not in page.source and "https://" not in page.source.replace("xmlns", "")
    assert "<script" not in page.source and "<metadata" not in page.source
    assert page.source.count("<svg") == page.source.count('role="img"')
    assert page.source.count("<svg") == page.source.count("</title></svg") + len(
        re.findall(r"<svg[^>]*><title[^>]*>[^<]", page.source)
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A model with everything a page has, and its page."""
    nets = {"image": map_net(), "sound": vector_net()}
    model = build(nets=nets, missing_modalities=True)
    balance = kf.training.ModalityBalance(X, Y)
    history = kf.training.FusionWeightsHistory()
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[balance, history])
    path = tmp_path_factory.mktemp("page") / "model.html"
    said = kf.report(model, {"test": (X, Y)}, path, callbacks=[balance, history], classes=CLASSES)
    assert said == str(path)
    return model, Page(path), path


def test_every_section(shown):
    _, page, _ = shown
    check(page)
    assert list(page.text)[1:] == [
        *("the-model", "scores", "fusion-weights", "subsets-of-the-modalities", "noise"),
        *("balance", "confusion", "calibration", "where-the-modalities-disagree", "made-with"),
    ]
    assert page.source.count("<svg") == 6  # graph, weights, history, noise, balance, calibration
    assert "fusion_0 (CentralFusion)" in page.text["the-model"]
    assert keras.__version__ in page.text["made-with"]


def test_numbers(shown):
    model, page, _ = shown
    scores = model.evaluate(X, Y, verbose=0, return_dict=True)
    subsets = kf.evaluation.modality_subsets(model, X, Y)
    found = {row[0]: row[1:] for row in page.rows["scores"]}
    columns = page.rows["scores"][0][1:]
    for head in model.heads:
        for name, cell in zip(columns, found[head], strict=True):
            if name in ("accuracy", "loss"):
                assert float(cell) == pytest.approx(scores[f"{head}_{name}"], rel=1e-3)
            elif head != "central":
                assert float(cell) == pytest.approx(subsets[head,]["accuracy"], rel=1e-3)
    for (given, *cells), (names, of) in zip(
        page.rows["subsets-of-the-modalities"][1:], subsets.items(), strict=True
    ):
        assert given == " + ".join(names) and int(cells[0]) == of["samples"]
        assert float(cells[1]) == pytest.approx(of["accuracy"], abs=1e-4)
    central = model.predict(X, verbose=0)["central"].argmax(axis=1)
    head, *rows = page.rows["confusion"]
    assert head[1:] == CLASSES == [row[0] for row in rows]  # `<b>` is text
    for i, row in enumerate(rows):
        assert [int(n) for n in row[1:]] == [sum((i == Y) & (central == j)) for j in range(3)]
    assert len(page.rows["calibration"]) == 4
    assert 'src="data:image/png;base64,' in page.source


CASES = {
    "needs all": (
        {},
        {"subsets-of-the-modalities": "missing_modalities=True", "balance": "now"},
    ),
    "no heads": (
        {"method": "gmu"},
        {
            "scores": "Without a head of its own: image, sound",
            "where-the-modalities-disagree": "Only for models with heads",
            "fusion-weights": "The share of each source",
        },
    ),
    "no weights": ({"method": "late_mean"}, {"fusion-weights": "no fusion weights"}),
    "balance": ({"method": "centralnet", "balance": "ogm"}, {"balance": "coefficient of ogm"}),
    "regression": (
        {
            "compile": {"loss": "mse", "metrics": ["mae"]},
            "head": "linear",
            "nets": vectors(classes=1, activation="linear"),
        },
        {
            "": "mae of the fusion",
            "confusion": "one class a sample",
            "calibration": "one class a sample",
            "where-the-modalities-disagree": "one class a sample",
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_shown_is_said(case, tmp_path):
    arguments, expected = CASES[case]
    model = build(**arguments)
    y = Y / 7 if case == "regression" else Y
    x = {"image": X["sound"], "sound": X["sound"]}
    kf.report(model, (x, y), tmp_path / "page.html", title="A <title>")
    page = Page(tmp_path / "page.html")
    check(page)
    assert "A &lt;title&gt;" in page.source
    for section, text in expected.items():
        assert text in page.text[section]


def test_absent_modalities_and_targets_of_heads(tmp_path):
    model = build(missing_modalities=True)
    present = np.ones((24, 2))
    present[::2, 0] = 0  # image
    present[1::4, 1] = 0
    x = {"image": np.where(present[:, :1] == 0, np.nan, X["sound"]), "sound": X["sound"]}
    x = {**x, "present": present}
    kf.report(model, (x, dict.fromkeys(model.heads, Y)), tmp_path / "page.html")
    page = Page(tmp_path / "page.html")
    check(page)
    assert [row[1] for row in page.rows["subsets-of-the-modalities"][1:]] == ["12", "18", "6"]
    assert not {"nan", "NaN"} & set(re.findall(r"\w+", page.source))
    said = model.predict(x, verbose=0)
    both = (present == 1).all(axis=1)
    apart = said["image"].argmax(axis=1) != said["sound"].argmax(axis=1)
    expected = f"disagree on {(both & apart).sum()} of 24"
    assert expected in page.text["where-the-modalities-disagree"]


def string_net():
    x = inputs = keras.Input((), dtype="string")
    x = keras.layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3)(x)
    x = keras.layers.Flatten()(keras.layers.Embedding(4, 2)(x))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="prediction")(x))


@pytest.mark.parametrize("kind", ["tokens", "strings"])
def test_text(kind, tmp_path):
    net, words = text_net, {"words": np.ones((24, 6), int), "padding": np.ones((24, 6), int)}
    if kind == "strings":
        if keras.backend.backend() != "tensorflow":
            pytest.skip("strings are TensorFlow's")
        net, words = string_net, np.array(["a b", "c"] * 12)
    model = build(nets={"sound": vector_net(), "words": net()})
    kf.report(model, ({"sound": X["sound"], "words": words}, Y), tmp_path / "page.html")
    page = Page(tmp_path / "page.html")
    assert "what is no signal: words" in page.text["noise"]
    assert ("Nothing was recorded" in page.text["balance"]) == (kind == "strings")


def test_comparison(tmp_path, monkeypatch):
    command = ["/usr/bin/python3", "-m", "table", "/" + "home/me/a.json", "b/c d"]
    monkeypatch.setattr(sys, "orig_argv", command)
    scores = {"concat": [0.9, 0.91], "<gmu>": [0.95, 0.99]}
    found = kf.evaluation.Comparison(scores, environment={"keras": "3.99"})
    kf.report(found, path=tmp_path / "page.html")
    page = Page(tmp_path / "page.html")
    check(page)
    assert page.rows["scores"] == found.table()
    assert page.rows["runs"][1:] == [
        [name, str(i), f"{score:.4g}"] for name in scores for i, score in enumerate(scores[name])
    ]
    assert "python3 -m table a.json 'b/c d'" in page.text["made-with"]  # no folder of this machine
    assert "3.99" in page.text["made-with"] and page.source.count("<svg") == 1


def test_errors(tmp_path, monkeypatch):
    model = build(nets={"image": map_net(), "sound": vector_net()})
    for wrong in (types.SimpleNamespace(epochs=[]), "text"):
        with pytest.raises(TypeError, match="callbacks: expected a list of Fusion"):
            kf.report(model, (X, Y), tmp_path / "page.html", callbacks=[wrong])
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"keras_fusion\[report\]"):
        kf.report(model, (X, Y), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())
