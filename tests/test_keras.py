"""The private names of Keras and KerasTuner: there, and in `_keras.py` alone."""

import ast
import functools
import importlib.metadata
import inspect
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import keras
import numpy as np
import pytest
from architecture import ROOT

from keras_fusion import _keras

PACKAGE = ROOT / "keras_fusion"
JAX = keras.backend.backend() == "jax"


@functools.cache
def nested():
    """Two dense layers, the second in a model of its own, with a dict of inputs."""
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="inner")], name="net")
    x = keras.Input((4,), name="x", optional=True)
    return keras.Model({"x": x}, inner(keras.layers.Dense(3, name="outer")(x)))


def _node(at):
    return _keras.nodes_by_depth(nested())[at][0]


def _trained_from(epoch):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    _keras.set_initial_epoch(model, epoch)
    return model.fit(np.ones((2, 1)), np.ones((2, 1)), epochs=4, verbose=0).epoch


def _forgets():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((2, 1)), np.ones((2, 1)))
    had = "_jax_state" in vars(model) and "_jax_state_synced" in vars(model)
    _keras.forget_jax_state(model)
    return had and model._jax_state is None and hasattr(model, "jax_state_sync")


def _processes():
    mesh = keras.distribution.DeviceMesh((1,), ["batch"], keras.distribution.list_devices()[:1])
    return _keras.count_processes(keras.distribution.DataParallel(device_mesh=mesh)) == 1


# Name, what it is for here, and whether Keras has it and it still means what it did.
NAMES = {
    "Functional._nodes_by_depth": (
        "the calls of a model in their order",
        lambda: [_node(at).operation.name for at in (2, 1, 0)] == ["x", "outer", "net"],
    ),
    "Node.input_tensors, output_tensors": (
        "the tensors of a call",
        lambda: _node(0).input_tensors[0] is _node(1).output_tensors[0],
    ),
    "Functional._inputs_struct": (
        "calling a network as it was made to be called",
        lambda: list(_keras.inputs_struct(nested())) == ["x"],
    ),
    "Sequential without _inputs_struct": (
        "reading it anew, as it may grow",
        lambda: _keras.inputs_struct(nested().get_layer("net")) is None,
    ),
    "KerasTensor._keras_history": (
        "which layer made a tensor",
        lambda: (
            [_keras.history(nested().outputs[0])[i] for i in (1, 2)] == [0, 0]
            and _keras.history(nested().outputs[0]).operation.name == "net"
        ),
    ),
    "KerasTensor._keras_mask": (
        "cutting a network between layers that leave out steps",
        lambda: (
            _keras.mask_of(nested().outputs[0]) is None
            and _keras.mask_of(keras.layers.Masking()(keras.Input((None, 2)))).dtype == "bool"
        ),
    ),
    "Operation._inbound_nodes": (
        "what a tensor was made of",
        lambda: _keras.made_of(nested().outputs[0])[0] is nested().get_layer("outer").output,
    ),
    "Operation._inbound_nodes, arguments": (
        "what the layer of a head was called on",
        lambda: (
            _keras.arguments_of(nested().outputs[0])[0][0] is nested().get_layer("outer").output
        ),
    ),
    "Layer._flatten_layers": (
        "the layers of nested models",
        lambda: {"outer", "inner"} <= {layer.name for layer in _keras.flat_layers(nested())},
    ),
    "InputLayer.optional": (
        "inputs that may be left out",
        lambda: (
            _keras.is_optional(nested().inputs[0]) and not _keras.is_optional(nested().outputs[0])
        ),
    ),
    "Trainer._initial_epoch": (
        "going on with a training that was interrupted",
        lambda: _trained_from(2) == [2, 3],
    ),
    "Variable._value": (
        "weights that outlive an exception on JAX",
        lambda: _keras.value_of(nested().weights[0]).shape == (4, 3),
    ),
    "Functional.__init__(*args, **kwargs)": (
        "FusionModel, a functional model with further arguments",
        lambda: _Own(nested().inputs, nested().outputs, further=1).outputs == nested().outputs,
    ),
    "Conv2D.convolution_op(inputs, kernel)": (
        "convolutions as matrix products, where replicas train at once",
        lambda: all(
            list(inspect.signature(getattr(keras.layers, f"Conv{n}D").convolution_op).parameters)
            == ["self", "inputs", "kernel"]
            for n in (1, 2, 3)
        ),
    ),
    "MaxPooling2D.call(inputs)": (
        "max-pooling as a plain maximum, where replicas train at once",
        lambda: all(
            list(inspect.signature(getattr(keras.layers, f"MaxPooling{n}D").call).parameters)
            == ["self", "inputs"]
            for n in (1, 2, 3)
        ),
    ),
    "Trainer._compile_metrics": (
        "metrics that only the mask of missing modalities weighs",
        lambda: _weighted_alone() == 0.25,
    ),
    "Trainer._compile_loss, _compile_metrics, _distribute_strategy": (
        "variables of losses and metrics that are made before the first step",
        lambda: keras.backend.backend() != "tensorflow" or _made_before(),
    ),
    "Trainer._compile_loss, its _flat_losses": (
        "loss weights that change while a model trains",
        lambda: _weighed_loss() == 3.0,
    ),
    "tensor._keras_logits": (
        "the gradient gate, behind which losses find the logits too",
        lambda: keras.backend.backend() != "tensorflow" or _keeps_logits(),
    ),
    "Metric._direction": (
        "which way is better, for callbacks that watch a head",
        lambda: _directions() == ["min", "max", None, "max"],
    ),
    "EarlyStopping.best, wait, best_epoch, best_weights": (
        "early stopping of every replica, and going on with it",
        lambda: {"best", "wait", "best_epoch", "best_weights"} <= vars(_stopping()).keys(),
    ),
}
if JAX:
    NAMES |= {
        "Trainer._jax_state, _jax_state_synced, jax_state_sync": (
            "weights that outlive an exception",
            _forgets,
        ),
        "Distribution._num_process or num_processes": (
            "batches that divide among devices",
            _processes,
        ),
    }


