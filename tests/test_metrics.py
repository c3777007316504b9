"""The metrics against scikit-learn, over batches of any size, weighted, and on fusion models."""

import inspect

import keras
import numpy as np
import pytest
from helpers.tiny import batch, labels, vector_net
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from keras_fusion import build_centralnet
from keras_fusion.metrics import (
    AVERAGES,
    F1,
    BrierScore,
    ExpectedCalibrationError,
    MacroAccuracy,
    NumberOfErrors,
)

THRESHOLD = 0.6


def multi_label(count=23, seed=0):
    """Labels of which one occurs nowhere, and one is never predicted; samples without any."""
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, (count, 5)), rng.uniform(size=(count, 5)).astype("float32")
    y[:, 1], p[:, 2], y[:3], p[1:4] = 0, 0.1, 0, 0.2
    return y, p


def classes(count=23, seed=0):
    """Five classes, one of which has no sample."""
    rng = np.random.default_rng(seed)
    return rng.choice([0, 1, 1, 1, 3, 4], count), rng.dirichlet(np.ones(5), count)


def fed(metric, y, p, sizes, weight=None):
    """The metric's value after batches of these sizes."""
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        metric.update_state(y[part], p[part], None if weight is None else weight[part])
        start += size
    assert start == len(y)
    return float(metric.result())


BATCHES = pytest.mark.parametrize("sizes", [(23,), (1, 9, 13), (8, 8, 7)])
WEIGHTED = pytest.mark.parametrize("weighted", [False, True])


def weights(weighted, count=23):
    return np.random.default_rng(5).uniform(0, 2, count) if weighted else None


@WEIGHTED
@BATCHES
@pytest.mark.parametrize("average", AVERAGES)
def test_f1(average, sizes, weighted):
    y, p = multi_label()
    weight = weights(weighted)
    expected = f1_score(y, p > THRESHOLD, average=average, sample_weight=weight, zero_division=0)
    metric = F1(average, THRESHOLD)
    assert 0.1 < expected < 0.9
    assert fed(metric, y, p, sizes, weight) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0
    y, p = multi_label(seed=1)
    again = f1_score(y, p > THRESHOLD, average=average, zero_division=0)
    assert fed(metric, y.astype("float32"), p, sizes) == pytest.approx(again, rel=1e-5)


@pytest.mark.parametrize("average", AVERAGES)
def test_f1_of_nothing(average):
    """No update, and neither labels nor predictions: 0, as in scikit-learn."""
    metric = F1(average)
    assert float(metric.result()) == 0
    metric.update_state(np.zeros((4, 3)), np.zeros((4, 3)))
    assert float(metric.result()) == 0
    metric.update_state(np.ones((4, 3)), np.ones((4, 3)))
    assert float(metric.result()) == (0.5 if average == "samples" else 1)


@WEIGHTED
@BATCHES
@pytest.mark.parametrize("form", ["indices", "column", "float"])
@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_f1_of_classes(average, form, sizes, weighted):
    """A class has no sample, and one is neither there nor predicted: scikit-learn leaves it out."""
    y, p = classes()
    p = np.concatenate([p, np.zeros((23, 1))], axis=1)
    weight = weights(weighted)
    given = {"indices": y, "column": y[:, None], "float": y.astype("float32")}[form]
    expected = f1_score(y, p.argmax(1), average=average, sample_weight=weight, zero_division=0)
    assert 0.1 < expected < 0.9 and set(p.argmax(1)) - set(y) == {2}
    # The threshold has no say: logits have the same score.
    for threshold, of in ((0.5, p), (0.9, 10 * p - 5)):
        metric = F1(average, threshold)
        assert fed(metric, given, of, sizes, weight) == pytest.approx(expected, rel=1e-5)
        metric.reset_state()
        assert float(metric.result()) == 0
        assert fed(metric, given, of, (23,), weight) == pytest.approx(expected, rel=1e-5)


def test_f1_of_classes_without_weight():
    """Samples of weight 0 are as if they were not there, and so is a class that has no others."""
    y, p = classes()
    keep = (y != 3) & (p.argmax(1) != 3)
    expected = f1_score(y[keep], p.argmax(1)[keep], average="macro", zero_division=0)
    assert fed(F1("macro"), y, p, (9, 14), keep) == pytest.approx(expected, rel=1e-5)


