"""How a case of Keras' compile, fit, evaluate and predict is run on both kinds of models.

A FusionModel and a plain Keras model of the same layers: same weights, same call, three steps of
SGD. The plain model is given arrays, and everything once for each of its outputs; modalities that
are absent, and class weights beside several outputs, which Keras has not, as weights of samples.
"""

import functools
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import layers

import keras_fusion as kf

N, BATCH = 12, 4
TASKS = {"classes": ("softmax", 3), "binary": ("sigmoid", 1), "numbers": ("linear", 2)}
METHODS = {"central": "gmu", "heads": "concat_multitask"}
VARIANTS = [(method, missing) for method in METHODS for missing in (False, True)]
HEADS = VARIANTS[2:]
QUICK = {"run_eagerly": True} if keras.backend.backend() == "tensorflow" else {}
PRESENT = np.array([[1, 1], [1, 0], [0, 1], [1, 1]] * (N // 4), "float32")
LABELS = np.arange(N) % 3


@dataclass
class Row:
    """One case.

    Attributes:
        kind, name: Strings, what is looked at.
        task: String, a key of `TASKS`. Defaults to `"classes"`.
        compile: Dict, what `compile` is given; lists of metrics are functions that return them.
        y: The targets, an array or a dict of heads.
        weight, class_weight: As for `fit`.
        x: Function of an array: what both models are given instead of float32.
        data: Function of `(x, y, weight)`: what the FusionModel is given instead of arrays.
        fit: Dict, further arguments of `fit`.
        refused: Pattern of the FusionModel's own error; the empty string if there is none.
        by_batch: Boolean, whether batches are given one by one, which is faster. Defaults to
            `False`.
        variants: List of the models. Defaults to all of `VARIANTS`.
    """

    kind: str
    name: str
    task: str = "classes"
    compile: dict = field(default_factory=lambda: {"loss": "sparse_categorical_crossentropy"})
    y: object = None
    weight: object = None
    class_weight: dict | None = None
    x: object = None
    data: object = None
    fit: dict = field(default_factory=dict)
    refused: str = ""
    by_batch: bool = False
    variants: list = field(default_factory=lambda: VARIANTS)


@functools.cache
def models(task, method, missing):
    """`(fusion model, plain model of the same layers, weights of both)`."""
    activation, width = TASKS[task]
    keras.utils.set_random_seed(7)
    nets = {}
    for name in "ab":
        inputs = keras.Input((5,))
        hidden = layers.Dense(4, activation="tanh", name=f"hidden_{name}")(inputs)
        outputs = layers.Dense(width, activation=activation, name=f"out_{name}")(hidden)
        nets[name] = keras.Model(inputs, outputs, name=f"net_{name}")
    own = {"dropout": 0.0, "fusion_units": 4} if method == "central" else {}
    head = {"units": width} if task == "numbers" else {}
    model = kf.build(METHODS[method], nets, missing_modalities=missing, **own, **head)
    outputs = model.output if len(model.heads) > 1 else model.output["central"]
    return model, keras.Model(model.input, outputs), model.get_weights()


def inputs(row, missing):
    """`x`; where a modality is absent NaN stands in its place."""
    rng = np.random.default_rng(3)
    x = {name: rng.normal(size=(N, 5)).astype("float32") for name in "ab"}
    if missing:
        for k, name in enumerate("ab"):
            x[name][PRESENT[:, k] == 0] = 0 if row.x else np.nan
    if row.x:
        x = {name: row.x(array) for name, array in x.items()}
    return {**x, "present": PRESENT} if missing else x


def fused(row, method, missing):
    """What a FusionModel makes of a row: losses, logs of `evaluate`, predictions, weights."""
    model, _, weights = models(row.task, method, missing)
    model.set_weights(weights)
    x, y = inputs(row, missing), LABELS if row.y is None else row.y
    compiled(model, row.compile)
    data = {"x": x, "y": y, "sample_weight": row.weight}
    if row.by_batch:
        losses, logs = by_batch(model, data, row.class_weight)
    else:
        make = row.data or (lambda *_: {**data, "batch_size": BATCH})
        further = {"shuffle": False, "verbose": 0, "class_weight": row.class_weight, **row.fit}
        losses = model.fit(**make(x, y, row.weight), **further).history["loss"]
        data = make(x, y, row.weight)  # generators are used up
        if "steps_per_epoch" in data:
            data["steps"] = data.pop("steps_per_epoch")
        logs = model.evaluate(**data, return_dict=True, verbose=0)
    logs = {name: float(value) for name, value in logs.items()}
    return losses, logs, model.predict_on_batch(x), model.get_weights()


def by_batch(model, data, class_weight=None):
    """Trains on three batches; `(losses, logs of all of them at the end)`."""
    losses = []
    for start in range(0, N, BATCH):
        rows = slice(start, start + BATCH)
        part = keras.tree.map_structure(lambda a: a if a is None else a[rows], data)  # noqa: B023
        logs = model.train_on_batch(**part, class_weight=class_weight, return_dict=True)
        losses.append(float(logs["loss"]))
    model.reset_metrics()
    return losses[-1:], model.test_on_batch(**data, return_dict=True)


def compiled(model, given):
    """Compiles with SGD; functions that return metrics are called."""
    # Without a list Keras keeps those of an earlier compile.
    given = {"metrics": {h: [] for h in model.output} if isinstance(model.output, dict) else [],
             **given}  # fmt: skip
    given = {
        name: value() if "metrics" in name and callable(value) else value
        for name, value in given.items()
    }
    model.compile(**{"optimizer": keras.optimizers.SGD(0.1), **QUICK, **given})


def plain(row, method, missing):
    """The same of the plain model."""
    model, same, weights = models(row.task, method, missing)
    same.set_weights(weights)
    heads, x = model.heads, inputs(row, missing)
    given = dict(row.compile)
    metrics, weighted = given.pop("metrics", None), given.pop("weighted_metrics", None)
    betas = given.pop("unimodal_loss_weights", None)
    y = LABELS if row.y is None else row.y
    y = {head: y[head] if isinstance(y, dict) else y for head in heads if _has(y, head)}
    y = {head: np.asarray(y.get(head, next(iter(y.values())))) for head in heads}
    masks = {head: PRESENT[:, k] if missing else np.ones(N) for k, head in enumerate("ab")}
    masks = {head: masks.get(head, np.ones(N)).astype("float32") for head in heads}
    full = {head: masks[head] * _weights(row, head, y[head]) for head in heads}

    def per_head(value):
        if value is None:
            return None
        found = {h: value.get(h) if isinstance(value, dict) else value for h in heads}
        return found if len(heads) > 1 else found["central"]

    def metrics_of(value):
        if value is None:
            return None
        new = {head: value() for head in heads}  # objects of each head's own
        new = {h: v.get(h) if isinstance(v, dict) else v for h, v in new.items()}
        return new if len(heads) > 1 else new["central"]

    def run(weights, **compile):
        compiled(same, {"loss": per_head(given["loss"]), **compile})
        targets = {"y": y, "sample_weight": weights}
        if len(heads) == 1:
            targets = {name: found["central"] for name, found in targets.items()}
        return {"x": x, **targets}

    def evaluate(arguments):
        if row.by_batch:
            logs = same.test_on_batch(**arguments, return_dict=True)
        else:
            logs = same.evaluate(**arguments, batch_size=BATCH, verbose=0, return_dict=True)
        return named({name: float(value) for name, value in logs.items()})

    def named(logs):
        if len(heads) > 1:
            return logs
        logs = {k if k == "loss" else f"central_{k}": value for k, value in logs.items()}
        return {**logs, "central_loss": logs["loss"]}

    loss_weights = given.get("loss_weights")
    if loss_weights is not None and isinstance(loss_weights, dict):
        loss_weights = {head: loss_weights.get(head, 1.0) for head in heads}
    if betas is not None:
        loss_weights = {head: 1.0 if head == "central" else betas for head in heads}
    if len(heads) == 1 and isinstance(loss_weights, dict):
        loss_weights = loss_weights["central"]
    run_with = {"loss_weights": loss_weights}
    arguments = run(full, **run_with)
    if row.by_batch:
        losses, _ = by_batch(same, arguments)
    else:
        fit = {"batch_size": BATCH, "verbose": 0, "shuffle": False, **row.fit}
        losses = same.fit(**arguments, **fit).history["loss"]
    trained = same.get_weights()
    # As in Keras: what is given for samples and classes enters the loss and weighted metrics; in
    # evaluate there are no class weights.
    full = {head: masks[head] * _weights(row, head, y[head], False) for head in heads}
    arguments = run(full, weighted_metrics=metrics_of(weighted), **run_with)
    logs = evaluate(arguments)
    if metrics is not None:
        arguments = run(masks, weighted_metrics=metrics_of(metrics), **run_with)
        found = evaluate(arguments)
        found = {k: value for k, value in found.items() if not k.endswith("loss")}
        for name in set(found) & set(logs):
            head = max((h for h in heads if name.startswith(f"{h}_")), key=len)
            logs[f"{head}_weighted_{name[len(head) + 1 :]}"] = logs.pop(name)
        logs.update(found)
    predicted = same.predict_on_batch(x)
    predicted = predicted if isinstance(predicted, dict) else {"central": predicted}
    return losses, logs, predicted, trained


def _has(y, head):
    return not isinstance(y, dict) or head in y


def _weights(row, head, y, training=True):
    weight = row.weight.get(head) if isinstance(row.weight, dict) else row.weight
    weight = np.ones(N) if weight is None else np.asarray(weight, "float32").reshape(N)
    if row.class_weight is not None and training:
        classes = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(N)
        weight = weight * [row.class_weight.get(int(label), 1.0) for label in classes]
    return weight.astype("float32")
