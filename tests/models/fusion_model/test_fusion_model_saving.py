"""Save, load and go on training as if nothing had happened; copies; other precisions; plots."""

import copy
import pickle
import shutil

import keras
import numpy as np
import pytest
from helpers.tiny import (
    assert_close,
    batch,
    compiled,
    labels,
    norm_net,
    outputs,
    reloaded,
    values,
    vector_net,
)

from keras_fusion import FusionModel, build_centralnet

SPARSE = "sparse_categorical_crossentropy"


def new_model(**arguments):
    nets = {"b": vector_net("one"), "a": norm_net("two")}
    return build_centralnet(nets, dropout=0, **arguments)


@keras.saving.register_keras_serializable(package="test_saving")
class Scaled(keras.losses.Loss):
    """A loss of the user's own, with an argument."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * keras.losses.sparse_categorical_crossentropy(y_true, y_pred)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="test_saving")
def largest(y_true, y_pred):
    return keras.ops.max(y_pred, axis=-1)


def adam():
    return keras.optimizers.Adam(0.01)


# Arguments of the builder and of compile. A factory, because optimizers belong to one model.
WAYS = {
    "simple": ({}, lambda: {"loss": SPARSE, "metrics": ["accuracy"]}),
    "betas of the builder": (
        {"unimodal_loss_weights": {"a": 0.3, "b": 0.6}},
        lambda: {"loss": SPARSE, "optimizer": adam()},
    ),
    "betas of compile": (
        {"unimodal_loss_weights": 0.5},
        lambda: {
            "loss": SPARSE,
            "optimizer": keras.optimizers.SGD(0.1, momentum=0.9),
            "unimodal_loss_weights": {"a": 0.1, "b": 0.2},
            "weighted_metrics": ["accuracy"],
        },
    ),
    "own loss and metric": (
        {},
        lambda: {
            "loss": Scaled(3.0),
            "metrics": [largest, keras.metrics.SparseCategoricalAccuracy(name="right")],
        },
    ),
    "dicts": (
        {},
        lambda: {
            "loss": {"central": Scaled(0.5), "a": SPARSE, "b": SPARSE},
            "loss_weights": {"central": 2.0, "a": 0.5, "b": 0.25},
            "metrics": {"central": ["accuracy"], "a": [keras.metrics.SparseCategoricalAccuracy()]},
        },
    ),
    "missing modalities": (
        {"missing_modalities": True},
        lambda: {"loss": SPARSE, "metrics": ["accuracy"]},
    ),
}


def train(model, x, y, steps):
    for step in range(steps):
        part = slice(4 * (step % 2), 4 * (step % 2) + 4)
        model.train_on_batch({k: v[part] for k, v in x.items()}, y[part])


@pytest.mark.parametrize("way", WAYS)
def test_training_goes_on_after_loading(way, tmp_path):
    """Three steps, a file, three steps: the same weights, logs and optimizer as six steps."""
    built, compiled_with = WAYS[way]
    model = new_model(**built)
    compiled(model, **compiled_with())
    x, y = batch(model, 8), labels(8)
    if model.has_present:
        x["present"] = np.array([[1, 1], [0, 1], [1, 0], [1, 1]] * 2)
    train(model, x, y, 3)
    loaded = reloaded(model, tmp_path)
    assert isinstance(loaded, FusionModel) and loaded.compiled
    assert_close(outputs(loaded, x), outputs(model, x), atol=0)
    train(model, x, y, 3)
    train(loaded, x, y, 3)
    for found, expected in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (found, expected)))
    for found, expected in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (found, expected)))
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert loaded.evaluate(x, y, verbose=0, return_dict=True) == logs
    assert set(model.optimizer.get_config()) == set(loaded.optimizer.get_config())


def assert_loss_weights(model, expected):
    if not model.compiled:
        compiled(model)
    logs = model.evaluate(batch(model), labels(), verbose=0, return_dict=True)
    total = sum(weight * logs[f"{head}_loss"] for head, weight in expected.items())
    assert logs["loss"] == pytest.approx(total, rel=1e-5)


def test_settings_of_compile_are_kept(tmp_path):
    model = new_model()
    arguments = {"jit_compile": False, "auto_scale_loss": False, "run_eagerly": True}
    if keras.backend.backend() != "torch":
        arguments["steps_per_execution"] = 3
    compiled(model, **arguments)
    loaded = reloaded(model, tmp_path)
    kept, expected = loaded.get_compile_config(), model.get_compile_config()
    for name, value in arguments.items():
        assert kept[name] == expected[name] == value, name
    assert (loaded.jit_compile, loaded.run_eagerly) == (False, True)


def test_what_is_known_of_the_fusion_is_kept(tmp_path):
    model = new_model(unimodal_loss_weights={"a": 0.25}, missing_modalities=True)
    model.get_layer("fusion_1").weights[0].assign([0.1, 0.2, 0.3, 0.4])
    loaded = reloaded(model, tmp_path)
    assert not loaded.compiled
    assert loaded.fusion_weights() == model.fusion_weights()
    for name in ("fusion_levels", "modalities", "heads", "has_present", "name"):
        assert getattr(loaded, name) == getattr(model, name), name
    for name in ("fusion_levels", "unimodal_loss_weights"):
        assert loaded.get_config()[name] == model.get_config()[name], name
    assert_loss_weights(loaded, {"central": 1.0, "a": 0.25, "b": 1.0})
    assert list(loaded.fusion_levels) == ["level_0", "level_1", "level_2"]


def test_weights_alone(tmp_path):
    model, other = new_model(), new_model()
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_close(values(other), values(model), atol=0)


@pytest.mark.parametrize(
    "make",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: FusionModel.from_config(model.get_config()),
    ],
    ids=["deepcopy", "pickle", "from_config"],
)
def test_copies(make):
    model = compiled(new_model(unimodal_loss_weights=0.5))
    twin = make(model)
    assert isinstance(twin, FusionModel)
    assert {id(w) for w in twin.weights}.isdisjoint({id(w) for w in model.weights})
    twin.set_weights(model.get_weights())
    x = batch(model)
    assert_close(outputs(twin, x), outputs(model, x))
    assert twin.fusion_weights() == model.fusion_weights()
    assert_loss_weights(twin, {"central": 1.0, "a": 0.5, "b": 0.5})


def test_clone_model_says_what_to_use_instead():
    """Keras would drop the levels and betas without a word."""
    with pytest.raises(TypeError, match=r"fusion_levels.*from_config\(model.get_config\(\)\)"):
        keras.models.clone_model(new_model())


@pytest.mark.slow
@pytest.mark.parametrize("half", ["bfloat16", "float16"])
def test_mixed_precision(half, tmp_path):
    keras.config.set_dtype_policy(f"mixed_{half}")
    try:
        model = compiled(new_model(), keras.optimizers.SGD(0.1))
    finally:
        keras.config.set_dtype_policy("float32")
    x, y = batch(model, 8), labels(8)
    assert all(weight.dtype == "float32" for weight in model.trainable_weights)
    inner = keras.Model(model.input, model.get_layer("fusion_1").output)
    assert keras.backend.standardize_dtype(inner(x).dtype) == half
    predicted = outputs(model, x)
    assert {p.dtype.name for p in predicted.values()} == {"float32"}
    before = values(model)
    history = model.fit(x, y, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    after = values(model)
    assert all(np.any(before[path] != after[path]) for path in after if "alpha" in path)
    loaded = reloaded(model, tmp_path)
    assert_close(outputs(loaded, x), outputs(model, x), atol=0)
    assert np.isfinite(loaded.train_on_batch(x, y)).all()


def test_summary_and_parts_can_be_looked_at(capsys):
    model = new_model(missing_modalities=True)
    model.summary(expand_nested=True)
    printed = capsys.readouterr().out
    assert "fusion_0" in printed and "CentralFusion" in printed
    assert model.count_params() > 0 and model.get_layer("a_backbone").name == "a_backbone"


def test_plot_model(tmp_path):
    pytest.importorskip("pydot")
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    keras.utils.plot_model(new_model(), tmp_path / "model.png", show_shapes=True)
    assert (tmp_path / "model.png").stat().st_size > 1000