class _Own(keras.Model):
    def __init__(self, *args, further, **kwargs):
        super().__init__(*args, **kwargs)
        self.further = further


def _weighted_alone():
    x = keras.Input((1,))
    model = keras.Model(x, keras.layers.Identity()(x))
    model.compile("sgd", "mse", metrics=[])
    metrics = _keras.metrics_of_heads(model, ["mse"])
    y_pred = keras.ops.array([[1.0], [3.0]])
    metrics.update_state(keras.ops.zeros((2, 1)), y_pred / 2, keras.ops.array([1.0, 0.0]))
    (value,) = metrics.result().values()
    return float(value)


def _weighed_loss():
    x = keras.Input((1,))
    heads = {"a": keras.layers.Identity(name="a")(x), "b": keras.layers.Identity(name="b")(x)}
    model = keras.Model(x, heads)
    model.compile("sgd", {"a": "mse", "b": "mse"}, loss_weights={"a": 1.0, "b": 1.0})
    y, y_pred = ({h: keras.ops.full((1, 1), v) for h in "ab"} for v in (0.0, 1.0))
    with _keras.weighted_losses(model, y, y_pred, {"a": 0.5, "b": 2.5}):
        weighed = float(model.compute_loss(None, y, y_pred))
    return weighed * (float(model.compute_loss(None, y, y_pred)) == 2.0)


def _made_before():
    x = keras.Input((1,))
    model = keras.Model(x, {"a": keras.layers.Identity(name="a")(x)})
    model.compile("sgd", {"a": "mse"}, metrics={"a": ["mae"]})
    before = len(model.metrics_variables)
    _keras.build_compiled(model, {"a": keras.ops.zeros((1, 1))})
    return len(model.metrics_variables) == before + 2


def _directions():
    own = keras.metrics.Mean()
    _keras.set_direction(own, "max")
    kinds = (keras.metrics.MeanSquaredError(), keras.metrics.F1Score(), keras.metrics.Mean(), own)
    return [_keras.direction_of(metric) for metric in kinds]


