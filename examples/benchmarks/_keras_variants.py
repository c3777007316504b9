"""What is measured in Keras: (a) keras_fusion, (b) the same by hand, (c) the three LeNets."""

import tempfile
import time

import _plain_keras as plain
import keras
import numpy as np

import keras_fusion as kf

FORWARD_CALLS = 10


class Clock(keras.callbacks.Callback):
    """Seconds from the end of the first step to the end of the epoch.

    The first step is left out: with it go the fixed costs of a call of `fit` and the caches that
    another process has filled.
    """

    async_safe = True  # as in any fit: Keras does not wait for the logs of every step

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.begin


def build(settings):
    """The variants, `{name: function that measures one visit}`, and facts for the report.

    Args:
        settings: Dict with "batch", "steps", "forward" (bool, TensorFlow only) and
            "mixed_bfloat16" (bool).
    """
    batch, steps = settings["batch"], settings["steps"]
    keras.utils.set_random_seed(0)
    x, y = data(batch * (steps + 1))

    fusion = ours()
    by_hand = plain.compile_it(plain.centralnet())
    equality = same(fusion, by_hand, x, y)
    lenets = [compiled(kf.backbones.lenet5(name=f"lenet5_{i}")) for i in range(3)]

    each_target = {head: y for head in plain.STREAMS}
    image = x["image_a"]
    variants = {
        "a": lambda: fit(fusion, x, y, batch, steps),
        "b": lambda: fit(by_hand, x, each_target, batch, steps),
        "c": lambda: summed([fit(lenet, image, y, batch, steps) for lenet in lenets]),
    }
    if settings["mixed_bfloat16"]:
        keras.config.set_dtype_policy("mixed_bfloat16")
        in_half = ours()
        keras.config.set_dtype_policy("float32")
        variants["a16"] = lambda: fit(in_half, x, y, batch, steps)
    if settings["forward"]:
        for size in sorted({1, batch}):
            variants |= forward(fusion, {name: array[:size] for name, array in x.items()}, size)

    about = {
        "equality": equality,
        "reference": reference(by_hand, x),
        "keras_fusion": kf.__version__,
    }
    return variants, about


def data(count):
    random = np.random.default_rng(0)
    x = {name: random.random((count, 28, 28, 1), "float32") for name in plain.MODALITIES}
    return x, random.integers(0, 10, count).astype("int32")


def compiled(model):
    model.compile(
        keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def ours():
    return compiled(kf.presets.centralnet_mm_mnist())


def fit(model, x, y, batch, steps):
    clock = Clock()
    begin = time.perf_counter()
    model.fit(x, y, batch_size=batch, shuffle=False, verbose=0, callbacks=[clock])
    step = clock.seconds / steps
    return {"step": step, "call": time.perf_counter() - begin - (steps + 1) * step}


def summed(visits):
    return {key: sum(visit[key] for visit in visits) for key in visits[0]}


# ---- (a) and (b) are one and the same network


def same(fusion, by_hand, x, y):
    """Gives both the same distinct weights, compares; an error if they are not one network."""
    random = np.random.default_rng(1)
    pairs = list(zip(fusion_layers(fusion), plain.layers_in_order(by_hand), strict=True))
    for mine, theirs in pairs:
        weights = [  # small enough that no prediction is so near 0 that keras_fusion cuts it off
            array * random.uniform(0.8, 1.2, array.shape) + random.normal(0, 0.001, array.shape)
            for array in mine.get_weights()
        ]
        mine.set_weights(weights)
        theirs.set_weights(weights)
    parameters = {fusion.count_params(), by_hand.count_params()}
    parameters.add(sum(array.size for mine, _ in pairs for array in mine.get_weights()))
    if len(parameters) != 1:
        raise RuntimeError(f"the networks differ in size: {sorted(parameters)} parameters")

    x, y = {name: array[:64] for name, array in x.items()}, y[:64]
    mine, theirs = fusion.predict(x, verbose=0), by_hand.predict(x, verbose=0)
    difference = max(np.abs(mine[head] - theirs[head]).max() for head in plain.STREAMS)
    each_target = {head: y for head in plain.STREAMS}
    losses = (
        fusion.evaluate(x, y, verbose=0, return_dict=True)["loss"],
        by_hand.evaluate(x, each_target, verbose=0, return_dict=True)["loss"],
    )
    if not (difference < 1e-5 and abs(losses[0] - losses[1]) < 1e-4):
        raise RuntimeError(
            f"the networks compute different things: predictions differ by {difference:.1e}, "
            f"losses are {losses}"
        )
    return {"parameters": parameters.pop(), "difference": float(difference)}


def fusion_layers(model):
    """The layers of keras_fusion's network in the order of `plain.layers_in_order`."""
    central = {
        "conv1": "central_cell_0",
        "conv2": "central_cell_1",
        "dense": "central_cell_2",
        "prediction": "central_logits",
    }
    found = []
    for modality in plain.MODALITIES:
        backbone = model.get_layer(f"{modality}_backbone")
        found += [backbone.get_layer(part) for part in plain.PARTS]
    for part in plain.PARTS:
        base, _, normal = part.partition("_")
        found.append(model.get_layer(central[base] + (f"_{normal}" if normal else "")))
    return found + [model.get_layer(f"fusion_{i}") for i in range(5)]


def reference(by_hand, x):
    """Weights and predictions, against which plain PyTorch is checked."""
    x = {name: array[:64] for name, array in x.items()}
    return {
        "weights": [layer.get_weights() for layer in plain.layers_in_order(by_hand)],
        "x": x,
        "predictions": by_hand.predict(x, verbose=0),
    }


# ---- forward (TensorFlow)


def forward(model, x, size):
    """`model(x)` and the signature of its SavedModel, on the same tensors."""
    import tensorflow as tf

    x = {name: tf.constant(array) for name, array in x.items()}
    with tempfile.TemporaryDirectory() as folder:
        kf.export_saved_model(model, f"{folder}/model")
        loaded = tf.saved_model.load(f"{folder}/model")
    serve = loaded.signatures["serving_default"]
    difference = np.abs(serve(**x)["central"] - model(x)["central"]).max()
    if difference > 1e-6:
        raise RuntimeError(f"the SavedModel differs from the model by {difference:.1e}")

    def model_of_x():
        return model(x)["central"].numpy()

    def signature(loaded=loaded):  # the signature needs the loaded object alive
        return serve(**x)["central"].numpy()

    return {
        f"model(x), batch {size}": lambda: {"step": per_call(model_of_x)},
        f"SavedModel, batch {size}": lambda: {"step": per_call(signature)},
    }


def per_call(function):
    function()
    begin = time.perf_counter()
    for _ in range(FORWARD_CALLS):
        function()
    return (time.perf_counter() - begin) / FORWARD_CALLS
