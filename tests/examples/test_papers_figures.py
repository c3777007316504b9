"""The commands for CentralNet's figures: weights over data sets and over training, best layers."""

import importlib
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
from helpers.tiny_files import write_features

import keras_fusion as kf
from keras_fusion.datasets import afew, montalbano

PAPERS = Path(__file__).parents[2] / "examples" / "papers"
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="nothing in it is about the backend"
)


@pytest.fixture
def module(monkeypatch):
    """`module(name)` is a command, its functions free to be replaced."""
    monkeypatch.syspath_prepend(str(PAPERS))
    monkeypatch.delenv("KERAS_FUSION_DATA", raising=False)
    return importlib.import_module


@pytest.fixture
def command(module, monkeypatch, tmp_path):
    """Runs a command; returns the scores of its runs by row, and its report."""

    def run(name, *words):
        words = (*words, "--results", tmp_path / "runs", "--output", tmp_path / "tables")
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        module(name).main()
        (path,) = (tmp_path / "tables").glob("*.jsonl")
        assert path.with_suffix(".png").stat().st_size > 5000
        rows = {row["method"]: row["scores"] for row in kf.evaluation.read_results(path)}
        return rows, path.with_suffix(".md").read_text(encoding="utf-8")

    return run


@pytest.mark.slow
def test_weights_over_data_sets(command, tmp_path, capsys):
    data = tmp_path / "data"
    for source in (afew, montalbano):
        inner = data / source.__name__.rpartition(".")[2]
        inner.mkdir(parents=True)
        write_features(inner, source)
    options = ("--quick", "--epochs", 1, "--seeds", 1, "--data-dir", data)
    rows, page = command("centralnet_figure3", *options)
    assert list(rows) == ["Montalbano", "AFEW"]
    printed = capsys.readouterr().out
    assert all(f"Left out: {name}. " in printed for name in ("MM-MNIST", "mfeat", "AudioSet"))
    for name, levels in (("Montalbano", 4), ("AFEW", 3)):
        scores, shares, central = rows[name], {}, []
        for place, share in scores.items():
            level, _, source = place.rpartition("/")
            if level:
                shares[level] = shares.get(level, 0) + share
                central += [share] * (source == "central")
        assert len(shares) == levels and len(central) == levels - 1
        np.testing.assert_allclose(list(shares.values()), 1, rtol=1e-5)
        assert scores["central"] == pytest.approx(100 * np.mean(central))
        assert 0 <= scores["score"] <= 100
    first = rows["AFEW"]["0: 1583/audio"], rows["AFEW"]["0: 1583/video"]
    assert "- level 0: 1583: audio {:.1f}, video {:.1f}".format(*(100 * s for s in first)) in page
    assert page.index("Montalbano (macro accuracy ") < page.index("AFEW (accuracy ")
    with pytest.raises(SystemExit, match="mfeat"):
        command("centralnet_figure3", *options, "--rows", "mfeat")


def test_samples_are_drawn_with_their_labels(module):
    subset = module("centralnet_figure3").subset
    whole = {"a": np.arange(10.0)}, np.arange(10)
    assert subset(whole, None) is whole and subset(whole, 10) is whole
    x, y = subset(whole, 4)
    np.testing.assert_array_equal(x["a"], y)
    assert len(set(y.tolist())) == 4 and y.tolist() != [0, 1, 2, 3]


@pytest.mark.slow
def test_weights_and_scores_over_training(command, module, monkeypatch):
    figure = module("multilevel_figure3")
    rng = np.random.default_rng(0)

    def reviews(data_dir):
        y = np.arange(12) % 6
        text = [" ".join(f"word{i}" for i in rng.permutation(300)[:150]) for _ in y]
        return {
            part: ({"text": np.array([*text[1:], " ".join(f"word{i}" for i in range(300))]),
                    "table": rng.normal(size=(12, 7)).astype("float32")}, y)
            for part in ("train", "test")
        }  # fmt: skip

    monkeypatch.setattr(kf.datasets.womens_clothing, "load_data", reviews)
    asked = []
    name, load, build = figure.SOURCES["clothing"]

    def spied(**arguments):
        asked.append((arguments, build(**arguments)))
        return asked[-1][1]

    monkeypatch.setitem(figure.SOURCES, "clothing", (name, load, spied))
    options = ("--data", "clothing", "--quick", "--epochs", 2, "--seeds", 1)
    rows, page = command("multilevel_figure3", *options)
    assert list(rows) == list(figure.ROWS)
    assert [given for given, _ in asked] == [
        {"unimodal_loss_weights": 0.0}, {"unimodal_loss_weights": 1.0}
    ]  # fmt: skip
    for (_, model), scores in zip(asked, rows.values(), strict=True):
        curve = scores["f1_by_epoch"]
        assert len(curve) == 2 and scores["f1_micro"] == curve[-1]
        assert scores["f1_mean"] == pytest.approx(np.mean(curve)) and 0 <= min(curve) <= 100
        for level, weights in model.fusion_weights().items():
            found = [scores[f"{level}/{source}"] for source in weights]
            np.testing.assert_allclose(np.sum(found, axis=0), [1, 1, 1], rtol=1e-5)
            # A model that was built for a training has its first weights again at the end.
            np.testing.assert_allclose([of[0] for of in found], list(weights.values()), rtol=1e-5)
            assert any(of[-1] != of[0] for of in found)
    assert "| slightly better |" in page and "| faster |" in page


def test_best_layer_of_every_cell(module, monkeypatch, tmp_path, capsys):
    figure = module("centralnet_figure4")
    names = ["CentralNet", "Ensemble", *figure.FUSIONS["sum"]]
    errors = dict(zip(names, (50, 60, 90, 80, 70, 75, 95), strict=True))
    cells = {(0.5, 0.5): 0, (0.25, 0.5): 10}
    runs = [
        {"method": f"{name}, energy {e}, share {r}", "scores": {"errors": n + more}}
        for name, n in errors.items()
        for (e, r), more in cells.items()
    ]
    runs[-1]["scores"]["errors"] = 5  # layer 4, and energy 0.25
    drawn = {}
    monkeypatch.setattr(figure._table, "finished", lambda table, args: runs)
    monkeypatch.setattr(kf.plots, "plot_score_grid", lambda grids, *_: drawn.update(grids))
    monkeypatch.setattr(sys, "argv", ["x", "--output", str(tmp_path)])
    args = figure._options.arguments("x", epochs=1, seeds=1, quick={})
    args.depths = True
    figure.draw(figure._table.Table("t", "t", [], {}, ""), args, names)
    assert drawn["CentralNet - Ensemble: errors"] == {(0.5, 0.5): -10, (0.25, 0.5): -10}
    assert drawn["Fusion Sum, best layer: errors"] == {(0.5, 0.5): 70, (0.25, 0.5): 5}
    assert not any("layer 2" in name or "Product" in name for name in drawn)
    page = (tmp_path / "t.md").read_text(encoding="utf-8")
    assert page.strip() in capsys.readouterr().out
    assert "| 0.25 | 0.5 | 60 | 70 | 5 (4) |" in page and "| 0.5 | 0.5 | 50 | 60 | 70 (2) |" in page