def _keeps_logits():
    logits = keras.ops.array([[1.0, 2.0]])
    old = keras.activations.softmax(logits)
    return _keras.with_logits_of(old + 0, old, lambda x: 2 * x)._keras_logits[0, 1] == 4.0


def _stopping():
    callback = keras.callbacks.EarlyStopping("loss", mode="min")
    callback.set_model(nested())
    callback.on_train_begin()
    return callback


@pytest.mark.parametrize("name", NAMES)
def test_keras_has(name):
    used_for, holds = NAMES[name]
    try:
        found, why = holds(), "it means something else"
    except (AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
        found, why = False, repr(error)
    assert found, (
        f"Keras {keras.__version__} no longer has {name}; used for {used_for}; "
        f"see keras_fusion/_keras.py ({why})"
    )


def test_keras_tuner_has():
    tuner = pytest.importorskip("keras_tuner")
    objective = tuner.Objective("loss", "min")
    made = {
        "Tuner": tuner.Tuner,
        "oracles.GridSearchOracle": tuner.oracles.GridSearchOracle(objective=objective),
        "oracles.BayesianOptimizationOracle": tuner.oracles.BayesianOptimizationOracle(
            objective=objective, max_trials=1
        ),
    }
    assert made.keys() == _keras.KERAS_TUNER.keys()
    gone = [
        f"KerasTuner {importlib.metadata.version('keras-tuner')} no longer has {kind}.{name}; see "
        "keras_fusion/_keras.py"
        for kind, names in _keras.KERAS_TUNER.items()
        for name in names
        # Of the class too: `_project_dir` is a property that fails before a tuner has a folder.
        if not hasattr(made[kind], name) and not hasattr(type(made[kind]), name)
    ]
    assert gone == []


def _is_private(name):
    return name.startswith("_") and not name.startswith("__")


def _own_names(trees):
    """Private names that the package defines: functions, classes, variables, attributes."""
    names = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and getattr(node.value, "id", None) in ("self", "cls")
        ):
            names.add(node.attr)
    return names


def private_faults(package, others=frozenset()):
    """Private names of foreign objects outside `_keras.py`, one line for each."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(package.rglob("*.py"))}
    trees.pop(package / "_keras.py", None)
    own = _own_names(trees.values()) | set(others)
    faults = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            name = node.attr if isinstance(node, ast.Attribute) else None
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _BY_TEXT:
                name = getattr((*node.args, None, None)[1], "value", None)
            if isinstance(name, str) and _is_private(name) and name not in own:
                faults.append(f"{path.relative_to(package)}:{node.lineno}: {ast.unparse(node)}")
    return faults


_BY_TEXT = {"getattr", "hasattr", "setattr", "delattr"}
TUNING = {name for names in _keras.KERAS_TUNER.values() for name in names}


# Of executors: how many workers, started how. evaluation/_executors.py asks for them.
POOL = {"_max_workers", "_mp_context"}
DASK = {"_client"}


def test_private_names_stay_in_one_file():
    assert private_faults(PACKAGE, TUNING | POOL | DASK) == []


def test_private_names_of_executors():
    pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    assert (pool._max_workers, pool._mp_context.get_start_method()) == (2, "spawn")
    cfexecutor = pytest.importorskip("distributed.cfexecutor")
    assert cfexecutor.ClientExecutor("a client")._client == "a client"


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("layer._flatten_layers()", 1),
        ('getattr(model, "_inputs_struct", None)', 1),
        ("class A(B):\n    def f(self):\n        return self._loss_tracker", 1),
        ("class A(B):\n    def f(self):\n        return super()._other()", 1),
        ("model._initial_epoch = 3", 1),
        ("class A(B):\n    def f(self):\n        self._mine = 1\n        return self._mine", 0),
        ("class A:\n    def _f(self):\n        return 1\n\nA()._f()\nA().__class__", 0),
    ],
)
def test_private_faults_are_seen(tmp_path, code, count):
    (tmp_path / "bad.py").write_text(code)
    assert len(private_faults(tmp_path)) == count
