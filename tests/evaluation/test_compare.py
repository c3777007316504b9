"""Methods against each other: the same data and protocol, nothing that leaks, honest refusals."""

import random

import keras
import numpy as np
import pytest
from helpers.runs import Fused, Plain, networks, part, parts

from keras_fusion import evaluation as ev
from keras_fusion.evaluation import _plan
from keras_fusion.training._state import seed_torch

pytest.importorskip("scipy")
sklearn = pytest.importorskip("sklearn")
OTHER = "sparse_categorical_crossentropy"
FOLDS = [(np.arange(8), np.arange(8, 12)), (np.arange(4, 12), np.arange(4))]


def by_hand(build, data, seed, epochs=2, batch_size=6):
    """Scores on the test part of an ordinary training, in the order of `fit_replicas`."""
    keras.utils.set_random_seed(seed)
    model = build()
    x, y = data["train"]
    for epoch in range(epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(y))
        # Dropout on PyTorch draws from the global generator, and building draws from it too.
        seeded = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda _, logs, epoch=epoch: seed_torch(seed, epoch)
        )
        model.fit({k: v[order] for k, v in x.items()}, y[order], batch_size, shuffle=False,
                  verbose=0, callbacks=[seeded])  # fmt: skip
    return model.evaluate(*data["test"], verbose=0, return_dict=True), model


def scores_of(found):
    return {(r["method"], r.get("fold"), r["seed"]): r["scores"] for r in found.runs}


def assert_same(found, expected, rtol=1e-5):
    assert found.keys() == expected.keys()
    for run, scores in found.items():
        assert scores == pytest.approx(expected[run], rel=rtol, abs=1e-6), run


def test_runs_are_ordinary_trainings(capsys):
    data = parts()
    methods = {"gmu": Fused(), "plain": Plain()}
    found = ev.compare(methods, data, [3, 1], epochs=2, batch_size=6)
    said = f"on {keras.backend.backend()} replicas are trained one after the other"
    # Once, not for every method.
    assert capsys.readouterr().err.count(said) == (keras.backend.backend() != "jax")
    assert found.metric == "central_accuracy" and found.reference == "gmu"
    assert list(found.scores) == ["gmu", "plain"]
    for method, build in methods.items():
        for place, seed in enumerate([3, 1]):
            scores, _ = by_hand(build, data, seed)
            run = scores_of(found)[method, None, seed]
            assert run == pytest.approx(scores, rel=1e-4, abs=1e-6)
            accuracy = scores.get("central_accuracy", scores.get("accuracy"))
            assert found.scores[method][place] == pytest.approx(accuracy)
    assert found.runs[0]["train_samples"] == found.runs[0]["test_samples"] == 12


@pytest.mark.slow
def test_folds_and_prepare(tmp_path):
    x, y = part()
    seen = []

    def prepare(train, validation, test):
        assert validation is None
        seen.append((train[1].tolist(), test[1].tolist()))
        mean, scale = train[0]["a"].mean(), 2.0
        change = [({**p[0], "a": (p[0]["a"] - mean) * scale}, p[1]) for p in (train, test)]
        return change[0], None, change[1]

    options = {"epochs": 2, "batch_size": 6, "prepare": prepare}
    found = ev.compare({"gmu": Fused()}, (x, y), [0, 1], FOLDS, **options)
    assert found.scores["gmu"].shape == (2, 2) and found.paired
    assert {tuple(map(tuple, pair)) for pair in seen} == {
        (tuple(y[train]), tuple(y[test])) for train, test in FOLDS
    }
    assert found.test_train_ratio == pytest.approx(4 / 8)
    for fold, (train, test) in enumerate(FOLDS):
        rows = [({k: v[i] for k, v in x.items()}, y[i]) for i in (train, test)]
        ready, _, tested = prepare(rows[0], None, rows[1])
        for seed in (0, 1):
            scores, _ = by_hand(Fused(), {"train": ready, "test": tested}, seed)
            assert scores_of(found)["gmu", fold, seed] == pytest.approx(scores, rel=1e-4)
    # The same as for one method, folds by groups.
    groups = np.repeat(np.arange(4), 3)
    folds = ev.group_folds(groups, 2)
    alone = ev.cross_validate(Fused(), x, y, groups, 2, [0, 1], epochs=2, batch_size=6)
    both = ev.compare({"gmu": Fused()}, (x, y), [0, 1], folds, epochs=2, batch_size=6)
    np.testing.assert_allclose(alone["central_accuracy"], both.scores["gmu"], rtol=1e-6)