def test_f1_reads_off_the_shapes_what_labels_are():
    y, p = np.array([0, 1, 1, 0]), np.array([[0.4, 0.3], [0.2, 0.3], [0.9, 0.6], [0.9, 0.8]])
    # As indices: the greatest of every row; as one-hot labels: all above the threshold.
    assert fed(F1("micro"), y, p, (4,)) == pytest.approx(3 / 4)
    assert fed(F1("micro"), np.eye(2)[y], p, (4,)) == pytest.approx(2 * 2 / (4 + 4))
    # One prediction is one label, whose score is that of the positives.
    assert fed(F1("macro"), y[:, None], p[:, :1], (4,)) == pytest.approx(2 * 1 / (2 + 2))


def test_f1_of_logits_and_small_scores():
    y, p = multi_label()
    logits = np.log(p) - np.log1p(-p)
    expected = fed(F1("macro", 0.5), y, p, (23,))
    assert fed(F1("macro", 0.0), y, logits, (23,)) == pytest.approx(expected, rel=1e-6)
    # One hit among many: Keras' epsilons would make it 0.05 % smaller.
    y, p = np.zeros((20_000, 1)), np.ones((20_000, 1))
    y[0] = 1
    assert fed(F1("micro"), y, p, (20_000,)) == pytest.approx(2 / 20_001, rel=1e-6)


@WEIGHTED
@BATCHES
@pytest.mark.parametrize("form", ["indices", "column", "one-hot"])
def test_macro_accuracy_and_errors(form, sizes, weighted):
    y, p = classes()
    weight = weights(weighted)
    found = p.argmax(1)
    given = {"indices": y, "column": y[:, None], "one-hot": np.eye(5)[y]}[form]
    # scikit-learn warns where a class is predicted that no sample has.
    expected = np.mean(
        [
            np.average((found == c)[y == c], weights=None if weight is None else weight[y == c])
            for c in np.unique(y)
        ]
    )
    assert fed(MacroAccuracy(), given, p, sizes, weight) == pytest.approx(expected, rel=1e-5)
    wrong = (found != y) @ (np.ones(23) if weight is None else weight)
    assert 0 < wrong < 23
    errors = NumberOfErrors()
    assert fed(errors, given, p, sizes, weight) == pytest.approx(wrong, rel=1e-5)
    errors.reset_state()
    assert float(errors.result()) == 0


def test_scikit_learn_agrees():
    y, p = classes()
    p[:, 2] = 0
    found = p.argmax(1)
    expected = balanced_accuracy_score(y, found)
    assert fed(MacroAccuracy(), y, p, (23,)) == pytest.approx(expected, rel=1e-5)
    wrong = 23 - accuracy_score(y, found, normalize=False)
    assert fed(NumberOfErrors(), y, p, (23,)) == wrong


def test_macro_accuracy_of_nothing():
    metric = MacroAccuracy()
    assert float(metric.result()) == 0
    metric.update_state([0, 1], np.eye(2), [0, 0])
    assert float(metric.result()) == 0


CALIBRATION = [ExpectedCalibrationError(), BrierScore()]


@pytest.mark.parametrize(("fusion", "column"), [(True, False), (False, True)])
def test_classes_in_compile(fusion, column, tmp_path):
    """Of every head of a fusion model, and of a plain one, over batches; of a loaded model too."""
    net = vector_net("a", classes=5)
    model = build_centralnet([net, vector_net("b", classes=5)]) if fusion else net
    metrics = [*(F1(average) for average in AVERAGES[:3]), *CALIBRATION]
    model.compile("sgd", loss="sparse_categorical_crossentropy", metrics=metrics)
    y, _ = classes()
    x = batch(model, count=23) if fusion else np.random.default_rng(0).normal(size=(23, 5))
    given = y[:, None] if column else y
    found = model.evaluate(x, given, batch_size=8, verbose=0, return_dict=True)
    predicted = model.predict(x, verbose=0)
    for head, p in predicted.items() if fusion else [("", predicted)]:
        p, start = np.array(p), f"{head}_" if fusion else ""
        for average in AVERAGES[:3]:
            expected = f1_score(y, p.argmax(1), average=average, zero_division=0)
            assert found[f"{start}f1_{average}"] == pytest.approx(expected, rel=1e-5)
        for metric in CALIBRATION:
            expected = float(type(metric)()(y, p))
            assert 0.05 < expected < 2
            assert found[f"{start}{metric.name}"] == pytest.approx(expected, rel=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.evaluate(x, given, batch_size=8, verbose=0, return_dict=True)
    assert again == pytest.approx(found, rel=1e-5)


def test_heads_of_a_fusion_model(tmp_path):
    """Every head has values of its own, over several batches; a reloaded model has them too."""
    nets = {n: vector_net(f"net_{n}", classes=5, activation="sigmoid") for n in ("a", "b")}
    model = build_centralnet(nets)
    model.compile("sgd", loss="binary_crossentropy", metrics=[F1(a, 0.5) for a in AVERAGES])
    x, (y, _) = batch(model, count=23), multi_label()
    model.fit(x, y, batch_size=8, verbose=0)
    found = model.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
    for head, p in model.predict(x, verbose=0).items():
        for average in AVERAGES:
            expected = f1_score(y, np.array(p) > 0.5, average=average, zero_division=0)
            assert found[f"{head}_f1_{average}"] == pytest.approx(expected, rel=1e-5)
    assert len({found[f"{head}_f1_micro"] for head in model.heads}) == 3
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    again = loaded.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)
    assert again == pytest.approx(found, rel=1e-5)


