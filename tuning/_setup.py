"""What a search is made of: data, backbones, space, tuner; from options that JSON can hold."""

import json
import math
import sys
import tomllib
from pathlib import Path

import keras

import keras_fusion as kf

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from compare_methods import load_grid_digits

BATCH = 64


def mm_digits(dropout=0.5, method=None):
    second = kf.backbones.lenet5((8, 8, 1), dropout=dropout, name="image_b")
    if method == "xflow":  # needs a vector beside a map
        second = kf.backbones.mlp(64, (128, 128), dropout=dropout, name="image_b")
    first = kf.backbones.lenet5((8, 8, 1), dropout=dropout, name="image_a")
    return {"image_a": first, "image_b": second}


def grid_digits(dropout=0.5):
    return {
        "lips": kf.backbones.lenet5((16, 24, 12), dropout=dropout, name="lips"),
        "audio": kf.backbones.mlp(24 * 25, (256, 256), dropout=dropout, name="audio"),
    }


DATA = {
    "mm_digits": (kf.datasets.mm_digits.load_data, mm_digits),
    "grid_digits": (load_grid_digits, grid_digits),
}
# Those that decide what a trial is: a folder holds one search.
DECISIVE = ("data", "method", "tuner", "executions", "epochs", "patience", "objective", "seed")


class HyperModel(kf.tuning.FusionHyperModel):
    """One that gives every method the data in the shape of its inputs."""

    def fit(self, hp, model, x, y, validation_data, **kwargs):
        x_validation, y_validation = validation_data
        validation_data = shaped(model, x_validation), y_validation
        return model.fit(
            shaped(model, x), y, validation_data=validation_data, batch_size=BATCH, **kwargs
        )


def shaped(model, x):
    return {m: x[m].reshape(-1, *t.shape[1:]) for m, t in model.input.items()}


def read_space(space, methods):
    """None, the name of a preset, or the space in a file; of several methods, those searched."""
    if space is None or space in kf.tuning.PRESETS:
        return space
    path = Path(space)
    text = path.read_text(encoding="utf-8")
    entries = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    known = {m.name for m in kf.methods()}
    return {name: entry for name, entry in entries.items() if name in methods or name not in known}


def make_hypermodel(options, count):
    """The HyperModel of a search.

    Args:
        options: Dict, see `search.py`.
        count: Number of training samples, which the decay of the learning rate needs.
    """
    steps = options["epochs"] * math.ceil(count / BATCH)

    def optimizer(learning_rate=1e-3):
        return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps))

    return HyperModel(
        options["method"] if len(options["method"]) > 1 else options["method"][0],
        DATA[options["data"]][1],
        options["space"],
        optimizer=optimizer,
    )


def make_tuner(folder, options, hypermodel, **further):
    limits = {"max_trials": options["trials"]}
    if options["tuner"] == "hyperband":
        limits = {"max_trials": None, "max_epochs": options["epochs"]}
    return kf.tuning.make_tuner(
        hypermodel,
        options["tuner"],
        objective=options["objective"],
        executions=options["executions"],
        seed=options["seed"],
        directory=folder.parent,
        project_name=folder.name,
        **limits,
        **further,
    )


def fit_arguments(data, options, objective):
    """What `search` and `fit` get beside the training data."""
    arguments = {"validation_data": data["validation"], "epochs": options["epochs"]}
    if options["patience"]:
        arguments["callbacks"] = [
            keras.callbacks.EarlyStopping(
                objective.name, mode=objective.direction, patience=options["patience"]
            )
        ]
    return arguments


def test_score(model, data, objective):
    """The objective's metric on the test split."""
    x, y = data["test"]
    scores = model.evaluate(shaped(model, x), y, return_dict=True, verbose=0)
    return float(scores[objective.name.removeprefix("val_")])


def write(path, content):
    """Writes JSON, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