@pytest.mark.parametrize("kind", ["cross_validate", "compare"])
def test_no_fold_and_no_method_sees_anothers_training(tmp_path, kind):
    """On random labels more than chance is a leak; a backup of one fold had been another's."""
    x, y = part()
    options = {"epochs": 3, "batch_size": 6}
    found = []
    for folder in (None, tmp_path / "backup"):
        if kind == "compare":
            methods = {"one": Fused(), "two": Fused(units=4, learning_rate=0.3)}
            run = scores_of(ev.compare(methods, parts(), [0, 1], backup_dir=folder, **options))
        else:
            table = ev.cross_validate(
                Fused(), x, y, np.arange(12), FOLDS, backup_dir=folder, **options
            )
            run = {name: dict(enumerate(values.ravel())) for name, values in table.items()}
        found.append(run)
    assert len(list((tmp_path / "backup").iterdir())) == 2
    assert_same(*found)


def test_a_backup_inside_a_cell_is_gone_with_it(tmp_path):
    ev.compare({"gmu": Fused()}, parts(), [0], epochs=2, results=tmp_path / "cells",
               backup_dir=tmp_path / "backup")  # fmt: skip
    assert len(list((tmp_path / "cells").iterdir())) == 1
    assert list((tmp_path / "backup").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("over", ["seeds", "folds", "methods"])
def test_a_builder_that_keeps_its_layers_starts_anew(over):
    """Runs that go on from the last one's weights get better and better."""
    kept = networks()
    values = [model.get_weights() for model in kept.values()]

    def fresh():
        state = random.getstate()  # Keras' seeds: those of the fusion are to be the same
        nets = networks()
        random.setstate(state)
        for net, weights in zip(nets.values(), values, strict=True):
            net.set_weights(weights)
        return Fused(nets=nets)()

    found = []
    for build in (Fused(nets=kept), fresh):
        methods = {"one": build, "two": build} if over == "methods" else {"one": build}
        folds = FOLDS if over == "folds" else None
        data = part() if over == "folds" else parts()
        seeds = [0, 1, 2] if over == "seeds" else [0]
        found.append(scores_of(ev.compare(methods, data, seeds, folds, epochs=3, batch_size=4)))
    assert_same(*found)


@pytest.mark.slow
def test_another_builder_or_other_data_are_not_taken_for_the_same(tmp_path):
    """All of this had been read from the file of the first."""
    options = {"epochs": 1, "batch_size": 6}
    ev.compare({"gmu": Fused()}, parts(), [0], results=tmp_path, **options)
    changes = {
        "another builder": ({"gmu": Fused("sum")}, parts()),
        "other data": ({"gmu": Fused()}, {**parts(), "train": part(5)}),
        "another test part": ({"gmu": Fused()}, {**parts(), "test": part(6)}),
        "a validation part": ({"gmu": Fused()}, {**parts(), "validation": part(7)}),
    }
    for methods, data in changes.values():
        found = ev.compare(methods, data, [0], results=tmp_path, **options)
        fresh = ev.compare(methods, data, [0], **options)
        assert_same(scores_of(found), scores_of(fresh))
    assert len(list(tmp_path.iterdir())) == 5
    with pytest.raises(ValueError, match="Received: two in"):
        ev.Comparison.read(tmp_path)


def not_compiled():
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])


def not_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "results"