def test_absent_modalities_do_not_count():
    model = build_centralnet([vector_net("a"), vector_net("b")], missing_modalities=True)
    model.compile(
        "sgd",
        loss="sparse_categorical_crossentropy",
        metrics=[MacroAccuracy(), NumberOfErrors(), F1("macro"), *CALIBRATION],
    )
    x, y = batch(model, count=12), labels(12)
    present = np.random.default_rng(0).integers(0, 2, (12, 2))
    present[present.sum(1) == 0] = 1
    x["present"] = present
    found = model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    x["a"][present[:, 0] == 0] = np.nan
    probabilities = {k: np.array(p) for k, p in model.predict(x, verbose=0).items()}
    predicted = {k: p.argmax(1) for k, p in probabilities.items()}
    for k, head in enumerate(("a", "b")):
        here = present[:, k] == 1
        wrong = (predicted[head] != y)[here].sum()
        assert found[f"{head}_number_of_errors"] == wrong
        expected = np.mean([(predicted[head] == c)[here & (y == c)].mean() for c in set(y[here])])
        assert found[f"{head}_macro_accuracy"] == pytest.approx(expected, rel=1e-5)
        for metric in (F1("macro"), *CALIBRATION):
            expected = float(type(metric)()(y[here], probabilities[head][here]))
            assert found[f"{head}_{metric.name}"] == pytest.approx(expected, rel=1e-5)
    assert found["central_number_of_errors"] == (predicted["central"] != y).sum()


@pytest.mark.parametrize(
    "metric",
    [
        F1("samples", 0.3),
        F1("weighted", name="x"),
        MacroAccuracy("y"),
        NumberOfErrors(),
        ExpectedCalibrationError(7, from_logits=True),
        BrierScore(from_logits=True, name="z"),
    ],
)
def test_config(metric):
    assert keras.saving.get_registered_name(type(metric)).startswith("keras_fusion>")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert type(again) is type(metric) and again.get_config() == metric.get_config()
    assert again.name == metric.name
    assert set(metric.get_config()) == set(inspect.signature(type(metric)).parameters)


def test_bad_arguments():
    with pytest.raises(ValueError, match="average: expected one of .*Received: None"):
        F1(None)
    with pytest.raises(TypeError, match="threshold: expected a float. Received: None"):
        F1("micro", None)


def test_bad_shapes():
    with pytest.raises(ValueError, match="F1: expected labels and predictions of one shape"):
        F1().update_state(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="F1: expected labels and predictions of one shape"):
        F1().update_state(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(ValueError, match='for the average "samples". Received: class indices'):
        F1("samples").update_state(np.zeros(3), np.zeros((3, 4)))
    metric = F1("micro")
    metric.update_state(np.zeros((3, 4)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="F1: expected 4 labels, as before. Received: 5"):
        metric.update_state(np.zeros((3, 5)), np.zeros((3, 5)))
    with pytest.raises(ValueError, match="expected 4 labels, as before. Received: 4 classes"):
        metric.update_state(np.zeros(3), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="NumberOfErrors: expected class indices"):
        NumberOfErrors().update_state(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="MacroAccuracy: expected class indices"):
        MacroAccuracy().update_state(np.zeros((3, 2)), np.zeros((3, 4)))
    metric = MacroAccuracy()
    metric.update_state(np.zeros(3), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="MacroAccuracy: expected 4 classes, as before"):
        metric.update_state(np.zeros(3), np.zeros((3, 5)))
    with pytest.raises(ValueError, match="sample_weight: expected one weight per sample"):
        NumberOfErrors().update_state(np.zeros(3), np.zeros((3, 4)), np.zeros((3, 4)))
