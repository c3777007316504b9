"""Functions that other processes can import: backbones, their compilation, a first step."""

import keras
from helpers.tiny import map_net, vector_net

COMPILE = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}


def make_backbones(classes=3):
    """Not in the order of their names."""
    return {"sound": vector_net("one", classes=classes), "image": map_net("two", classes=classes)}


def compile_model(model):
    model.compile(keras.optimizers.SGD(0.5), **COMPILE)


def first_step(build, x, y):
    """The loss of the first step from seed 0."""
    keras.utils.set_random_seed(0)
    return float(build().train_on_batch(x, y, return_dict=True)["loss"])