REFUSED = {
    "a folder that cannot be written": (
        lambda folder: {"results": not_a_file(folder)}, OSError, "expected a folder that can be"),
    "no path": (lambda _: {"results": 3}, TypeError, "results: expected the path of a folder"),
    "other metrics": (
        lambda _: {"methods": {"gmu": Fused(), "plain": Plain(metrics=(OTHER,))}},
        ValueError, r"metric: expected one of \['loss', 's.*Received: 'central_accuracy'"),
    "an unknown metric": (lambda _: {"metric": "f1"}, ValueError, "metric: expected one of"),
    "no metric": (lambda _: {"methods": {"gmu": Fused(metrics=())}}, ValueError, "metric: expec"),
    "not compiled": (lambda _: {"methods": {"gmu": Fused(), "b": not_compiled}},
                     ValueError, "expected 'b' to return a compiled model"),
    "no model": (lambda _: {"methods": {"b": lambda: 3}}, TypeError, "'b' to return a keras.Model"),
    "a modality that is not there": (
        lambda _: {"data": {"train": part(), "test": ({"a": np.ones((4, 5))}, np.arange(4) % 3)}},
        ValueError, "Received: .*"),
    "labels out of range": (lambda _: {"data": {"train": part(classes=9), "test": part()}},
                            ValueError, "class"),
    "parts of different length": (
        lambda _: {"data": {"train": (part()[0], np.arange(5)), "test": part()}},
        ValueError, r"train: expected equally many samples.*Received: \[12, 5\]"),
    "no pair": (lambda _: {"data": {"train": part(), "test": (1, 2, 3, 4)}},
                ValueError, "test: expected .x, y. or .x, y, sample_weight.. Received: 4"),
    "folds that share rows": (
        lambda _: {"data": part(), "folds": [(range(8), range(7, 12))]},
        ValueError, "expected every group in the training or in the test part"),
    "rows that are not there": (
        lambda _: {"data": part(), "folds": [(range(8), range(8, 13))]},
        ValueError, "test: expected row numbers from 0 to 11"),
    "folds of parts": (lambda _: {"folds": FOLDS}, TypeError, "data: expected .x, y."),
    "prepare": (lambda _: {"prepare": lambda train, validation, test: train},
                ValueError, "prepare: expected a function that returns"),
    "what prepare returns": (
        lambda _: {"prepare": lambda train, _, test: (train, None, (test[0], np.zeros(1)))},
        ValueError, r"prepare, test: expected equally many samples.*Received: \[1, 12\]"),
    "rates": (lambda _: {"learning_rate": [0.1, 0.2, 0.3]}, ValueError, "learning_rate: expected"),
    "a shard alone": (lambda _: {"shard": (0, 2)}, ValueError, "results: expected a folder, which"),
    "a shard": (lambda f: {"shard": (2, 2), "results": f}, ValueError, "shard: expected .i, n."),
    "threads": (lambda _: {"executor": threads}, ValueError, "processes of one thread each"),
    "no executor": (lambda _: {"executor": 3}, TypeError, "executor: expected a concurrent.futu"),
    "copies": (lambda _: {"executor": forks}, ValueError, 'expected the start method "spawn"'),
    "lambdas": (lambda _: {"executor": spawned, "methods": {"a": lambda: Fused()()}},
                TypeError, "that can be pickled"),
    "callbacks": (lambda _: {"callbacks": [keras.callbacks.Callback()]}, TypeError, "callbacks"),
}  # fmt: skip


def threads():
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1)


def spawned(method="spawn"):
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method))


def forks():
    return spawned("fork")


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refused_before_the_first_training(tmp_path, monkeypatch, case):
    change, error, match = case

    def run_seeds(*_):
        raise AssertionError("trained")

    monkeypatch.setattr(_plan, "run_seeds", run_seeds)
    options = {"methods": {"gmu": Fused()}, "data": parts(), "seeds": [0, 1], **change(tmp_path)}
    with pytest.raises(error, match=match):
        ev.compare(**options)


