"""Backbones and batches so small that a test costs a fraction of a second, and what to ask them.

Shapes are few and repeated on purpose: JAX compiles every operation once for every new shape.
"""

import contextlib

import keras
import numpy as np
from keras import layers

BATCH = 4
CLASSES = 3


def vector_net(name="vector", features=5, units=(4,), classes=CLASSES, activation="softmax"):
    """Dense layers and a prediction; `classes=None` leaves the prediction out."""
    inputs = x = keras.Input((features,))
    for i, width in enumerate(units):
        x = layers.Dense(width, activation="tanh", name=f"dense{i}")(x)
    return keras.Model(inputs, _ended(x, classes, activation), name=name)


def norm_net(name="norm", features=5, units=4, classes=CLASSES):
    """A dense layer with batch normalization, whose averages a NaN would spoil for good."""
    inputs = keras.Input((features,))
    x = layers.Dense(units, use_bias=False, name="dense0")(inputs)
    x = layers.BatchNormalization(momentum=0.5, name="norm0")(x)
    x = layers.Activation("tanh", name="tanh0")(x)
    return keras.Model(inputs, _ended(x, classes, "softmax"), name=name)


def map_net(name="map", size=8, filters=(2, 3), classes=CLASSES, activation="softmax"):
    """Convolution and pooling, twice by default, and a prediction."""
    inputs = x = keras.Input((size, size, 1))
    for i, width in enumerate(filters):
        x = layers.Conv2D(width, 3, padding="same", activation="tanh", name=f"conv{i}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, _ended(x, classes, activation), name=name)


def sequence_net(name="sequence", length=8, filters=(2, 3), classes=CLASSES):
    """1-D convolution and pooling, and a prediction; `length=None` for sequences of any length."""
    inputs = x = keras.Input((length, 2))
    for i, width in enumerate(filters):
        x = layers.Conv1D(width, 3, padding="same", activation="tanh", name=f"conv{i}")(x)
        x = layers.MaxPooling1D(2, name=f"pool{i}")(x)
    x = layers.GlobalAveragePooling1D(name="average")(x)
    return keras.Model(inputs, _ended(x, classes, "softmax"), name=name)


def video_net(name="video", length=4, size=8, filters=(2, 3), classes=CLASSES):
    """3-D convolution and pooling over space, and a prediction."""
    inputs = x = keras.Input((length, size, size, 1))
    for i, width in enumerate(filters):
        x = layers.Conv3D(width, 3, padding="same", activation="tanh", name=f"conv{i}")(x)
        x = layers.MaxPooling3D((1, 2, 2), name=f"pool{i}")(x)
    x = layers.GlobalAveragePooling3D(name="average")(x)
    return keras.Model(inputs, _ended(x, classes, "softmax"), name=name)


def text_net(structure=dict, classes=CLASSES, name="reader"):
    """Token ids and their padding mask, as a dict or a list of inputs."""
    words = keras.Input((6,), dtype="int32", name="words")
    padding = keras.Input((6,), dtype="int32", name="padding")
    x = layers.Embedding(9, 4, name="embedding")(words)
    kept = keras.ops.expand_dims(keras.ops.cast(padding, "float32"), -1)
    x = layers.Multiply(name="kept")([x, kept])
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    x = layers.Dense(4, activation="tanh", name="hidden")(x)
    if classes is not None:
        x = layers.Dense(classes, activation="softmax", name="prediction")(x)
    inputs = {"words": words, "padding": padding}
    return keras.Model(inputs if structure is dict else [words, padding], x, name=name)


def _ended(x, classes, activation):
    if classes is None:
        return x
    return layers.Dense(classes, activation=activation, name="prediction")(x)


def without_weights():
    """A scope in which models are built, but their weights not filled: for looking at graphs only.

    Filling the weights of large networks takes far longer than building them. PyTorch's layers
    cannot do without values.
    """
    if keras.backend.backend() == "torch":
        return contextlib.nullcontext()
    return keras.StatelessScope(initialize_variables=False)


def batch(model, count=BATCH, seed=0):
    """Random float32 data for every input of a model but `present`."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=(count, *(8 if s is None else s for s in tensor.shape[1:]))).astype(
            "float32"
        )
        for name, tensor in model.input.items()
        if name != "present"
    }


class OneBatch(keras.utils.PyDataset):
    """A batch as a data set, whose masks are not looked at before training."""

    def __init__(self, x, y):
        super().__init__()
        self.batch = x, y

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


def labels(count=BATCH, classes=CLASSES, seed=1):
    """Random class indices."""
    return np.random.default_rng(seed).integers(0, classes, count)


def outputs(model, x, training=False):
    """Predictions as NumPy arrays, `{head: array}`; nothing is compiled for it."""
    predicted = model(x, training=training)
    return {name: keras.ops.convert_to_numpy(p) for name, p in predicted.items()}


def compiled(model, optimizer="sgd", loss="sparse_categorical_crossentropy", **arguments):
    """The model, compiled so that steps run operation by operation: the few steps of a test are
    done long before a graph is. Give `run_eagerly=False` where the graph is what is tested.
    """
    model.compile(optimizer, loss=loss, **{"run_eagerly": True, **arguments})
    return model


def without_graphs(monkeypatch):
    """On TensorFlow, models that others' code compiles train operation by operation too."""
    compile = keras.Model.compile

    def compiled(model, *arguments, **options):
        return compile(model, *arguments, **{"run_eagerly": True, **options})

    if keras.backend.backend() == "tensorflow":
        monkeypatch.setattr(keras.Model, "compile", compiled)


def values(model):
    """Copies of all weights of a model, `{number and path: array}`; paths alone come again."""
    return {
        f"{i} {weight.path}": np.array(keras.ops.convert_to_numpy(weight))
        for i, weight in enumerate(model.weights)
    }


def randomize(model, seed=0):
    """Gives every trainable weight a value of its own: equal ones hide swapped connections."""
    rng = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(rng.uniform(0.2, 0.8, size=tuple(weight.shape)) * rng.choice([-1, 1]))


def cross_entropy(probabilities, target):
    """Of every sample, by hand."""
    return -np.log(probabilities[np.arange(len(target)), target])


def assert_close(found, expected, atol=1e-6):
    """Two dicts of arrays agree, in their keys as well."""
    assert sorted(found) == sorted(expected)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=atol, err_msg=name)


def untrained_weights(model, x, y, loss="sparse_categorical_crossentropy"):
    """Paths of the trainable weights that one step of gradient descent leaves as they were."""
    compiled(model, keras.optimizers.SGD(1.0), loss)
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in model.trainable_weights]
    model.train_on_batch(x, y)
    return [
        weight.path
        for weight, start in zip(model.trainable_weights, before, strict=True)
        if np.array_equal(start, keras.ops.convert_to_numpy(weight))
    ]


def reloaded(model, folder):
    """The model written to a file and read again."""
    path = folder / "model.keras"
    model.save(path)
    return keras.models.load_model(path)
