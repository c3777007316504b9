"""What every table needs: each modality alone and the plain fusions, from one call."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import keras
import numpy as np
import pytest
from helpers.picklable import COMPILE, compile_model, first_step, make_backbones
from helpers.tiny import (
    assert_close,
    batch,
    labels,
    outputs,
    reloaded,
    text_net,
    vector_net,
)

import keras_fusion as kf
from keras_fusion.evaluation import baselines

FUSIONS = ["late_mean", "weighted_mean", "concat_features", "late_transformer"]
NAMES = ["sound alone", "image alone", *FUSIONS]
EAGER = {**COMPILE, "optimizer": "sgd", "run_eagerly": True}


def samples(count=4):
    model = kf.build("late_mean", make_backbones())
    return batch(model, count), labels(count)


def weights(model):
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights]


def equal(first, second):
    return [np.array_equal(a, b) for a, b in zip(first, second, strict=True)]


def test_every_model_is_new_trains_and_is_pickled():
    builders = baselines(make_backbones, compile=EAGER, methods=["gmu"])
    assert list(builders) == [*NAMES, "gmu"]
    x, y = samples()
    for name, build in builders.items():
        first, second = build(), pickle.loads(pickle.dumps(build))()
        assert isinstance(first, kf.FusionModel)
        before, others = weights(first), weights(second)
        scores = first.train_on_batch(x, y, return_dict=True)
        assert np.isfinite(scores["loss"]) and "central_accuracy" in scores
        assert not any(equal(before, weights(first))[:2])
        assert all(equal(others, weights(second)))
        alone = name.removesuffix(" alone")
        assert list(first.input) == ([alone] if alone in x else ["sound", "image"])


def test_a_modality_alone_is_its_backbone(tmp_path):
    made = []

    def make():
        made.append(make_backbones())
        return made[-1]

    model = baselines(make, compile=EAGER)["image alone"]()
    x, _ = samples()
    expected = keras.ops.convert_to_numpy(made[-1]["image"](x["image"]))
    assert_close(outputs(model, x), {"central": expected})
    assert_close(outputs(reloaded(model, tmp_path), x), {"central": expected})
    assert model.name == "image_alone" and model.fusion_weights() == {}
    assert model.count_params() == made[-1]["image"].count_params()


@pytest.mark.parametrize(
    ("predicts", "activation"),
    [({"num_classes": 4}, "softmax"), ({"units": 4}, "linear"),
     ({"num_classes": 4, "head": "sigmoid"}, "sigmoid")],
)  # fmt: skip
def test_backbones_that_end_in_features(predicts, activation):
    make = partial(make_backbones, classes=None)
    builders = baselines(make, compile={"optimizer": "sgd", "loss": "mse"}, **predicts)
    for build in builders.values():
        model = build()
        found = outputs(model, batch(model))["central"]
        assert found.shape == (4, 4) and kind_of(found) == activation


def kind_of(scores):
    if np.allclose(scores.sum(axis=1), 1):
        return "softmax"
    return "sigmoid" if 0 < scores.min() < scores.max() < 1 else "linear"


def test_a_modality_of_several_inputs():
    builders = baselines(lambda: {"text": text_net(), "sound": vector_net("two")}, compile=EAGER)
    ids = np.ones((4, 6), "int32")
    x = {"text": {"words": ids, "padding": ids}, "sound": np.ones((4, 5), "float32")}
    for build in builders.values():
        assert np.isfinite(build().train_on_batch(x, labels(), return_dict=True)["loss"])


@pytest.mark.parametrize("as_config", [False, True])
def test_every_model_has_an_optimizer_of_its_own(as_config):
    given = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.25, 9), beta_1=0.5)
    optimizer = keras.optimizers.serialize(given) if as_config else given
    builders = baselines(make_backbones, compile={**COMPILE, "optimizer": optimizer})
    found = [build().optimizer for build in (*builders.values(), builders["late_mean"])]
    assert len({id(optimizer) for optimizer in [given, *found]}) == 1 + len(found)
    for optimizer in found:
        assert optimizer.get_config() == given.get_config()
    assert pickle.loads(pickle.dumps(builders["late_mean"]))().optimizer.beta_1 == 0.5


def test_a_function_compiles_and_methods_have_arguments():
    methods = {"gmu": {"fusion_units": 7}, "concat_features": {"head_units": (6,)}}
    builders = baselines(make_backbones, compile=compile_model, methods=methods)
    assert list(builders) == [*NAMES, "gmu"]
    gmu, joined = builders["gmu"](), builders["concat_features"]()
    assert float(gmu.optimizer.learning_rate) == 0.5
    assert gmu.get_layer("fusion_0").units == 7
    assert joined.get_layer("central_dense0").units == 6


@pytest.mark.slow
def test_one_call_makes_a_table():
    builders = baselines(make_backbones, compile=EAGER)
    data = {"train": samples(8), "test": samples(4)}
    # Losses are all different; a few accuracies may be the same.
    options = {"reference": "image alone", "metric": "central_loss"}
    found = kf.evaluation.compare(builders, data, seeds=[0, 1], **options)
    assert [line.split("  ")[0] for line in str(found).splitlines()[1:]] == NAMES
    assert len({score for scores in found.scores.values() for score in scores}) == 2 * len(NAMES)


def test_data_with_absent_modalities():
    """A modality alone reads its own input, in arrays and in a data set."""
    x, y = samples(8)
    x = kf.datasets.drop_modalities(x, rate=0.5)
    builders = baselines(make_backbones, compile=EAGER)
    model, plain = builders["image alone"](), builders["image alone"]()
    plain.set_weights(model.get_weights())
    own = {"image": x["image"]}
    for given in (x, kf.datasets.as_pydataset((x, y), batch_size=8)):
        labels_given = (y,) if given is x else ()
        found = model.evaluate(given, *labels_given, verbose=0)
        assert found == pytest.approx(plain.evaluate(own, y, verbose=0), rel=1e-5)
        model.fit(given, *labels_given, verbose=0)
        plain.fit(own, y, verbose=0)
    assert_close(outputs(model, x), outputs(plain, own))
    with pytest.raises(ValueError, match="present: expected a model built with missing"):
        builders["late_mean"]().predict(x, verbose=0)


@pytest.mark.slow
def test_another_process_trains_the_same():
    builders = baselines(make_backbones, compile=compile_model, methods=["gmu"])
    x, y = samples()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = {n: pool.submit(first_step, b, x, y) for n, b in builders.items()}
        found = {name: future.result() for name, future in found.items()}
    assert found == pytest.approx({n: first_step(b, x, y) for n, b in builders.items()}, rel=1e-5)


KEPT = make_backbones()


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"make_backbones": KEPT}, TypeError, "make_backbones: expected a function.*Received: {'s"),
        ({"make_backbones": lambda: 3}, TypeError, "make_backbones: .*Received: one that returns"),
        ({"make_backbones": lambda: {**make_backbones(), "image": KEPT["image"]}}, ValueError,
         r"make_backbones: expected .*new models .*Received: one that returns \['image'\] again"),
        ({"make_backbones": partial(make_backbones, classes=None)}, ValueError, "num_classes"),
        ({"compile": "adam"}, TypeError, "compile: expected a dict .*Received: 'adam'"),
        ({"compile": {"losses": "mse"}}, TypeError, r"compile: .*Received: \['losses'\]"),
        ({"compile": dir}, ValueError, "compile: expected a function that compiles"),
        ({"methods": "gmu"}, TypeError, "methods: expected a sequence of names"),
        ({"methods": ["gum"]}, ValueError, "methods: expected one of .*Received: 'gum'"),
        ({"methods": {"gmu": 3}}, TypeError, r'methods\["gmu"\]: expected a dict. Received: 3'),
        ({"methods": {"gmu": {"rule": 3}}}, TypeError, r'methods\["gmu"\]: .*Received: \[\'rule'),
    ],
)  # fmt: skip
def test_errors(arguments, error, match):
    given = {"make_backbones": make_backbones, "compile": EAGER, **arguments}
    with pytest.raises(error, match=match):
        baselines(given.pop("make_backbones"), **given)