def test_settings_of_keras_stay():
    """`clear_session`, which frees memory too, takes the dtype policy back."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    seen = []

    def build():
        seen.append(keras.config.dtype_policy().name)
        return Fused()()

    ev.compare({"one": build, "two": build}, parts(), [0, 1])
    assert len(seen) >= 4 and set(seen) == {"mixed_bfloat16"}


def test_names_may_look_like_paths(tmp_path):
    found = ev.compare({"/gmu/of us": Fused()}, parts(), [0], results=tmp_path, name="../toy")
    assert ev.Comparison.read(tmp_path).scores.keys() == {"/gmu/of us"} == found.scores.keys()


def test_weights_and_callbacks_are_passed_on():
    data = parts()
    x, y = data["train"]
    weights = np.linspace(0, 2, 12).astype("float32")
    stopped = []

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            stopped.append(epoch)
            self.model.stop_training = True

    options = {"epochs": 3, "batch_size": 6}
    found = [
        ev.compare({"gmu": Fused()}, data, [0], sample_weight=weights, **options),
        ev.compare({"gmu": Fused()}, {**data, "train": (x, y, weights)}, [0], **options),
    ]
    assert_same(*map(scores_of, found))
    for more in ({}, {"class_weight": {1: 5.0}}, {"callbacks": lambda: [Stop()]}):
        found.append(ev.compare({"gmu": Fused()}, data, [0], **options, **more))
    losses = {round(run["gmu", None, 0]["loss"], 5) for run in map(scores_of, found)}
    assert len(losses) == 4 and stopped == [0]
    assert found[-1].runs[0]["epochs_trained"] == 1
    with pytest.raises(ValueError, match="sample_weight: expected None, as the data have their"):
        ev.compare({"gmu": Fused()}, {**data, "train": (x, y, weights)}, [0], sample_weight=weights)


@pytest.mark.slow
@pytest.mark.parametrize("stored", [False, True])
def test_predictions_give_any_other_score(tmp_path, stored):
    from sklearn.metrics import f1_score

    def macro(y_true, y_pred):
        return f1_score(y_true, y_pred.argmax(axis=-1), average="macro")

    options = {"results": tmp_path} if stored else {}
    methods = {"gmu": Fused("centralnet"), "plain": Plain()}
    found = ev.compare(methods, parts(), [0, 1], keep_predictions=True, **options)
    scored = found.score(macro)
    assert scored.metric == "macro"
    accuracy = found.score(lambda y, p: (y == p.argmax(axis=-1)).mean(), "accuracy")
    for method, build in methods.items():
        np.testing.assert_allclose(accuracy.scores[method], found.scores[method], rtol=1e-6)
        _, model = by_hand(build, parts(), 1, epochs=1, batch_size=32)
        predicted = model.predict(parts()["test"][0], verbose=0)
        predicted = predicted["central"] if isinstance(predicted, dict) else predicted
        assert scored.scores[method][1] == pytest.approx(macro(parts()["test"][1], predicted))
        run = next(run for run in found.runs if run["method"] == method and run["seed"] == 1)
        kept = found.predictions(run)
        np.testing.assert_allclose(kept.get("y_pred/central", kept.get("y_pred")), predicted, 1e-5)
    heads = ev.compare({"c": Fused("centralnet")}, parts(), [0], keep_predictions=True)
    assert heads.score(macro, head="a").scores["c"].shape == (1,)
    with pytest.raises(ValueError, match="head: expected one of .*Received: 'c'"):
        heads.score(macro, head="c")
    with pytest.raises(
        ValueError, match="predictions: expected a run of compare.*Received: none of gmu"
    ):
        ev.compare({"gmu": Fused()}, parts(), [0]).score(macro)
    if stored:
        again = ev.Comparison.read(tmp_path).score(macro)
        assert again.scores["gmu"].tolist() == scored.scores["gmu"].tolist()


@pytest.mark.slow
def test_shards_do_every_run_once(tmp_path, capsys):
    methods = {"gmu": Fused(), "sum": Fused("sum")}
    whole = ev.compare(methods, parts(), [0, 1, 2])
    for shard in range(3):
        found = ev.compare(methods, parts(), [0, 1, 2], results=tmp_path, shard=(shard, 3))
        assert len(list(tmp_path.iterdir())) == len(found.runs) == 2 * (shard + 1)
        said = capsys.readouterr().err
        assert (f"{4 - 2 * shard} of 6 runs are those of other shards" in said) == (shard < 2)
    assert_same(scores_of(found), scores_of(whole))
    assert_same(scores_of(ev.Comparison.read(tmp_path)), scores_of(whole))


def load():
    return parts()


def test_data_as_a_function(tmp_path):
    found = ev.compare({"gmu": Fused()}, load, [0], results=tmp_path)
    again = ev.compare({"gmu": Fused()}, parts(), [0], results=tmp_path)
    assert_same(scores_of(found), scores_of(again))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("kind", ["hdf5", "memmap"])
@pytest.mark.parametrize("folds", [None, FOLDS])
def test_arrays_on_disk(tmp_path, kind, folds):
    """The same results as from memory, where callbacks make both ordinary fits."""
    x, y = part()
    if kind == "hdf5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "data.h5", "w") as file:
            for name, values in x.items():
                file[name] = values
        stored = h5py.File(tmp_path / "data.h5")
    else:
        stored = {}
        for name, values in x.items():
            stored[name] = np.memmap(tmp_path / name, values.dtype, "w+", shape=values.shape)
            stored[name][:] = values
    found = []
    for given in (x, {name: stored[name] for name in x}):
        data = (given, y) if folds else {"train": (given, y), "test": (given, y)}
        found.append(
            ev.compare(
                {"gmu": Fused()},
                data,
                [0],
                folds,
                epochs=2,
                batch_size=5,
                callbacks=list,
                keep_predictions=True,
                results=tmp_path / "cells",
            )
        )
        scored = found[-1].score(lambda y, p: (y == p.argmax(-1)).mean(), "accuracy")
        np.testing.assert_allclose(scored.scores["gmu"], found[-1].scores["gmu"], rtol=1e-6)
    assert_same(*map(scores_of, found))
    # The same bytes are the same data, wherever they lie.
    assert len(list((tmp_path / "cells").glob("*.json"))) == len(folds or [None])
    if kind == "hdf5":
        stored.close()


def test_data_sets_train_and_are_scored():
    from keras_fusion.datasets import as_pydataset

    data = {name: as_pydataset(value, 6, shuffle=False) for name, value in parts().items()}
    found = ev.compare({"gmu": Fused(), "plain": Plain()}, data, [0, 1], epochs=2)
    assert found.scores["plain"].shape == (2,)
    with pytest.raises(TypeError, match="keep_predictions: expected False"):
        ev.compare({"gmu": Fused()}, data, [0], keep_predictions=True)
