"""Scores of all subsets of the modalities, against predictions made by hand."""

import numpy as np
import pytest
from helpers.tiny import batch, compiled, cross_entropy, labels, outputs, randomize, vector_net

import keras_fusion as kf
from keras_fusion.evaluation import ModalitySubsets, modality_subsets

N = 12


def three(**arguments):
    nets = {name: vector_net(name) for name in ("c", "a", "b")}
    model = kf.build_gmu(nets, fusion_units=3, missing_modalities=True, **arguments)
    randomize(model)
    return compiled(model, metrics=["accuracy"])


def by_hand(model, x, y, columns, rows, weight=None):
    present = np.zeros((N, 3), "float32")
    present[:, columns] = 1
    p = outputs(model, {**x, "present": present})["central"][rows]
    losses = cross_entropy(p, y[rows])
    losses = losses if weight is None else losses * weight[rows]
    return {
        "samples": len(p),
        "loss": pytest.approx(losses.mean(), rel=1e-5),
        "accuracy": pytest.approx((p.argmax(-1) == y[rows]).mean()),
    }


SUBSETS = {("a",): [0], ("b",): [1], ("c",): [2], ("a", "b"): [0, 1], ("a", "c"): [0, 2]}
SUBSETS |= {("b", "c"): [1, 2], ("a", "b", "c"): [0, 1, 2]}


@pytest.mark.parametrize("heads", [None, 1.0])
def test_every_subset_once(heads):
    model = three(unimodal_loss_weights=heads)
    x, y = batch(model, N), labels(N)
    found = modality_subsets(model, x, y, batch_size=5)
    assert list(found) == list(SUBSETS) and isinstance(found, ModalitySubsets)
    rows = np.arange(N)
    assert found == {names: by_hand(model, x, y, cols, rows) for names, cols in SUBSETS.items()}


def test_samples_that_have_all_modalities_of_a_subset():
    model = three()
    x, y, weight = batch(model, N), labels(N), np.linspace(0.5, 2, N)
    x["present"] = np.ones((N, 3), "float32")
    x["present"][:4, 1] = x["present"][6:, 2] = 0
    x["b"][:4], x["c"][6:] = np.nan, np.nan
    clean = {name: np.nan_to_num(x[name]) for name in "abc"}
    found = modality_subsets(model, x, {"central": y}, sample_weight=weight)
    for names, columns in SUBSETS.items():
        rows = np.flatnonzero(x["present"][:, columns].all(axis=1))
        assert found[names] == by_hand(model, clean, y, columns, rows, weight)
    assert found["b", "c"]["samples"] == 2


def test_a_subset_that_no_sample_has():
    model = three()
    x, y = batch(model, N), labels(N)
    x["present"] = np.tile([1.0, 1.0, 0.0], (N, 1))
    found = modality_subsets(model, x, y)
    assert found["c",] == {"samples": 0} and found["a", "b"]["samples"] == N
    lines = str(found).splitlines()
    assert lines[3].split() == ["c", "0", "nan", "nan"]


def test_printed():
    found = ModalitySubsets(
        {("a",): {"samples": 20, "accuracy": 0.5}, ("a", "b"): {"samples": 3, "accuracy": 1.0}}
    )
    assert str(found).splitlines() == [
        "modalities  samples  accuracy",
        "a                20    0.5000",
        "a + b             3    1.0000",
    ]


def test_the_model_is_as_before():
    model = three()
    x, y = batch(model, N), labels(N)
    before = model.evaluate(x, y, verbose=0, return_dict=True)
    scores = modality_subsets(model, x, y)
    assert scores["a", "b", "c"]["accuracy"] == pytest.approx(before["central_accuracy"])
    assert model.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(before)
    assert sorted(x) == ["a", "b", "c"]


def test_refuses():
    model = three()
    x, y = batch(model, N), labels(N)
    with pytest.raises(TypeError, match="model: expected a FusionModel. Received: Functional"):
        modality_subsets(vector_net(), x, y)
    with pytest.raises(TypeError, match="x: expected a dict of arrays. Received: list"):
        modality_subsets(model, list(x.values()), y)
    without = kf.build_gmu({"a": vector_net("a"), "b": vector_net("b")})
    with pytest.raises(ValueError, match='missing_modalities=True. Received: "gmu"'):
        modality_subsets(compiled(without), x, y)
    again = kf.FusionModel.from_config(model.get_config())
    with pytest.raises(ValueError, match="a compiled model"):
        modality_subsets(again, x, y)
    with pytest.raises(ValueError, match=r"without \['b'\]"):
        modality_subsets(model, {"a": x["a"], "c": x["c"]}, y)
